"""Anchors: what a slow loop gives, and which rows become anchors."""

from __future__ import annotations

import numpy as np
import pytest
from columns import MASKS, VALUES, N, gapped

from chiasm.align.anchors import Anchors, drawn_anchors, sharpened
from chiasm.encode.features import Features
from chiasm.errors import UsageError


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


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


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="keep must lie between 1"):
        Anchors(keep=0).fit(VALUES)
    with pytest.raises(UsageError, match="power must lie between"):
        Anchors(power=0).fit(VALUES)
