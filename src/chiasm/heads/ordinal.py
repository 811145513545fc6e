"""Ordinal head: one direction and ascending thresholds, for classes from low to high."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from chiasm.array_types import Floats
from chiasm.checks import check_matrix, check_range
from chiasm.errors import DataError
from chiasm.heads.folds import folds, held_out
from chiasm.heads.head import Head
from chiasm.heads.linear import principal, scales, unit_weights
from chiasm.heads.task import Task

RIDGES = (1.0, 0.1, 1e-2, 1e-3, 1e-4)
LEAST_PROBABILITY = 1e-12  # probability of a class


class Ordinal(Head):
    """Proportional odds (McCullagh 1980): P(class <= k) = sigmoid(threshold_k - features @ coef), so that q
    classes cost d + q - 1 numbers instead of d q. Features count at unit variance, the penalty is chosen by
    held-out log loss.

    ridge : the penalty as a share of the largest eigenvalue of the features' scatter; None chooses it.
    folds : inner folds, of groups where there are any.
    seed : of the inner folds.
    """

    kinds: ClassVar[tuple[str, ...]] = ("order",)
    mean_: Floats
    coef_: Floats
    thresholds_: Floats
    ridge_: float

    def __init__(self, ridge: float | None = None, folds: int = 5, seed: int = 0) -> None:
        self.ridge = ridge
        self.folds = folds
        self.seed = seed

    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task | None = None,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d) and a target (n,), see `Head.fit`; DataError where it is no order."""
        Z, y, task = self._begin(Z, y, task, weights, groups)
        if task.kind not in self.kinds:
            raise DataError(f"expected an order, got {task.kind}", where="Ordinal")
        check_range(self.folds, "folds", 2)
        values = np.asarray(Z, np.float64)
        own = unit_weights(weights, len(values))
        self.mean_ = np.average(values, axis=0, weights=own)
        _, scale = scales(values - self.mean_, own)
        basis, axes = principal((values - self.mean_) * scale, own)
        P, top = (values - self.mean_) * scale @ axes, float(basis.squares[0])
        self.ridge_ = self._chosen(P, y, task.outputs, own, groups, top) if self.ridge is None else self.ridge
        slope, self.thresholds_ = _solve(P, y, task.outputs, own, self.ridge_ * top)
        self.coef_ = scale * (axes @ slope)
        return self

    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) log probabilities of features (n, d)."""
        return np.log(_shares(self._level(Z), self.thresholds_)[0])

    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d) of a gradient by scores (n, q)."""
        share, slope = _shares(self._level(Z), self.thresholds_)
        return np.asarray((gradient * slope / share).sum(axis=1)[:, None] * self.coef_)

    def _level(self, Z: NDArray[np.float32]) -> Floats:
        self.require_fitted("coef_")
        values = check_matrix(Z, "features", len(self.mean_))
        return np.asarray((values - self.mean_) @ self.coef_, np.float64)

    def _chosen(
        self,
        P: Floats,
        y: NDArray[Any],
        q: int,
        weights: Floats,
        groups: NDArray[np.int64] | None,
        top: float,
    ) -> float:
        """The share of `RIDGES` with the least held-out log loss."""
        losses = np.zeros(len(RIDGES))
        for learned, held in held_out(folds(y, groups, self.folds, self.seed)):
            for i, ridge in enumerate(RIDGES):
                slope, limits = _solve(P[learned], y[learned], q, weights[learned], ridge * top)
                share = _shares(P[held] @ slope, limits)[0][np.arange(len(held)), y[held]]
                losses[i] -= weights[held] @ np.log(share)
        return RIDGES[int(losses.argmin())]


def _solve(P: Floats, y: NDArray[Any], q: int, weights: Floats, ridge: float) -> tuple[Floats, Floats]:
    """(slope (r,), ascending thresholds (q - 1,)) of the least weighted log loss + ridge / 2 |slope|²."""
    n, r = P.shape
    counts = np.bincount(y, weights, minlength=q) + 0.5
    below = np.cumsum(counts)[:-1] / counts.sum()
    first = np.log(below / (1 - below))
    start = np.concatenate([np.zeros(r), first[:1], np.log(np.diff(first))])
    lines, truth = np.arange(n), np.eye(q)[y]

    def objective(flat: Floats) -> tuple[float, Floats]:
        gaps = np.exp(np.minimum(flat[r + 1 :], 20.0))  # thresholds ascend whatever the numbers
        limits = flat[r] + np.concatenate([[0.0], np.cumsum(gaps)])
        level = P @ flat[:r]
        share, slope = _shares(level, limits)
        picked = weights / share[lines, y]
        edges = _density(limits - level[:, None]) * picked[:, None]
        by_limit = (edges * (truth[:, :-1] - truth[:, 1:])).sum(axis=0)
        tails = np.cumsum(by_limit[::-1])[::-1]  # a gap moves every threshold above it
        by_slope = P.T @ (slope[lines, y] * picked)
        gradient = -np.concatenate([by_slope, tails[:1], tails[1:] * gaps])
        gradient[:r] += ridge * flat[:r]
        loss = -weights @ np.log(share[lines, y]) + 0.5 * ridge * flat[:r] @ flat[:r]
        return float(loss / n), gradient / n

    found = np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B").x)
    gaps = np.exp(np.minimum(found[r + 1 :], 20.0))
    return found[:r], found[r] + np.concatenate([[0.0], np.cumsum(gaps)])


def _shares(level: Floats, limits: Floats) -> tuple[Floats, Floats]:
    """(n, q) probabilities of the classes at levels (n,), and their derivatives by the level."""
    edges = limits - level[:, None]
    up_to = np.pad(expit(edges), ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    above = np.pad(expit(-edges), ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    # of the two differences the one that cancels less
    share = np.where(up_to[:, 1:] < 0.5, np.diff(up_to, axis=1), -np.diff(above, axis=1))
    slope = -np.diff(np.pad(_density(edges), ((0, 0), (1, 1))), axis=1)
    return np.maximum(share, LEAST_PROBABILITY), slope


def _density(edges: Floats) -> Floats:
    return np.asarray(expit(edges) * expit(-edges), np.float64)
