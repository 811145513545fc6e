"""How a column is stored once its modality is known, and how single cells come out of it.

text: large_string, or lists of it (large_binary where bytes are no UTF-8) · image, sound, video:
struct<bytes, path> or lists of it · series: lists, nested or not, or struct<bytes, path> · vector: lists of
numbers, or strings holding JSON lists · number: int64 or float64, date: timestamp[us] (strings where some do
not parse) · category, name: large_string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chiasm.checks import expanded
from chiasm.rows import dates
from chiasm.rows.kinds import (
    BINARY,
    REFERENCE,
    STRING,
    is_binary,
    is_list,
    is_number,
    is_reference,
    is_string,
)
from chiasm.rows.modality import MEDIA

if TYPE_CHECKING:
    from chiasm.rows.schema import Column

ROW = "__row__"  # the hidden column of row numbers
ABSENT_NUMBERS = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})


# Storing


def common(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without its encoding: dictionaries, views and extension types as what they stand for."""
    kind = data.type
    if isinstance(kind, pa.BaseExtensionType):
        data = pa.chunked_array([chunk.storage for chunk in data.chunks], kind.storage_type)
    elif pa.types.is_dictionary(kind):
        data = data.cast(kind.value_type)
    elif pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        data = data.cast(STRING if pa.types.is_string_view(kind) else BINARY)
    return data


