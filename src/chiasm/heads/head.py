"""The head: the features of one modality to scores of a target."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_matrix, check_range
from chiasm.errors import DataError
from chiasm.heads.estimator import TaskEstimator, check_each, checked_weights, listed
from chiasm.heads.folds import folds, held_out
from chiasm.heads.task import KINDS, Task
from chiasm.named import Named

MOST_CLASSES = 1_000
"""Classes that heads and fusions are fitted for."""


class Head(TaskEstimator):
    """T of one modality: features (n, d), every row present, to scores (n, q) as `Task` reads them.

    kinds : the kinds of target it can learn.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS

    @abstractmethod
    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task | None = None,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d) and a target (n,).

        task : of a target that is coded (`Task.code`); None infers it from values as they stand in the data.
        weights : (n,) of the rows.
        groups : (n,) rows of one group are never on both sides of an inner split.
        """

    def _begin(
        self, Z: Any, y: NDArray[Any], task: Task | None, weights: Any, groups: Any
    ) -> tuple[NDArray[Any], NDArray[Any], Task]:
        """Forget what was learned; the features, the coded target and its task, which is kept."""
        self.forget()
        Z = check_matrix(Z, "features")
        if not np.isfinite(Z).all():
            raise DataError("holds NaN or infinity", where="features", hint="A head learns from full rows.")
        check_each(y, len(Z), "target")
        check_each(groups, len(Z), "groups")
        checked_weights(weights, len(Z))
        if task is None:
            task = Task.of(values := listed(y), self.kinds[0] if len(self.kinds) == 1 else None)
            check_full(values)
            y = task.code(values)
        check_classes(task)
        self.task_ = task.to_json()
        return Z, y, task

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
        not learn from its fold (n,). Rows without another fold to learn from get the prior."""
        own = np.ones(len(y)) if weights is None else weights
        out = np.tile(task.prior(y, weights), (len(y), 1))
        for train, held in held_out(fold):
            inner = None if groups is None else groups[train]
            out[held] = self.fit(Z[train], y[train], task, own[train], inner).scores(Z[held])
        self.fit(Z, y, task, weights, groups)
        return out

    @abstractmethod
    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d): a gradient by scores (n, q) carried back to the features; zero where scores are steps."""


class OneSolve(Head):
    """A head whose `cross_fit` finds the fit and the held-out scores together, so that `fit` calls it.

    folds : inner folds, of groups where there are any.
    seed : of the inner folds.
    """

    folds: int
    seed: int

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
        check_range(self.folds, "folds", 2)
        self.cross_fit(Z, y, task, folds(y, groups, self.folds, self.seed), weights, groups)
        return self


def check_full(values: list[Any]) -> None:
    """Raise DataError where a row has no target."""
    if None in values:
        raise DataError(f"row {values.index(None)} has none", where="target", hint="Leave such rows out.")


def check_classes(task: Task) -> None:
    """Raise DataError where there are more classes than heads are fitted for."""
    if len(task.classes) > MOST_CLASSES:
        raise DataError(
            f"{len(task.classes):,} classes, more than {MOST_CLASSES:,}",
            hint="Is the target a name? Join rare classes, or fit without a target and search instead.",
        )


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
