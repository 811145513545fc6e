"""Conformal sets and intervals: what a prediction leaves open, at a stated coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from chiasm.array_types import Floats, Mask
from chiasm.checks import Estimator, check_matrix, check_range
from chiasm.errors import DataError
from chiasm.heads.patterns import UNNAMED, row_patterns
from chiasm.heads.task import Task

SMALLEST = 50  # groups (or rows) a pattern needs for a threshold of its own
SHARED = 20.0  # rows' worth of the overall error in a pattern's scale
REST = UNNAMED  # small patterns share a threshold with rows of none


class Conformal(Estimator):
    """Sets of classes or intervals of numbers that hold the truth with probability `coverage`.

    From out-of-fold scores: how little does each row's truth conform to them, and what nonconformity do
    `coverage` of n + 1 rows stay below (Vovk et al. 2005)? It is, of classes, minus log probability, whose
    sets are the smallest (Sadinle et al. 2019); of labels, the largest of those that the row has, so that the
    set holds all of them; of an order, the larger tail beyond the class, so that sets have no holes; of
    numbers, the largest error of the outputs in units of their usual error for the columns present. Each
    pattern of present columns with 50 rows has its own threshold (Mondrian); smaller ones share one.

    Guaranteed, for rows exchangeable with those learned from: coverage on average over the rows of a
    pattern if the scores came from one model that saw none of them; of numbers with several outputs nearly
    so, since what is usual is learned from the same rows. Of cross-validation with a final model on all rows
    it holds as far as the final model errs no more than the folds' models did; the sets of Barber et al.
    (2021), which keep every fold's model, are safe at 1 - 2 (1 - coverage) without that. With `groups`,
    groups are exchangeable and coverage is that of a random row of a new group (Lee et al. 2023).

    coverage : between 0 and 1. No set is empty, since the likeliest class is always open; a prediction
        abstains where its set holds more than one.

    Attributes
    ----------
    thresholds_ : {pattern: largest nonconformity inside}, infinite where too few rows are known.
    scales_ : {pattern: (q,) usual error in standard units}, of numbers.
    """

    thresholds_: dict[str, Floats]
    scales_: dict[str, Floats]
    task_: dict[str, Any]

    def __init__(self, coverage: float = 0.9) -> None:
        self.coverage = coverage

    def fit(
        self,
        scores: Floats,
        y: NDArray[Any],
        task: Task,
        patterns: Sequence[str] | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from calibrated out-of-fold scores (n, q) and coded targets; NaN rows are left out.

        patterns : (n,) the name of the columns each row has.  groups : (n,) which rows belong together.
        """
        check_range(self.coverage, "coverage", 0, 1)
        self.forget()
        scores = np.asarray(check_matrix(scores, "scores", task.outputs), np.float64)
        known = np.isfinite(scores).all(axis=1)
        y, names = np.asarray(y)[known], np.array(row_patterns(patterns, len(scores)), str)[known]
        self.task_ = task.to_json()
        errors = np.abs(scores[known] - y) if task.is_number else np.zeros((int(known.sum()), 1))
        self.scales_ = _scales(errors, names)
        nonconformity = self._nonconformity(scores[known], y, names.tolist())
        weights = _weights(None if groups is None else np.asarray(groups)[known], len(y))
        self.thresholds_ = _thresholds(nonconformity, names, weights, self.coverage)
        return self

    def sets(self, scores: Floats, patterns: Sequence[str] | None = None) -> Mask:
        """(n, q) True for the classes or labels that scores (n, q) leave open; all of them in NaN rows."""
        task = self._task()
        if task.is_number:
            raise DataError("numbers have intervals, not sets", where="Conformal")
        scores = np.asarray(check_matrix(scores, "scores", task.outputs), np.float64)
        each = _nonconformities(task, scores)
        closed = each > self._limits(patterns, len(scores))[:, None]
        if task.kind != "labels":  # the likeliest class, of an order the middle one, is always open
            closed[np.arange(len(closed)), np.nan_to_num(each).argmin(axis=1)] = False
        return ~closed

    def intervals(self, scores: Floats, patterns: Sequence[str] | None = None) -> Floats:
        """(n, q, 2) low and high ends in the target's own units, all outputs inside at once; NaN where
        nothing is known."""
        task = self._task()
        if not task.is_number:
            raise DataError(f"{task.kind} have sets, not intervals", where="Conformal")
        scores = np.asarray(check_matrix(scores, "scores", task.outputs), np.float64)
        names = row_patterns(patterns, len(scores))
        half = self._limits(patterns, len(scores))[:, None] * self._units(names)
        return np.stack([task.numbers(scores - half), task.numbers(scores + half)], axis=-1)

    def covered(self, scores: Floats, y: NDArray[Any], patterns: Sequence[str] | None = None) -> Mask:
        """(n,) whether the set or interval holds the coded truth, all of it; True in NaN rows, of which
        nothing is closed."""
        task = self._task()
        if task.is_number or task.kind == "labels":
            names = row_patterns(patterns, len(scores))
            nonconformity = self._nonconformity(np.asarray(scores, np.float64), y, names)
            return ~(nonconformity > self._limits(patterns, len(scores)))
        return np.asarray(self.sets(scores, patterns)[np.arange(len(y)), y], bool)

    def abstains(self, scores: Floats, patterns: Sequence[str] | None = None) -> Mask:
        """(n,) where the set holds more than one class, or nothing is known of the row.
        Labels and numbers never abstain otherwise: their sets and widths say what is open."""
        nothing = ~np.isfinite(scores).all(axis=1)
        if self._task().kind not in ("classes", "order"):
            return np.asarray(nothing)
        size = self.sets(scores, patterns).sum(axis=1)
        return np.asarray(nothing | (size > 1))

    def _task(self) -> Task:
        self.require_fitted("thresholds_")
        return Task.from_json(self.task_)

    def _limits(self, patterns: Sequence[str] | None, n: int) -> Floats:
        """(n,) the threshold of each row's pattern."""
        rest = self.thresholds_[REST]
        found = [self.thresholds_.get(name, rest)[0] for name in row_patterns(patterns, n)]
        return np.array(found, np.float64)

    def _units(self, names: Sequence[str]) -> Floats:
        """(n, q) the usual error of each row's pattern."""
        rest = self.scales_[REST]
        return np.array([self.scales_.get(name, rest) for name in names]).reshape(len(names), -1)

    def _nonconformity(self, scores: Floats, y: NDArray[Any], names: Sequence[str]) -> Floats:
        """(n,) of the truth."""
        task = Task.from_json(self.task_)
        if task.is_number:
            return np.asarray((np.abs(scores - y) / self._units(names)).max(axis=1))
        each = _nonconformities(task, scores)
        if task.kind == "labels":
            return np.asarray(np.where(y > 0, each, 0.0).max(axis=1))
        return np.asarray(each[np.arange(len(y)), y])


