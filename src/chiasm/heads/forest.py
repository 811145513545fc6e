"""Forest head: trees of random and of best splits, kept as plain arrays."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_matrix, check_range
from chiasm.heads.head import Head
from chiasm.heads.logistic import indicators
from chiasm.heads.task import Task

BLOCK = 2_000
"""Rows read at a time, so that rows × trees stay small."""
TREE_ROWS = 5_000
"""Rows that one tree learns from at most, drawn at random of more: nodes and time stay bounded."""
MASS = 20
"""Rows that the trees' share of a class counts for, against one of the prior: a share of 0 is not certain."""


class Forest(Head):
    """The mean of extremely randomised trees (Geurts, Ernst and Wehenkel 2006) and of a random forest's
    (Breiman 2001), grown by scikit-learn on the target's indicators; shares of classes and labels are shrunk
    to the prior, and their logarithms are the scores.

    trees : how many.
    best : share of trees with best splits, each on a bootstrap of the rows; the others split at random, which
        gives smoother functions. Of more than 5,000 rows every tree has a bootstrap of 5,000.
    leaf : fewest rows of a leaf.
    share : of the features tried at each split.
    seed : of the trees.
    """

    def __init__(
        self, trees: int = 100, best: float = 0.5, leaf: int = 2, share: float = 0.33, seed: int = 0
    ) -> None:
        self.trees = trees
        self.best = best
        self.leaf = leaf
        self.share = share
        self.seed = seed

    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task | None = None,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d) and a target (n,); see `Head.fit`."""
        Z, y, task = self._begin(Z, y, task, weights, groups)
        check_range(self.trees, "trees", 1)
        check_range(self.best, "best", 0, 1)
        T = indicators(task, y)
        trees = self._grown(Z, T[:, 0] if T.shape[1] == 1 else T, weights)
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])
        self.roots_ = starts[:-1]
        shift = np.repeat(self.roots_, np.diff(starts))
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        self.feature_ = np.where(leaf, 0, np.concatenate([tree.feature for tree in trees]))
        self.threshold_ = np.concatenate([tree.threshold for tree in trees])
        # A leaf leads to itself, so that every row can walk on until the last has arrived.
        own = np.arange(len(leaf))
        self.left_ = np.where(leaf, own, np.concatenate([tree.children_left for tree in trees]) + shift)
        self.right_ = np.where(leaf, own, np.concatenate([tree.children_right for tree in trees]) + shift)
        self.value_ = np.concatenate([tree.value[:, :, 0] for tree in trees])
        self.prior_ = np.average(T, axis=0, weights=weights)
        self.width_ = int(Z.shape[1])
        return self

    def _grown(self, Z: NDArray[Any], T: Floats, weights: Floats | None) -> list[Any]:
        """scikit-learn's trees, those of random splits first."""
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        best = round(self.trees * self.best)
        most = TREE_ROWS if len(Z) > TREE_ROWS else None
        trees: list[Any] = []
        for kind, count in ((ExtraTreesRegressor, self.trees - best), (RandomForestRegressor, best)):
            if count:
                forest = kind(
                    count,
                    min_samples_leaf=self.leaf,
                    max_features=self.share,
                    bootstrap=kind is RandomForestRegressor or most is not None,
                    max_samples=most,
                    random_state=self.seed,
                )
                trees += [tree.tree_ for tree in forest.fit(Z, T, weights).estimators_]
        return trees

    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) of features (n, d)."""
        self.require_fitted("value_")
        values = np.asarray(check_matrix(Z, "features", self.width_), np.float32)
        parts = [self._mean(values[i : i + BLOCK]) for i in range(0, len(values), BLOCK)]
        mean = np.concatenate(parts) if parts else np.zeros((0, self.value_.shape[1]))
        if self.task.is_number:
            return mean
        share = (mean * MASS + self.prior_) / (MASS + 1)
        share = np.clip(share, 1e-6, 1 - 1e-6)
        return np.asarray(np.log(share) - np.log1p(-share) if self.task.kind == "labels" else np.log(share))

    def _mean(self, values: NDArray[np.float32]) -> Floats:
        """(n, q) the mean of the leaves that rows (n, d) fall into."""
        place = np.tile(self.roots_, (len(values), 1))  # (n, trees)
        rows = np.arange(len(values))[:, None]
        while True:
            below = values[rows, self.feature_[place]] <= self.threshold_[place]
            further = np.where(below, self.left_[place], self.right_[place])
            if (further == place).all():
                return np.asarray(self.value_[place].mean(axis=1))
            place = further

    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d) zeros: scores are steps."""
        return np.zeros((len(Z), self.width_))
