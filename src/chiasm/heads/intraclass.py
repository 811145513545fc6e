"""Weights of rows in groups by their intraclass correlation, so that repeated rows count less."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats, Ints


def intraclass_correlation(values: NDArray[Any], groups: Ints) -> float:
    """The intraclass correlation of features (n, d) in groups (n,) (Fisher 1925), of all features together,
    by analysis of variance: 0 where rows of one group differ as any others, 1 where they are copies.
    """
    place, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    n, count = len(place), len(sizes)
    if not 1 < count < n:
        return 0.0
    centred = np.asarray(values, np.float64) - np.mean(values, axis=0, dtype=np.float64)
    sums = np.zeros((count, centred.shape[1]))
    np.add.at(sums, place, centred)
    between = float((np.square(sums).sum(axis=1) / sizes).sum())
    within = max(float(np.square(centred).sum()) - between, 0.0) / (n - count)
    between /= count - 1
    size = (n - float(np.square(sizes).sum()) / n) / (count - 1)  # of a group, corrected for unequal ones
    spread = between + (size - 1) * within
    return float(np.clip((between - within) / spread, 0.0, 1.0)) if spread > 0 else 0.0


def group_weights(values: NDArray[Any], groups: Ints | None, weights: Floats | None) -> Floats | None:
    """(n,) weights of rows (n, d) over the design effect 1 + (k - 1) r of a group of k rows with intraclass
    correlation r, so that copies count as one (Kish 1965)."""
    if groups is None:
        return weights
    place, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    share = 1 / (1 + (sizes[place] - 1) * intraclass_correlation(values, groups))
    return np.asarray(share if weights is None else share * weights, np.float64)
