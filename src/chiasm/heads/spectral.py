"""Penalised regression in principal coordinates: one eigendecomposition serves every penalty tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats, Ints
from chiasm.heads.folds import held_out, several
from chiasm.heads.logistic import indicators, logistic, row_losses
from chiasm.heads.task import Task

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

    def held_out(self, T: Floats, shares: Iterable[float], fold: Ints) -> Iterator[Floats]:
        """For each penalty (n, q) the ridge predictions of rows held out fold by fold, from targets (n, q).

        With H the hat matrix, rows of a fold miss their targets by (I - H_ff)⁻¹ times their residuals: exact,
        but for the coordinates' mean and scale (Golub, Heath and Wahba 1979).
        """
        root = np.sqrt(self.weights)[:, None]
        U = np.column_stack([self.coordinates, np.full(len(T), self.weights.sum() ** -0.5)]) * root
        alone = len(np.unique(fold)) == len(fold)
        parts = [] if alone else [(held, _gram(U[held])) for _, held in held_out(fold)]
        for share in shares:
            # H = V Vᵀ, the last column for the intercept
            shrink = np.append((self.squares + share * self.top) ** -0.5, 1.0)
            V, rooted = U * shrink, T * root
            gap = rooted - V @ (V.T @ rooted)
            if alone:
                gap /= np.maximum(1 - np.square(V).sum(axis=1), 1e-6)[:, None]
            for held, gram in parts:
                gap[held] = _without(V[held], gap[held], gram, shrink)
            yield np.asarray(T - gap / np.maximum(root, 1e-12))

    def errors(self, T: Floats, shares: Iterable[float], apart: Ints, fold: Ints) -> Floats:
        """(penalties, folds) sums of the weighted squared errors of rows held out as `apart` (n,) says."""
        found = (np.square(T - held).sum(axis=1) * self.weights for held in self.held_out(T, shares, apart))
        return np.array([np.bincount(fold, each) for each in found])


def _gram(U: Floats) -> Floats | None:
    """Uᵀ U of rows (n, r), where that is the smaller of two systems: every penalty scales the same one."""
    return np.asarray(U.T @ U) if len(U) > U.shape[1] else None


def _without(V: Floats, gap: Floats, gram: Floats | None, shrink: Floats) -> Floats:
    """(I - V Vᵀ)⁻¹ of residuals (n, q), V (n, r), by the smaller of two systems (Woodbury 1950); where
    `gram` (r, r) is given, Vᵀ V is that times `shrink` (r,) on both sides."""
    n, r = V.shape
    if gram is None:
        return np.asarray(np.linalg.solve((1 + 1e-9) * np.eye(n) - V @ V.T, gap))
    inner = (1 + 1e-9) * np.eye(r) - gram * shrink * shrink[:, None]
    return np.asarray(gap + V @ np.linalg.solve(inner, V.T @ gap))


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

    Scores of a fold held out are of what the other folds' errors choose; of classes and labels the basis
    alone is chosen on all rows. Where there is one fold only, they are the prior.
    """
    T = indicators(task, y)
    tried = GRID if ridge is None else np.array([ridge])
    place = np.unique(fold, return_inverse=True)[1]
    apart = fold if grouped and several(fold) else np.arange(len(T))
    errors = np.array([basis.errors(T, tried, apart, place) for basis in bases])
    best, share = _least(errors, tried)
    prior = np.tile(task.prior(y, bases[0].weights), (len(T), 1))
    if task.is_number:
        held = prior
        for _, rows in held_out(fold):
            own, penalty = _least(np.delete(errors, place[rows[0]], axis=2), tried)
            held[rows] = next(bases[own].held_out(T, [penalty], fold))[rows]
        return Regression(best, bases[best].solve(T, share), share, held)
    basis = bases[best]
    # The log loss bends by p (1 - p) where the squared error bends by 1.
    unit = basis.top * max(float((T.mean(axis=0) * (1 - T.mean(axis=0))).mean()), 0.01)
    share, held = _strongest(basis, T, task, unit, STRONG_FIRST if ridge is None else tried, fold)
    held = held if several(fold) else prior
    W = logistic(basis.coordinates, T, basis.weights, share * unit, task.kind == "labels")
    return Regression(best, W, share, held)


def _least(errors: Floats, tried: Floats) -> tuple[int, float]:
    """The place of the basis and the penalty of the least sum of errors (bases, penalties, folds)."""
    basis, penalty = np.unravel_index(errors.sum(axis=2).argmin(), errors.shape[:2])
    return int(basis), float(tried[penalty])


def _strongest(
    basis: Basis, T: Floats, task: Task, unit: float, tried: Floats, fold: Ints
) -> tuple[float, Floats]:
    """The strongest penalty whose held-out log loss is within a standard error of the least, and the scores
    of rows held out, of what the other folds choose so.

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
    table, out = np.array(losses), np.zeros_like(T)
    for train, held in parts:
        out[held] = scores[_first_near(table[:, train])][held]
    return float(tried[_first_near(table)]), out


def _first_near(losses: Floats) -> int:
    """The first of several with losses (tried, n) within a standard error of the least."""
    more = losses - losses[losses.mean(axis=1).argmin()]
    near = more.mean(axis=1) <= more.std(axis=1) / np.sqrt(losses.shape[1])
    return int(near.argmax())
