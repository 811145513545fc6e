"""Kernel alignment: what a full kernel gives, what bends, and what gaps, empty columns and the disk leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from scipy.spatial.distance import cdist
from sklearn.base import clone

from chiasm.align.kernel import SAFE, Kernel, median_distance, nearness
from chiasm.align.linear import CCA
from chiasm.encode.features import Features
from chiasm.errors import NotFitted, UsageError
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
MADE = [Kernel(dim=3, size=40), Kernel(dim=3, size=40, basis="waves"), Kernel(dim=3, ridge=1e-2, weight=0.0)]
kernels = pytest.mark.parametrize("aligner", MADE, ids=["items", "waves", "whole"])


def gapped(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {c: np.where(masks[c][:, None], v, np.float32(np.nan)) for c, v in VALUES.items()}


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts, numbers and arrays that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


def found(left: np.ndarray, right: np.ndarray) -> float:
    """The share of rows whose partner is the nearest."""
    return float(np.mean((left @ right.T).argmax(axis=1) == np.arange(len(left))))


def bent(n: int, seed: int) -> dict[str, np.ndarray]:
    """An angle told by both columns, in one of them at twice its speed: no line joins them."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, n)
    columns = {"slow": angle, "fast": 2 * angle}
    return {
        c: (np.c_[np.cos(t), np.sin(t)] + 0.01 * rng.standard_normal((n, 2))).astype(np.float32)
        for c, t in columns.items()
    }


# What is computed


def test_with_every_item_as_basis_it_is_the_whole_kernel() -> None:
    """Kernel CCA written out: features of the whole kernel matrix, then the same CCA."""
    two = {c: VALUES[c] for c in "ab"}
    aligner = Kernel(dim=4, ridge=1e-2, spread=2.0).fit(two)
    features = {}
    for c, values in two.items():
        kernel = np.exp(-(cdist(values, values) ** 2) / (2 * aligner.bandwidths_[c] ** 2))
        features[c] = np.real(linalg.sqrtm(kernel)).astype(np.float32)
    plain = CCA(4, 1e-2).fit(features)
    np.testing.assert_allclose(aligner.correlations_, plain.correlations_, atol=1e-3)
    across = [
        a.project("a", x["a"]) @ a.project("b", x["b"]).T for a, x in ((aligner, two), (plain, features))
    ]
    np.testing.assert_allclose(*across, atol=1e-2)


@pytest.mark.parametrize("basis", ["items", "waves"])
def test_products_of_what_is_told_are_the_kernel(basis: str) -> None:
    aligner = Kernel(dim=2, size=600, spread=1.5, basis=basis).fit({c: VALUES[c] for c in "ab"})
    told = aligner._told("a", aligner.centred("a", VALUES["a"])) @ aligner._whitening("a")
    expected = np.exp(-(cdist(VALUES["a"], VALUES["a"]) ** 2) / (2 * aligner.bandwidths_["a"] ** 2))
    np.testing.assert_allclose(told @ told.T, expected, atol=0.25 if basis == "waves" else 1e-3)


@pytest.mark.parametrize("basis", ["items", "waves"])
def test_what_no_line_joins_is_joined(basis: str) -> None:
    train, test = bent(400, 0), bent(50, 1)
    aligner = Kernel(dim=20, ridge=1e-5, size=100, spread=0.5, basis=basis).fit(train)
    line = CCA(dim=2, ridge=1e-5).fit(train)
    curved, straight = (found(*(a.project(c, test[c]) for c in test)) for a in (aligner, line))
    assert curved > straight + 0.3


def test_the_ridge_is_that_of_held_out_rows() -> None:
    held = {c: v[60:] for c, v in VALUES.items()}
    train = {c: v[:60] for c, v in VALUES.items()}
    chosen = Kernel(dim=3).fit(train, valid=held)
    others = [Kernel(dim=3, ridge=r).fit(train) for r in (1e-4, 1e-2)]
    assert nearness(chosen.transform(held)) >= max(nearness(one.transform(held)) for one in others)
    assert chosen.settled() == {"ridge": chosen.ridge_}
    assert_same(clone(chosen).set_params(**chosen.settled()).fit(train).state(), chosen.state())
    assert Kernel().fit(train).settled() == {"ridge": SAFE}


