"""Mean fusion: F(X) = Σ w_m f_m(x_m) over the modalities a row has, brought to unit length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import Estimator, check_range
from chiasm.errors import ShapeError
from chiasm.numerics import unit_rows


class Mean(Estimator):
    """The weighted mean of the space vectors that a row has.

    weights : {column: w_m >= 0}; a column not named weighs 1.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self.weights = weights

    def fit(self, X: Mapping[str, NDArray[Any]], y: Any = None) -> Self:
        """Nothing is learned; the weights are checked."""
        for column, weight in (self.weights or {}).items():
            check_range(weight, f"weight of {column!r}", 0)
        return self

    def transform(self, X: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """{column: (n, k) unit vectors, NaN rows absent} to (n, k); a row with nothing stays NaN."""
        shapes = {column: vectors.shape for column, vectors in X.items()}
        if not X or len(set(shapes.values())) > 1:
            raise ShapeError(f"expected columns of one shape (n, k), got {shapes}", where="fusion")
        total = np.zeros(next(iter(shapes.values())), np.float32)
        seen = np.zeros(len(total), bool)
        for column in sorted(X):
            present = ~np.isnan(X[column]).any(axis=1)
            total[present] += np.float32(self.weight(column)) * X[column][present]
            seen |= present & (self.weight(column) > 0)
        total[~seen] = np.nan
        return unit_rows(total)

    def weight(self, column: str) -> float:
        """w_m of a column."""
        return float((self.weights or {}).get(column, 1.0))
