"""A series cell to values (t, c): an array, JSON, CSV, NPY or WAV; short gaps are bridged, and counted."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from chiasm.errors import BrokenCell
from chiasm.rows.content import load_bytes
from chiasm.rows.kinds import is_list, is_number

MOST_GAPS = 0.2  # share of a channel's steps that may be missing
NUMBERS_LIMIT = 200_000_000  # steps times channels
CLOCKS = frozenset({"t", "time", "seconds", "timestamp"})  # headers of a CSV column that is the clock
CLOCK_TOLERANCE = 0.01  # how far a clock's steps may lie from their median, as a share of it

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Series:
    """`values` (t, c) float32, finite, t >= 1, at `rate` Hz (None where the source does not say).

    bridged : how many values were missing and lie on a line between their neighbours.
    """

    values: Values
    rate: float | None = None
    bridged: int = 0


def decode_series(value: NDArray[Any] | bytes | str) -> Series:
    """The series of an array (t,) or (t, c), or of the bytes or path of CSV, TSV, JSON, NPY or WAV.

    BrokenCell: no steps, infinity, no numbers, or more than `MOST_GAPS` of a channel missing.
    """
    if isinstance(value, np.ndarray):
        return _checked(value, None)
    return _checked(*_read(load_bytes(value)))


def _checked(values: NDArray[Any], rate: float | None) -> Series:
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2):
        raise BrokenCell(f"not a series of steps of equal width: {values.dtype} {values.shape}")
    if values.size == 0:
        raise BrokenCell("series of 0 steps")
    if values.size > NUMBERS_LIMIT:
        raise BrokenCell(f"series of {values.size:,} numbers, more than {NUMBERS_LIMIT:,}")
    with np.errstate(over="ignore"):
        kept = np.asarray(values, np.float32).reshape(len(values), -1)
    if np.isinf(kept).any():
        raise BrokenCell("series holds infinity")
    missing = np.isnan(kept)
    return Series(bridge(kept, missing), rate, int(missing.sum()))


def bridge(values: Values, missing: NDArray[np.bool_]) -> Values:
    """Values (t, c) with a line over every gap, the nearest value at the ends; BrokenCell for long gaps."""
    if not missing.any():
        return values
    whole, steps = values.copy(), np.arange(len(values))
    for channel, (line, gap) in enumerate(zip(whole.T, missing.T, strict=True)):
        if gap.mean() > MOST_GAPS:
            raise BrokenCell(f"{gap.mean():.0%} of the steps of channel {channel} are missing")
        if gap.any():
            line[gap] = np.interp(steps[gap], steps[~gap], line[~gap])
    return whole


# From Arrow


def arrays(chunk: pa.Array) -> list[NDArray[Any] | None]:
    """The cells of a list column as arrays (t,) or (t, c), None where null; ragged ones of type object."""
    nested = not is_number(chunk.type.value_type)
    cells = (chunk[i].values for i in range(len(chunk)))
    return [None if cell is None else _matrix(cell) if nested else _floats(cell) for cell in cells]


def _floats(cell: pa.Array) -> NDArray[Any]:
    """(t,) numbers, null ones NaN."""
    if pa.types.is_decimal(cell.type) or cell.null_count:
        cell = cell.cast(pa.float64(), safe=False)
    return np.asarray(cell.to_numpy(zero_copy_only=False))


def _matrix(cell: pa.Array) -> NDArray[Any]:
    """(t, c) of a list of steps; a null step is missing in every channel."""
    if not len(cell):
        return np.zeros((0, 1), np.float32)
    if not (is_list(cell.type) and is_number(cell.type.value_type)):
        return np.array([None])
    lengths = pc.list_value_length(cell)
    widths = pc.unique(lengths.drop_null()).to_pylist()
    if len(widths) != 1:
        return np.array([None])
    there = np.asarray(lengths.is_valid().to_numpy(zero_copy_only=False))
    out = np.full((len(cell), widths[0]), np.nan, np.float64)
    out[there] = _floats(cell.drop_null().flatten()).reshape(-1, widths[0])
    return out


def nested(cells: list[Any]) -> pa.Array:
    """A list column of arrays (t, c), each with a width of its own; other cells must be None."""
    found = [cell for cell in cells if cell is not None]
    flat = pa.array(np.concatenate([np.asarray(cell).ravel() for cell in found]))
    widths = np.concatenate([np.full(len(cell), cell.shape[1]) for cell in found])
    steps = pa.LargeListArray.from_arrays(_offsets(widths), flat)
    ends = _offsets(np.array([0 if cell is None else len(cell) for cell in cells]))
    absent = pa.array([cell is None for cell in cells])
    return pa.LargeListArray.from_arrays(ends, steps, mask=absent)


def _offsets(lengths: NDArray[np.int64]) -> pa.Array:
    return pa.array(np.r_[0, np.cumsum(lengths)].astype(np.int64))


# From files


def _read(data: bytes) -> tuple[NDArray[Any], float | None]:
    """Values and rate of a file of any of the formats, recognised by its first bytes."""
    if data.startswith(b"\x93NUMPY"):
        return _read_npy(data), None
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _read_wav(data)
    if data.lstrip()[:1] == b"[":
        return _read_json(data), None
    return _read_csv(data)


def _read_npy(data: bytes) -> NDArray[Any]:
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, OSError, EOFError, SyntaxError, MemoryError) as error:
        raise BrokenCell(f"not an NPY file that can be read: {error}") from error


def _read_wav(data: bytes) -> tuple[Values, float]:
    import soundfile

    try:
        values, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BrokenCell(f"damaged WAV file: {error}") from error
    return values, float(rate)


def _read_json(data: bytes) -> NDArray[Any]:
    try:
        return np.array(json.loads(data), np.float64)  # null becomes NaN
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenCell(f"not a list of numbers: {data[:40]!r}") from error


def _read_csv(data: bytes) -> tuple[NDArray[np.float64], float | None]:
    """One channel per column, one step per line; a header is skipped, a column called time is the clock."""
    names, body, delimiter = _headed(data)
    try:
        table = pacsv.read_csv(
            io.BytesIO(body),
            read_options=pacsv.ReadOptions(autogenerate_column_names=True),
            parse_options=pacsv.ParseOptions(delimiter=delimiter),
        )
        columns = [np.asarray(column.cast(pa.float64()).to_numpy()) for column in table.columns]
    except (pa.ArrowException, ValueError) as error:
        raise BrokenCell(f"not a table of numbers: starts with {data[:40]!r}") from error
    return _clocked(names, np.stack(columns, axis=1))


def _headed(data: bytes) -> tuple[list[str], bytes, str]:
    """(names, rest, delimiter): the first line where it is no line of numbers, and what follows it."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    first, _, rest = data.partition(b"\n")
    line = first.decode(errors="replace").strip()
    delimiter = next((sign for sign in "\t;" if sign in line), ",")
    names = [name.strip().strip('"').lower() for name in line.split(delimiter)]
    return (names, rest, delimiter) if not any(map(_is_number, names)) else ([], data, delimiter)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text != "nan"


def _clocked(names: list[str], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float | None]:
    """The channels without the clock, and the rate where its steps of seconds are even."""
    places = [i for i, name in enumerate(names) if name in CLOCKS]
    if not places or values.shape[1] < 2:
        return values, None
    steps = np.diff(values[:, places[0]])
    middle = float(np.median(steps)) if len(steps) else 0.0
    even = middle > 0 and bool((np.abs(steps - middle) <= CLOCK_TOLERANCE * middle).all())
    return np.delete(values, places[0], axis=1), 1 / middle if even else None
