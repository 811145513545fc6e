"""Rows: a table of references, its schema, and the ways to walk, slice, split and keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from chiasm.errors import Broken, BrokenCell, DataError, UsageError
from chiasm.rows import arrays, columns, media, series
from chiasm.rows.clean import cleaner
from chiasm.rows.columns import ROW
from chiasm.rows.kinds import is_list, is_referring
from chiasm.rows.modality import FILES
from chiasm.rows.schema import Schema, apply

if TYPE_CHECKING:
    from chiasm.rows.inspect import Inspection

BATCH = 256  # cells turned into Python values at a time, so that a walk holds little
EMBEDDED = "(bytes, not kept)"
TEXT_SHOWN = 80  # characters of a text in `describe_cell`


class Cell(NamedTuple):
    """One item of one cell, undecoded: text as `str`, media as `bytes` or an absolute path, series so too or
    as an array (t,) or (t, c)."""

    row: int
    item: int
    value: Any
    source: str


class Array(NamedTuple):
    """The items of a numeric column: `values` (items, d) float32, `row` (items,), and what was broken."""

    values: NDArray[np.float32]
    row: NDArray[np.int64]
    broken: list[Broken]


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows of references: nothing is decoded until an encoder asks.

    table : the cells, in the storage that `columns.conform` gives, and the source's row numbers in `__row__`.
    schema : what each column holds.
    base : the folder against which relative paths resolve.
    """

    table: pa.Table
    schema: Schema
    base: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Rows]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | slice | ArrayLike) -> Rows:
        """One row, a slice, or the rows of a boolean mask (n,) or of an array of places."""
        return replace(self, table=_take(self.table, key))

    def __repr__(self) -> str:
        kinds = ", ".join(f"{c.name}: {c.modality}" for c in self.schema.columns)
        return f"Rows({len(self):,} rows; {kinds})"

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.schema.names

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """(n,) each row's number in its source, counted from 0 and kept by slicing."""
        return np.asarray(self.table[ROW].to_numpy(), np.int64)

    @cached_property
    def ids(self) -> list[str]:
        """The `id` column as text where there is one, else the row numbers."""
        if self.schema.ids:
            return [str(value) for value in self.table[self.schema.ids].to_pylist()]
        return [str(number) for number in self.numbers]

    def cells(self, column: str) -> Iterator[Cell]:
        """The items that are there, row by row; empty and null ones are skipped."""
        row = 0
        for values in self._batches(column, self.schema[column].modality == "series"):
            for value in values:
                for item, one in enumerate(value if isinstance(value, list) else (value,)):
                    found = columns.reference(one, self.base)
                    if found is not None:
                        yield Cell(row, item, *found)
                row += 1

    def _batches(self, column: str, as_arrays: bool = False) -> Iterator[list[Any]]:
        """Some cells at a time; lists as Python's, or as arrays (t,) or (t, c)."""
        self.schema[column]
        for chunk in self.table[column].chunks:
            for start in range(0, len(chunk), BATCH):
                part = chunk.slice(start, BATCH)
                yield series.arrays(part) if as_arrays and is_list(part.type) else part.to_pylist()

    def array(self, column: str, width: int | None = None) -> Array:
        """The items of a vector column (d = `width`, or what most have), of a number column (d = 1), or of a
        date column (d = 1; days since 1970-01-01)."""
        modality = self.schema[column].modality
        if modality == "vector":
            values, row, problems = arrays.vectors(self.table[column], width)
        elif modality in ("number", "date"):
            read = arrays.numbers if modality == "number" else arrays.days
            values, row, problems = read(self.table[column])
        else:
            raise UsageError(f"column {column!r} holds {modality}, not numbers")
        steps = self.schema[column].clean
        if steps:
            values, row, problems = arrays.cleaned((values, row, problems), cleaner(modality, steps))
        return Array(values, row, [Broken(r, column, 0, "", why) for r, why in problems])

    def values(self, column: str) -> list[Any]:
        """One plain Python value per row, None where absent: for filters, splits, labels and printing."""
        self.schema[column]
        return [columns.plain(value) for values in self._batches(column) for value in values]

    def describe_cell(self, row: int, column: str, item: int = 0) -> str:
        """A short text for a cell: its words, its path or its size; "" where absent."""
        modality, cells = self.schema[column].modality, list(self[row].cells(column))
        if modality == "vector" and cells:  # its numbers, and no items
            return f"<vector of {len(cells):,} numbers>"
        return next((_short(cell, modality) for cell in cells if cell.item == item), "")

    def split(
        self,
        test: float = 0.2,
        by: str | None = None,
        stratify: str | None = None,
        column: str | None = None,
        seed: int = 0,
    ) -> tuple[Rows, Rows]:
        """(train, test): at random, by groups, stratified, or as a column names them; see `splits.split`."""
        from chiasm.rows.splits import split

        return split(self, test, by, stratify, column, seed)

    def part(self, column: str, name: str) -> Rows:
        """The rows of one named part of a ready-made split, such as "dev"."""
        from chiasm.rows.splits import part

        return part(self, column, name)

    def where(self, expr: str) -> NDArray[np.bool_]:
        """(n,) which rows match a filter such as `species == "cat" and age > 3`."""
        from chiasm.rows.where import evaluate

        return evaluate(expr, self)

    def inspect(self, decode: bool = True) -> Inspection:
        """What is present, absent, broken and repeated in every column."""
        from chiasm.rows.inspect import inspect

        return inspect(self, decode=decode)

    @staticmethod
    def concat(first: Rows, second: Rows) -> Rows:
        """The rows of both, the second read as the first's schema says.

        Row numbers go on after the first's where they would repeat; a repeated id is a `DataError`.
        """
        from chiasm.rows.join import concat

        return concat(first, second)

    def copy_media(self) -> Rows:
        """The same rows with every readable file embedded; a file that cannot be read stays a path."""
        return replace(self, table=self.map_media(_embed))

    def without_media(self) -> Rows:
        """The same rows without embedded bytes: what is left is text and references."""
        return replace(self, table=self.map_media(lambda data, path: (None, path or (data and EMBEDDED))))

    def map_media(self, change: Any) -> pa.Table:
        """Every media cell put through `change(bytes, absolute path) -> (bytes, path)`."""
        table = self.table
        for column in self.schema.columns:
            if is_referring(table[column.name].type):
                cells = columns.map_media(table[column.name], self.base, change)
                table = table.set_column(table.column_names.index(column.name), column.name, cells)
        return table

    def to_parquet(self, path: str | Path) -> None:
        """Write everything: cells, schema, row numbers and base."""
        kept = {"chiasm": json.dumps({"schema": self.schema.to_json(), "base": self.base})}
        pq.write_table(self.table.replace_schema_metadata(kept), path, compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | Path) -> Rows:
        """Read what `to_parquet` wrote."""
        try:
            table = pq.ParquetFile(path).read()
            kept: Mapping[str, Any] = json.loads(table.schema.metadata[b"chiasm"])
            schema = Schema.from_json(kept["schema"])
            table = apply(table.replace_schema_metadata(None).select([*schema.names, ROW]), schema)
            return cls(table, schema, str(kept["base"]))
        except (OSError, pa.ArrowException, TypeError, KeyError, ValueError) as error:
            raise DataError(f"not rows that were saved: {error}", where=str(path)) from error


