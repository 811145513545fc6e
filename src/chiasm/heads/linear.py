"""Linear head: ridge for numbers in closed form, logistic regression for classes and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_matrix
from chiasm.heads.folds import several
from chiasm.heads.head import OneSolve
from chiasm.heads.intraclass import group_weights
from chiasm.heads.spectral import Basis, regress
from chiasm.heads.task import Task
from chiasm.numerics import fix_signs, leading_eigen

MOST_DIRECTIONS = 1_024


class Linear(OneSolve):
    """Scores linear in the features. Held-out error chooses the penalty, and with it whether features count
    as they are or at unit variance. Rows of a group weigh less the more they repeat each other.

    ridge : the penalty as a share of the largest eigenvalue of the features' scatter; None chooses it.

    DataError where there are more than 1,000 classes. Of features both wide and long the 1,024 leading
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

    def cross_fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        fold: NDArray[np.int64],
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Floats:
        """As any head's, by one decomposition; mean, scale and penalty are of all rows, held-out ones too."""
        Z, y, task = self._begin(Z, y, task, weights, groups)
        values = np.asarray(Z, np.float64)
        own = unit_weights(group_weights(values, groups, weights), len(values))
        self.mean_ = np.average(values, axis=0, weights=own)
        centred = values - self.mean_
        found = [principal(centred * scale, own) for scale in scales(centred, own)]
        bases = [basis for basis, _ in found]
        chosen = regress(bases, y, task, self.ridge, fold, several(groups))
        self.ridge_ = chosen.ridge
        scale = scales(centred, own)[chosen.basis]
        self.coef_ = scale[:, None] * (found[chosen.basis][1] @ chosen.coefficients[:-1])
        self.intercept_ = chosen.coefficients[-1]
        return chosen.held_out

    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) of features (n, d)."""
        self.require_fitted("coef_")
        values = check_matrix(Z, "features", len(self.mean_))
        return np.asarray((values - self.mean_) @ self.coef_ + self.intercept_, np.float64)

    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d) of a gradient by scores (n, q)."""
        self.require_fitted("coef_")
        return np.asarray(gradient @ self.coef_.T)


def principal(centred: Floats, weights: Floats) -> tuple[Basis, Floats]:
    """The basis of centred features (n, d), and the axes (d, r) that give its coordinates."""
    rooted = centred * np.sqrt(weights)[:, None]
    n, d = centred.shape
    scatter = rooted.T @ rooted if d <= n else rooted @ rooted.T
    squares, vectors = leading_eigen(scatter, min(n, d, MOST_DIRECTIONS))
    kept = max(int((squares > 1e-10 * squares[0]).sum()), 1)
    squares = np.maximum(squares[:kept].astype(np.float64), 1e-30)
    vectors = vectors[:, :kept] * fix_signs(vectors[:, :kept])
    axes = np.asarray(vectors if d <= n else rooted.T @ vectors / np.sqrt(squares))
    return Basis(np.asarray(centred @ axes), np.asarray(squares), weights), axes


def unit_weights(weights: Floats | None, n: int) -> Floats:
    """(n,) weights of mean 1; ones where none are given."""
    return np.ones(n) if weights is None else np.asarray(weights * (n / weights.sum()))


def scales(centred: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """(d,) ones, and one over the standard deviation of columns, 0 for those that do not vary."""
    spread = np.sqrt(np.average(np.square(centred), axis=0, weights=weights))
    # Squares of float32 rounding are no variation.
    return np.ones(len(spread)), np.where(spread > 1e-7, 1 / np.maximum(spread, 1e-7), 0.0)
