"""Penalised regression in principal coordinates: one eigendecomposition serves every penalty tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.heads.folds import held_out
from chiasm.heads.logistic import indicators, logistic, row_losses
from chiasm.heads.task import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GRID = 10.0 ** np.arange(-5, 3.01, 0.5)
"""Penalties tried, as shares of the largest eigenvalue."""
STRONG_FIRST = 10.0 ** np.arange(0.5, -4.01, -0.5)
"""Penalties tried for classes, as such shares."""


@dataclass(frozen=True)
class Basis:
    """Coordinates (n, r) of mean zero and orthogonal under the rows' weights (n,); squares (r,) their lengths
    squared, descending."""

    coordinates: Floats
    squares: Floats
    weights: Floats

    @property
    def top(self) -> float:
        """The largest eigenvalue, the unit of penalties."""
        return max(float(self.squares[0]), 1e-30)

    def solve(self, T: Floats, share: float) -> Floats:
        """(r + 1, q) ridge coefficients of targets (n, q), the intercepts last."""
        centre = np.average(T, axis=0, weights=self.weights)
        cross = self.coordinates.T @ ((T - centre) * self.weights[:, None])
        return np.vstack([cross / (self.squares + share * self.top)[:, None], centre])

    def held_out(self, T: Floats, share: float, fold: Ints) -> Floats:
        """(n, q) what ridge says of rows held out fold by fold, from targets (n, q).

        With H the hat matrix, rows of a fold miss their targets by (I - H_ff)⁻¹ times their residuals: exact,
        but for the coordinates' mean and scale (Golub, Heath and Wahba 1979).
        """
        root = np.sqrt(self.weights)
        U = self.coordinates * root[:, None] / np.sqrt(self.squares)
        constant = root / np.sqrt(self.weights.sum())
        centred = (T - np.average(T, axis=0, weights=self.weights)) * root[:, None]
        shrink = self.squares / (self.squares + share * self.top)
        gap = centred - U @ (shrink[:, None] * (U.T @ centred))
        if len(np.unique(fold)) == len(fold):
            gap /= np.maximum(1 - np.square(U) @ shrink - constant**2, 1e-6)[:, None]
        else:
            for _, held in held_out(fold):
                hat = (U[held] * shrink) @ U[held].T + np.outer(constant[held], constant[held])
                gap[held] = np.linalg.solve((1 + 1e-9) * np.eye(len(held)) - hat, gap[held])
        return np.asarray(T - gap / np.maximum(root, 1e-12)[:, None])

    def error(self, T: Floats, share: float, fold: Ints) -> float:
        """The weighted squared error of `held_out`."""
        return float(
            np.average(np.square(T - self.held_out(T, share, fold)).sum(axis=1), weights=self.weights)
        )


@dataclass(frozen=True)
class Regression:
    """What `regress` chose: the place of its basis, the coefficients (r + 1, q), the penalty, and scores
    (n, q) of rows held out."""

    basis: int
    coefficients: Floats
    ridge: float
    held_out: Floats


def regress(
    bases: Sequence[Basis],
    y: NDArray[Any],
    task: Task,
    ridge: float | None,
    fold: Ints,
    grouped: bool,
) -> Regression:
    """The basis and penalty with the least held-out squared error of the target's indicators, leave-one-out
    or, where folds (n,) are `grouped`, leave-one-fold-out; for classes and labels then a logistic regression
    in that basis, its penalty chosen by the log loss of the folds. A given `ridge` is kept.
    """
    T = indicators(task, y)
    tried = GRID if ridge is None else np.array([ridge])
    apart = fold if grouped else np.arange(len(T))
    errors = np.array([[basis.error(T, share, apart) for share in tried] for basis in bases])
    best, place = np.unravel_index(errors.argmin(), errors.shape)
    basis, share = bases[int(best)], float(tried[place])
    if task.is_number:
        held = basis.held_out(T, share, fold)
        return Regression(int(best), basis.solve(T, share), share, held)
    # The log loss bends by p (1 - p) where the squared error bends by 1.
    unit = basis.top * max(float((T.mean(axis=0) * (1 - T.mean(axis=0))).mean()), 0.01)
    share, held = _strongest(basis, T, task, unit, STRONG_FIRST if ridge is None else tried, fold)
    W = logistic(basis.coordinates, T, basis.weights, share * unit, task.kind == "labels")
    return Regression(int(best), W, share, held)


def _strongest(
    basis: Basis, T: Floats, task: Task, unit: float, tried: Floats, fold: Ints
) -> tuple[float, Floats]:
    """The strongest penalty whose held-out log loss is within a standard error of the least, and its scores
    of the rows held out.

    Tried from strong to weak until the loss rises. The least itself would jump from sample to sample where
    rows are few, and the scale of the scores with it (the rule of Breiman et al. 1984).
    """
    parts = list(held_out(fold))
    warm: list[Floats | None] = [None] * len(parts)
    scores: list[Floats] = []
    losses: list[Floats] = []
    for share in tried if parts else ():
        found = np.zeros_like(T)
        for i, (train, held) in enumerate(parts):
            P, w = basis.coordinates[train], basis.weights[train]
            warm[i] = W = logistic(P, T[train], w, share * unit, task.kind == "labels", warm[i])
            found[held] = basis.coordinates[held] @ W[:-1] + W[-1]
        scores.append(found)
        losses.append(basis.weights * row_losses(task, found, T))
        if losses[-1].mean() > min(loss.mean() for loss in losses):
            break
    if not losses:
        return float(tried[0]), np.zeros_like(T)
    least = min(losses, key=np.mean)
    near = [np.mean(loss - least) <= np.std(loss - least) / np.sqrt(len(T)) for loss in losses]
    return float(tried[near.index(True)]), scores[near.index(True)]
