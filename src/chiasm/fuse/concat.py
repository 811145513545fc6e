"""Concatenation: one linear head on all features side by side, absent ones zero, and presence indicators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats, Mask
from chiasm.checks import check_range
from chiasm.fuse.fusion import Columns, Fusion, means_of, present
from chiasm.heads.folds import several
from chiasm.heads.head import HEADS
from chiasm.heads.linear import Linear
from chiasm.named import Record


class Concat(Fusion):
    """A linear head on the columns' features, each column centred and at the same total variance, with one
    indicator of presence per column. Every row is learned from twice, the second time with columns dropped.

    drop : the rate at which columns are dropped, never below their own rate of gaps.
    folds : inner folds, of groups where there are any.
    seed : of the columns dropped and of the inner folds.
    """

    centre_: dict[str, Floats]
    scale_: dict[str, float]
    head_: Record

    def __init__(self, drop: float = 0.3, folds: int = 5, seed: int = 0) -> None:
        self.drop = drop
        self.folds = folds
        self.seed = seed

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        check_range(self.drop, "drop", 0, 1)
        self.centre_ = {c: f.values.mean(axis=0, dtype=np.float64) for c, f in columns.items()}
        self.scale_ = {
            c: float(1 / np.sqrt(max(f.values.var(axis=0, dtype=np.float64).sum(), 1e-12)))
            for c, f in columns.items()
        }
        whole = present(columns)
        Z = np.vstack(
            [self._side_by_side(columns, mask) for mask in (whole, dropped(whole, self.drop, self.seed))]
        )
        rows = groups if several(groups) else np.arange(len(y))
        own = None if weights is None else np.tile(weights, 2)
        head = Linear(folds=self.folds, seed=self.seed)
        self.head_ = HEADS.record(head.fit(Z, np.concatenate([y, y]), self.task, own, np.tile(rows, 2)))

    def _side_by_side(self, columns: Columns, mask: Mask) -> NDArray[np.float32]:
        """(n, Σ d + m) features of the columns learned, zero where the mask (m, n) or the row has none."""
        n = mask.shape[1]
        here = dict(zip(columns, mask, strict=True))
        blocks = []
        for c, d in self.widths_.items():
            block = np.zeros((n, d + 1), np.float32)
            if c in columns:
                rows = columns[c].row
                block[rows, :d] = (columns[c].values - self.centre_[c]) * self.scale_[c]
                block[rows, d] = 1.0
                block[~here[c]] = 0.0
            blocks.append(block)
        return np.concatenate(blocks, axis=1)

    def _score(self, columns: Columns) -> Floats:
        return HEADS.revive(self.head_).scores(self._side_by_side(columns, present(columns)))

    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)} of a gradient by scores (n, q)."""
        columns = {c: f for c, f in means_of(X).items() if c in self.widths_}
        if not columns:
            return {}
        Z = self._side_by_side(columns, present(columns))
        carried = HEADS.revive(self.head_).pull(Z, np.nan_to_num(gradient))
        ends = dict(zip(self.widths_, np.cumsum([d + 1 for d in self.widths_.values()]), strict=True))
        out = {}
        for c, f in columns.items():
            part = carried[:, ends[c] - f.width - 1 : ends[c] - 1]
            out[c] = np.where(f.present[:, None], part * self.scale_[c], 0.0)
        return out


def dropped(mask: Mask, rate: float, seed: int) -> Mask:
    """A mask (m, n) with columns taken from rows at `rate` or at the column's own rate of gaps, whichever is
    higher; every row that has one keeps one."""
    chance = np.random.default_rng(seed).random(mask.shape)
    rates = np.maximum(rate, 1 - mask.mean(axis=1))[:, None]
    kept = mask & (chance >= rates)
    lost = ~kept.any(axis=0)
    last = np.where(mask, chance, -1.0).argmax(axis=0)
    kept[last[lost], np.flatnonzero(lost)] = True
    return np.asarray(kept & mask, bool)
