"""Late fusion: a head for every modality, their held-out scores stacked by the pattern that is present."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_range
from chiasm.encode.features import Features
from chiasm.fuse.fusion import Columns, Floats, Fusion, means_of, present
from chiasm.fuse.patterns import Pattern, patterns_to_learn, rows_by_pattern
from chiasm.fuse.stack import conditional, gaussian, logistic_stack
from chiasm.heads.folds import folds, held_out
from chiasm.heads.head import Head
from chiasm.heads.logistic import indicators
from chiasm.heads.names import Record, head_class, record, revive
from chiasm.heads.task import Task


class Late(Fusion):
    """Scores of single modalities, joined by weights learned from their scores of held-out rows.

    head : the head of every column: linear, forest, kernel, or best, which chooses among them.
    folds : inner folds, of groups where there are any.

    A row with one modality gets that modality's calibrated head: `scores({column: f})` is the single model.
    Numbers are combined by the Gaussian conditional, exact for every pattern; classes and labels by a
    logistic stacker a pattern.
    """

    heads_: dict[str, Record]
    columns_: list[str]
    stack_: dict[str, Any]

    def __init__(self, head: str = "linear", folds: int = 5, seed: int = 0) -> None:
        self.head = head
        self.folds = folds
        self.seed = seed

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        check_range(self.folds, "folds", 2)
        task = self.task
        own = np.ones(len(y)) if weights is None else weights
        S = held_out_scores(columns, y, task, self._new, folds(y, groups, self.folds, self.seed), groups, own)
        self.columns_ = list(columns)
        self.heads_ = {}
        for c, f in columns.items():
            inner = None if groups is None else groups[f.row]
            self.heads_[c] = record(self._new().fit(f.values, y[f.row], task, own[f.row], inner))
        if task.is_number:
            self.stack_ = gaussian(S, y, own)
            return
        learned = logistic_stack(
            S, indicators(task, y), task, self.base_, own, patterns_to_learn(present(columns))
        )
        self.stack_ = {_key(p): {"weights": a, "bias": b} for p, (a, b) in learned.items()}

    def _new(self) -> Head:
        return head_class(self.head)(seed=self.seed)

    def _joined(self, pattern: Pattern) -> tuple[Floats, Floats]:
        """Weights (m', q) and intercept (q,) of the scores of a pattern."""
        if self.task.is_number:
            return conditional(self.stack_, pattern)
        own = self.stack_.get(_key(pattern))
        a = self.stack_[""]["weights"][list(pattern)] if own is None else own["weights"]
        bias = self.stack_[""]["bias"] if own is None else own["bias"]
        weights = np.repeat(a[:, None], len(self.base_), axis=1)
        return weights, self.base_ * (1 - a.sum()) + bias

    def _score(self, columns: Columns) -> Floats:
        heads = {c: revive(self.heads_[c]) for c in columns}
        singles = {c: spread(heads[c].scores(f.values), f) for c, f in columns.items()}
        out = np.full((next(iter(columns.values())).n, len(self.base_)), np.nan)
        for names, rows, weights, intercept in self._parts(columns):
            total = np.repeat(intercept[None], len(rows), axis=0)
            for c, weight in zip(names, weights, strict=True):
                total += weight * singles[c][rows]
            out[rows] = total
        return out

    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)} of a gradient by scores (n, q)."""
        columns = {c: f for c, f in means_of(X).items() if c in self.widths_}
        carried = {c: np.zeros((f.n, len(self.base_))) for c, f in columns.items()}
        for names, rows, weights, _ in self._parts(columns):
            for c, weight in zip(names, weights, strict=True):
                carried[c][rows] = weight * gradient[rows]
        out = {}
        for c, f in columns.items():
            out[c] = np.zeros((f.n, f.width))
            out[c][f.row] = revive(self.heads_[c]).pull(f.values, carried[c][f.row])
        return out

    def _parts(self, columns: Columns) -> list[tuple[list[str], NDArray[np.int64], Floats, Floats]]:
        """(columns, rows, weights (m', q), intercept (q,)) of every pattern there is."""
        names = list(columns)
        place = [self.columns_.index(c) for c in names]
        out = []
        for pattern, rows in rows_by_pattern(present(columns)).items():
            weights, intercept = self._joined(tuple(place[i] for i in pattern))
            out.append(([names[i] for i in pattern], rows, weights, intercept))
        return out


def held_out_scores(
    columns: Columns,
    y: NDArray[Any],
    task: Task,
    new: Any,
    fold: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    weights: Floats,
) -> Floats:
    """(m, n, q) scores of each column's rows by a head that did not learn from their fold; NaN where absent.

    Where a column has rows in one fold only, its head has nothing to learn from: those get the prior.
    """
    out = np.full((len(columns), len(y), task.outputs), np.nan)
    for one, f in zip(out, columns.values(), strict=True):
        one[f.row] = task.prior(y[f.row], weights[f.row])
        for train, held in held_out(fold[f.row]):
            rows = f.row[train]
            inner = None if groups is None else groups[rows]
            head = new().fit(f.values[train], y[rows], task, weights[rows], inner)
            one[f.row[held]] = head.scores(f.values[held])
    return out


def spread(scores: Floats, f: Features) -> Floats:
    """(n, q) of the scores of the rows present; NaN elsewhere."""
    out = np.full((f.n, scores.shape[1]), np.nan)
    out[f.row] = scores
    return out


def _key(pattern: Pattern) -> str:
    return "+".join(map(str, pattern))