def test_held_out_rows_without_a_pair_choose_nothing() -> None:
    nothing = {c: np.full_like(v[:20], np.nan) for c, v in VALUES.items()}
    first, *_ = nothing
    nothing[first] = VALUES[first][:20]
    assert Kernel(3).fit(VALUES, valid=nothing).ridge_ == SAFE


def test_nearness_is_the_mean_reciprocal_rank_of_partners() -> None:
    left = np.eye(3, dtype=np.float32)
    right = left[[1, 0, 2]]  # two of three have the other's partner nearer, and then tie
    assert nearness({"a": left, "b": left}) == 1.0
    assert nearness({"a": left, "b": right}) == pytest.approx((1 / 3 + 1 / 3 + 1) / 3)
    gone = np.where([[True], [True], [False]], left, np.float32(np.nan))
    assert nearness({"a": left, "b": gone}) == 1.0


def test_the_median_distance_is_of_items_that_differ() -> None:
    rng = np.random.default_rng(0)
    line = np.array([[0.0], [0.0], [1.0], [3.0]], np.float32)
    assert median_distance(line, rng) == pytest.approx(2.0)  # of 1, 1, 2, 3, 3
    assert median_distance(np.ones((5, 2), np.float32), rng) == 1.0


def test_a_column_of_equal_items_and_huge_ones_are_survived() -> None:
    X = {"a": VALUES["a"] * np.float32(1e18), "b": np.ones((N, 2), np.float32), "c": VALUES["c"]}
    for vectors in Kernel(dim=3).fit(X).transform(X).values():
        assert np.isfinite(vectors).all()


# What every aligner promises


@kernels
def test_an_unfitted_one_says_so_and_the_constructor_only_stores(aligner: Kernel) -> None:
    fresh = clone(aligner)
    assert fresh.state() == {}
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.transform(VALUES)
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.project("a", VALUES["a"])


@kernels
@settings(max_examples=5, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(aligner: Kernel, share: float, seed: int) -> None:
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


@kernels
def test_an_empty_or_missing_column_changes_nothing(aligner: Kernel) -> None:
    X = gapped(MASKS)
    plain, wider = clone(aligner).fit(X), clone(aligner).fit({**EMPTY, **X})
    assert_same(plain.state(), wider.state())
    expected, all_of_them = plain.transform(X), wider.transform({**EMPTY, **X})
    assert_same({c: all_of_them[c] for c in X}, expected)
    for empty in EMPTY:
        assert np.isnan(all_of_them[empty]).all()
    gone = plain.transform({**X, "b": np.full_like(X["b"], np.nan)})
    assert np.isnan(gone.pop("b")).all()
    assert_same(gone, plain.transform({c: X[c] for c in ("a", "c")}))


@kernels
def test_a_second_fit_forgets_the_first_and_the_disk_gives_it_back(aligner: Kernel, tmp_path: Path) -> None:
    X = gapped(MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    again = clone(aligner).fit(X).fit(fewer)
    assert_same(again.state(), clone(aligner).fit(fewer).state())
    write_tree(tmp_path, "state", again.state())
    back = clone(aligner).restore(read_tree(tmp_path, "state"))
    assert_same(back.transform(fewer), again.transform(fewer))


@kernels
def test_an_item_alone_lies_where_it_lies_among_others(aligner: Kernel) -> None:
    fitted = clone(aligner).fit(gapped(MASKS))
    np.testing.assert_allclose(
        fitted.project("a", VALUES["a"][7:8]), fitted.project("a", VALUES["a"])[7:8], atol=1e-5
    )


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="no basis called 'wave'"):
        Kernel(basis="wave").fit(VALUES)
    with pytest.raises(UsageError, match="size must lie between 2"):
        Kernel(size=1).fit(VALUES)
    with pytest.raises(UsageError, match="spread must lie between"):
        Kernel(spread=0).fit(VALUES)
