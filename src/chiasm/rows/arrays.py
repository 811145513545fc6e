"""Number, date and vector columns as arrays, without a Python loop over rows where nothing is broken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chiasm.errors import BrokenCell
from chiasm.rows import dates
from chiasm.rows.columns import ABSENT_NUMBERS, parse_list
from chiasm.rows.kinds import is_string

Problems = list[tuple[int, str]]  # (row, why)
Numeric = tuple[NDArray[np.float32], NDArray[np.int64], Problems]  # values (items, d), row (items,), broken


def numbers(data: pa.ChunkedArray) -> Numeric:
    """(items, 1) of a number column: NaN is absent; infinity and what does not parse are broken."""
    problems: Problems = []
    if is_string(data.type):
        values = np.array([_number(v, row, problems) for row, v in enumerate(data.to_pylist())], np.float64)
    else:
        values = np.asarray(data.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    row = np.flatnonzero(~np.isnan(values))
    with np.errstate(over="ignore"):
        kept = values[row].astype(np.float32)
    fine = np.isfinite(kept)
    problems += [(int(r), f"not a finite number: {values[r]}") for r in row[~fine]]
    return kept[fine][:, None], row[fine], sorted(problems)


def cleaned(read: Numeric, change: Callable[[float], float]) -> Numeric:
    """The numbers (items, 1) put through `change` one by one; those that it refuses are broken."""
    values, row, problems = read[0].copy(), read[1], list(read[2])
    kept = np.ones(len(row), np.bool_)
    for place, number in enumerate(values[:, 0].tolist()):
        try:
            values[place, 0] = change(number)
        except BrokenCell as problem:
            kept[place] = False
            problems.append((int(row[place]), problem.what))
    return values[kept], row[kept], sorted(problems)


def _number(value: str | None, row: int, problems: Problems) -> float:
    text = (value or "").strip()
    if text.lower() in ABSENT_NUMBERS:
        return np.nan
    try:
        return float(text)
    except ValueError:
        problems.append((row, f"not a number: {text[:40]!r}"))
        return np.nan


def days(data: pa.ChunkedArray) -> Numeric:
    """(items, 1) of a date column: days since 1970-01-01; what does not parse is broken."""
    problems: Problems = []
    if is_string(data.type):
        texts = data.to_pylist()
        moments = [None if text is None else dates.parse(text) for text in texts]
        pairs = enumerate(zip(texts, moments, strict=True))
        problems = [
            (row, f"not a date: {text[:40]!r}") for row, (text, moment) in pairs if text and not moment
        ]
        data = pa.chunked_array([pa.array(moments, dates.TIMESTAMP)])
    values = dates.days(data)
    row = np.flatnonzero(~np.isnan(values))
    return values[row].astype(np.float32)[:, None], row, problems


def vectors(data: pa.ChunkedArray, width: int | None = None) -> Numeric:
    """(items, d) of a vector column; other widths than d, NaN and infinity are broken, empty lists absent."""
    problems: Problems = []
    if is_string(data.type):
        data = _parse_vectors(data, problems)
    lengths = np.concatenate([_lengths(chunk) for chunk in data.chunks] or [np.zeros(0, np.int64)])
    row = np.flatnonzero(lengths)
    counts = lengths[row]
    if width is None:
        width = int(np.bincount(counts).argmax()) if len(counts) else 0
    flat = _flat(data)
    right = counts == width
    if not right.all():
        problems += [(int(r), f"width {lengths[r]}, expected {width}") for r in row[~right]]
        flat, row = flat[np.repeat(right, counts)], row[right]
    values = flat.reshape(len(row), width)
    fine = np.isfinite(values).all(axis=1)
    if not fine.all():
        problems += [(int(r), "holds NaN or infinity") for r in row[~fine]]
        values, row = values[fine], row[fine]
    return values, row, sorted(problems)


def _parse_vectors(data: pa.ChunkedArray, problems: Problems) -> pa.ChunkedArray:
    """Lists of the strings that hold JSON lists of numbers."""
    lists: list[list[float] | None] = []
    for row, text in enumerate(data.to_pylist()):
        found = parse_list(text)
        good = found is not None and all(isinstance(x, int | float) for x in found)
        if not good and text is not None and not text.isspace() and text:
            problems.append((row, f"not a list of numbers: {text[:40]!r}"))
        lists.append([float(x) for x in found] if found is not None and good else None)
    return pa.chunked_array([pa.array(lists, pa.large_list(pa.float64()))])


def _lengths(chunk: pa.Array) -> NDArray[np.int64]:
    """(n,) how many numbers each cell has, 0 where it is null."""
    return np.asarray(pc.fill_null(pc.list_value_length(chunk), 0).to_numpy(zero_copy_only=False), np.int64)


def _flat(data: pa.ChunkedArray) -> NDArray[np.float32]:
    """Every number of every list in one line, null numbers as NaN."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in data.chunks]
    with np.errstate(over="ignore"):
        lines = [np.asarray(part, np.float32) for part in parts]
    return np.concatenate(lines) if len(lines) != 1 else lines[0]
