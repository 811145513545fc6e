"""Dates and times: how a column writes them, and the values of single cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

TIMESTAMP = pa.timestamp("us")
DAY_US = 86_400_000_000  # microseconds
ORDERS = {"day first": (2, 1, 0), "month first": (2, 0, 1)}  # places of year, month, day

_TIME = r"([T ][0-2]?\d:[0-5]\d(:[0-5]\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/])(\d{{1,2}})\2(\d{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}){_TIME}")


def order(texts: Iterable[str]) -> str:
    """Which comes first in dates such as 01.03.2024, "day first" or "month first"; "" where it is not plain.

    A number above 12 tells; a column in which some cells tell one thing and some the other tells nothing.
    """
    found = [match.groups() for match in map(_YEAR_LAST.fullmatch, map(str.strip, texts)) if match]
    pairs = [(int(parts[0]), int(parts[2])) for parts in found]
    days = any(first > 12 >= second for first, second in pairs)
    months = any(second > 12 >= first for first, second in pairs)
    return "" if days == months else "day first" if days else "month first"


def parse(text: str, written: str = "") -> datetime | None:
    """The date, in UTC where it names a zone; None where it is none. `written`: what `order` found."""
    text = text.strip()
    year_first = _YEAR_FIRST.fullmatch(text)
    match = year_first or (_YEAR_LAST.fullmatch(text) if written else None)
    if match is None:
        return None
    first, _, second, third, time = match.groups()[:5]
    parts = (first, second, third)
    year, month, day = parts if year_first else (parts[place] for place in ORDERS[written])
    try:
        return _utc(datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}{_padded(time or '')}"))
    except (ValueError, OverflowError):
        return None


def _padded(time: str) -> str:
    """The time with two digits of hours."""
    return time if not time or time[2].isdigit() else f"{time[0]}0{time[1:]}"


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """2024-03-01, with the time where it is not midnight."""
    text = moment.isoformat()
    return text.removesuffix("T00:00:00")


def stored(data: pa.ChunkedArray, written: str) -> pa.ChunkedArray:
    """timestamp[us] of a column of strings; strings, ISO where they parse, where some do not."""
    distinct = data.drop_null().unique()
    texts = distinct.to_pylist()
    moments = [parse(text, written) for text in texts]
    places = pc.index_in(data, distinct)
    if all(moments):
        return pc.take(pa.array(moments, TIMESTAMP), places)
    kept = [iso(moment) if moment else text for moment, text in zip(moments, texts, strict=True)]
    return pc.take(pa.array(kept, pa.large_string()), places)


def cast(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """timestamp[us] of dates and timestamps, in UTC; years that no calendar holds as strings."""
    moments = data.cast(pa.timestamp("us", getattr(data.type, "tz", None)), safe=False).cast(TIMESTAMP)
    lowest, highest = (pa.scalar(bound, TIMESTAMP) for bound in (datetime.min, datetime.max))
    outside = pc.or_(pc.less(moments, lowest), pc.greater(moments, highest))
    return data.cast(pa.large_string()) if pc.any(outside).as_py() else moments


def days(moments: pa.ChunkedArray) -> NDArray[np.float64]:
    """(n,) days since 1970-01-01, NaN where absent."""
    return np.asarray(moments.cast(pa.int64()).cast(pa.float64()).to_numpy(), np.float64) / DAY_US
