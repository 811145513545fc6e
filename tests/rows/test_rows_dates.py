"""Dates: how they are written, what is stored, what is broken."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm import read
from chiasm.rows.dates import iso, order, parse
from chiasm.rows.rows import Rows


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("2024-03-01", "", "2024-03-01"),
        ("2024-3-1 9:05", "", "2024-03-01T09:05:00"),
        ("2024/03/01", "", "2024-03-01"),
        ("2024-03-01T23:30:00-01:00", "", "2024-03-02T00:30:00"),
        ("2024-03-01T10:00:00.5Z", "", "2024-03-01T10:00:00.500000"),
        ("01.03.2024", "day first", "2024-03-01"),
        ("1/3/2024", "month first", "2024-01-03"),
        ("01.03.2024", "", None),
        ("2024-02-30", "", None),
        ("31.02.2024", "day first", None),
        ("2024-03/01", "", None),
        ("20240301", "", None),
        ("2024", "", None),
        ("0001-01-01T00:00+05:00", "", None),
        ("soon", "day first", None),
    ],
)
def test_single_dates(text: str, written: str, expected: str | None) -> None:
    found = parse(text, written)
    assert (found and iso(found)) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["13.03.2024", "01.02.2024"], "day first"),
        (["03/13/2024", "01/02/2024"], "month first"),
        (["01/02/2024"], ""),
        (["13/01/2024", "01/13/2024"], ""),
        (["13.13.2024", "14.01.2024"], "day first"),
        (["2024-01-01"], ""),
    ],
)
def test_what_comes_first(texts: list[str], expected: str) -> None:
    assert order(texts) == expected


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)))
def test_iso_comes_back(moment: datetime.datetime) -> None:
    assert parse(iso(moment)) == moment


def test_values_days_and_broken_cells() -> None:
    dates = ["2024-03-01"] * 30 + ["1970-01-02T12:00", "soon", "", None, "NA"]
    rows = read({"day": dates})
    assert rows.schema["day"].modality == "date"
    assert rows.values("day")[30:] == ["1970-01-02T12:00:00", "soon", None, None, None]
    values, row, broken = rows.array("day")
    assert values[-1, 0] == 1.5
    assert (len(row), values[0, 0]) == (31, 19783)
    assert [(b.row, b.why) for b in broken] == [(31, "not a date: 'soon'")]
    found = rows.inspect()["day"]
    assert (found.present, found.absent, len(found.broken), found.zero) == (32, 3, 1, 0)


def test_good_dates_are_timestamps() -> None:
    rows = read({"day": ["2024/03/01", None], "typed": [datetime.date(2024, 3, 1), None]})
    assert rows.table["day"].type == rows.table["typed"].type == pa.timestamp("us")
    assert rows.values("day") == rows.values("typed") == ["2024-03-01", None]
    assert rows.where('day < "2024-03-02"').tolist() == [True, False]


def test_zones_become_utc() -> None:
    zoned = pa.array(np.array([0], "int64"), pa.timestamp("s", tz="Asia/Tokyo"))
    assert read(pa.table({"t": zoned})).values("t") == ["1970-01-01"]


def test_years_that_no_calendar_holds_are_broken() -> None:
    rows = read(pa.table({"t": pa.array([2**60, 0], pa.timestamp("us"))}))
    assert len(rows.inspect()["t"].broken) == 1


def test_a_later_row_is_read_in_the_same_order(tmp_path: Path) -> None:
    rows = read({"day": ["13.03.2024", "01.02.2024"]})
    assert rows.schema["day"].why == "dates, day first"
    later: Any = read({"day": ["02.01.2024"]}, schema=rows.schema)
    assert later.values("day") == ["2024-01-02"]
    rows.to_parquet(tmp_path / "rows.parquet")
    again = Rows.from_parquet(tmp_path / "rows.parquet")
    assert again.values("day") == ["2024-03-13", "2024-02-01"]
    assert again.schema == rows.schema


def test_a_stated_date_names_what_is_none() -> None:
    rows = read({"day": ["01.02.2024", "03.04.2024"]}, modalities={"day": "date"})
    assert len(rows.inspect()["day"].broken) == 2
