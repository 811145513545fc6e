"""Joining rows: one table under the other, also where they store a column in two ways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from chiasm.errors import DataError
from chiasm.rows import columns
from chiasm.rows.columns import strings
from chiasm.rows.kinds import BINARY, REFERENCE, STRING, is_binary, is_list, is_number
from chiasm.rows.schema import apply

if TYPE_CHECKING:
    from chiasm.rows.rows import Rows


def concat(first: Rows, second: Rows) -> Rows:
    """The rows of both, the second read as the first's schema says.

    Row numbers go on after the first's where they would repeat; a repeated id or row is a `DataError`.
    """
    ids = first.schema.ids
    tables = [first.table, apply(_rebased(second, first.base), first.schema)]
    if np.intersect1d(first.numbers, second.numbers).size:
        after = second.numbers - second.numbers.min() + first.numbers.max() + 1
        tables[1] = columns.with_rows(tables[1], after)
    both = replace(first, table=stack(*tables))
    if ids and (clash := columns.clash(both.table[ids])):
        here = set(both[len(first) :].ids)
        there = [name for name in first.ids if name in here]
        what = (
            f"ids are there already: {columns.first_few(there)}" if there else f"no ids of their own: {clash}"
        )
        raise DataError(what, where=f"column {ids!r}", hint="Give every row an id of its own.")
    check_once(both)
    return both


def check_once(rows: Rows) -> None:
    """Raise `DataError` where a row of the source was taken more than once: they would share a row number."""
    numbers, counts = np.unique(rows.numbers, return_counts=True)
    if (counts > 1).any():
        again = rows[np.isin(rows.numbers, numbers[counts > 1])]
        names = columns.first_few(list(dict.fromkeys(again.ids)))
        raise DataError(f"rows that were taken more than once: {names}", hint="Take each row once.")


def _rebased(rows: Rows, base: str) -> pa.Table:
    """The table, with absolute paths where its folder is not `base`."""
    return rows.table if rows.base == base else rows.map_media(lambda data, path: (data, path))


def stack(first: pa.Table, second: pa.Table) -> pa.Table:
    """One table under the other; columns stored in two ways meet in the wider one."""
    for place, name in enumerate(first.column_names):
        a, b = first[name], second[name]
        if a.type != b.type:
            kind = _meeting(a.type, b.type, name)
            first = first.set_column(place, name, _lift(a, kind))
            second = second.set_column(second.column_names.index(name), name, _lift(b, kind))
    return pa.concat_tables([first, second.select(first.column_names)])


def _meeting(a: pa.DataType, b: pa.DataType, name: str) -> pa.DataType:
    if is_number(a) and is_number(b):
        return pa.float64()
    lists = [t for t in (a, b) if is_list(t)]
    if len(lists) == 2 and all(is_number(t.value_type) for t in lists):
        return pa.large_list(pa.float32())
    if REFERENCE in (a, b):
        return pa.large_list(REFERENCE)
    if any(is_binary(t) or (is_list(t) and is_binary(t.value_type)) for t in (a, b)):
        return pa.large_list(BINARY) if lists else BINARY
    if lists and any(is_number(t.value_type) for t in lists):
        return STRING
    if pa.types.is_struct(a) or pa.types.is_struct(b):
        raise DataError(f"{b} does not join {a}", where=f"column {name!r}")
    return pa.large_list(STRING) if lists else STRING


def _lift(data: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if kind == STRING:
        return strings(data)
    if is_list(kind) and not is_list(data.type):
        return pa.chunked_array([pa.array([None if v is None else [v] for v in data.to_pylist()], kind)])
    return data.cast(kind)
