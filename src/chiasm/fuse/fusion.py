"""The fusion of a target: features of several columns with gaps to scores, from whatever a row has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.heads.estimator import TaskEstimator, check_each, checked_weights, listed
from chiasm.heads.task import Task

Columns = Mapping[str, Features]


class Fusion(TaskEstimator):
    """F and T together: rows with gaps to scores (n, q). Used alone it is an estimator of arrays:
    `Late().fit({"text": T, "image": I}, y).predict({"text": T2})`, absent rows NaN.

    A fusion writes `_learn` and `_score`; what they get is checked: sorted columns that hold something, one
    line for each present row (`row` ascending), every row with at least one column.

    Attributes
    ----------
    task_ : JSON of the `Task`;  base_ : (q,) scores of a row of which nothing is known;
    widths_ : {column: d} of what was learned from. Columns learned but not given are absent, others ignored.
    """

    base_: Floats
    widths_: dict[str, int]

    def fit(
        self,
        X: Mapping[str, Any],
        y: Sequence[Any] | NDArray[Any],
        *,
        task: Task | None = None,
        groups: Sequence[Any] | None = None,
        weights: NDArray[Any] | None = None,
    ) -> Self:
        """Learn from {column: Features or (n, d) array} and a target (n,), None where a row has none.

        task : None infers it from the values.
        groups : (n,) rows of one group are never on both sides of an inner split.
        weights : (n,) the rows' weights.
        """
        self.forget()
        y = listed(y)
        columns = means_of(X)
        if not columns:
            raise DataError("no column holds anything usable", where=type(self).__name__)
        n = next(iter(columns.values())).n
        if len(y) != n:
            raise ShapeError(f"expected one target per row, {n}, got {len(y)}", where=type(self).__name__)
        for name, given in (("groups", groups), ("weights", weights)):
            check_each(given, n, name)
        task = task or Task.of(y)
        use = np.flatnonzero(present(columns).any(axis=0) & np.array([value is not None for value in y]))
        columns = {c: kept for c, f in columns.items() if len((kept := f.take(use)).row)}
        coded = task.code([y[i] for i in use.tolist()])
        own = checked_weights(None if weights is None else np.asarray(weights)[use], len(use))
        self.task_ = task.to_json()
        self.base_ = task.prior(coded, own)
        self.widths_ = {c: f.width for c, f in columns.items()}
        codes = None if groups is None else _codes([listed(groups)[i] for i in use.tolist()])
        self._learn(columns, coded, codes, own)
        return self

    def scores(self, X: Mapping[str, Any]) -> Floats:
        """(n, q) float64 of {column: Features or (n, d) array}; a row with nothing is NaN."""
        self.require_fitted("task_")
        columns = means_of(X)
        if not columns:
            count = next((as_features(cells).n for cells in X.values()), 0)
            return np.full((count, len(self.base_)), np.nan)
        known = {c: f for c, f in columns.items() if c in self.widths_}
        for column, f in known.items():
            if f.width != self.widths_[column]:
                raise ShapeError(f"expected (n, {self.widths_[column]}), got (n, {f.width})", where=column)
        out = np.full((next(iter(columns.values())).n, len(self.base_)), np.nan)
        if known:
            use = np.flatnonzero(present(known).any(axis=0))
            out[use] = self._score({c: f.take(use) for c, f in known.items()}) if len(use) else out[use]
        return out

    @abstractmethod
    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None: ...

    @abstractmethod
    def _score(self, columns: Columns) -> Floats: ...

    @abstractmethod
    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)}: a gradient by scores (n, q) carried back to the features, zero in absent rows."""


def means_of(X: Mapping[str, Any]) -> dict[str, Features]:
    """{column: one line for each present row} of those columns, sorted, that hold anything; ShapeError where
    they are not of the same rows."""
    if not isinstance(X, Mapping) or not all(isinstance(c, str) for c in X):
        raise UsageError(f"expected {{column: rows}}, got {type(X).__name__}", where="fusion")
    found = {c: as_features(X[c], c) for c in sorted(X)}
    counts = {c: f.n for c, f in found.items()}
    if len(set(counts.values())) > 1:
        raise ShapeError(f"expected columns of the same rows, got {counts}", where="fusion")
    rows = {c: np.flatnonzero(f.present) for c, f in found.items()}
    return {
        c: Features(f.means, rows[c], np.zeros(len(rows[c]), np.int64), f.n)
        for c, f in found.items()
        if len(f.row)
    }


def present(columns: Columns) -> NDArray[np.bool_]:
    """(m, n) True where a row has the column."""
    return np.array([f.present for f in columns.values()])


def _codes(groups: Sequence[Any]) -> NDArray[np.int64]:
    """(n,) an integer for each group, from 0."""
    return np.unique([str(group) for group in groups], return_inverse=True)[1].astype(np.int64)
