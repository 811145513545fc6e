"""Patterns of presence: which columns a row has, and the rows that have the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Mask

Pattern = tuple[int, ...]
MOST_COLUMNS = 6
"""Up to so many columns every one of the 2^m - 1 patterns is learned, beyond them those seen."""


def rows_by_pattern(mask: Mask) -> dict[Pattern, NDArray[np.int64]]:
    """{places of the columns present: rows (n',)} of a mask (m, n); rows with nothing have no pattern."""
    if not mask.size:
        return {}
    found, place = np.unique(mask.T, axis=0, return_inverse=True)
    rows = {
        tuple(np.flatnonzero(line).tolist()): np.flatnonzero(place.ravel() == i)
        for i, line in enumerate(found)
    }
    return {pattern: rows[pattern] for pattern in sorted(rows) if pattern}


def patterns_to_learn(mask: Mask) -> list[Pattern]:
    """All patterns of a mask (m, n) that a row could be masked to: every subset of few columns; of many,
    the patterns seen and every column alone."""
    m = len(mask)
    if m > MOST_COLUMNS:
        return sorted({*rows_by_pattern(mask), *((i,) for i in range(m))})
    subsets = [p for size in range(1, m + 1) for p in combinations(range(m), size)]
    return [p for p in subsets if rows_with(mask, p).any()]


def rows_with(mask: Mask, pattern: Sequence[int]) -> Mask:
    """(n,) True where a row has at least the columns of a pattern."""
    return np.asarray(mask[list(pattern)].all(axis=0), bool)