def conform(data: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """The column in the storage of its modality."""
    if column.modality in MEDIA:
        return _media(data, column.many)
    if column.modality == "series":
        return _series(data)
    if column.modality == "text":
        return _texts(data, column.many)
    if column.modality == "vector":
        return _vectors(data)
    if column.modality == "number":
        return _numbers(data)
    if column.modality == "date":
        return _dates(data, column.written)
    nested = pa.types.is_nested(data.type) or is_binary(data.type)
    return data if column.modality == "name" and nested else _readable(data)


def _vectors(data: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_null(data.type):
        return data.cast(pa.large_list(pa.float32()))
    return data if is_list(data.type) and is_number(data.type.value_type) else _readable(data)


def _series(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists as they are, else references; a string that holds a JSON list is kept as a file's bytes are."""
    if is_list(data.type):
        return data
    if not is_string(data.type):
        return _media(data, many=False)
    pairs = [_pair(v.encode() if v and v.lstrip().startswith("[") else v) for v in data.to_pylist()]
    return pa.chunked_array([pa.array(pairs, REFERENCE)])


def _media(data: pa.ChunkedArray, many: bool) -> pa.ChunkedArray:
    if is_list(data.type) or many:
        lists = [None if value is None else [_pair(v) for v in value] for value in as_lists(data)]
        return pa.chunked_array([pa.array(lists, pa.large_list(REFERENCE))])
    if not (is_string(data.type) or is_binary(data.type) or is_reference(data.type)):
        data = strings(data)
    return pa.chunked_array([_references(chunk) for chunk in data.chunks], REFERENCE)


def _references(chunk: pa.Array) -> pa.Array:
    """struct<bytes, path> of an array of bytes, paths or such structs."""
    nothing = {"bytes": pa.nulls(len(chunk), BINARY), "path": pa.nulls(len(chunk), STRING)}
    if is_binary(chunk.type):
        found = {"bytes": chunk.cast(BINARY)}
    elif is_string(chunk.type):
        found = {"path": chunk.cast(STRING)}
    else:
        fields = {f.name: f.type for f in REFERENCE if chunk.type.get_field_index(f.name) >= 0}
        found = {name: pc.struct_field(chunk, name).cast(kind) for name, kind in fields.items()}
    whole = nothing | found
    return pa.StructArray.from_arrays([whole["bytes"], whole["path"]], fields=list(REFERENCE))


def _pair(value: Any) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    return {"bytes": value, "path": None} if isinstance(value, bytes) else {"bytes": None, "path": str(value)}


def as_lists(data: pa.ChunkedArray) -> list[Any]:
    """Python lists of a column of lists, of strings holding JSON lists, or of single values."""
    values = data.to_pylist()
    return [v if v is None or isinstance(v, list) else parse_list(v) or [v] for v in values]


def parse_list(value: Any) -> list[Any] | None:
    """The list that a string holds as JSON; None where it holds none."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _texts(data: pa.ChunkedArray, many: bool) -> pa.ChunkedArray:
    """Text or lists of it; bytes stay bytes where some are no UTF-8, so that those can be named as broken."""
    if not (is_list(data.type) or many):
        return strings(data)
    kind = data.type.value_type if is_list(data.type) else data.type
    if is_list(data.type) and (is_string(kind) or is_binary(kind)):
        return _cast_utf8(data, pa.large_list(STRING), pa.large_list(BINARY))
    lists = [None if v is None else [x if x is None else str(x) for x in v] for v in as_lists(data)]
    return pa.chunked_array([pa.array(lists, pa.large_list(STRING))])


def strings(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column as text: True and False by name, nested values as JSON."""
    if is_binary(data.type):
        return _cast_utf8(data, STRING, BINARY)
    if pa.types.is_boolean(data.type):
        return pc.if_else(data, "True", "False").cast(STRING)
    if pa.types.is_nested(data.type):
        texts = [
            None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in data.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, STRING)])
    return data.cast(STRING)


def _readable(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `strings`, with signs that stand for bytes that are no UTF-8."""
    data = strings(data)
    if is_string(data.type):
        return data
    texts = [value and value.decode(errors="replace") for value in data.to_pylist()]
    return pa.chunked_array([pa.array(texts, STRING)])


def _cast_utf8(data: pa.ChunkedArray, text: pa.DataType, raw: pa.DataType) -> pa.ChunkedArray:
    try:
        return data.cast(text)
    except pa.ArrowInvalid:
        return data.cast(raw)


def _numbers(data: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = data.type
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return data.cast(pa.int64())
    if is_number(kind) or pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return data.cast(pa.float64(), safe=False)
    data = _readable(data)
    parsed = parse_numbers(data)
    return data.cast(STRING) if parsed is None else parsed


def _dates(data: pa.ChunkedArray, written: str) -> pa.ChunkedArray:
    kind = data.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_null(kind):
        return dates.cast(data)
    return dates.stored(_without_absent(_readable(data)), written)


def parse_numbers(data: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """int64 or float64 of a column of strings; None where some do not parse. NA and the like are absent."""
    text = _without_absent(data)
    for kind in (pa.int64(), pa.float64()):
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _without_absent(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """The strings without white space around, NA and the like null."""
    text = pc.utf8_trim_whitespace(data)
    absent = pc.is_in(pc.utf8_lower(text), pa.array(sorted(ABSENT_NUMBERS), text.type))
    return pc.if_else(absent, pa.scalar(None, text.type), text)


def clash(data: pa.ChunkedArray) -> str:
    """Why a column cannot name the rows, lacking values or having one twice; "" where it can."""
    texts = strings(data)
    lacking = texts.null_count + (pc.sum(pc.equal(pc.binary_length(texts), 0)).as_py() or 0)
    if lacking:
        return f"{lacking:,} of {len(texts):,} rows lack it"
    counts = pc.value_counts(texts)
    several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    return f"more than one row has {first_few(several)}" if several else ""


def first_few(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown} and {len(names) - 3:,} more" if len(names) > 3 else shown


def map_media(data: pa.ChunkedArray, base: str, change: Callable[..., Any]) -> pa.ChunkedArray:
    """Every reference put through `change(bytes, absolute path) -> (bytes, path)`."""

    def new(value: Any) -> Any:
        if isinstance(value, list):
            return [new(one) for one in value]
        if value is None:
            return None
        path = absolute(value["path"], base) if value["path"] and value["bytes"] is None else value["path"]
        return dict(zip(("bytes", "path"), change(value["bytes"], path), strict=True))

    chunks = [pa.array([new(value) for value in chunk.to_pylist()], data.type) for chunk in data.chunks]
    return pa.chunked_array(chunks, data.type)


def with_rows(table: pa.Table, numbers: NDArray[np.int64]) -> pa.Table:
    """The table with these row numbers in its hidden column."""
    numbered = pa.chunked_array([pa.array(numbers, pa.int64())])
    if ROW in table.column_names:
        return table.set_column(table.column_names.index(ROW), ROW, numbered)
    return table.append_column(ROW, numbered)


# Reading out


def absolute(path: str, base: str) -> str:
    """A path resolved against the folder `base`; `~` is the home folder, web addresses stay."""
    if "://" in path:
        return path
    return str(Path(base, expanded(path) if path.startswith("~") else path))


def reference(value: Any, base: str) -> tuple[Any, str] | None:
    """(value, source) of one item; None where it is absent."""
    if isinstance(value, np.ndarray):
        return value, ""
    if isinstance(value, str):
        return None if not value or value.isspace() else (value, "")
    if isinstance(value, dict):
        path = value.get("path") or ""
        if value.get("bytes"):
            return value["bytes"], path
        if not path:
            return None
        path = absolute(path, base)
        return path, path
    return None if value is None or value == b"" else (value, "")


def plain(value: Any) -> Any:
    """A plain Python value, None where absent; media by their bytes or their path as written."""
    if isinstance(value, list):
        kept = [v for v in map(plain, value) if v is not None]
        return kept or None
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, datetime):
        return dates.iso(value)
    found = reference(value, "")
    return None if found is None else found[0]
