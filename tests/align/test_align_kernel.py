"""Kernel alignment: what a full kernel gives, what bends, and what is chosen on held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
from columns import VALUES, N, assert_same
from scipy import linalg
from scipy.spatial.distance import cdist
from sklearn.base import clone

from chiasm.align.kernel import SAFE, KernelCCA, median_distance, nearness
from chiasm.align.linear import CCA
from chiasm.align.tune import FEW
from chiasm.errors import UsageError
from chiasm.numerics import unit_rows


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


def test_with_every_item_as_basis_it_is_the_whole_kernel() -> None:
    """Kernel CCA written out: features of the whole kernel matrix, then the same CCA."""
    two = {c: VALUES[c] for c in "ab"}
    aligner = KernelCCA(dim=4, ridge=1e-2, bandwidth=2.0).fit(two)
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


@pytest.mark.parametrize("basis", ["nystroem", "fourier"])
def test_products_of_what_is_told_are_the_kernel(basis: str) -> None:
    aligner = KernelCCA(dim=2, size=600, bandwidth=1.5, basis=basis).fit({c: VALUES[c] for c in "ab"})
    told = aligner._kernel_features("a", aligner.centred("a", VALUES["a"])) @ aligner._whitening("a")
    expected = np.exp(-(cdist(VALUES["a"], VALUES["a"]) ** 2) / (2 * aligner.bandwidths_["a"] ** 2))
    np.testing.assert_allclose(told @ told.T, expected, atol=0.25 if basis == "fourier" else 1e-3)


@pytest.mark.parametrize("basis", ["nystroem", "fourier"])
def test_what_no_line_joins_is_joined(basis: str) -> None:
    train, test = bent(400, 0), bent(50, 1)
    aligner = KernelCCA(dim=20, ridge=1e-5, size=100, bandwidth=0.5, basis=basis).fit(train)
    line = CCA(dim=2, ridge=1e-5).fit(train)
    curved, straight = (found(*(a.project(c, test[c]) for c in test)) for a in (aligner, line))
    assert curved > straight + 0.3


def test_the_ridge_is_that_of_held_out_rows() -> None:
    held = {c: v[60:] for c, v in VALUES.items()}
    train = {c: v[:60] for c, v in VALUES.items()}
    chosen = KernelCCA(dim=3).fit(train, valid=held)
    others = [KernelCCA(dim=3, ridge=r).fit(train) for r in (1e-4, 1e-2)]
    assert nearness(chosen.transform(held)) >= max(nearness(one.transform(held)) for one in others)
    assert chosen.selected_params() == {"ridge": chosen.ridge_}
    assert_same(clone(chosen).set_params(**chosen.selected_params()).fit(train).state(), chosen.state())
    assert KernelCCA().fit(train).selected_params() == {"ridge": SAFE}
    assert KernelCCA(ridge=0.0).fit(train).ridge_ == 0.0


def test_held_out_rows_without_a_pair_choose_nothing() -> None:
    nothing = {c: np.full_like(v[:20], np.nan) for c, v in VALUES.items()}
    first, *_ = nothing
    nothing[first] = VALUES[first][:20]
    assert KernelCCA(3).fit(VALUES, valid=nothing).ridge_ == SAFE


def test_nearness_is_the_mean_reciprocal_rank_of_partners() -> None:
    left = np.eye(3, dtype=np.float32)
    right = left[[1, 0, 2]]  # two of three have the other's partner nearer, and then tie
    assert nearness({"a": left, "b": left}) == 1.0
    assert nearness({"a": left, "b": right}) == pytest.approx((1 / 3 + 1 / 3 + 1) / 3)
    gone = np.where([[True], [True], [False]], left, np.float32(np.nan))
    assert nearness({"a": left, "b": gone}) == 1.0


def test_nearness_does_not_depend_on_the_order_of_many_rows() -> None:
    """Rows of which the first half are all at one place, the second at places of their own."""
    space = np.vstack([np.tile(np.eye(40, dtype=np.float32)[0], (FEW, 1)), np.zeros((FEW, 40), np.float32)])
    space[FEW:] = unit_rows(np.random.default_rng(0).standard_normal((FEW, 40)))
    sorted_, reverse = nearness({"a": space, "b": space}), nearness({"a": space[::-1], "b": space[::-1]})
    assert sorted_ == pytest.approx(0.5, abs=0.05)
    assert reverse == pytest.approx(0.5, abs=0.05)


def test_the_median_distance_is_of_items_that_differ() -> None:
    rng = np.random.default_rng(0)
    line = np.array([[0.0], [0.0], [1.0], [3.0]], np.float32)
    assert median_distance(line, rng) == pytest.approx(2.0)  # of 1, 1, 2, 3, 3
    assert median_distance(np.ones((5, 2), np.float32), rng) == 1.0


def test_a_column_of_equal_items_and_huge_ones_are_survived() -> None:
    X = {"a": VALUES["a"] * np.float32(1e18), "b": np.ones((N, 2), np.float32), "c": VALUES["c"]}
    for vectors in KernelCCA(dim=3).fit(X).transform(X).values():
        assert np.isfinite(vectors).all()


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="no basis called 'wavelet'"):
        KernelCCA(basis="wavelet").fit(VALUES)
    with pytest.raises(UsageError, match="weight must be a number, got 'x'"):
        KernelCCA(weight="x").fit(VALUES)
    with pytest.raises(UsageError, match="size must lie between 2"):
        KernelCCA(size=1).fit(VALUES)
    with pytest.raises(UsageError, match="bandwidth must lie between"):
        KernelCCA(bandwidth=0).fit(VALUES)