def _nonconformities(task: Task, scores: Floats) -> Floats:
    """(n, q) that of each class or label, were it the truth."""
    if task.kind == "labels":
        return np.asarray(np.logaddexp(0, -scores))
    if task.kind == "classes":
        return np.asarray(-log_softmax(scores, axis=1))
    probability = task.probabilities(scores)
    up_to = np.cumsum(probability, axis=1)
    return np.asarray(np.maximum(up_to - probability, 1 - up_to))


def _scales(errors: Floats, names: NDArray[Any]) -> dict[str, Floats]:
    """{pattern: (q,) root mean squared error}, drawn to that of all rows; never 0."""
    overall = np.square(errors).mean(axis=0) if len(errors) else np.ones(errors.shape[1])
    overall = np.where(overall > 0, overall, 1.0)
    scales = {REST: np.sqrt(overall)}
    for name in np.unique(names).tolist():
        own = np.square(errors[names == name])
        scales[name] = np.sqrt((own.sum(axis=0) + SHARED * overall) / (len(own) + SHARED))
    return scales


def _thresholds(values: Floats, names: NDArray[Any], weights: Floats, coverage: float) -> dict[str, Floats]:
    """{pattern: its threshold} of patterns with `SMALLEST` rows or groups; the others share that of `REST`,
    which is never below any where they are few even together."""
    found = {}
    small = np.ones(len(names), bool)
    for name in np.unique(names).tolist():
        mine = names == name
        if weights[mine].sum() >= SMALLEST and name != REST:
            found[name] = quantile(values[mine], weights[mine], coverage)
            small &= ~mine
    rest = quantile(values[small], weights[small], coverage)
    if weights[small].sum() < SMALLEST:
        rest = max([quantile(values, weights, coverage), *found.values()])
    return {name: np.array([limit]) for name, limit in {**found, REST: rest}.items()}


def quantile(values: Floats, weights: Floats, coverage: float) -> float:
    """The least value that `coverage` of the weight, one unit more counted as infinite, does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= coverage * (weights.sum() + 1) - 1e-9
    return float(values[order][reached.argmax()]) if reached.any() else float("inf")


def _weights(groups: NDArray[np.int64] | None, n: int) -> Floats:
    """(n,) one unit a group, shared by its rows."""
    if groups is None:
        return np.ones(n)
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[place])
