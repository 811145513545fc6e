"""The head: the features of one modality to scores of a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import Estimator, check_range
from chiasm.heads.folds import folds, held_out
from chiasm.heads.task import KINDS, Task
from chiasm.named import Named

Floats = NDArray[np.float64]


class Head(Estimator, ABC):
    """T of one modality: features (n, d), every row present, to scores (n, q) as `Task` reads them.

    kinds : the kinds of target it can learn.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS

    @abstractmethod
    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d), coded targets (`Task.code`) and weights of rows (n,).

        groups : (n,) rows of one group are never on both sides of an inner split.
        """

    def cross_fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        fold: NDArray[np.int64],
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Floats:
        """Fit to all rows; returns (n, q) the scores that each row gets from a head like this one that did
        not learn from its fold (n,). Rows that no other fold could teach get the prior."""
        own = np.ones(len(y)) if weights is None else weights
        out = np.tile(task.prior(y, weights), (len(y), 1))
        for train, held in held_out(fold):
            inner = None if groups is None else groups[train]
            out[held] = self.fit(Z[train], y[train], task, own[train], inner).scores(Z[held])
        self.fit(Z, y, task, weights, groups)
        return out

    @abstractmethod
    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) float64: logits of classes or labels, numbers in standard units."""

    @abstractmethod
    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d): a gradient by scores (n, q) carried back to the features; zero where scores are steps."""


class OneSolve(Head):
    """A head whose `cross_fit` finds fit and held-out scores together: `fit` is that with own folds."""

    folds: int
    seed: int

    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d) and coded targets."""
        check_range(self.folds, "folds", 2)
        self.cross_fit(Z, y, task, folds(y, groups, self.folds, self.seed), weights, groups)
        return self


HEADS: Named[Head] = Named(
    "head",
    {
        "linear": "chiasm.heads.linear:Linear",
        "forest": "chiasm.heads.forest:Forest",
        "ordinal": "chiasm.heads.ordinal:Ordinal",
        "kernel": "chiasm.heads.kernel:Kernel",
    },
)
"""What a fusion can keep in its own state."""
