"""Late fusion: a head for every modality, their held-out scores stacked by the pattern that is present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_range
from chiasm.fuse.fusion import Columns, Floats, Fusion, means_of, present
from chiasm.fuse.patterns import Pattern, patterns_to_learn, rows_by_pattern
from chiasm.fuse.singles import HEADS, learn_singles, pulled, single_scores
from chiasm.fuse.stack import conditional, gaussian, logistic_stack
from chiasm.heads.logistic import indicators
from chiasm.heads.names import Record


class Late(Fusion):
    """Scores of single modalities, joined by weights learned from their scores of held-out rows.

    heads : tried for every column (linear, kernel, forest); the one with the least held-out loss is kept.
    folds : inner folds, of groups where there are any.

    A row with one modality gets that modality's calibrated head: `scores({column: f})` is the single model.
    Numbers are combined by the Gaussian conditional, exact for every pattern; classes and labels by a
    logistic stacker a pattern.
    """

    heads_: dict[str, Record]
    columns_: list[str]
    stack_: dict[str, Any]

    def __init__(self, heads: Sequence[str] = HEADS, folds: int = 5, seed: int = 0) -> None:
        self.heads = heads
        self.folds = folds
        self.seed = seed

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        check_range(self.folds, "folds", 2)
        task = self.task
        self.columns_ = list(columns)
        self.heads_, S = learn_singles(columns, y, task, self.heads, self.folds, self.seed, groups, weights)
        own = np.ones(len(y)) if weights is None else weights
        if task.is_number:
            self.stack_ = gaussian(S, y, own)
            return
        learned = logistic_stack(
            S, indicators(task, y), task, self.base_, own, patterns_to_learn(present(columns))
        )
        self.stack_ = {_key(p): {"weights": a, "bias": b} for p, (a, b) in learned.items()}

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
        singles = single_scores(self.heads_, columns)
        out = np.full((next(iter(columns.values())).n, len(self.base_)), np.nan)
        for names, rows, weights, intercept in self._parts(columns):
            out[rows] = intercept
            for c, weight in zip(names, weights, strict=True):
                out[rows] += weight * singles[c][rows]
        return out

    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)} of a gradient by scores (n, q)."""
        columns = {c: f for c, f in means_of(X).items() if c in self.widths_}
        carried = {c: np.zeros((f.n, len(self.base_))) for c, f in columns.items()}
        for names, rows, weights, _ in self._parts(columns):
            for c, weight in zip(names, weights, strict=True):
                carried[c][rows] = weight * gradient[rows]
        return pulled(self.heads_, columns, carried)

    def _parts(self, columns: Columns) -> list[tuple[list[str], NDArray[np.int64], Floats, Floats]]:
        """(columns, rows, weights (m', q), intercept (q,)) of every pattern there is."""
        names = list(columns)
        place = [self.columns_.index(c) for c in names]
        out = []
        for pattern, rows in rows_by_pattern(present(columns)).items():
            weights, intercept = self._joined(tuple(place[i] for i in pattern))
            out.append(([names[i] for i in pattern], rows, weights, intercept))
        return out


def _key(pattern: Pattern) -> str:
    return "+".join(map(str, pattern))
