"""Features: what an encoder hands on, one line an item, absent rows simply not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import AnyFloats
from chiasm.checks import check_matrix
from chiasm.errors import Broken, ShapeError


@dataclass(frozen=True, eq=False)
class Features:
    """The vectors of one column: item j belongs to row `row[j]`; a row without items is absent.

    values : (items, d) float32, finite.
    row : (items,) int64, ascending; the row each item belongs to.
    item : (items,) int64; its place within the cell's list (0 where the cell holds one thing).
    n : number of rows.
    broken : cells that were there but could not be used.
    key : (items,) int64 content ids, equal where two items hold the same content; None where unknown.
    """

    values: NDArray[np.float32]
    row: NDArray[np.int64]
    item: NDArray[np.int64]
    n: int
    broken: tuple[Broken, ...] = ()
    key: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not len(self.values) == len(self.row) == len(self.item):
            raise ShapeError(
                f"expected values (items, d) with as many rows and items, got "
                f"{self.values.shape}, {self.row.shape}, {self.item.shape}",
                where="Features",
            )

    @classmethod
    def of(
        cls,
        values: AnyFloats,
        present: NDArray[np.bool_] | None = None,
        name: str = "features",
        first: int = 0,
    ) -> Features:
        """Features of a dense array (n, d) with one item per row; absent rows are all NaN.

        present : (n,) the mask alone decides, and what lies under it is never read.
        name, first : what errors call the array, and the number of its first row.
        """
        values = check_matrix(values, name)
        if present is None:
            present = np.asarray(~np.isnan(values).all(axis=1), bool)
        row = np.flatnonzero(present)
        with np.errstate(over="ignore"):  # what is too large for float32 is named below
            kept = np.ascontiguousarray(values if len(row) == len(values) else values[row], np.float32)
        if not np.isfinite(kept).all():
            odd = int(row[~np.isfinite(kept).all(axis=1)][0])
            where = f"{name}, row {first + odd}"
            if np.isfinite(values[odd]).all():
                raise ShapeError("a number is too large for single precision", where=where)
            raise ShapeError(
                "a row holds NaN or infinity beside numbers",
                where=where,
                hint="An absent row is NaN throughout; anything else must be finite.",
            )
        return cls(kept, row, np.zeros(len(row), np.int64), len(values))

    @property
    def width(self) -> int:
        """d, the length of one vector."""
        return int(self.values.shape[1])

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """(n,) True where the row has at least one item."""
        return self.counts > 0

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(n,) how many items each row has."""
        return np.bincount(self.row, minlength=self.n)

    @cached_property
    def means(self) -> NDArray[np.float32]:
        """(rows present, d) the mean of each present row's items, in row order."""
        if len(self.row) == int(self.present.sum()):
            return self.values
        starts = np.flatnonzero(np.r_[True, np.diff(self.row) > 0])
        sums = np.add.reduceat(self.values, starts, axis=0)
        return (sums / self.counts[self.present][:, None]).astype(np.float32)

    def dense(self) -> NDArray[np.float32]:
        """(n, d) the mean of each row's items; NaN throughout where the row is absent."""
        out = np.full((self.n, self.width), np.nan, np.float32)
        out[self.present] = self.means
        return out

    def with_values(self, values: NDArray[np.float32]) -> Features:
        """The same items with other vectors (items, k)."""
        return replace(self, values=values)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Features:
        """The given rows (each at most once), renumbered 0 … len(rows) - 1 in their order."""
        wanted = np.asarray(rows, np.int64)
        place = np.full(self.n, -1, np.int64)
        place[wanted] = np.arange(len(wanted))
        new_row = place[self.row]
        keep = np.flatnonzero(new_row >= 0)
        keep = keep[np.lexsort((self.item[keep], new_row[keep]))]
        broken = tuple(replace(b, row=int(place[b.row])) for b in self.broken if place[b.row] >= 0)
        key = None if self.key is None else self.key[keep]
        return Features(self.values[keep], new_row[keep], self.item[keep], len(wanted), broken, key)


def as_features(cells: Features | AnyFloats, column: str | None = None) -> Features:
    """Features as they are, or those of a dense array with NaN rows for absent ones."""
    if isinstance(cells, Features):
        return cells
    return Features.of(cells, name="features" if column is None else f"column {column!r}")