def _take(table: pa.Table, key: int | slice | ArrayLike) -> pa.Table:
    if isinstance(key, int | np.integer):
        place = range(table.num_rows)[key]  # IndexError out of range, negative from the end
        return table.slice(place, 1)
    if isinstance(key, slice):
        start, stop, step = key.indices(table.num_rows)
        if step == 1:
            return table.slice(start, max(0, stop - start))
        return table.take(pa.array(range(start, stop, step), pa.int64()))
    places = np.asarray(key)
    if places.dtype == bool:
        if places.shape != (table.num_rows,):
            raise UsageError(f"mask of shape {places.shape} for {table.num_rows} rows")
        places = np.flatnonzero(places)
    elif places.size and places.dtype.kind not in "iu":
        raise UsageError(f"rows are picked by whole numbers or a mask, not by {places.dtype}")
    return table.take(pa.array(np.arange(table.num_rows)[places.astype(np.int64)], pa.int64()))


def _embed(data: bytes | None, path: str | None) -> tuple[bytes | None, str | None]:
    if data is None and path is not None:
        try:
            return media.load_bytes(path), path
        except BrokenCell:
            return None, path
    return data, path


def _short(cell: Cell, modality: str) -> str:
    if isinstance(cell.value, np.ndarray):
        return f"<{modality} of {' x '.join(map(str, cell.value.shape))} numbers>"
    if isinstance(cell.value, bytes):
        return f"<{modality} bytes {max(1, round(len(cell.value) / 1000))} kB>"
    text = " ".join(str(cell.value).split())
    if modality in FILES:
        path = Path(cell.value)
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    if len(text) <= TEXT_SHOWN:
        return text
    return text[: TEXT_SHOWN - 1] + "…"
