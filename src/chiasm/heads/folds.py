"""Inner folds of rows or groups, with every class in every fold where possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Ints


def folds(y: NDArray[Any], groups: Ints | None, count: int, seed: int = 0) -> Ints:
    """(n,) the fold of each row, 0 … count - 1; rows of one group share theirs, where there are two or more.

    Rows are sorted by target and dealt in turn, so that classes and sizes are spread evenly; groups by the
    mean target of their rows.
    """
    chance = np.random.default_rng(seed)
    if not several(groups):
        return _dealt(_level(y), count, chance)
    names, place = np.unique(groups, return_inverse=True)
    mean = np.bincount(place, _level(y)) / np.bincount(place)
    return _dealt(mean, min(count, len(names)), chance)[place]


def several(groups: Ints | None) -> TypeGuard[Ints]:
    """Whether there are two groups (n,) or more, so that one can be held out."""
    return groups is not None and len(groups) > 0 and bool((groups != groups[0]).any())


def held_out(fold: Ints) -> Iterator[tuple[Ints, Ints]]:
    """(rows learned from, rows held out) of each fold that leaves something to learn from."""
    for one in np.unique(fold).tolist():
        held = fold == one
        if not held.all():
            yield np.flatnonzero(~held), np.flatnonzero(held)


def _level(y: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) what rows are sorted by: their class, or the sum of their outputs."""
    return np.asarray(y.reshape(len(y), -1).sum(axis=1), np.float64)


def _dealt(level: NDArray[np.float64], count: int, chance: np.random.Generator) -> Ints:
    order = np.lexsort((chance.permutation(len(level)), level))
    fold = np.empty(len(level), np.int64)
    for start in range(0, len(order), count):  # each round in an order of its own
        part = order[start : start + count]
        fold[part] = chance.permutation(count)[: len(part)]
    return fold
