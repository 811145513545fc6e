"""Semantic alignment: the space is what each column says about the classes, after CCA."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.checks import check_range, is_missing
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.numerics import unit_rows

NEVER = -1e4
"""Log odds of a class that a column never showed."""

Vectors = NDArray[np.float32]


class Semantic(Aligner):
    """Correlations, then class posteriors: 'semantic correlation matching' (Rasiwasia et al. 2010).

    Each column's canonical coordinates go through a multinomial logistic regression; the space is the
    vector of posteriors less their mean, at unit length (their 'normalised correlation'). It has one
    coordinate a class, so it finds things of the same class and cannot tell two of one class apart.

    A row without a label, None or NaN, informs the CCA alone. The items of a row weigh together as one.

    dim, ridge, weight : of the CCA under it.
    C : inverse strength of the regressions' L2 penalty; coordinate j has standard deviation ρ_j ** weight.

    maps_ : {column: (d, k)} to the coordinates;  correlations_ : (k,) ρ, descending.
    classes_ : (c,) as text;  coefficients_ : {column: (k, c)};  intercepts_ : {column: (c,)}

    Raises UsageError without y, DataError where it or a column shows fewer than two classes.
    """

    def __init__(self, dim: int = 128, ridge: float = 1e-3, weight: float = 1.0, C: float = 1.0) -> None:
        self.dim = dim
        self.ridge = ridge
        self.weight = weight
        self.C = C

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        check_range(self.C, "C", 1e-12)
        if y is None:
            hint = "Give fit(X, y), to chiasm.fit target='COL' (--target COL); or use CCA."
            raise UsageError("Semantic needs the class of each row", hint=hint)
        labels = _as_text(y)
        self.classes_ = sorted({str(label) for label in labels} - {""})
        if len(self.classes_) < 2:
            raise DataError(f"Semantic needs two classes or more, got {self.classes_}", where="y")
        under = CCA(self.dim, self.ridge, self.weight).fit_moments(moments)
        self.correlations_ = under.correlations_
        self.maps_ = {c: under.scaled_map(c) for c in X}
        self.coefficients_: dict[str, Vectors] = {}
        self.intercepts_: dict[str, Vectors] = {}
        for column, cells in X.items():
            self._regress(column, cells, labels)

    def _regress(self, column: str, cells: Features, labels: NDArray[np.str_]) -> None:
        from sklearn.linear_model import LogisticRegression

        if len(labels) != cells.n:
            raise ShapeError(f"expected {cells.n} labels, one a row, got {len(labels)}", where="y")
        y, shares = labels[cells.row], 1.0 / cells.counts[cells.row]
        known = y != ""
        if len(set(y[known])) < 2:
            raise DataError("rows of fewer than two classes have this column", where=f"column {column!r}")
        coordinates = self._coordinates(column, cells.values[known])
        model = LogisticRegression(C=self.C, max_iter=1000).fit(coordinates, y[known], shares[known])
        weights, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one line for two classes
            weights, bias = np.vstack([-weights, weights]) / 2, np.r_[-bias, bias] / 2
        seen = np.searchsorted(self.classes_, model.classes_)
        self.coefficients_[column] = np.zeros((coordinates.shape[1], len(self.classes_)), np.float32)
        self.coefficients_[column][:, seen] = weights.T
        self.intercepts_[column] = np.full(len(self.classes_), NEVER, np.float32)
        self.intercepts_[column][seen] = bias

    def _coordinates(self, column: str, values: NDArray[Any]) -> Vectors:
        return np.asarray(self.centred(column, values) @ self.maps_[column])

    @property
    def space_width(self) -> int:
        """One coordinate a class."""
        self.require_fitted("classes_")
        return len(self.classes_)

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column to centred class posteriors (items, c), at unit length."""
        posteriors = self.posteriors(name, values)
        return unit_rows(posteriors - posteriors.mean(axis=1, keepdims=True))

    def posteriors(self, name: str, values: NDArray[Any]) -> Vectors:
        """(items, c) the probability of each class given an item of one column."""
        coordinates = self._coordinates(name, values).astype(np.float64)  # of any size
        logits = coordinates @ self.coefficients_[name] + self.intercepts_[name]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def _as_text(y: Any) -> NDArray[np.str_]:
    """(n,) labels as text, "" where there is none: None, or NaN or NA as tables have it."""
    if not isinstance(y, Iterable):
        raise ShapeError(f"expected one label per row, got {type(y).__name__}", where="y")
    return np.array(["" if is_missing(label) else str(label) for label in y], dtype=np.str_)
