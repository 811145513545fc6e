"""Semantic alignment: the space is what each column says about the classes, after CCA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import check_linked
from chiasm.align.linear import CCA, LinearAligner
from chiasm.align.moments import Moments, Table
from chiasm.checks import check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.numerics import unit_rows

NEVER = -1e4


class Semantic(LinearAligner):
    """Correlations, then class posteriors: 'semantic correlation matching' (Rasiwasia et al. 2010).

    Each column's canonical coordinates go through a multinomial logistic regression; the space is the
    vector of posteriors less their mean, at unit length (their 'normalised correlation'). It has one
    coordinate a class, so it finds things of the same class and cannot tell two of one class apart.

    dim, ridge, weight : of the CCA under it.
    C : inverse strength of the regressions' L2 penalty, in units of coordinates at unit variance.

    classes_ : (c,) as text;  coefficients_ : {column: (k, c)};  intercepts_ : {column: (c,)}
    """

    from_rows = True

    def __init__(self, dim: int = 128, ridge: float = 1e-3, weight: float = 1.0, C: float = 1.0) -> None:
        self.dim = dim
        self.ridge = ridge
        self.weight = weight
        self.C = C

    def fit(self, X: Table | Iterable[Table], y: Any = None, valid: Table | None = None) -> Self:
        """Learn from rows and y (n,), their classes; None or NaN is an unlabelled row, which informs the
        CCA alone. `valid` is ignored.
        """
        if not isinstance(X, Mapping):
            raise UsageError("Semantic needs all labelled rows at once, not a stream", where="X")
        return self.fit_rows(Moments.of(X), X, y)

    def fit_moments(self, moments: Moments) -> Self:
        """Refused: classes cannot be learned from second moments."""
        raise UsageError("Semantic learns from labelled rows", hint="Call fit(X, y).")

    def _solve(self, moments: Moments, columns: list[str]) -> None:
        under = CCA(self.dim, self.ridge, self.weight).fit_moments(moments)
        self.means_, self.correlations_ = under.means_, under.correlations_
        self.maps_ = {c: under.scaled_map(c) for c in columns}

    def fit_rows(self, moments: Moments, X: Table, y: Any = None, valid: Table | None = None) -> Self:
        """`fit` where the moments of the same rows are at hand."""
        if y is None:
            raise UsageError(
                "Semantic needs classes", hint="Name a target column (--target COL), or use CCA."
            )
        check_range(self.C, "C", 1e-12)
        labels = _as_text(y)
        classes = sorted({str(label) for label in labels} - {""})
        if len(classes) < 2:
            raise DataError(f"Semantic needs two classes or more, got {classes}", where="y")
        self.forget()
        self._solve(moments, check_linked(moments))
        self.classes_ = classes
        self.coefficients_: dict[str, NDArray[np.float32]] = {}
        self.intercepts_: dict[str, NDArray[np.float32]] = {}
        for column in self.maps_:
            self._regress(column, as_features(X[column]), labels)
        return self

    @property
    def space_width(self) -> int:
        """One coordinate a class."""
        self.require_fitted("classes_")
        return len(self.classes_)

    def _regress(self, column: str, features: Features, labels: NDArray[np.str_]) -> None:
        from sklearn.linear_model import LogisticRegression

        if len(labels) != features.n:
            raise ShapeError(f"expected {features.n} labels, one a row, got {len(labels)}", where="y")
        known = labels[features.row] != ""
        y = labels[features.row][known]
        if len(set(y)) < 2:
            raise DataError("rows of fewer than two classes have this column", where=f"column {column!r}")
        coordinates = self._coordinates(column, features.values[known])
        model = LogisticRegression(C=self.C, max_iter=1000).fit(coordinates, y)
        weights, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one line for two classes
            weights, bias = np.vstack([-weights, weights]) / 2, np.r_[-bias, bias] / 2
        seen = np.searchsorted(self.classes_, model.classes_)
        self.coefficients_[column] = np.zeros((coordinates.shape[1], len(self.classes_)), np.float32)
        self.coefficients_[column][:, seen] = weights.T
        # a class that this column never showed gets no odds
        self.intercepts_[column] = np.full(len(self.classes_), NEVER, np.float32)
        self.intercepts_[column][seen] = bias

    def _coordinates(self, column: str, values: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray((values - self.means_[column]).astype(np.float32) @ self.maps_[column])

    def project(self, name: str, values: NDArray[Any]) -> NDArray[np.float32]:
        """Items (items, d) of one column to centred class posteriors (items, c), at unit length."""
        posteriors = self.posteriors(name, values)
        return unit_rows(posteriors - posteriors.mean(axis=1, keepdims=True))

    def posteriors(self, name: str, values: NDArray[Any]) -> NDArray[np.float32]:
        """(items, c) the probability of each class given an item of one column."""
        values = self.checked(name, values)
        logits = self._coordinates(name, values) @ self.coefficients_[name] + self.intercepts_[name]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _as_text(y: Any) -> NDArray[np.str_]:
    """(n,) labels as text, "" where there is none: None, or NaN as tables have it."""
    return np.array(["" if label is None or label != label else str(label) for label in y], dtype=np.str_)
