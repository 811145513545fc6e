"""Second moments of every column and every pair of columns, in one pass whose memory does not grow with n.

Moments of two parts of the rows add up, so a linear fit is a map and a sum wherever the rows lie, and a
model tuned on one part is refitted on all of it without reading a row twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.align.product import Multiply, Product, cross
from chiasm.align.span import Axes, orthonormal
from chiasm.checks import check_matrix
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError, require_extra

CHUNK = 32_768
SHIFT_ABOVE = 10.0  # |mean| / std beyond which float32 products lose digits unless a mean is taken off first
HALF_BLOCK = 4096
TOGETHER = 2
"""Rows that two columns must share to have been seen together: one row has no covariance."""

Table = Mapping[str, "Features | NDArray[Any]"]
Doubles = NDArray[np.float64]
Sums = NDArray[np.float32]


def check_table(table: Any) -> None:
    """Raise `UsageError` unless given {column: rows}."""
    what = type(table).__name__
    if isinstance(table, Mapping):
        odd = [c for c, rows in table.items() if not (isinstance(c, str) and _has_rows(rows))]
        if not odd:
            return
        what = f"{{{odd[0]!r}: {type(table[odd[0]]).__name__}}}"
    hint = 'Such as fit({"image": X, "text": Y}).'
    raise UsageError(f"expected {{column: array (n, d)}}, got {what}", where="X", hint=hint)


def _has_rows(rows: Any) -> bool:
    return isinstance(rows, Features) or (hasattr(rows, "__len__") and getattr(rows, "ndim", 1) > 0)


class Moments:
    """Counts, sums and products of columns and of pairs of columns.

    A row with several items (five captions of a photo) counts once: within its column every item weighs
    1/items, and across columns the mean of its items stands for it, which equals pairing all with all.

    precision : 'float32', or 'bfloat16' for half-precision products between columns (torch, extra `neural`):
    for many rows, where the processor multiplies it faster. Within a column float32 is as fast, being
    symmetric.
    """

    def __init__(self, precision: str = "float32") -> None:
        self.precision = precision
        self.shift: dict[str, NDArray[np.float32]] = {}
        self.count: dict[tuple[str, str], int] = {}
        self.sums: dict[tuple[str, str], Doubles] = {}  # (a, b): of a, over the rows that have both
        self.products: dict[tuple[str, str], Product] = {}  # only a <= b
        self._multiply = _multiply(precision)

    @classmethod
    def of(cls, table: Table | Iterable[Table], precision: str = "float32") -> Moments:
        """The moments of one table {column: (n, d) or Features}, or of a stream of such batches."""
        moments = cls(precision)
        listed = isinstance(table, list | tuple) and not all(isinstance(batch, Mapping) for batch in table)
        if listed or not hasattr(table, "__iter__"):
            check_table(table)  # columns without names are no stream
        for batch in [table] if isinstance(table, Mapping) else table:
            moments.add(batch)
        return moments

    @property
    def columns(self) -> list[str]:
        """The columns that had anything in them, sorted."""
        return sorted(self.shift)

    def width(self, column: str) -> int:
        """d of a column."""
        return len(self.shift[column])

    def pairs(self, a: str, b: str) -> int:
        """The number of rows that have both columns."""
        return self.count.get((min(a, b), max(a, b)), 0)

    def known(self, a: str, b: str) -> bool:
        """Whether rows enough have both columns for a covariance."""
        return self.pairs(a, b) >= TOGETHER

    def only(self, *columns: str) -> Moments:
        """The moments of some columns alone."""
        part = Moments(self.precision)
        part.shift = {c: self.shift[c] for c in columns}
        inside = [pair for pair in self.sums if set(pair) <= set(columns)]
        part.sums = {pair: self.sums[pair].copy() for pair in inside}  # since `add` adds in place
        part.count = {pair: self.count[pair] for pair in inside if pair in self.count}
        part.products = {pair: self.products[pair].copy() for pair in inside if pair in self.products}
        return part

    def add(self, table: Table) -> Self:
        """Add a batch of rows {column: array (n, d) with NaN rows absent, or Features}."""
        check_table(table)
        lengths = {
            name: cells.n if isinstance(cells, Features) else len(cells) for name, cells in table.items()
        }
        if len(set(lengths.values())) > 1:
            raise ShapeError(f"columns have different numbers of rows: {lengths}", where="moments")
        for start in range(0, max(lengths.values(), default=0), CHUNK):
            with np.errstate(over="ignore"):  # `covariance` names what was too large
                self._add_chunk({name: _part(name, table[name], start) for name in sorted(table)})
        return self

    def mean(self, a: str, b: str) -> Doubles:
        """(d,) the mean of column a over the rows that have both a and b."""
        return self.sums[a, b] / self.pairs(a, b)

    def covariance(self, a: str, b: str) -> Doubles:
        """(d_a, d_b) covariance over the rows that have both; zero where no row has."""
        rows = self.pairs(a, b)
        if not rows:
            return np.zeros((self.width(a), self.width(b)))
        product = self.products[a, b].value() if a <= b else self.products[b, a].value().T
        if not (np.isfinite(self.sums[a, b]).all() and np.isfinite(self.sums[b, a]).all()):
            raise DataError(
                "numbers too large to be summed in single precision",
                where=" or ".join(f"column {c!r}" for c in sorted({a, b})),
                hint="Scale the features down.",
            )
        return product / rows - np.outer(self.mean(a, b), self.mean(b, a))

    def center(self, column: str) -> Doubles:
        """(d,) the mean of a column in its own units."""
        return self.mean(column, column) + self.shift[column]

    def axes(self) -> Axes:
        """{column: (d, r) orthonormal} coordinates of what its rows span, where they are fewer than features.

        Ridge solutions lie there (Schölkopf et al. 2001), so `projected` moments teach the same.
        """
        own = {c: self.products[c, c].factors for c in self.columns}
        rows = {c: np.vstack([left for left, _ in factors]) for c, factors in own.items() if factors}
        return {c: orthonormal(r) for c, r in rows.items()}

    def projected(self, axes: Axes) -> Moments:
        """The moments in other coordinates of some columns."""
        small = Moments(self.precision)
        small.shift = {c: shift @ axes[c] if c in axes else shift for c, shift in self.shift.items()}
        small.count = dict(self.count)
        small.sums = {(a, b): s @ axes[a] if a in axes else s for (a, b), s in self.sums.items()}
        small.products = {
            (a, b): p.projected(axes.get(a), axes.get(b)) for (a, b), p in self.products.items()
        }
        return small

    def __add__(self, other: Moments) -> Moments:
        """Moments of both parts together; the other part's shifts are brought to this one's."""
        total = Moments(self.precision)
        total.shift = {**other.shift, **self.shift}
        for part in (self, other):
            part._pour_into(total)
        return total

    def _pour_into(self, total: Moments) -> None:
        for (a, b), rows in self.count.items():
            move_a, move_b = self.shift[a] - total.shift[a], self.shift[b] - total.shift[b]
            sum_a, sum_b = self.sums[a, b], self.sums[b, a]
            product = total.products.setdefault((a, b), self._empty(a, b))
            product.add_product(self.products[a, b])
            if move_a.any() or move_b.any():  # Σ (l + m)ᵀ(r + m'), of which Σ lᵀr is there
                moved = np.stack([sum_a, move_a, rows * move_a]), np.stack([move_b, sum_b, move_b])
                product.add(*(part.astype(np.float64) for part in moved))
            for key, value in {(a, b): sum_a + rows * move_a, (b, a): sum_b + rows * move_b}.items():
                _accumulate(total.sums, key, value)
            total.count[a, b] = total.count.get((a, b), 0) + rows

    def _add_chunk(self, chunk: dict[str, tuple[Features, Sums | None]]) -> None:
        shifted: dict[str, Features] = {}
        sums: dict[str, Sums] = {}
        for name, (f, total) in chunk.items():
            if len(f.row):
                shift = self.shift.setdefault(name, _worthwhile_shift(f.values))
                shifted[name] = self._shifted(name, f)
                sums[name] = _sum(shifted[name].means) if total is None or shift.any() else total
        for name, f in shifted.items():
            items = f.values if f.means is f.values else f.values / np.sqrt(f.counts[f.row])[:, None]
            self._note(name, name, len(f.means), (items, items), sums[name], sums[name])
        for a, b in itertools.combinations(sorted(shifted), 2):
            left, right = _paired(shifted[a], shifted[b])
            if len(left):
                sum_a = sums[a] if left is shifted[a].means else _sum(left)
                sum_b = sums[b] if right is shifted[b].means else _sum(right)
                self._note(a, b, len(left), (left, right), sum_a, sum_b)

    def _note(
        self,
        a: str,
        b: str,
        rows: int,
        both: tuple[NDArray[Any], NDArray[Any]],
        sum_a: NDArray[Any],
        sum_b: NDArray[Any],
    ) -> None:
        self.products.setdefault((a, b), self._empty(a, b)).add(*both)
        for key, total in {(a, b): sum_a, (b, a): sum_b}.items():
            _accumulate(self.sums, key, total)
        self.count[a, b] = self.count.get((a, b), 0) + rows

    def _shifted(self, name: str, f: Features) -> Features:
        shift = self.shift[name]
        if f.width != len(shift):
            raise ShapeError(f"expected width {len(shift)}, got {f.width}", where=f"column {name!r}")
        if shift.any():
            return f.with_values(f.values - shift)
        # few rows are kept, and whoever gave them may change them
        return f.with_values(f.values.copy()) if len(f.values) < f.width else f

    def _empty(self, a: str, b: str) -> Product:
        multiply = cross if a == b else self._multiply
        return Product((a, b), (self.width(a), self.width(b)), multiply)


def _part(name: str, cells: Features | NDArray[Any], start: int) -> tuple[Features, Sums | None]:
    """The chunk of a column, and its sums where they were needed to see that nothing is absent."""
    if isinstance(cells, Features):
        first, last = np.searchsorted(cells.row, (start, start + CHUNK))
        n = min(CHUNK, cells.n - start)
        row, item = cells.row[first:last] - start, cells.item[first:last]
        return Features(cells.values[first:last], row, item, n), None
    name = f"column {name!r}"
    chunk = check_matrix(cells[start : start + CHUNK], name)
    if chunk.dtype == np.float32 and chunk.size:
        total = _sum(chunk)
        if np.isfinite(total).all():
            n = len(chunk)
            return Features(chunk, np.arange(n), np.zeros(n, np.int64), n), total
    return Features.of(chunk, name=name, first=start), None


def _paired(a: Features, b: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    both = a.present & b.present
    if both.sum() == len(a.means) == len(b.means):
        return a.means, b.means
    return a.means[both[a.present]], b.means[both[b.present]]


def _sum(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ones(len(rows), np.float32) @ rows  # BLAS: several times faster than rows.sum(axis=0)


def _worthwhile_shift(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values = values[:1024]
    mean = values.mean(axis=0, dtype=np.float64)
    spread = float(values.std(axis=0, dtype=np.float64).mean())
    far = bool(np.abs(mean).max(initial=0) > SHIFT_ABOVE * spread)
    return mean.astype(np.float32) if far else np.zeros(len(mean), np.float32)


def _accumulate(store: dict[tuple[str, str], Doubles], key: tuple[str, str], value: NDArray[Any]) -> None:
    if key in store:
        store[key] += value
    else:
        store[key] = np.array(value, np.float64)


def _multiply(precision: str) -> Multiply:
    if precision == "float32":
        return cross
    if precision == "bfloat16":
        return _half_multiply()
    raise UsageError(f"precision is 'float32' or 'bfloat16', got {precision!r}")


def _half_multiply() -> Multiply:
    """X'Y in half precision: each block is rounded as it leaves, so short blocks keep more digits."""
    require_extra("torch", "neural")
    import torch

    def multiply(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        total = np.zeros((left.shape[1], right.shape[1]), np.float32)
        for start in range(0, len(left), HALF_BLOCK):
            a, b = (
                torch.from_numpy(np.ascontiguousarray(x[start : start + HALF_BLOCK])) for x in (left, right)
            )
            total += (a.bfloat16().T @ b.bfloat16()).float().numpy()
        return total

    return multiply
