"""Sums of products of rows: kept as the rows themselves where those are fewer than the features."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import DataError

AT_ONCE = 8
"""Matrices as large as a product that a closed form holds at a time, about."""
EXPONENT = 40
"""Numbers as large as 2 to this, or as small as its inverse, are squared in single precision without loss."""

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Multiply = Callable[[Floats, Floats], Floats]


class Product:
    """Σ lᵀr (d_a, d_b) over rows l (n, d_a) of one column and r (n, d_b) of another, or of the same.

    Rows fewer than the features of either take less memory than their product, and tell what they span: they
    are kept, and multiplied when the product is asked for.

    Raises DataError where the product would leave the machine no memory to work with it.
    """

    def __init__(self, columns: tuple[str, str], widths: tuple[int, int], multiply: Multiply) -> None:
        self.columns = columns
        self.widths = widths
        self.multiply = multiply
        self.factors: list[tuple[Floats, Floats]] = []
        self.total: Doubles | None = None

    def copy(self) -> Product:
        """One that may be added to while this stays as it is."""
        other = copy(self)
        other.factors, other.total = list(self.factors), copy(self.total)
        return other

    def add(self, left: Floats, right: Floats) -> None:
        """Add rows (n, d_a), (n, d_b), which may not change afterwards; doubles are multiplied as such."""
        self.factors.append((left, right))
        if self.total is not None or sum(len(one) for one, _ in self.factors) >= min(self.widths):
            self.total, self.factors = self._summed(self.total), []

    def add_product(self, other: Product) -> None:
        """Add the product of other rows."""
        if other.total is not None:
            self.total, self.factors = self._summed(self.total), []
            self.total += other.total
        for pair in other.factors:
            self.add(*pair)

    def value(self) -> Doubles:
        """(d_a, d_b) the product, for reading only."""
        return self._summed(None) if self.total is None else self.total

    def _summed(self, total: Doubles | None) -> Doubles:
        """The total (d_a, d_b), which is changed, and the factors' products."""
        if total is None:
            check_room(self.columns, self.widths)
            total = np.zeros(self.widths)
        for left, right in self.factors:
            product, unit = multiplied(left, right, self.multiply)
            total += product if unit == 1 else product * np.float64(unit)
        return total

    def projected(self, first: Floats | None, second: Floats | None) -> Product:
        """The product in other coordinates, (d_a, r_a) of the first column and (d_b, r_b) of the second.

        None: as it is.
        """
        axes = (first, second)
        widths = tuple(w if a is None else a.shape[1] for a, w in zip(axes, self.widths, strict=True))
        small = Product(self.columns, (widths[0], widths[1]), self.multiply)
        if self.total is not None:
            half = self.total if first is None else first.T @ self.total
            small.total = np.asarray(half if second is None else half @ second, np.float64)
        for pair in self.factors:
            one, other = (x if a is None else x @ a for x, a in zip(pair, axes, strict=True))
            small.add(one, one if pair[0] is pair[1] and first is second else other)
        return small


def multiplied(left: Floats, right: Floats, multiply: Multiply) -> tuple[Floats, float]:
    """lᵀr of rows (n, d_a), (n, d_b), and the unit it is in: a power of two, 1 unless numbers would overflow
    or vanish in single precision. Doubles are multiplied as such."""
    if left.dtype == np.float64:
        return left.T @ right, 1.0
    units = exponent(left), exponent(right)
    a = np.ldexp(left, -units[0]) if units[0] else left
    b = a if left is right else np.ldexp(right, -units[1]) if units[1] else right
    return multiply(a, b), 2.0 ** sum(units)


def cross(left: Floats, right: Floats) -> Floats:
    """lᵀr in the rows' own precision."""
    return np.asarray(left.T @ right)


def exponent(values: Floats) -> int:
    """That of the largest number, 0 where it is of a size to be squared."""
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    power = int(np.frexp(largest)[1]) if np.isfinite(largest) else 0
    return power if abs(power) > EXPONENT else 0


def check_room(columns: tuple[str, str], widths: tuple[int, int]) -> None:
    """Raise `DataError` unless matrices (d_a, d_b) fit into memory."""
    need = 8 * AT_ONCE * widths[0] * widths[1]
    if need > memory():
        named = " and ".join(
            f"{c!r} ({w:,} features)" for c, w in dict(zip(columns, widths, strict=True)).items()
        )
        raise DataError(
            f"too wide to be learned from this many rows: about {need / 2**30:.0f} GiB would be needed",
            where=f"column {named}",
            hint="Reduce the features, to some thousands, or give fewer rows than features.",
        )


def memory() -> int:
    """Bytes of memory of this machine; 16 GiB where it does not say."""
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return 16 << 30
