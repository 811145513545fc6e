"""What every fusion of one vector a row promises, in all its variants, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from columns import LABELS, MASKS, VALUES, N, assert_same, gapped
from contracts import Case, cases, stored
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.fuse.fusion import Fusion

JOINING = [case for case in cases("fuse") if not issubclass(case.cls, Fusion)]
"""Those that predict are in test_contracts_targets."""
joining = pytest.mark.parametrize("case", JOINING, ids=str)


def spaces(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Unit vectors of one space, with gaps."""
    unit = {c: v[:, :4] / np.linalg.norm(v[:, :4], axis=1)[:, None] for c, v in VALUES.items()}
    return gapped(masks, unit)


@joining
@settings(max_examples=10, deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(case: Case, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    one, other = spaces(masks), spaces(masks)
    for c in other:  # an absent row is one with NaN in it, whatever stands beside
        other[c][~masks[c], 1:] = rng.choice([np.nan, np.inf, 5.0], (int((~masks[c]).sum()), 3))
    fusion = case.made().fit(one, LABELS)
    fused = fusion.transform(one)
    assert_same(case.made().fit(other, LABELS).state(), fusion.state())
    assert_same(fusion.transform(other), fused)
    np.testing.assert_array_equal(np.isnan(fused).any(axis=1), ~np.any(list(masks.values()), axis=0))


@joining
def test_an_empty_column_changes_nothing(case: Case) -> None:
    X = spaces(MASKS)
    wider = {"0 empty": np.full_like(X["a"], np.nan), **X, "z empty": np.full_like(X["a"], np.nan)}
    plain = case.made().fit(X, LABELS)
    other = case.made().fit(wider, LABELS)
    assert_same(plain.transform(X), other.transform(wider))
    assert_same(plain.transform(wider), other.transform(X))


@joining
def test_a_fusion_comes_back_from_disk(case: Case, tmp_path: Path) -> None:
    X = spaces(MASKS)
    fusion = case.made().fit(X, LABELS)
    assert_same(stored("fuse", fusion, tmp_path).transform(X), fusion.transform(X))
