"""Columns of which one value gives the target away: each predicts it alone, every row by the others."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import ShapeError

SURE = 0.99
"""The share of rows that a column alone gets right, or of a number's variance, from which it is named."""
BETTER = 0.1
"""Of the errors of the commonest class, at most this part may be left."""
LEAST = 20
"""With fewer rows in common than this nothing is said."""

WAYS = {
    "value": "rows of the same value have it too",
    "nearest": "the row of the nearest value has it too",
    "line": "a straight line through the other rows has it too",
    "name": "its text names it",
}


@dataclass(frozen=True)
class Giveaway:
    """A column that tells the target by one value alone.

    how : 'value' by other rows of the same value, 'nearest' by those of the nearest numbers, 'line' by a
        straight line through the others, 'name' by naming it.
    right : share of rows so predicted rightly, of a number share of its variance;  prior : of the commonest
        class, 0 of a number.
    """

    column: str
    target: str
    how: str
    right: float
    prior: float
    rows: int

    def __str__(self) -> str:
        return (
            f"column {self.column!r} gives the target {self.target!r} away: {WAYS[self.how]} "
            f"({self.right:.1%} of {self.rows:,} rows). Is it known before the target is?"
        )


def giveaways(values: Mapping[str, Sequence[Any]], target: str, y: Sequence[Any]) -> tuple[Giveaway, ...]:
    """The columns {column: (n,) texts, categories or numbers, None absent} that determine the target (n,),
    None where it has no value; the surest first. Every row is predicted by the others alone."""
    found = []
    for column, cells in values.items():
        if len(cells) != len(y):
            raise ShapeError(f"expected {len(y)} values, got {len(cells)}", where=f"column {column!r}")
        pairs = [(a, b) for a, b in zip(cells, y, strict=True) if _one(a) and _one(b)]
        if len(pairs) >= LEAST and len({b for _, b in pairs}) > 1:
            best = max(_ways(column, target, pairs), key=lambda one: one.right)
            if best.right >= max(SURE, 1 - BETTER * (1 - best.prior)):
                found.append(best)
    return tuple(sorted(found, key=lambda one: -one.right))


def _one(value: Any) -> bool:
    """Whether this is one value that can be compared."""
    return isinstance(value, str | bool | int) or (isinstance(value, float) and np.isfinite(value))


def _ways(column: str, target: str, pairs: Sequence[tuple[Any, Any]]) -> list[Giveaway]:
    cells, y = zip(*pairs, strict=True)
    measured = all(isinstance(b, int | float) for b in y) and any(isinstance(b, float) for b in y)
    prior = 0.0 if measured else Counter(y).most_common(1)[0][1] / len(y)
    right = {"value": _explained(cells, y) if measured else _repeated(cells, y)}
    if all(isinstance(a, int | float) for a in cells):
        right["nearest"] = _near(cells, y, measured)
        right |= {"line": _straight(cells, y)} if measured else {}
    elif all(isinstance(one, str) for one in (*cells, *y)):
        right["name"] = _named(cells, y)
    return [Giveaway(column, target, how, share, prior, len(y)) for how, share in right.items()]


def _repeated(cells: Sequence[Any], y: Sequence[Any]) -> float:
    """The share of rows whose target is the commonest among the other rows of the same value."""
    seen: dict[Any, Counter[Any]] = defaultdict(Counter)
    for a, b in zip(cells, y, strict=True):
        seen[a][b] += 1
    right = 0
    for a, b in zip(cells, y, strict=True):
        rivals = max((count for other, count in seen[a].items() if other != b), default=0)
        right += seen[a][b] - 1 > rivals
    return right / len(y)


def _explained(cells: Sequence[Any], y: Sequence[Any]) -> float:
    """The share of a number's variance that the mean of the other rows of the same value explains."""
    numbers = np.array(y, float)
    _, code = np.unique(np.array(list(map(repr, cells))), return_inverse=True)
    count, total = np.bincount(code)[code], np.bincount(code, numbers)[code]
    others = np.where(count > 1, (total - numbers) / np.maximum(count - 1, 1), numbers.mean())
    return _share(numbers, others)


def _near(cells: Sequence[Any], y: Sequence[Any], measured: bool) -> float:
    """The same by the row of the nearest value, by both where two are as near; of a number by the mean of the
    next smaller and larger."""
    values = np.array(cells, float)
    order = np.argsort(values, kind="stable")
    if measured:
        numbers = np.array(y, float)[order]
        ends = np.r_[numbers[1], numbers, numbers[-2]]
        return _share(numbers, (ends[:-2] + ends[2:]) / 2)
    gaps = np.r_[np.inf, np.diff(values[order]), np.inf]
    same = np.r_[False, [y[i] == y[j] for i, j in itertools.pairwise(order)], False]
    before, after = gaps[:-1] <= gaps[1:], gaps[1:] <= gaps[:-1]
    return float(((same[:-1] | ~before) & (same[1:] | ~after)).mean())


def _straight(cells: Sequence[Any], y: Sequence[Any]) -> float:
    """The share of a number's variance that a straight line through the other rows explains."""
    x, numbers = np.array(cells, float), np.array(y, float)
    x, centred = x - x.mean(), numbers - numbers.mean()
    total = np.square(x).sum()
    if not total:
        return 0.0
    leverage = 1 / len(x) + np.square(x) / total
    return _share(numbers, numbers - (centred - x * (x @ centred) / total) / np.maximum(1 - leverage, 1e-9))


def _share(numbers: NDArray[Any], guess: NDArray[Any]) -> float:
    return float(1 - np.square(numbers - guess).sum() / np.square(numbers - numbers.mean()).sum())


def _named(cells: Sequence[str], y: Sequence[str]) -> float:
    """The share of rows whose text holds the name of their class, and no longer one of another."""
    names = sorted({name.lower() for name in y if name.strip()}, key=lambda name: (-len(name), name))
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names))
    found = [pattern.search(a.lower()) for a in cells]
    right = sum(m is not None and m.group() == b.lower() for m, b in zip(found, y, strict=True))
    return right / len(y)
