"""Calibration: scores scaled and shifted so that probabilities are the frequencies they state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from chiasm.array_types import Floats, Ints
from chiasm.checks import Estimator, check_matrix
from chiasm.errors import ShapeError
from chiasm.heads.folds import folds, held_out, several
from chiasm.heads.patterns import row_patterns
from chiasm.heads.task import Task
from chiasm.numerics import softmax

FORMS: dict[str, tuple[str, ...]] = {
    "none": (),
    "slope": ("slope",),
    "slope and bias": ("slope", "bias"),
    "slopes by pattern": ("slope", "bias", "patterns"),
}
FOLDS = 5
# Standard deviations of the priors: a slope within a factor of two, patterns nearer to each other.
SPREAD = {"slope": 0.7, "bias": 0.5, "patterns": 0.3}


class Calibration(Estimator):
    """scores' = scores × exp(slope + slope of the pattern) + bias, learned from out-of-fold scores.

    One slope for classes and orders (temperature and bias: Guo et al. 2017, vector scaling with a shared
    slope), one per output for labels (Platt 1999) and numbers. Slopes and biases are shrunk to 0, and each
    pattern of present columns has a slope of its own, shrunk to the shared one: fewer columns mean another
    confidence. The form is chosen by cross-validation: a richer one only where it gains two standard errors.

    seed : of the folds of that cross-validation.

    Attributes
    ----------
    form_ : one of `FORMS`.  slope_ : (q,)  bias_ : (q,)  patterns_ : {pattern: its slope}
    """

    form_: str
    slope_: Floats
    bias_: Floats
    patterns_: dict[str, float]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(
        self,
        scores: Floats,
        y: NDArray[Any],
        task: Task,
        patterns: Sequence[str] | None = None,
        groups: NDArray[np.int64] | None = None,
        weights: Floats | None = None,
    ) -> Self:
        """Learn from out-of-fold scores (n, q) and coded targets; NaN rows are left out.

        patterns : (n,) the name of the columns each row has.  groups : (n,) rows kept together when choosing.
        weights : (n,) the rows' weights, those that the scored model learned with; only their ratios matter.
        """
        self.forget()
        scores = np.asarray(check_matrix(scores, "scores", task.outputs), np.float64)
        own = _weights(weights, len(scores))
        use = np.flatnonzero(np.isfinite(scores).all(axis=1) & (own > 0))
        names = row_patterns(patterns, len(scores))
        part = _Rows(task, scores[use], np.asarray(y)[use], [names[i] for i in use.tolist()], own[use])
        self.form_ = _chosen(part, None if groups is None else np.asarray(groups)[use], self.seed)
        self.slope_, self.bias_, self.patterns_ = _fitted(part, self.form_)
        self.task_ = task.to_json()
        return self

    def transform(self, scores: Floats, patterns: Sequence[str] | None = None) -> Floats:
        """(n, q) calibrated scores, log probabilities for classes and orders; NaN rows stay NaN, a pattern
        never seen has the shared slope."""
        self.require_fitted("form_")
        task = Task.from_json(self.task_)
        scores = np.asarray(check_matrix(scores, "scores", task.outputs), np.float64)
        own = [self.patterns_.get(name, 0.0) for name in row_patterns(patterns, len(scores))]
        found = scores * np.exp(self.slope_ + np.array(own).reshape(-1, 1)) + self.bias_
        return np.asarray(
            log_softmax(found, axis=1) if task.kind in ("classes", "order") else found, np.float64
        )


class _Rows:
    """Rows to learn from, and the loss of scores on them."""

    def __init__(
        self, task: Task, scores: Floats, y: NDArray[Any], names: Sequence[str], weights: Floats
    ) -> None:
        self.task, self.scores, self.y, self.names, self.weights = task, scores, y, list(names), weights
        self.patterns = sorted(set(names))
        place = {name: i for i, name in enumerate(self.patterns)}
        self.pattern = np.array([place[name] for name in names], np.int64)
        # a squared error counts in units of the error there is, as a log likelihood does
        error = float(np.average(self.losses(scores), weights=weights)) if len(y) else 1.0
        self.unit = max(error, 1e-12) if task.is_number else 1.0

    def take(self, rows: Ints) -> _Rows:
        names = [self.names[i] for i in rows.tolist()]
        return _Rows(self.task, self.scores[rows], self.y[rows], names, self.weights[rows])

    def losses(self, scores: Floats) -> Floats:
        """(n,) the loss of each row, unweighted."""
        return self.task.losses(scores, self.y)

    def gradient(self, scores: Floats) -> Floats:
        """(n, q) of the losses by the scores, unweighted."""
        if self.task.is_number:
            return np.asarray(2 * (scores - self.y) / scores.shape[1])
        if self.task.kind == "labels":
            return np.asarray(expit(scores) - self.y)
        return np.asarray(softmax(scores)[0] - np.eye(self.task.outputs)[self.y], np.float64)


def _chosen(part: _Rows, groups: Ints | None, seed: int) -> str:
    """The simplest form that no longer one beats by two standard errors of the paired gain."""
    n = len(part.y)
    best, *others = FORMS if len(part.patterns) > 1 else list(FORMS)[:-1]
    if n < 2 * FOLDS:
        return best
    fold = folds(part.y, groups, FOLDS, seed)
    losses = part.losses(part.scores)
    for form in others:
        other = losses.copy()
        for learned, held in held_out(fold):
            found, rest = _fitted(part.take(learned), form), part.take(held)
            other[held] = rest.losses(_mapped(rest, *found))
        if _gains(part.weights * (losses - other), groups if several(groups) else np.arange(n)):
            best, losses = form, other
    return best


def _gains(gain: Floats, groups: Ints) -> bool:
    """Whether the summed gain is above two standard errors, groups taken as what varies."""
    _, place = np.unique(groups, return_inverse=True)
    sums = np.bincount(place, gain)
    return bool(sums.sum() > 2 * np.sqrt(len(sums)) * sums.std())


def _fitted(part: _Rows, form: str) -> tuple[Floats, Floats, dict[str, float]]:
    """(slopes (q,), biases (q,), {pattern: slope}) of the least weighted loss, shrunk to 0 by `SPREAD`."""
    q, shared = part.task.outputs, part.task.kind in ("classes", "order")
    sizes = {"slope": 1 if shared else q, "bias": q, "patterns": len(part.patterns)}
    sizes = {name: size if name in FORMS[form] else 0 for name, size in sizes.items()}
    cuts = np.cumsum(list(sizes.values()))[:-1]
    penalty = np.repeat([SPREAD[name] ** -2 for name in sizes], list(sizes.values()))
    share = part.weights / part.unit

    def read(flat: Floats) -> tuple[Floats, Floats, dict[str, float]]:
        slope, bias, own = (p if len(p) else np.zeros(1) for p in np.split(flat, cuts))
        return slope * np.ones(q), bias * np.ones(q), dict(zip(part.patterns, own.tolist(), strict=False))

    def objective(flat: Floats) -> tuple[float, Floats]:
        found = _mapped(part, *read(flat))
        pull = part.gradient(found) * share[:, None]
        stretch = pull * (found - read(flat)[1])  # by the logarithm of the slope
        slopes = np.atleast_1d(stretch.sum(axis=None if shared else 0))
        own = np.bincount(part.pattern, stretch.sum(axis=1), minlength=len(part.patterns))
        each = zip((slopes, pull.sum(axis=0), own), sizes.values(), strict=True)
        gradient = np.concatenate([g[:size] for g, size in each]) + penalty * flat
        loss = share @ part.losses(found) + 0.5 * penalty @ flat**2
        return float(loss), gradient

    start = np.zeros(len(penalty))
    return read(
        np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B").x if len(start) else start)
    )


def _mapped(part: _Rows, slope: Floats, bias: Floats, own: dict[str, float]) -> Floats:
    extra = np.array([own.get(name, 0.0) for name in part.patterns])[part.pattern]
    return np.asarray(part.scores * np.exp(slope + extra[:, None]) + bias)


def _weights(weights: Floats | None, n: int) -> Floats:
    """(n,) scaled to sum to the effective number of rows (Kish 1965)."""
    if weights is None:
        return np.ones(n)
    if np.shape(weights) != (n,):
        raise ShapeError(f"expected one weight per row, {n}, got {np.shape(weights)}", where="weights")
    own = np.asarray(weights, np.float64)
    return np.asarray(own * own.sum() / max(float(np.square(own).sum()), 1e-300))
