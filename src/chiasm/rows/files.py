"""Tables on disk: CSV, TSV, JSON lines and Parquet to Arrow; faults are named with their file and line."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from chiasm.errors import DataError
from chiasm.rows.kinds import is_list, is_string
from chiasm.rows.series import nested

PACKED = frozenset({".gz", ".bz2", ".zst"})
SPELT_OUT = r"\\ud[89a-f][0-9a-f]{2}"  # half a surrogate pair
LARGEST_BLOCK = 1 << 30  # bytes of CSV parsed at a time: no cell may be longer


class Opened(NamedTuple):
    """A table as it lies in its file; `untyped` where the file knows nothing but strings."""

    table: pa.Table
    untyped: bool


def open_table(path: Path) -> Opened:
    """Read the file by its suffix; media stay references."""
    ending = table_suffix(path)
    if ending not in READERS:
        known = ", ".join([*sorted(READERS), "a folder"])
        raise DataError(
            f"unknown kind of file {path.suffix!r}", where=str(path), hint=f"Known here: {known}."
        )
    return READERS[ending](path)


def table_suffix(path: Path) -> str:
    """The suffix that tells the format: `.csv` of `birds.csv` and of `birds.csv.gz`."""
    name = path.stem if path.suffix.lower() in PACKED else path.name
    return Path(name).suffix.lower()


def unique(names: Sequence[str], where: str) -> list[str]:
    """The column names, or `DataError` naming those that repeat."""
    repeated = sorted(name for name, times in Counter(names).items() if times > 1)
    if repeated:
        raise DataError(
            f"columns named twice: {', '.join(map(repr, repeated))}", where=where, hint="Rename one of them."
        )
    return list(names)


def _unpack(path: Path) -> bytes:
    """The bytes of a file of text, unpacked, without a byte order mark."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            data: bytes = stream.read()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from error
    return data.removeprefix(b"\xef\xbb\xbf")


def _check_utf8(data: bytes, path: Path) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        hint = "It looks like UTF-16: s" if wide else "S"
        raise DataError(
            f"not UTF-8 text at byte {error.start}", where=str(path), hint=f"{hint}ave it as UTF-8."
        ) from error


# CSV


def _read_csv(path: Path) -> Opened:
    return Opened(_parse_csv(path, ","), untyped=True)


def _read_tsv(path: Path) -> Opened:
    return Opened(_parse_csv(path, "\t"), untyped=True)


