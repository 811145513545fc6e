"""Kernel head: ridge or logistic regression of a smooth function of few features, for some thousand rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_matrix
from chiasm.errors import DataError
from chiasm.heads.folds import several
from chiasm.heads.head import OneSolve
from chiasm.heads.intraclass import group_weights
from chiasm.heads.linear import unit_weights
from chiasm.heads.spectral import Basis, regress
from chiasm.heads.task import Task
from chiasm.numerics import fix_signs, leading_eigen

MOST_KERNEL_ROWS = 4_000
WIDTHS = (0.5, 1.0, 2.0)
LINEAR = (0.0, 1.0)


class Kernel(OneSolve):
    """The mean of a Gaussian process with covariance exp(-r² / 2w²) + linear · zᵀz' / v (Rasmussen and
    Williams 2006); noise, width and share of the linear part are chosen by held-out error.

    widths : multiples of the median distance between rows tried for w.
    linear : shares of the linear part tried; v is the features' total variance.

    DataError where there are more than 4,000 rows, whose kernel would not fit.
    """

    points_: NDArray[np.float32]
    coef_: Floats
    intercept_: Floats
    width_: float
    slope_: float
    ridge_: float

    def __init__(
        self,
        widths: tuple[float, ...] = WIDTHS,
        linear: tuple[float, ...] = LINEAR,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.widths = widths
        self.linear = linear
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
        self.points_ = np.array(Z, np.float32)
        if len(self.points_) > MOST_KERNEL_ROWS:
            raise DataError(f"{len(self.points_):,} rows, more than {MOST_KERNEL_ROWS:,}", where="Kernel")
        own = unit_weights(group_weights(self.points_, groups, weights), len(self.points_))
        squares, products = self._squares(self.points_), self._products(self.points_)
        median, variance = _median(squares), max(float(self.points_.var(axis=0).sum()), 1e-12)
        tried = [(width * median, share / variance) for width in self.widths for share in self.linear]
        kernels = [_covariance(squares, products, *one) for one in tried]
        found = [_principal(kernel, own) for kernel in kernels]
        chosen = regress([basis for basis, _ in found], y, task, None, fold, several(groups))
        self.width_, self.slope_ = tried[chosen.basis]
        self.ridge_ = chosen.ridge
        coef = found[chosen.basis][1] @ chosen.coefficients[:-1]
        self.coef_ = coef - np.outer(own / own.sum(), coef.sum(axis=0))
        mean = own @ kernels[chosen.basis] / own.sum()
        self.intercept_ = chosen.coefficients[-1] - mean @ self.coef_
        return chosen.held_out

    def _squares(self, Z: NDArray[Any]) -> Floats:
        """(n, points) squared distances from the points learned from."""
        own, other = _exact(Z), _exact(self.points_)
        near = np.square(own).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * own @ other.T
        return np.asarray(np.maximum(near, 0.0))

    def _products(self, Z: NDArray[Any]) -> Floats:
        """(n, points) inner products with the points learned from."""
        return np.asarray(_exact(Z) @ _exact(self.points_).T)

    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) of features (n, d)."""
        self.require_fitted("coef_")
        values = check_matrix(Z, "features", self.points_.shape[1])
        kernel = _covariance(self._squares(values), self._products(values), self.width_, self.slope_)
        return np.asarray(kernel @ self.coef_ + self.intercept_)

    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d) of a gradient by scores (n, q)."""
        self.require_fitted("coef_")
        along = gradient @ self.coef_.T  # (n, points)
        smooth = along * np.exp(-0.5 / self.width_**2 * self._squares(Z)) / self.width_**2
        towards = smooth @ self.points_ - smooth.sum(axis=1)[:, None] * Z
        return np.asarray(towards + self.slope_ * (along @ self.points_))


def _covariance(squares: Floats, products: Floats, width: float, slope: float) -> Floats:
    """Of squared distances and inner products."""
    return np.asarray(np.exp(-0.5 / width**2 * squares) + slope * products)


def _exact(Z: NDArray[Any]) -> Floats:
    return np.asarray(Z, np.float64)


def _median(squares: Floats) -> float:
    """The median distance between rows that differ, of at most 500 of them."""
    step = max(len(squares) // 500, 1)
    some = squares[::step, ::step]
    apart = some[some > 1e-12 * some.max()]
    return float(np.sqrt(np.median(apart))) if len(apart) else 1.0


def _principal(kernel: Floats, weights: Floats) -> tuple[Basis, Floats]:
    """The basis of a kernel (n, n) centred under weights, and the coefficients (n, r) that give it."""
    share = weights / weights.sum()
    centred = kernel - share @ kernel - (kernel @ share)[:, None] + share @ kernel @ share
    root = np.sqrt(weights)[:, None]
    squares, vectors = leading_eigen(centred * root * root.T, len(kernel))
    kept = max(int((squares > 1e-8 * squares[0]).sum()), 1)
    squares = np.maximum(squares[:kept].astype(np.float64), 1e-30)
    vectors = vectors[:, :kept] * fix_signs(vectors[:, :kept])
    dual = root * vectors / np.sqrt(squares)
    return Basis(np.asarray(centred @ dual), np.asarray(squares), weights), np.asarray(dual)
