"""A group of columns through one encoder: the numbers, categories and dates of a row are one cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.described import Described
from chiasm.encode.encoder import Encoder
from chiasm.errors import Broken, UsageError
from chiasm.rows.media import content_key
from chiasm.rows.rows import Rows

Cells = list[dict[str, Any]]
GROUPED = ("number", "category", "date")
"""Modalities whose columns together are one table."""


def describe_group(rows: Rows, columns: Sequence[str], encoder: Encoder) -> Described:
    """Descriptions of a group of columns, one item for each row that has any of them; the others are absent.

    What is broken is named by its own column. UsageError for a column that is no number, category or date.
    """
    cells, row, broken = group_cells(rows, columns)
    key = np.array([_key(cell) for cell in cells], np.int64)
    item = np.zeros(len(row), np.int64)
    return Described(encoder.describe(cells), row, item, len(rows), tuple(broken), key)


def group_cells(rows: Rows, columns: Sequence[str]) -> tuple[Cells, NDArray[np.int64], list[Broken]]:
    """{column: value} of every row that has any, the rows, and what is broken."""
    cells: Cells = [{} for _ in range(len(rows))]
    broken: list[Broken] = []
    for column in columns:
        for row, value in _column_values(rows, column, broken):
            cells[row][column] = value
    present = np.flatnonzero([bool(cell) for cell in cells])
    return [cells[row] for row in present.tolist()], present, sorted(broken, key=lambda b: b.row)


def _column_values(rows: Rows, column: str, broken: list[Broken]) -> Iterable[tuple[int, Any]]:
    """(row, value) of what one column holds; what is broken is added to `broken`."""
    modality = rows.schema[column].modality
    if modality not in GROUPED:
        raise UsageError(f"a table is made of numbers, categories and dates; {column!r} holds {modality}")
    if modality == "category":
        return ((row, value) for row, value in enumerate(rows.values(column)) if value is not None)
    values, row, problems = rows.array(column)
    broken += problems
    numbers = values[:, 0].astype(np.float64)
    plain: list[Any] = numbers.tolist()
    if modality == "date":  # days since 1970-01-01
        plain = list((numbers * 86_400).round().astype("datetime64[s]"))
    return zip(row.tolist(), plain, strict=True)


def _key(cell: dict[str, Any]) -> int:
    """The content id of a cell, whatever the order of its columns."""
    return content_key("text", json.dumps(cell, sort_keys=True, default=str))
