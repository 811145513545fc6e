"""Checks and the estimator base: errors that scikit-learn and plain Python catch by the names they know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from chiasm.checks import check_count
from chiasm.encode import Vector
from chiasm.errors import ChiasmError, NotFitted, UsageError


@pytest.mark.parametrize("known", [NotFitted, ChiasmError, NotFittedError, ValueError, AttributeError])
def test_an_unfitted_estimator_is_caught_by_every_name_for_it(known: type[Exception]) -> None:
    with pytest.raises(known, match="Vector: not fitted yet"):
        Vector().transform(np.ones((2, 3), np.float32))
    assert issubclass(NotFitted, ValueError)


def test_scikit_learn_sees_whether_an_estimator_is_fitted() -> None:
    with pytest.raises(NotFittedError):
        check_is_fitted(Vector())
    check_is_fitted(Vector().fit(np.ones((2, 3), np.float32)))


@pytest.mark.parametrize("value", [2.5, "3", None, 0, float("nan")])
def test_a_count_is_a_whole_number_from_one(value: Any) -> None:
    with pytest.raises(UsageError, match="size must"):
        check_count(value, "size")
    check_count(np.int64(1), "size")
