"""Trees as arrays say what scikit-learn's own say."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from chiasm.heads import trees


def test_reading_arrays_is_reading_the_model_gaps_included() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 4)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + np.abs(X[:, 2])
    X[rng.random(X.shape) < 0.2] = np.nan
    grown = trees.grow(X, y, 20)
    model = HistGradientBoostingRegressor(
        max_iter=20, min_samples_leaf=50, l2_regularization=10.0, early_stopping=False, random_state=0
    ).fit(X, y)
    assert np.allclose(trees.read(grown, X), model.predict(X), atol=1e-12)


def test_one_line_and_no_line() -> None:
    X = np.arange(40, dtype=np.float32)[:, None]
    grown = trees.grow(X, (X[:, 0] > 20).astype(float), 50)
    assert trees.read(grown, np.array([[30.0]], np.float32))[0] > 0.9
    assert trees.read(grown, X[:0]).shape == (0,)
