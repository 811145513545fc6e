"""Rows: cells, arrays, slices, joining, keeping."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm import read
from chiasm.errors import DataError, UsageError
from chiasm.rows.rows import Cell, Rows

PNG = b"\x89PNG\r\n\x1a\n"


def gappy() -> Rows:
    return read(
        {
            "captions": [["a dog", "it barks"], [], None, ["", None, "a cat"]],
            "photo": [PNG, None, b"", PNG + b"x"],
            "n": [1, 2, None, 4],
            "label": ["a", "a", " ", "a"],
        }
    )


def test_cells_are_the_items_that_are_there() -> None:
    rows = gappy()
    assert list(rows.cells("captions")) == [
        Cell(0, 0, "a dog", ""),
        Cell(0, 1, "it barks", ""),
        Cell(3, 2, "a cat", ""),
    ]
    assert [(c.row, c.value) for c in rows.cells("photo")] == [(0, PNG), (3, PNG + b"x")]
    assert rows.values("captions") == [["a dog", "it barks"], None, None, ["a cat"]]
    assert rows.values("label") == ["a", "a", None, "a"]
    assert rows.values("n") == [1, 2, None, 4]


def test_an_unknown_column_gets_a_suggestion() -> None:
    for call in (gappy().values, gappy().array, lambda name: list(gappy().cells(name))):
        with pytest.raises(UsageError, match="Did you mean 'captions'"):
            call("caption")


def test_row_numbers_stay_those_of_the_source() -> None:
    rows = gappy()
    picked = rows[1:][[2, 0]]
    assert picked.ids == ["3", "1"]
    assert picked[0].ids == rows[-1].ids == ["3"]
    assert [c.row for c in picked.cells("captions")] == [0]
    assert [len(one) for one in rows] == [1, 1, 1, 1]
    assert len(rows[[]]) == 0


def test_places_that_do_not_exist() -> None:
    rows = gappy()
    for place in (4, -5):
        with pytest.raises(IndexError):
            rows[place]
    with pytest.raises(IndexError):
        rows[[0, 9]]
    with pytest.raises(UsageError, match=r"mask of shape \(2,\) for 4 rows"):
        rows[np.array([True, False])]
    with pytest.raises(UsageError, match="float64"):
        rows[np.array([0.5])]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_mask_keeps_exactly_its_rows(mask: list[bool]) -> None:
    rows = read({"n": list(range(len(mask)))})
    assert rows[np.array(mask)].values("n") == [i for i, kept in enumerate(mask) if kept]


@given(st.integers(1, 20), st.slices(20))
def test_a_slice_is_that_of_a_list(n: int, cut: slice) -> None:
    assert read({"n": list(range(n))})[cut].values("n") == list(range(n))[cut]


# Arrays


@pytest.mark.parametrize("kind", ["list", "json", "fixed", "half", "large"])
def test_vectors_with_everything_wrong(kind: str, tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    lists: list[Any] = [[1, 2], None, [0, 0], [1, nan], [inf, 1], [3, 4]]
    broken = {3: "holds NaN or infinity", 4: "holds NaN or infinity"}
    if kind in ("list", "json", "large"):
        lists += [[1, 2, 3], []]
        broken[6] = "width 3, expected 2"
    kinds = {
        "fixed": pa.list_(pa.float64(), 2),
        "half": pa.list_(pa.float16()),
        "large": pa.large_list(pa.float32()),
    }
    if kind == "json":
        with (tmp_path / "t.csv").open("w", newline="") as file:
            cells = [
                "" if v is None else str(v).replace("nan", "NaN").replace("inf", "Infinity") for v in lists
            ]
            csv.writer(file).writerows([["v"], *([cell] for cell in [*cells, "[oops"])])
        broken[8] = "not a list of numbers: '[oops'"
        rows = read(tmp_path / "t.csv")
    else:
        typed = [v and np.array(v, np.float16) for v in lists] if kind == "half" else lists
        rows = read(pa.table({"v": pa.array(typed, kinds.get(kind))}))
    values, row, problems = rows.array("v")
    assert values.tolist() == [[1, 2], [0, 0], [3, 4]]
    assert values.dtype == np.float32
    assert row.tolist() == [0, 2, 5]
    assert {b.row: b.why for b in problems} == broken
    assert rows[2:].array("v").row.tolist() == [0, 3]


def test_the_expected_width_can_be_given() -> None:
    found = read({"v": [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0, 3.0]]}).array("v", width=3)
    assert found.row.tolist() == [2]
    assert found.broken[0].why == "width 2, expected 3"


def test_numbers_with_everything_wrong() -> None:
    found = read({"n": [1.5, None, float("nan"), float("inf"), 0.0]}).array("n")
    assert found.values.tolist() == [[1.5], [0]]
    assert found.row.tolist() == [0, 4]
    assert [(b.row, b.why) for b in found.broken] == [(3, "not a finite number: inf")]
    words = read({"n": ["1", "N/A", "many", " 2.5 ", "-"]}, modalities={"n": "number"}).array("n")
    assert words.values.tolist() == [[1], [2.5]]
    assert [(b.row, b.why) for b in words.broken] == [(2, "not a number: 'many'")]


def test_a_column_of_nothing_is_an_empty_array() -> None:
    rows = read(
        {"v": [None, None], "n": [None, None], "x": ["a", "b"]}, modalities={"v": "vector", "n": "number"}
    )
    assert rows.array("v").values.shape == (0, 0)
    assert rows.array("n").values.shape == (0, 1)
    with pytest.raises(UsageError, match="holds text, not numbers"):
        rows.array("x")


# Printing, keeping, joining


def test_cells_are_described_in_short(tmp_path: Path) -> None:
    rows = read([{"t": "word " * 40, "p": b"\x89PNG\r\n\x1a\n" * 1500, "q": "a.png"}], root=tmp_path)
    assert rows.describe_cell(0, "t") == ("word " * 40)[:79] + "…"
    assert rows.describe_cell(0, "p") == "<image bytes 12 kB>"
    assert rows.describe_cell(0, "q") == str(tmp_path / "a.png") or rows.schema["q"].modality == "name"
    assert gappy().describe_cell(3, "captions", 2) == "a cat"
    assert gappy().describe_cell(1, "captions") == ""
    vectors = read({"v": [[0.5, 1.0, 2.0], None]}, modalities={"v": "vector"})
    assert [vectors.describe_cell(row, "v") for row in (0, 1)] == ["<vector of 3 numbers>", ""]


def test_parquet_loses_nothing(tmp_path: Path) -> None:
    rows = gappy()[[3, 0]]
    rows.to_parquet(tmp_path / "rows.parquet")
    again = Rows.from_parquet(tmp_path / "rows.parquet")
    assert again.schema == rows.schema
    assert again.base == rows.base
    assert again.ids == rows.ids == ["3", "0"]
    assert again.table.equals(rows.table)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not rows that were saved"):
        Rows.from_parquet(tmp_path / "bad.parquet")


def test_copied_media_no_longer_need_their_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    rows = read([{"p": "a.png"}, {"p": "gone.png"}, {"p": None}], root=tmp_path).copy_media()
    (tmp_path / "a.png").unlink()
    gone = str(tmp_path / "gone.png")
    assert [(c.value, c.source) for c in rows.cells("p")] == [(PNG, str(tmp_path / "a.png")), (gone, gone)]


def test_concat_keeps_both_and_numbers_on() -> None:
    first = read([{"p": "a.png", "n": 1, "t": "x"}], root="/one")
    second = read([{"p": "b.png", "n": 2.5, "t": ["y", "z"]}], root="/two")
    both = Rows.concat(first, second)
    assert [c.value for c in both.cells("p")] == ["/one/a.png", "/two/b.png"]
    assert both.values("n") == [1, 2.5]
    assert [c.value for c in both.cells("t")] == ["x", "y", "z"]
    assert both.ids == ["0", "1"]


def test_concat_refuses_a_repeated_id() -> None:
    first, second = read([{"id": "a", "n": 1}]), read([{"id": "b", "n": 2}])
    assert Rows.concat(first, second).ids == ["a", "b"]
    with pytest.raises(DataError, match="column 'id': ids are there already: 'a'"):
        Rows.concat(first, first)
    with pytest.raises(DataError, match="no ids of their own: 1 of 2 rows lack it"):
        Rows.concat(first, read([{"n": 2}]))
    with pytest.raises(DataError, match="no ids of their own: more than one row has 'b'"):
        Rows.concat(first, read([{"id": "b", "n": 2}, {"id": "b", "n": 3}], schema=first.schema))


def test_concat_refuses_a_row_taken_twice() -> None:
    """Without ids rows go by their numbers, and a number that stands twice would name either."""
    first, second = read({"n": [1, 2]}), read({"n": [3, 4, 5]})
    assert Rows.concat(first, second[[2, 0]]).ids == ["0", "1", "4", "2"]
    with pytest.raises(DataError, match=r"taken more than once: '4'.* Take each row once"):
        Rows.concat(first, second[[2, 0, 2]])
