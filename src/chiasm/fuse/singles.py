"""Fusions of single modalities: for every column the head with the best held-out scores, then weights for
every pattern."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_range
from chiasm.encode.features import Features
from chiasm.errors import NotFitted, UsageError
from chiasm.fuse.fusion import Columns, Fusion, means_of, present
from chiasm.fuse.patterns import Pattern, rows_by_pattern
from chiasm.heads.folds import folds, several
from chiasm.heads.head import HEADS
from chiasm.heads.task import Task
from chiasm.named import Record

TRIED = ("linear", "ordinal", "kernel", "forest")
"""Heads tried, the simpler first."""
KERNEL_ROWS, FOREST_ROWS, FOREST_WIDTH = 1_000, 20_000, 100
"""The most rows that a kernel and a forest are tried for, and the widest features of a forest."""
TABLE_WIDTH = 16
"""Features as few as these count as a table's, whatever they hold."""


class Stacked(Fusion):
    """Scores that are, for every pattern, a weighted sum of those of the single modalities.

    heads : tried for every column (linear, ordinal of an order, kernel, forest); the one with the least
        held-out loss is kept.
    folds : inner folds, of groups where there are any.
    seed : of the heads and of the inner folds.

    A row with one modality gets that modality's calibrated head: `scores({column: f})` is the single model.
    """

    heads_: dict[str, Record]
    columns_: list[str]

    def __init__(self, heads: Sequence[str] = TRIED, folds: int = 5, seed: int = 0) -> None:
        self.heads = heads
        self.folds = folds
        self.seed = seed

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        check_range(self.folds, "folds", 2)
        if not self.heads:
            raise UsageError("no heads to try", where="heads", hint=f"Name some of: {', '.join(TRIED)}.")
        self.columns_ = list(columns)
        self.heads_, S = learn_singles(
            columns, y, self.task, self.heads, self.folds, self.seed, groups, weights
        )
        self._held = S, y, np.ones(len(y)) if weights is None else weights
        self._join(*self._held)

    def fit_like(self, other: Stacked) -> Self:
        """Learn from the same rows as another that was just fitted, with its single modalities, so that only
        the weights are left to learn. NotFitted where the other has forgotten its held-out scores."""
        if not hasattr(other, "_held"):
            raise NotFitted("no held-out scores to join", where=type(other).__name__, hint="Call fit first.")
        self.forget()
        for name in ("task_", "base_", "widths_", "columns_", "heads_"):
            setattr(self, name, getattr(other, name))
        self._join(*other._held)
        return self

    def forget_held(self) -> None:
        """Drop the held-out scores (m, n, q), which nothing but `fit_like` of another needs."""
        if hasattr(self, "_held"):
            del self._held

    @abstractmethod
    def _join(self, S: Floats, y: NDArray[Any], weights: Floats) -> None:
        """Learn from held-out scores (m, n, q), NaN where absent."""

    @abstractmethod
    def _joined(self, pattern: Pattern) -> tuple[Floats, Floats]:
        """Weights (m', q) and intercept (q,) of the scores of a pattern of `columns_`."""

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


def learn_singles(
    columns: Columns,
    y: NDArray[Any],
    task: Task,
    heads: Sequence[str],
    count: int,
    seed: int,
    groups: NDArray[np.int64] | None,
    weights: Floats | None,
) -> tuple[dict[str, Record], Floats]:
    """{column: its head} and the scores (m, n, q) that each present row gets from a head that did not learn
    from its fold; NaN where absent. `count` folds, the same for every column.

    Of several heads the one with the least held-out loss is kept, the first of equals.
    """
    fold = folds(y, groups, count, seed)
    kept: dict[str, Record] = {}
    scores = np.full((len(columns), len(y), task.outputs), np.nan)
    for out, (c, f) in zip(scores, columns.items(), strict=True):
        own = None if weights is None else weights[f.row]
        inner = None if groups is None else groups[f.row]
        apart = fold[f.row]
        if not several(apart):  # all rows that have the column fell into one fold
            apart = folds(y[f.row], inner, count, seed)
        least = np.inf
        for name in usable(heads, f, task):
            head = HEADS.made(name, {"seed": seed})
            found = head.cross_fit(f.values, y[f.row], task, apart, own, inner)
            loss = float(np.average(task.losses(found, y[f.row]), weights=own))
            if loss < least:
                least, kept[c], out[f.row] = loss, HEADS.record(head), found
    return kept, scores


def usable(heads: Sequence[str], f: Features, task: Task) -> list[str]:
    """Those heads that suit a column's length and width, in their order, the first of all where none does; a
    forest only for what looks like a table, since principal components hold no thresholds."""
    small = {
        "ordinal": task.kind == "order",
        "kernel": len(f.row) <= KERNEL_ROWS,
        "forest": len(f.row) <= FOREST_ROWS
        and max(f.width, task.outputs) <= FOREST_WIDTH
        and tabular(f.values),
    }
    return [name for name in heads if small.get(name, True)] or [heads[0]]


def tabular(values: NDArray[np.float32]) -> bool:
    """Whether features (n, d) look like a table's: few, or some of them with the same value in many rows."""
    if values.shape[1] <= TABLE_WIDTH:
        return True
    return any(len(np.unique(one)) < len(one) / 2 for one in values.T)


def single_scores(kept: dict[str, Record], columns: Columns) -> dict[str, Floats]:
    """{column: (n, q)} of the heads kept; NaN where a row is absent."""
    out = {}
    for c, f in columns.items():
        found = HEADS.revive(kept[c]).scores(f.values)
        out[c] = np.full((f.n, found.shape[1]), np.nan)
        out[c][f.row] = found
    return out


def pulled(kept: dict[str, Record], columns: Columns, gradients: dict[str, Floats]) -> dict[str, Floats]:
    """{column: (n, d)} of gradients by the columns' scores (n, q); zero where a row is absent."""
    out = {}
    for c, f in columns.items():
        out[c] = np.zeros((f.n, f.width))
        out[c][f.row] = HEADS.revive(kept[c]).pull(f.values, gradients[c][f.row])
    return out
