"""The way in: a file, a folder or a table in memory becomes `Rows` of references; nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chiasm.checks import expanded
from chiasm.errors import BrokenCell, DataError, UsageError
from chiasm.rows import columns, files, media
from chiasm.rows.infer import Stated, infer
from chiasm.rows.modality import modality_of_suffix, suffix
from chiasm.rows.rows import Rows
from chiasm.rows.schema import Schema, apply

TABLE_NAMES = ("metadata", "data")  # of several tables in a folder, the one so called is read


class Source(NamedTuple):
    """What was found: a table, the folder of its relative paths, and the columns that are beyond doubt."""

    table: pa.Table
    base: str
    untyped: bool = False
    stated: Mapping[str, Stated] = {}


def read(
    source: Any,
    *,
    root: str | PurePath | None = None,
    modalities: Mapping[str, str] | None = None,
    clean: Mapping[str, Sequence[str]] | None = None,
    schema: Schema | None = None,
) -> Rows:
    """Rows of `source`: a CSV, TSV, JSONL or Parquet file, a folder, or a table in memory.

    In memory: a list of dicts, a dict of columns, a DataFrame, an Arrow table, a Hugging Face Dataset.

    root : the folder against which relative media paths resolve; by default the file's own folder.
    modalities : `{column: modality}` where the reading of the data is to be overruled.
    clean : `{column: steps}`, the cleaning steps (`rows/clean.py`) of columns; the schema keeps them.
    schema : a schema read before: the data is then read as it says, missing columns being absent throughout.
    """
    if isinstance(source, Rows):
        if modalities or clean or root is not None or schema not in (None, source.schema):
            hint = "Give modalities, clean, root and schema where the source is read first."
            raise UsageError("these rows are read already", hint=hint)
        return source
    found = _open(source)
    base = str(expanded(root).absolute()) if root is not None else found.base
    where = str(source) if isinstance(source, str | PurePath) else ""
    table = _checked(found.table, where, () if schema is None else schema.names)
    if schema is None:
        stated = {name: Stated(modality) for name, modality in (modalities or {}).items()}
        schema = infer(table, base, {**found.stated, **stated}, found.untyped).cleaned(clean or {})
    table = columns.with_rows(apply(table, schema), np.arange(table.num_rows))
    if schema.ids and columns.clash(table[schema.ids]):
        schema = replace(schema, ids="")
    return Rows(table, schema, base)


def _checked(table: pa.Table, where: str, expected: Sequence[str]) -> pa.Table:
    """The table with at least a row and a column, each named once."""
    files.unique(table.column_names, where)
    if not table.num_columns:
        some = f"some of: {', '.join(expected)}" if expected else "one at least, as in [{'caption': 'a dog'}]"
        raise DataError("no columns", where=where, hint=f"Expected {some}.")
    if not table.num_rows:
        raise DataError("no rows", where=where, hint="A table needs one at least.")
    if columns.ROW in table.column_names:
        raise DataError(f"the column name {columns.ROW!r} is reserved", where=where, hint="Rename it.")
    return pa.table({name: columns.common(table[name]) for name in table.column_names})


def _open(source: Any) -> Source:
    if isinstance(source, str | PurePath):
        return _open_path(expanded(source).absolute())
    return Source(_table(source), str(Path.cwd()))


def _open_path(path: Path) -> Source:
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise DataError("no such file", where=str(path))
    if not path.is_file():  # a pipe or a device might never end
        raise DataError("not a regular file", where=str(path))
    return _open_file(path)


def _open_file(path: Path) -> Source:
    opened = files.open_table(path)
    return Source(opened.table, str(path.parent), opened.untyped)


# Tables in memory


def _table(source: Any) -> pa.Table:
    """An Arrow table of whatever holds columns or records."""
    if isinstance(source, pa.Table):
        return source
    if hasattr(source, "with_format") and hasattr(source, "features"):  # a Hugging Face Dataset
        return _labelled(source.with_format("arrow")[:], source.features)
    if isinstance(source, Mapping):
        return files.from_columns(_column_lists(source))
    if type(source).__module__.startswith("pandas") and hasattr(source, "columns"):
        files.unique([str(name) for name in source.columns], "DataFrame")
        return files.from_columns({name: source[name] for name in source.columns})
    if hasattr(source, "__arrow_c_stream__"):
        with suppress(pa.ArrowInvalid):  # one column, such as a Series, is no table
            return pa.table(source)
    if isinstance(source, Sequence) and all(isinstance(record, Mapping) for record in source):
        return files.from_records(source)
    raise UsageError(
        f"cannot read a {type(source).__name__}",
        hint="Give a path, a list of dicts, a dict of columns, a DataFrame, an Arrow table or a Dataset.",
    )


def _labelled(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """The table with class numbers of a Hugging Face `ClassLabel` turned into their names; -1 is absent."""
    for place, name in enumerate(table.column_names):
        names = getattr(features[name], "names", None)
        if names and pa.types.is_integer(table[name].type):
            known = pc.index_in(table[name], pa.array(range(len(names)), table[name].type))
            table = table.set_column(place, name, pa.array(names).take(known.combine_chunks()))
    return table


def _column_lists(source: Mapping[Any, Any]) -> dict[Any, Any]:
    for name, values in source.items():
        if hasattr(values, "with_format"):
            parts = ", ".join(map(repr, source))
            raise UsageError(
                f"several datasets in one: {parts}", hint="Give one of them, such as data['train']."
            )
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise UsageError(
                f"expected a list a column, got {type(values).__name__}",
                where=f"column {name!r}",
                hint="One row is a list of one dict: [{…}].",
            )
    return dict(source)


# Folders


def _open_folder(folder: Path) -> Source:
    """The one table in the folder, with the folder as base; else its tree of media files."""
    tables = sorted(p for p in folder.iterdir() if files.table_suffix(p) in files.READERS and p.is_file())
    named = [path for path in tables if path.name.split(".")[0].lower() in TABLE_NAMES]
    chosen = named if len(tables) > 1 else tables
    if len(chosen) == 1:
        return _open_file(chosen[0])
    if tables:
        names = ", ".join(path.name for path in tables[:5])
        raise DataError(
            f"{len(tables)} tables in it: {names}", where=str(folder), hint="Name one of the files."
        )
    return _open_tree(folder)


def _open_tree(folder: Path) -> Source:
    """A row for every stem: `cat/17.jpg` and `cat/17.txt` are row `cat/17` with label `cat`."""
    found = _group(folder)
    if not found:
        raise DataError("neither a table nor files of any modality in it", where=str(folder))
    table: dict[str, list[Any]] = {"id": [_told(key) for key in found]}
    stated = {"id": Stated("name", "paths without their endings")}
    for modality in ("image", "sound", "video", "series", "text"):
        if any(modality in row for row in found.values()):
            paths = [row.get(modality) for row in found.values()]
            table[modality] = paths if modality == "text" else [path and _told(path) for path in paths]
            endings = Counter(suffix(path) for path in paths if path is not None).most_common(3)
            why = f"files ending in {' or '.join(ending for ending, _ in endings)}"
            stated[modality] = Stated(modality, why)
    if "text" in table:
        table["text"] = [name and _content(folder / name) for name in table["text"]]
    labels = [_told(key).rpartition("/")[0] or None for key in found]
    if any(labels):
        table["label"] = labels
        stated["label"] = Stated("category", "the folders that the files lie in")
    return Source(files.from_columns(table), str(folder), stated=stated)


def _group(folder: Path) -> dict[str, dict[str, str]]:
    """`{stem: {modality: path}}`, relative to the folder; a second file of a modality is a row of its own."""
    found: dict[str, dict[str, str]] = {}
    for name in _walk(folder):
        modality = modality_of_suffix(suffix(name))
        if modality is None:
            continue
        stem = name[: -len(suffix(name))]
        key = name if modality in found.get(stem, {}) else stem
        found.setdefault(key, {})[modality] = name
    return found


def _walk(folder: Path) -> Iterator[str]:
    """Relative paths of all files that are not hidden, in order."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        inside = Path(place).relative_to(folder)
        yield from ((inside / name).as_posix() for name in sorted(names) if not name.startswith("."))


def _told(name: str) -> str:
    """The name of a file; bytes that are no UTF-8 are spelt out, which is no file that could be read."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _content(path: Path) -> bytes | None:
    """What a text file holds, None where it is empty."""
    try:
        return media.load_bytes(str(path))
    except BrokenCell as error:
        if path.is_file() and not path.stat().st_size:
            return None
        raise DataError(error.what, where=str(path)) from error
