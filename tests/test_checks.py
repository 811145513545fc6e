"""Checks and the estimator base: errors that scikit-learn and plain Python catch by the names they know."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from chiasm.encode import Vector
from chiasm.errors import ChiasmError, NotFitted


@pytest.mark.parametrize("known", [NotFitted, ChiasmError, NotFittedError, ValueError, AttributeError])
def test_an_unfitted_estimator_is_caught_by_every_name_for_it(known: type[Exception]) -> None:
    with pytest.raises(known, match="Vector: not fitted yet"):
        Vector().transform(np.ones((2, 3), np.float32))
    assert issubclass(NotFitted, ValueError)


def test_scikit_learn_sees_whether_an_estimator_is_fitted() -> None:
    with pytest.raises(NotFittedError):
        check_is_fitted(Vector())
    check_is_fitted(Vector().fit(np.ones((2, 3), np.float32)))
