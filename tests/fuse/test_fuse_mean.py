"""The mean of what a row has, against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from chiasm.errors import ShapeError, UsageError
from chiasm.fuse import Mean
from chiasm.numerics import unit_rows

RNG = np.random.default_rng(0)
X = {c: unit_rows(RNG.standard_normal((7, 4))) for c in "abc"}
WEIGHTS = {"a": 2.0, "b": 0.5}


@settings(max_examples=30, deadline=None)
@given(masks=arrays(bool, (3, 7)))
def test_the_weighted_mean_of_what_is_there(masks: np.ndarray) -> None:
    gapped = {c: np.where(m[:, None], X[c], np.float32(np.nan)) for c, m in zip(X, masks, strict=True)}
    found = Mean(WEIGHTS).fit(gapped).transform(gapped)
    assert found.dtype == np.float32
    for row, vector in enumerate(found):
        there = [WEIGHTS.get(c, 1.0) * v[row] for c, v in gapped.items() if not np.isnan(v[row]).any()]
        total = np.sum(there, axis=0) if there else np.full(4, np.nan)
        np.testing.assert_allclose(vector, total / np.linalg.norm(total), atol=1e-5)


def test_a_single_column_is_itself() -> None:
    np.testing.assert_allclose(Mean().transform({"a": X["a"]}), X["a"], atol=1e-6)


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="weight of 'a' must lie"):
        Mean({"a": -1.0}).fit(X)
    with pytest.raises(ShapeError, match="fusion: expected columns of one shape"):
        Mean().transform({"a": X["a"], "b": X["b"][:3]})
    with pytest.raises(ShapeError, match="fusion: expected columns"):
        Mean().transform({})
