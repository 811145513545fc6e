"""Anchors: what a slow loop gives, and what gaps, empty columns, a second fit and the disk leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from chiasm.align.aligner import Aligner
from chiasm.align.anchors import Anchors, drawn_anchors, sharpened
from chiasm.align.csa import CSA
from chiasm.encode.features import Features
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.storage import read_tree, write_tree

N, WIDTHS = 80, {"a": 6, "b": 5, "c": 4}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 3))
VALUES = {
    c: (LATENT @ RNG.standard_normal((3, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
MASKS = {c: RNG.random(N) < 0.75 for c in WIDTHS}
EMPTY = {"0 empty": np.full((N, 7), np.nan, np.float32), "z empty": np.full((N, 2), np.nan)}
MADE = [Anchors(dim=30, keep=8), Anchors(keep=None, power=1.0), CSA(dim=3)]
aligners = pytest.mark.parametrize("aligner", MADE, ids=["sparse", "relative", "CSA"])


def gapped(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {c: np.where(masks[c][:, None], v, np.float32(np.nan)) for c, v in VALUES.items()}


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts and arrays that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    else:
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


# What is computed


def test_similarities_are_those_of_a_slow_loop() -> None:
    aligner = Anchors(dim=40, keep=5, power=2.0).fit(VALUES)
    means = {c: v.mean(axis=0) for c, v in VALUES.items()}
    found = aligner.project("a", VALUES["a"])
    for item, vector in zip(VALUES["a"], found, strict=True):
        cosines = np.array(
            [unit(item - means["a"]) @ unit(VALUES["a"][j] - means["a"]) for j in aligner.anchors_]
        )
        expected = np.zeros(40)
        best = np.argsort(-cosines)[:5]
        expected[best] = cosines[best] ** 2
        np.testing.assert_allclose(vector, unit(expected), atol=1e-5)


def test_all_similarities_to_the_first_power_are_the_relative_representation() -> None:
    aligner = Anchors(keep=None, power=1.0).fit(VALUES)
    centred = unit(VALUES["b"] - VALUES["b"].mean(axis=0))
    np.testing.assert_allclose(
        aligner.project("b", VALUES["b"]), unit(centred @ centred[aligner.anchors_].T), atol=1e-5
    )


def test_sharpened_keeps_signs_and_does_not_underflow() -> None:
    found = sharpened(np.array([[1e-3, -2e-3, 5e-4]], np.float32), None, 40.0)
    np.testing.assert_allclose(found, [[0.5**40, -1, 0.25**40]], rtol=1e-4)
    tied = sharpened(np.array([[0.5, 0.5, 0.1]], np.float32), 1, 1.0)
    np.testing.assert_array_equal(tied, [[1, 1, 0]])


def test_an_item_finds_its_pair_without_training() -> None:
    aligner = Anchors(keep=10).fit({c: v[:60] for c, v in VALUES.items()})
    a, b = (aligner.project(c, VALUES[c][60:]) for c in "ab")
    scores = a @ b.T
    ranks = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
    assert np.median(ranks) <= 3


def test_several_items_are_one_anchor() -> None:
    row = np.repeat(np.arange(N), 2)
    twice = Features(np.repeat(VALUES["b"], 2, axis=0), row, np.tile([0, 1], N), N)
    one, other = Anchors(keep=9).fit({**VALUES, "b": twice}), Anchors(keep=9).fit(VALUES)
    np.testing.assert_allclose(one.maps_["b"], other.maps_["b"], atol=1e-6)


# Which rows become anchors


def test_anchors_are_rows_with_two_columns_and_an_absent_column_has_nothing_there() -> None:
    aligner = Anchors().fit(gapped(MASKS))
    paired = np.sum(list(MASKS.values()), axis=0) >= 2
    np.testing.assert_array_equal(aligner.anchors_, np.flatnonzero(paired))
    for c, mask in MASKS.items():
        np.testing.assert_array_equal(aligner.maps_[c].any(axis=0), mask[aligner.anchors_])


def test_a_rare_pair_gets_its_share_of_few_anchors() -> None:
    n = 2_000
    present = {"a": np.arange(n) < 1_900, "b": np.ones(n, bool), "c": np.arange(n) >= 1_900}
    drawn = drawn_anchors(present, 100, seed=0)
    assert len(drawn) == 100
    assert 30 < (drawn >= 1_900).sum() < 60  # 5 if drawn evenly, 50 by pairs, less as they run out
    np.testing.assert_array_equal(drawn, drawn_anchors(present, 100, seed=0))
    assert (drawn != drawn_anchors(present, 100, seed=1)).any()


# What every aligner promises


@aligners
def test_an_unfitted_one_says_so_and_the_constructor_only_stores(aligner: Aligner) -> None:
    fresh = clone(aligner)
    assert fresh.state() == {}
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.transform(VALUES)
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.project("a", VALUES["a"])


@aligners
@settings(max_examples=8, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(aligner: Aligner, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    rubbish = {c: rng.choice([np.nan, np.inf, -1e30, 7.0], v.shape) for c, v in VALUES.items()}
    mixed = {c: np.where(masks[c][:, None], v, rubbish[c]).astype(np.float32) for c, v in VALUES.items()}
    other = {c: Features.of(mixed[c], masks[c]) for c in VALUES}
    left, right = clone(aligner).fit(gapped(masks)), clone(aligner).fit(other)
    assert_same(left.state(), right.state())
    assert_same(left.transform(gapped(masks)), right.transform(other))
    for c, vectors in left.transform(other).items():
        np.testing.assert_array_equal(np.isnan(vectors).any(axis=1), ~masks[c])
        np.testing.assert_allclose(np.linalg.norm(vectors[masks[c]], axis=1), 1, atol=1e-5)


@aligners
def test_an_empty_or_missing_column_changes_nothing(aligner: Aligner) -> None:
    X = gapped(MASKS)
    plain, wider = clone(aligner).fit(X), clone(aligner).fit({**EMPTY, **X})
    assert_same(plain.state(), wider.state())
    expected, found = plain.transform(X), wider.transform({**EMPTY, **X})
    assert_same({c: found[c] for c in X}, expected)
    for empty in EMPTY:
        assert found[empty].shape == expected["a"].shape
        assert np.isnan(found[empty]).all()
    without = plain.transform({c: X[c] for c in ("a", "c")})
    gone = plain.transform({**X, "b": np.full_like(X["b"], np.nan)})
    assert np.isnan(gone.pop("b")).all()
    assert_same(gone, without)


@aligners
def test_a_second_fit_forgets_the_first_and_the_disk_gives_it_back(aligner: Aligner, tmp_path: Path) -> None:
    X = gapped(MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    again = clone(aligner).fit(X).fit(fewer)
    assert_same(again.state(), clone(aligner).fit(fewer).state())
    write_tree(tmp_path, "state", again.state())
    back = clone(aligner).restore(read_tree(tmp_path, "state"))
    assert_same(back.transform(fewer), again.transform(fewer))


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="not a stream"):
        Anchors().fit([VALUES])
    with pytest.raises(UsageError, match="keep must lie between 1"):
        Anchors(keep=0).fit(VALUES)
    with pytest.raises(UsageError, match="power must lie between"):
        Anchors(power=0).fit(VALUES)
    with pytest.raises(DataError, match="alignment needs two columns"):
        Anchors().fit({"a": VALUES["a"]})
    with pytest.raises(DataError, match="'a' shares fewer than two rows"):
        Anchors().fit({"a": gapped(MASKS)["a"], "b": np.where(MASKS["a"][:, None], np.nan, VALUES["b"])})
