"""What stands in several rows of a column, the same or nearly so, and what of it lies in several parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.checks import check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import ShapeError
from chiasm.metrics import blocks
from chiasm.numerics import leading_eigen, unit_rows

Floats = NDArray[Any]
Ints = NDArray[np.int64]

ALIKE = 0.99
"""A photo compressed again or at 60 % of its size is as near to itself (9 of 10, by the built-in encoder), a
cropped one is not; strangers among synthetic sounds and digits reach 0.98."""
SAME = 1 - 1e-5
"""The cosine from which two items are taken for one."""
AXES = 64
"""Leading directions in which near neighbours are looked for first."""
COMMON = 0.5
"""Where more rows than this are like another, the column holds few values, and copies are no news."""


@dataclass(frozen=True)
class Duplicate:
    """Rows of which a column holds the same, or nearly.

    rows : of the group, ascending; each is a near-duplicate of another of them.
    similarity : the least cosine that holds the group together.  exact : whether all hold the same.
    """

    column: str
    rows: tuple[int, ...]
    similarity: float
    exact: bool

    def __str__(self) -> str:
        what = "the same" if self.exact else f"nearly the same (cosine {self.similarity:.3f})"
        return f"column {self.column!r}: rows {_listed(self.rows)} hold {what}"


@dataclass(frozen=True)
class Leak:
    """Rows of several parts of which a column holds the same, or nearly: what is learned of one part is known
    of the other.

    parts : {part: its rows of the group}.
    """

    column: str
    parts: dict[str, tuple[int, ...]]
    similarity: float
    exact: bool

    def __str__(self) -> str:
        what = "the same" if self.exact else f"nearly the same (cosine {self.similarity:.3f})"
        sides = "; ".join(f"{part}: {_listed(rows)}" for part, rows in self.parts.items())
        return f"column {self.column!r}: {what} in several parts ({sides})"


def duplicates(
    column: str, cells: Features | Floats, alike: float = ALIKE
) -> tuple[tuple[Duplicate, ...], float]:
    """Groups of rows of (n, d) or Features that are near-duplicates of each other, the largest first; and the
    share of the column's rows that are in one.

    Two rows are near-duplicates where an item of one has a cosine ≥ `alike` to one of the other, the column's
    mean taken off; groups are chains of them. All pairs are compared, in a few leading directions first:
    distances there are never longer than whole ones, so nothing is missed. Time grows with n².

    alike : how near copies lie together is the encoder's.
    """
    check_range(alike, "alike", 0, 1)
    f = as_features(cells)
    if not len(f.row):
        return (), 0.0
    content, first = _contents(f)
    left, right, cosines = _pairs(f.values[first], alike)
    # rows and contents are the nodes of one graph: a row holds contents, and contents are near contents
    ends = np.r_[f.row, f.n + left], np.r_[f.n + content, f.n + right]
    size = f.n + len(first)
    graph = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    _, group = sparse.csgraph.connected_components(graph, directed=False)
    least = np.ones(size)
    np.minimum.at(least, group[f.n + left], cosines)
    rows = np.flatnonzero(f.present)
    rows = rows[np.argsort(group[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    found = [
        Duplicate(
            column, tuple(map(int, some)), float(least[group[some[0]]]), bool(least[group[some[0]]] >= SAME)
        )
        for some in groups
        if len(some) > 1
    ]
    share = sum(len(one.rows) for one in found) / len(rows)
    return tuple(sorted(found, key=lambda one: (-len(one.rows), one.rows))), share


def leaks(found: Sequence[Duplicate], parts: Sequence[Any]) -> tuple[Leak, ...]:
    """The groups whose rows lie in several parts.

    parts : (n,) the part of each row, such as train and test or a group held out whole; None is no part.
    """
    out = []
    for one in found:
        sides: dict[str, list[int]] = {}
        for row in one.rows:
            if row >= len(parts):
                raise ShapeError(f"expected a part for each row, got {len(parts)}", where="parts")
            if parts[row] is not None:
                sides.setdefault(str(parts[row]), []).append(row)
        if len(sides) > 1:
            named = {part: tuple(rows) for part, rows in sides.items()}
            out.append(Leak(one.column, named, one.similarity, one.exact))
    return tuple(out)


def _contents(f: Features) -> tuple[Ints, Ints]:
    """(items,) the content of each item, counted from 0, and (contents,) an item that holds each."""
    key = f.values if f.key is None else f.key
    _, first, content = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return content.ravel(), first


def _pairs(values: Floats, alike: float) -> tuple[Ints, Ints, Floats]:
    """(p,), (p,) pairs of rows of values (n, d) that are near each other, and their cosines (p,)."""
    unit = unit_rows(values - values.mean(axis=0))
    few = unit
    if unit.shape[1] > 2 * AXES:
        _, axes = leading_eigen(unit.T @ unit, AXES)
        few = np.asarray(unit @ axes, np.float32)
    found = [_near(unit, few, rows, alike) for rows in blocks(len(few), len(few))]
    left, right, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
    return left, right, cosines


def _near(unit: Floats, few: Floats, rows: slice, alike: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of the given rows with later ones: as near as that in the leading directions, then in all."""
    half = np.einsum("ij,ij->i", few, few) / 2
    apart = (
        half[rows, None] + half[rows.start :] - few[rows] @ few[rows.start :].T
    )  # half the squared distance
    left, right = (found + rows.start for found in np.nonzero(apart <= 1 - alike + 1e-5))
    left, right = left[left < right], right[left < right]
    cosines = [
        np.einsum("ij,ij->i", unit[left[some]], unit[right[some]])
        for some in blocks(len(left), unit.shape[1])
    ]
    near = np.concatenate([np.empty(0, np.float32), *cosines])
    return left[near >= alike], right[near >= alike], near[near >= alike]


def _listed(rows: Sequence[int], most: int = 6) -> str:
    more = f" and {len(rows) - most:,} more" if len(rows) > most else ""
    return ", ".join(map(str, rows[:most])) + more
