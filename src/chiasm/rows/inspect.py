"""What is in the rows: per column what is present, absent, broken, zero, and exactly repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.checks import check_known
from chiasm.errors import Broken, BrokenCell
from chiasm.rows import media
from chiasm.rows.modality import FILES, SPACE
from chiasm.rows.schema import Column
from chiasm.rows.series import Series

if TYPE_CHECKING:
    from chiasm.rows.rows import Cell, Rows

THREADS = 2
CELLS_AHEAD = 64  # cells decoded at a time, so that memory stays small
GROUPS_NAMED = 5  # repeated contents that are named

Progress = Callable[[str, int], None]  # (column, cells done)


@dataclass(frozen=True)
class Inspected:
    """One column; rows are numbered as in the source, from 0.

    Rows present and rows absent add up to all; `items` counts the single texts or media in them, of which
    `broken` cannot be used and `zero` hold nothing but zeros (silence, one black picture, a null vector).
    `bridged` series had short gaps, over which a line was drawn.
    `duplicates` texts, media or vectors repeat an earlier one exactly; `repeated` names rows of such groups.
    """

    column: str
    modality: str
    why: str
    present: int
    absent: int
    items: int
    broken: tuple[Broken, ...]
    zero: int
    bridged: int
    duplicates: int
    repeated: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Inspection:
    """All columns of some rows."""

    rows: int
    columns: tuple[Inspected, ...]

    def __getitem__(self, column: str) -> Inspected:
        check_known(column, [found.column for found in self.columns], "column")
        return next(found for found in self.columns if found.column == column)

    def to_json(self) -> dict[str, Any]:
        """One JSON document."""
        return asdict(self)


@dataclass(frozen=True)
class _Look:
    """One item, looked at: its row, a key of its content, why it is broken, whether it is zero."""

    row: int
    item: int
    source: str
    key: int
    why: str = ""
    zero: bool = False
    bridged: bool = False


def inspect(rows: Rows, *, decode: bool = True, progress: Progress | None = None) -> Inspection:
    """Look at every cell; without `decode` media are not opened and nothing but absence is known of them."""
    found = tuple(_column(rows, column, decode, progress) for column in rows.schema.columns)
    return Inspection(len(rows), found)


def _column(rows: Rows, column: Column, decode: bool, progress: Progress | None) -> Inspected:
    if column.modality in ("vector", "number", "date"):
        looks = _arrays(rows, column)
    else:
        looks = list(_watched(_cells(rows, column, decode), column.name, progress))
    return _summary(rows, column, looks)


def _watched(looks: Iterable[_Look], column: str, progress: Progress | None) -> Iterator[_Look]:
    for done, look in enumerate(looks, 1):
        yield look
        if progress is not None:
            progress(column, done)


def _cells(rows: Rows, column: Column, decode: bool) -> Iterator[_Look]:
    """Every item, looked at by a few threads, in order."""
    look = _decoded if decode and column.modality in FILES | {"text"} else _undecoded
    cells = rows.cells(column.name)
    with ThreadPoolExecutor(THREADS) as pool:
        while batch := list(islice(cells, CELLS_AHEAD)):
            yield from pool.map(lambda cell: look(cell, column.modality), batch)


def _undecoded(cell: Cell, modality: str) -> _Look:
    value = cell.value if isinstance(cell.value, bytes | np.ndarray) else str(cell.value)
    key = media.content_key("text" if isinstance(value, str) else modality, value)
    return _Look(cell.row, cell.item, cell.source, key)


def _decoded(cell: Cell, modality: str) -> _Look:
    try:
        ready = modality == "text" or isinstance(cell.value, np.ndarray)
        data = cell.value if ready else media.load_bytes(cell.value)
        key = media.content_key(modality, data)
        decoded = media.decode(modality, data)
    except BrokenCell as error:
        return _Look(cell.row, cell.item, cell.source, 0, error.what)
    bridged = isinstance(decoded, Series) and decoded.bridged > 0
    return _Look(cell.row, cell.item, cell.source, key, zero=_is_zero(decoded), bridged=bridged)


def _is_zero(decoded: Any) -> bool:
    if isinstance(decoded, media.Sound):
        return not decoded.samples.any()
    if isinstance(decoded, Series):
        return not decoded.values.any()
    return isinstance(decoded, np.ndarray) and not decoded.any()


def _arrays(rows: Rows, column: Column) -> list[_Look]:
    """The items of numeric columns; a number that repeats is no duplicate, a vector that does is."""
    values, row, broken = rows.array(column.name)
    keys = [media.content_key("vector", line.tobytes()) for line in values] if values.shape[1] > 1 else row
    zeros = np.asarray(~values.any(axis=1)) & (column.modality == "vector")
    looks = [_Look(int(r), 0, "", int(k), zero=bool(z)) for r, k, z in zip(row, keys, zeros, strict=True)]
    return looks + [_Look(b.row, 0, "", 0, b.why) for b in broken]


def _summary(rows: Rows, column: Column, looks: list[_Look]) -> Inspected:
    numbers, ids = rows.numbers, rows.ids if rows.schema.ids else [""] * len(rows)
    present = len({look.row for look in looks})
    groups: dict[int, list[int]] = {}
    for look in looks:
        if not look.why and column.modality in SPACE:
            groups.setdefault(look.key, []).append(int(numbers[look.row]))
    repeated = [tuple(group) for group in groups.values() if len(group) > 1]
    broken = [look for look in looks if look.why]
    return Inspected(
        column=column.name,
        modality=column.modality,
        why=column.why,
        present=present,
        absent=len(rows) - present,
        items=len(looks),
        broken=tuple(
            Broken(int(numbers[b.row]), column.name, b.item, b.source, b.why, ids[b.row]) for b in broken
        ),
        zero=sum(look.zero for look in looks),
        bridged=sum(look.bridged for look in looks),
        duplicates=sum(len(group) - 1 for group in repeated),
        repeated=tuple(group[:GROUPS_NAMED] for group in repeated[:GROUPS_NAMED]),
    )
