"""Boosted trees of one number as plain arrays: grown by scikit-learn, read without it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats

Trees = dict[str, Any]
BLOCK = 4096  # lines read at a time, so that lines × trees stay small
NODES = {
    "feature": ("feature_idx", np.int32),
    "threshold": ("num_threshold", np.float64),
    "left": ("left", np.int32),
    "right": ("right", np.int32),
    "value": ("value", np.float64),
    "leaf": ("is_leaf", np.uint8),
    "gap_left": ("missing_go_to_left", np.uint8),
}


def grow(X: NDArray[np.float32], y: Floats, rounds: int, seed: int = 0) -> Trees:
    """`rounds` trees of features (n, d), NaN where a feature is missing, to numbers (n,).

    Histogram gradient boosting on squared error (Friedman 2001; Ke et al. 2017), its settings fixed: rate
    0.1, 31 leaves, each of 100 lines or a hundredth of them if that is less.
    Returns {base, roots (rounds,), one array a field of the nodes}.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    X = np.where(np.isnan(X).all(axis=0), np.float32(0), X)  # scikit-learn cannot bin a column of gaps
    leaf = int(np.clip(len(y) // 100, 1, 100))
    model = HistGradientBoostingRegressor(
        max_iter=rounds,
        min_samples_leaf=leaf,
        l2_regularization=10.0,
        early_stopping=False,
        random_state=seed,
    ).fit(X, y)
    nodes = [stage[0].nodes for stage in model._predictors]  # not public; a test compares
    roots = np.cumsum([0, *map(len, nodes)])[:-1]
    trees: Trees = {
        name: np.concatenate([n[f] for n in nodes]).astype(kind) for name, (f, kind) in NODES.items()
    }
    sizes = [len(n) for n in nodes]
    for side in ("left", "right"):  # places in the common arrays
        trees[side] += np.repeat(roots, sizes).astype(np.int32)
    return {**trees, "roots": roots.astype(np.int32), "base": float(np.ravel(model._baseline_prediction)[0])}


def read(trees: Trees, X: NDArray[np.float32]) -> Floats:
    """(n,) predictions of trees of `grow` from features (n, d)."""
    parts = [_read(trees, X[start : start + BLOCK]) for start in range(0, len(X), BLOCK)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _read(trees: Trees, X: NDArray[np.float32]) -> Floats:
    place = np.tile(trees["roots"], (len(X), 1))
    lines = np.broadcast_to(np.arange(len(X))[:, None], place.shape)
    while (inner := trees["leaf"][place] == 0).any():
        at = place[inner]
        value = X[lines[inner], trees["feature"][at]]
        left = np.where(np.isnan(value), trees["gap_left"][at] == 1, value <= trees["threshold"][at])
        place[inner] = np.where(left, trees["left"][at], trees["right"][at])
    return np.asarray(trees["value"][place].sum(axis=1) + trees["base"], np.float64)
