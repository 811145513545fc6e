"""Weighted fusion: F = Σ w_m f_m over what is present, maps and weights learned, then a linear head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats, Mask
from chiasm.checks import check_range
from chiasm.fuse.concat import dropped
from chiasm.fuse.fusion import Columns, Fusion, means_of, present
from chiasm.fuse.singles import pulled, single_scores
from chiasm.heads.folds import folds, several
from chiasm.heads.head import HEADS
from chiasm.heads.linear import Linear
from chiasm.heads.logistic import indicators
from chiasm.heads.task import Task
from chiasm.named import Record
from chiasm.numerics import fix_signs, leading_singular


class Weighted(Fusion):
    """Every column is mapped by ridge to what all columns share: the target's indicators and the leading
    directions of the columns together. A column weighs by the precision of its held-out map, weights are
    normalised over what a row has, and a linear head reads the sum.

    dim : shared directions beside the target.
    drop, folds, seed : as `Concat`.
    """

    maps_: dict[str, Record]
    weights_: dict[str, Floats]
    head_: Record

    def __init__(self, dim: int = 8, drop: float = 0.3, folds: int = 5, seed: int = 0) -> None:
        self.dim = dim
        self.drop = drop
        self.folds = folds
        self.seed = seed

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        check_range(self.dim, "dim", 1)
        T = np.hstack([indicators(self.task, y), shared_directions(columns, self.dim)])
        T = (T - T.mean(axis=0)) / np.maximum(T.std(axis=0), 1e-9)
        task = Task("numbers", centre=(0.0,) * T.shape[1], scale=(1.0,) * T.shape[1])
        fold = folds(y, groups, self.folds, self.seed)
        self.maps_, self.weights_, held = {}, {}, {}
        for c, f in columns.items():
            own = None if weights is None else weights[f.row]
            inner = None if groups is None else groups[f.row]
            head = Linear(folds=self.folds, seed=self.seed)
            held[c] = np.zeros((f.n, T.shape[1]))
            held[c][f.row] = head.cross_fit(f.values, T[f.row], task, fold[f.row], own, inner)
            error = np.square(held[c][f.row] - T[f.row]).mean(axis=0)
            self.maps_[c], self.weights_[c] = HEADS.record(head), 1 / np.maximum(error, 1e-3)
        whole = present(columns)
        masks = (whole, dropped(whole, self.drop, self.seed))
        Z = np.vstack([self._mean(held, mask) for mask in masks]).astype(np.float32)
        rows = groups if several(groups) else np.arange(len(y))
        own = None if weights is None else np.tile(weights, 2)
        head = Linear(folds=self.folds, seed=self.seed)
        self.head_ = HEADS.record(head.fit(Z, np.concatenate([y, y]), self.task, own, np.tile(rows, 2)))

    def _shares(self, names: list[str], mask: Mask) -> Floats:
        """(m, n, k) weights normalised over what is present."""
        each = np.array([self.weights_[c] for c in names])[:, None] * mask[:, :, None]
        return np.asarray(each / np.maximum(each.sum(axis=0), 1e-12))

    def _mean(self, mapped: dict[str, Floats], mask: Mask) -> Floats:
        shares = self._shares(list(mapped), mask)
        return np.asarray(sum(s * np.nan_to_num(v) for s, v in zip(shares, mapped.values(), strict=True)))

    def _score(self, columns: Columns) -> Floats:
        mapped = single_scores(self.maps_, columns)
        return HEADS.revive(self.head_).scores(self._mean(mapped, present(columns)).astype(np.float32))

    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)} of a gradient by scores (n, q)."""
        columns = {c: f for c, f in means_of(X).items() if c in self.widths_}
        if not columns:
            return {}
        mask = present(columns)
        mean = self._mean(single_scores(self.maps_, columns), mask).astype(np.float32)
        carried = HEADS.revive(self.head_).pull(mean, np.nan_to_num(gradient))
        shares = self._shares(list(columns), mask)
        return pulled(self.maps_, columns, {c: s * carried for c, s in zip(columns, shares, strict=True)})


def shared_directions(columns: Columns, dim: int) -> Floats:
    """(n, k) the leading left singular directions of all columns side by side, each centred and of the same
    total variance, absent rows zero and the rest of the row enlarged for them."""
    mask = present(columns)
    blocks = []
    for f in columns.values():
        centred = f.values - f.values.mean(axis=0)
        block = np.zeros((f.n, f.width))
        block[f.row] = centred / max(float(np.linalg.norm(centred)), 1e-12)
        blocks.append(block)
    joined = np.concatenate(blocks, axis=1) * (len(mask) / np.maximum(mask.sum(axis=0), 1))[:, None]
    left, values, _ = leading_singular(joined, min(dim, *joined.shape))
    left = left[:, values > 1e-6 * max(float(values[0]), 1e-30)] if len(values) else left
    return np.asarray(left * fix_signs(left), np.float64) if left.size else np.zeros((mask.shape[1], 0))
