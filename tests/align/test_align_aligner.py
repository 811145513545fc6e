"""Numbers of any size: what lies beyond all measure, and what no map can hold."""

from __future__ import annotations

import numpy as np
import pytest
from columns import VALUES

from chiasm.align import CCA, Ridge
from chiasm.errors import DataError


def test_one_item_beyond_all_measure_keeps_its_direction() -> None:
    fitted = CCA(dim=3).fit(VALUES)
    far = VALUES["a"][:1].astype(np.float64) * 1e200
    near = fitted.project("a", VALUES["a"][:1] * np.float32(1e12))
    np.testing.assert_allclose(fitted.project("a", far), near, atol=1e-5)


def test_what_no_map_in_single_precision_can_hold_says_so() -> None:
    apart = {"a": VALUES["a"] * np.float32(1e-30), "b": VALUES["b"] * np.float32(1e30)}
    with pytest.raises(DataError, match="column 'a': numbers too small, alone or beside another column"):
        Ridge(dim=3, target="b").fit(apart)