def _parse_csv(path: Path, delimiter: str) -> pa.Table:
    """Every cell as a string, empty ones null; newlines may stand within quotes."""
    data = _unpack(path)
    names = _header(data, path, delimiter)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(
                use_threads=False,
                column_names=names,
                skip_rows_after_names=1,
                block_size=min(len(data) + 1, LARGEST_BLOCK),
            ),
            pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            pacsv.ConvertOptions(
                column_types={name: pa.large_string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        _check_utf8(data, path)
        _check_widths(data, path, delimiter, len(names))
        raise DataError(f"not a table: {error}", where=str(path)) from error
    _check_closed(table, data, path, delimiter)
    return table


def _check_closed(table: pa.Table, data: bytes, path: Path, delimiter: str) -> None:
    """Name the line of a quote that stays open: all that follows it would be one cell, the last."""
    last = table.column(-1)[-1].as_py() if table.num_rows else None
    cell = b'"' + (last or "").encode().replace(b'"', b'""')
    if not data.endswith(cell) or data.rstrip(b"\r\n").endswith(cell + b'"'):
        return
    before = data[: -len(cell)]
    if before.endswith((delimiter.encode(), b"\n", b"\r")):  # else it is no opening quote
        line = len((before + cell[:1]).splitlines())
        raise DataError(
            f"a quote opened in line {line} is never closed", where=str(path), hint="Close it, or double it."
        )


def _header(data: bytes, path: Path, delimiter: str) -> list[str]:
    with _records(data, delimiter) as records:
        try:
            names = [name.strip() for name in next(records, [])]
        except (UnicodeDecodeError, csv.Error) as error:
            _check_utf8(data, path)
            raise DataError(f"no line of column names: {error}", where=str(path)) from error
    if len(names) == 1 and ";" in names[0]:
        hint = "Separate the cells by commas, or by tabs in a .tsv file."
        raise DataError(f"one column only, {names[0]!r}", where=str(path), hint=hint)
    if not any(names):
        raise DataError("no columns", where=str(path), hint="The first line must name them.")
    return unique([name or f"column{i}" for i, name in enumerate(names)], str(path))


def _check_widths(data: bytes, path: Path, delimiter: str, width: int) -> None:
    """Name the first line that has another number of cells than the header."""
    with _records(data, delimiter) as records:
        line = 1
        for cells in records:
            if cells and len(cells) != width:
                raise DataError(
                    f"line {line} has {len(cells)} cells, the header has {width}",
                    where=str(path),
                    hint="Quote cells that hold the separator.",
                )
            line = records.line_num + 1


@contextmanager
def _records(data: bytes, delimiter: str) -> Iterator[Any]:
    """A csv reader for which no cell is too long."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", newline=""), delimiter=delimiter)
    finally:
        csv.field_size_limit(before)


# JSON lines


def _read_jsonl(path: Path) -> Opened:
    data = _unpack(path)
    _check_utf8(data, path)
    records = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            records.append(_record(line, f"{path}, line {number}"))
    return Opened(from_records(records), untyped=False)


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", where=where) from error
    if not isinstance(found, dict):
        raise DataError(f"expected an object {{…}}, got {type(found).__name__}", where=where)
    return found


def from_records(records: Sequence[Any]) -> pa.Table:
    """A table of mappings; a key that a record lacks is absent there."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return from_columns({name: [record.get(name) for record in records] for name in names})


def from_columns(found: dict[Any, Any]) -> pa.Table:
    """A table of columns of Python values or arrays."""
    arrays = {str(name): to_arrow(str(name), values) for name, values in found.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns of different lengths: {lengths}")
    return pa.table(arrays)


def to_arrow(name: str, values: Any) -> pa.Array:
    """One column; values of several types meet in one that loses nothing."""
    if isinstance(values, np.ndarray) and values.ndim == 2:
        flat = pa.array(np.ascontiguousarray(values).ravel())
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if any(isinstance(value, np.ndarray) and value.ndim == 2 for value in values):
        return _series(name, list(values))
    if isinstance(values, list | tuple) or str(getattr(values, "dtype", "")) == "object":
        values = [str(value) if isinstance(value, PurePath) else value for value in values]
        if {bytes, str} <= set(map(type, values)):
            values = _mixed(name, values)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return pa.array(_mixed(name, list(values)))


def _series(name: str, values: list[Any]) -> pa.Array:
    """Arrays (t, c), beside those (t,) with one channel, as lists of steps."""
    cells = [
        value[:, None] if isinstance(value, np.ndarray) and value.ndim == 1 else value for value in values
    ]
    for cell in cells:
        if cell is not None and not (isinstance(cell, np.ndarray) and cell.ndim == 2):
            raise DataError(f"arrays (t, c) beside a {type(cell).__name__}", where=f"column {name!r}")
    return nested(cells)


def _mixed(name: str, values: list[Any]) -> list[Any]:
    """Bytes and paths as references, lists and single values as lists, other scalars as strings; half a
    surrogate pair in them, which no UTF-8 holds, is spelt out."""
    values = [None if isinstance(value, float) and value != value else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bytes, str}:
        return [_reference(value) for value in values]
    if list in kinds:
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        return [None if value is None else _mixed(name, value) for value in lists]
    odd = [kind.__name__ for kind in kinds if not issubclass(kind, str | int | float | np.generic)]
    if odd:
        raise DataError(
            f"cells of type {odd[0]}",
            where=f"column {name!r}",
            hint="Give text, bytes, paths, numbers or lists of them.",
        )
    return [v if v is None else str(v).encode("utf-8", "backslashreplace").decode() for v in values]


def spelt_out(data: pa.ChunkedArray) -> str:
    """What is to be said of a column in which half a surrogate pair is spelt out; "" of others."""
    items = pc.list_flatten(data) if is_list(data.type) else data
    if not is_string(items.type):
        return ""
    cells = pc.sum(pc.match_substring_regex(items, SPELT_OUT)).as_py()
    return f"; half a sign, as \\ud800, in {cells:,} of them" if cells else ""


def _reference(value: bytes | str | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {"bytes": value, "path": None} if isinstance(value, bytes) else {"bytes": None, "path": value}


# Parquet


def _read_parquet(path: Path) -> Opened:
    try:
        file = pq.ParquetFile(path, memory_map=True)
        unique(file.schema_arrow.names, str(path))
        return Opened(file.read(), untyped=False)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"damaged, or not Parquet: {error}", where=str(path)) from error


READERS: dict[str, Callable[[Path], Opened]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
