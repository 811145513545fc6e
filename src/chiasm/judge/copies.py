"""What stands in several rows of a column, the same or nearly so, and what of it lies in several parts."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.align.near_duplicates import NEAR, all_near_duplicates
from chiasm.array_types import Ints
from chiasm.checks import check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import ShapeError

Floats = NDArray[Any]

COMMON, FEW = 0.5, 5
"""Where more rows than `COMMON` are like another, and most of those in groups of more than `FEW` rows, the
column holds few values, and copies are no news."""
MOST = 6
"""Rows or parts that are listed; the rest are counted."""
Name = Callable[[int], str]
"""What a row is called."""


@dataclass(frozen=True)
class Duplicate:
    """Rows of which a column holds the same, or nearly.

    rows : of the group, ascending; each is a near-duplicate of another of them.
    similarity : the least cosine that holds the group together.
    exact : whether equal content holds it together;  whole : whether the rows hold nothing else, which cells
        of several items may.
    """

    column: str
    rows: tuple[int, ...]
    similarity: float
    exact: bool
    whole: bool

    def __str__(self) -> str:
        return f"column {self.column!r}: {self.said()}"

    def said(self, name: Name = str) -> str:
        """What the rows hold."""
        rows = f"rows {_listed(self.rows, name)}"
        if self.exact and not self.whole:
            return f"{rows} share an item"
        return f"{rows} hold {_what(self)}"


@dataclass(frozen=True)
class Leak:
    """Rows of several parts of which a column holds the same, or nearly: what is learned of one part is known
    of the other.

    parts : {part: its rows of the group};  the others as in `Duplicate`.
    """

    column: str
    parts: dict[str, tuple[int, ...]]
    similarity: float
    exact: bool
    whole: bool

    def __str__(self) -> str:
        return f"column {self.column!r}: {self.said()}"

    def said(self, name: Name = str, by: str = "") -> str:
        """Which rows of which parts hold the same; `by` is the column that names the parts."""
        sides = [
            f"row{'s' * (len(rows) > 1)} {_listed(rows, name)} ({f'{by} {part}'.strip()})"
            for part, rows in self.parts.items()
        ]
        more = [f"rows of {len(sides) - MOST:,} more"] if len(sides) > MOST else []
        return f"{' and '.join([*sides[:MOST], *more])} hold {_what(self)}"


def duplicates(
    column: str, cells: Features | Floats, alike: float = NEAR
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
    content, first = _items(f)
    left, right, cosines = all_near_duplicates(f.values[first], alike)
    # rows and contents are the nodes of one graph: a row holds contents, and contents are near contents
    ends = np.r_[f.row, f.n + left], np.r_[f.n + content, f.n + right]
    size = f.n + len(first)
    group = _components(ends, size)
    equal = _components((f.row, f.n + content), size)
    alone = _components((left, right), len(first))[content]  # of items, whatever rows they stand in
    least = np.ones(size)
    np.minimum.at(least, group[f.n + left], cosines)
    rows = np.flatnonzero(f.present)
    rows = rows[np.argsort(group[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    held = np.unique(np.c_[f.row, alone], axis=0)
    starts = np.searchsorted(held[:, 0], np.arange(f.n + 1))

    def duplicate(some: Ints) -> Duplicate:
        exact = len(set(equal[some])) == 1
        whole = len({tuple(held[starts[row] : starts[row + 1], 1]) for row in some}) == 1
        nearest = 1.0 if exact else float(least[group[some[0]]])
        return Duplicate(column, tuple(map(int, some)), nearest, exact, whole)

    found = [duplicate(some) for some in groups if len(some) > 1]
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
            out.append(Leak(one.column, named, one.similarity, one.exact, one.whole))
    return tuple(out)


def few_values(found: Sequence[Duplicate], share: float) -> bool:
    """Whether a column's rows are like others because it holds few values, as a class does."""
    sizes = [len(one.rows) for one in found]
    return share > COMMON and float(np.median(np.repeat(sizes, sizes))) > FEW


def contents(f: Features) -> Ints:
    """(n,) of rows that are all present: equal where they hold the same first item, or where contents are not
    known the same values."""
    if f.key is None:
        return numbered(value.tobytes() for value in f.means)
    return f.key[np.searchsorted(f.row, np.arange(f.n))]


def numbered(values: Iterable[Hashable]) -> Ints:
    """(n,) numbers, equal where values are, in the order in which they come."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _what(one: Duplicate | Leak) -> str:
    same = "the same" if one.exact else f"nearly the same (cosine {one.similarity:.3f})"
    return same if one.whole else f"an item {same}"


def _components(ends: tuple[Ints, Ints], size: int) -> Ints:
    graph = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1])


def _items(f: Features) -> tuple[Ints, Ints]:
    """(items,) the content of each item, counted from 0, and (contents,) an item that holds each."""
    key = f.values if f.key is None else f.key
    _, first, content = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return content.ravel(), first


def _listed(rows: Sequence[int], name: Name) -> str:
    more = f" and {len(rows) - MOST:,} more" if len(rows) > MOST else ""
    return ", ".join(map(name, rows[:MOST])) + more
