"""Numbers of any size: what lies beyond all measure, and what no map can hold."""

from __future__ import annotations

import numpy as np
import pytest
from columns import VALUES

from chiasm.align import CCA, Anchors, Moments, Ridge
from chiasm.errors import DataError, ShapeError, UsageError


def test_one_item_beyond_all_measure_keeps_its_direction() -> None:
    fitted = CCA(dim=3).fit(VALUES)
    far = VALUES["a"][:1].astype(np.float64) * 1e200
    near = fitted.project("a", VALUES["a"][:1] * np.float32(1e12))
    np.testing.assert_allclose(fitted.project("a", far), near, atol=1e-5)


def test_what_no_map_in_single_precision_can_hold_says_so() -> None:
    apart = {"a": VALUES["a"] * np.float32(1e-30), "b": VALUES["b"] * np.float32(1e30)}
    with pytest.raises(DataError, match="column 'a': numbers too small, alone or beside another column"):
        Ridge(dim=3, target="b").fit(apart)


@pytest.mark.parametrize(
    ("valid", "error", "what"),
    [
        ({"a": VALUES["a"]}, UsageError, "no held-out column called 'b'"),
        ({"a": VALUES["a"], "b": VALUES["b"][1:]}, ShapeError, "held-out columns have different numbers"),
    ],
)
def test_held_out_rows_of_another_shape_are_refused(
    valid: dict[str, np.ndarray], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        Anchors().fit({c: VALUES[c] for c in "ab"}, valid=valid)


def test_rows_and_moments_of_other_columns_are_refused() -> None:
    with pytest.raises(UsageError, match="no column called 'b'"):
        Anchors().fit_rows(Moments.of({c: VALUES[c] for c in "ab"}), {"a": VALUES["a"]})
