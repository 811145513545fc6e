"""Linear head: ridge for numbers in closed form, logistic regression for classes and labels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix, check_range
from chiasm.errors import DataError
from chiasm.heads.folds import folds, held_out
from chiasm.heads.head import Floats, Head
from chiasm.heads.logistic import indicators, log_loss, logistic
from chiasm.heads.task import Task
from chiasm.numerics import fix_signs, leading_eigen

GRID = 10.0 ** np.arange(-5, 3.01, 0.5)
"""Penalties tried, as shares of the largest eigenvalue of the features."""
COARSE = 10.0 ** np.arange(-1, 1.51, 0.5)
"""Penalties tried for classes, as multiples of the closed form's."""
RANK = 1024
MOST_CLASSES = 1_000


class Linear(Head):
    """Scores linear in the features; the penalty is chosen by held-out loss, and with it whether the
    features count as they are or at unit variance.

    ridge : the penalty as a share of the largest eigenvalue of the features' scatter; None chooses it:
        for numbers among 17 by leave-one-out, or leave-one-fold-out of groups, in closed form from one
        eigendecomposition (Golub, Heath and Wahba 1979); for classes and labels around the best of those
        for their indicators, by the log loss of inner folds.
    folds : inner folds.

    DataError where there are more than 1,000 classes. Of wide and long features the 1,024 leading
    directions are used.
    """

    mean_: Floats
    coef_: Floats
    intercept_: Floats
    ridge_: float

    def __init__(self, ridge: float | None = None, folds: int = 5, seed: int = 0) -> None:
        self.ridge = ridge
        self.folds = folds
        self.seed = seed

    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d) and coded targets."""
        self.forget()
        check_range(self.folds, "folds", 2)
        check_classes(task)
        values = np.asarray(check_matrix(Z, "features"), np.float64)
        T = indicators(task, y)
        own = np.ones(len(T)) if weights is None else weights * (len(weights) / weights.sum())
        fold = folds(y, groups, self.folds if groups is not None else len(T), self.seed)
        basis = min(
            (_Basis(values, own, unit) for unit in (False, True)),
            key=lambda one: self._closed(one, T, fold)[0],
        )
        share = self._closed(basis, T, fold)[1]
        if task.is_number:
            W = basis.solve(T, share)
        else:
            inner = folds(y, groups, self.folds, self.seed)
            W, share = self._logistic(basis, T, task, share, inner)
        self.ridge_ = float(share)
        self.mean_ = basis.mean
        self.coef_ = basis.axes @ W[:-1]
        self.intercept_ = W[-1]
        return self

    def _closed(self, basis: _Basis, T: Floats, fold: NDArray[np.int64]) -> tuple[float, float]:
        """(held-out squared error, penalty) of the best penalty."""
        tried = GRID if self.ridge is None else [self.ridge]
        return min((basis.held_out_error(T, share, fold), float(share)) for share in tried)

    def _logistic(
        self, basis: _Basis, T: Floats, task: Task, share: float, fold: NDArray[np.int64]
    ) -> tuple[Floats, float]:
        """Coefficients with intercepts, and their penalty, by the log loss of inner folds."""
        labels = task.kind == "labels"
        P, w = basis.coordinates, basis.weights
        # The loss bends by p (1 - p) where the squared error bends by 1.
        unit = basis.top * max(float((T.mean(axis=0) * (1 - T.mean(axis=0))).mean()), 0.01)
        tried = np.sort(share * COARSE)[::-1] if self.ridge is None else np.array([share])
        losses = np.zeros(len(tried))
        for train, held in held_out(fold) if len(tried) > 1 else ():
            W = None
            for i, one in enumerate(tried):
                W = logistic(P[train], T[train], w[train], one * unit, labels, W)
                losses[i] += w[held].sum() * log_loss(task, P[held] @ W[:-1] + W[-1], T[held], w[held])
        best = float(tried[losses.argmin()])
        return logistic(P, T, w, best * unit, labels), best

    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) of features (n, d)."""
        self.require_fitted("coef_")
        values = check_matrix(Z, "features", len(self.mean_))
        return np.asarray((values - self.mean_) @ self.coef_ + self.intercept_, np.float64)

    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d) of a gradient by scores (n, q)."""
        self.require_fitted("coef_")
        return np.asarray(gradient @ self.coef_.T)


class _Basis:
    """Principal coordinates of features: what every penalty shares.

    coordinates : (n, r) = (Z - mean) axes, orthogonal under the weights;  squares : (r,) their eigenvalues.
    """

    def __init__(self, values: Floats, weights: Floats, unit: bool) -> None:
        self.weights = weights
        self.mean = np.average(values, axis=0, weights=weights)
        centred = values - self.mean
        scale = _inverse_spread(centred, weights) if unit else np.ones(values.shape[1])
        centred *= scale
        rooted = centred * np.sqrt(weights)[:, None]
        n, d = values.shape
        squares, vectors = leading_eigen(rooted.T @ rooted if d <= n else rooted @ rooted.T, min(n, d, RANK))
        self.top = max(float(squares[0]), 1e-30)
        kept = max(int((squares > 1e-10 * self.top).sum()), 1)
        self.squares = np.asarray(np.maximum(squares[:kept], 1e-300), np.float64)
        vectors = vectors[:, :kept] * fix_signs(vectors[:, :kept])
        axes = vectors if d <= n else rooted.T @ vectors / np.sqrt(self.squares)
        self.coordinates = np.asarray(centred @ axes)
        self.axes = np.asarray(scale[:, None] * axes)
        self.rooted = self.coordinates * np.sqrt(weights)[:, None] / np.sqrt(self.squares)

    def solve(self, T: Floats, share: float) -> Floats:
        """(r + 1, q) ridge coefficients of the coordinates, the intercepts last."""
        centre = np.average(T, axis=0, weights=self.weights)
        cross = self.coordinates.T @ ((T - centre) * self.weights[:, None])
        return np.vstack([cross / (self.squares + share * self.top)[:, None], centre])

    def held_out_error(self, T: Floats, share: float, fold: NDArray[np.int64]) -> float:
        """The weighted squared error of rows held out fold by fold, exact but for mean and scale.

        With H the hat matrix, what a fold's rows would get without them differs from their targets by
        (I - H_ff)⁻¹ times their residuals.
        """
        root = np.sqrt(self.weights)
        shrink = self.squares / (self.squares + share * self.top)
        centred = (T - np.average(T, axis=0, weights=self.weights)) * root[:, None]
        gap = centred - self.rooted @ (shrink[:, None] * (self.rooted.T @ centred))
        if len(np.unique(fold)) == len(fold):
            hat = np.square(self.rooted) @ shrink + self.weights / self.weights.sum()
            return float(np.square(gap / np.maximum(1 - hat, 1e-6)[:, None]).mean())
        total = 0.0
        for _, held in held_out(fold):
            U, w = self.rooted[held], root[held]
            hat = (U * shrink) @ U.T + np.outer(w, w) / self.weights.sum()
            total += np.square(np.linalg.solve((1 + 1e-9) * np.eye(len(held)) - hat, gap[held])).sum()
        return float(total / len(T))


def check_classes(task: Task) -> None:
    """Raise DataError where there are more classes than anything is fitted for."""
    if len(task.classes) > MOST_CLASSES:
        raise DataError(
            f"{len(task.classes):,} classes, more than {MOST_CLASSES:,}",
            hint="Is the target a name? Join rare classes, or fit without a target and search instead.",
        )


def _inverse_spread(centred: Floats, weights: Floats) -> Floats:
    """(d,) one over the standard deviation of columns; 0 for those that do not vary."""
    spread = np.sqrt(np.average(np.square(centred), axis=0, weights=weights))
    # Squares of float32 rounding are no variation.
    return np.where(spread > 1e-7, 1 / np.maximum(spread, 1e-7), 0.0)
