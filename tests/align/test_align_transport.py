"""Transport: what it recovers of a hidden order, and where it is its teacher."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from columns import VALUES, N, assert_same, gapped

from chiasm.align.bridge import support
from chiasm.align.kernel import nearness
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.transport import (
    CONFIDENCE,
    BlendedMoments,
    Transport,
    bridged,
    plan_covariance,
    predicted_covariance,
    shuffled_batches,
    transport_plan,
    unpaired,
)
from chiasm.encode.features import Features, as_features
from chiasm.errors import MissingExtra, UsageError
from chiasm.numerics import unit_rows

pytest.importorskip("ot")

RNG = np.random.default_rng(0)
ROWS, PAIRS, WIDTH = 400, 8, 10


def toy(order_seed: int = 1) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Two views of one skewed latent: few pairs, the rest alone and out of order; and new pairs."""
    rng = np.random.default_rng(3)
    latent = rng.exponential(size=(2 * ROWS, 6)) * rng.choice([-1, 1], 6)
    a, b = (
        (latent @ rng.standard_normal((6, WIDTH)) + 0.3 * rng.standard_normal((2 * ROWS, WIDTH))).astype(
            np.float32
        )
        for _ in range(2)
    )
    order = np.random.default_rng(order_seed).permutation(ROWS - PAIRS) + PAIRS
    gap = np.full((ROWS - PAIRS, WIDTH), np.nan, np.float32)
    table = {"a": np.vstack([a[:ROWS], gap]), "b": np.vstack([b[:PAIRS], gap, b[order]])}
    return table, a[ROWS:], b[ROWS:]


def found_first(aligner: Any, a: np.ndarray, b: np.ndarray) -> float:
    scores = aligner.project("a", a) @ aligner.project("b", b).T
    return float((scores.argmax(axis=1) == np.arange(len(a))).mean())


def test_a_plan_recovers_a_known_permutation() -> None:
    vectors = unit_rows(RNG.standard_normal((50, 8)))
    order = RNG.permutation(50)
    plan = transport_plan(vectors, vectors[order], entropy=0.02)
    np.testing.assert_array_equal(order[plan.argmax(axis=1)], np.arange(50))
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 50, rtol=1e-3)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 50, rtol=0.05)


def test_a_plan_is_that_of_plain_sinkhorn_in_double_precision() -> None:
    left, right = unit_rows(RNG.standard_normal((7, 3))), unit_rows(RNG.standard_normal((9, 3)))
    kernel = np.exp(-(1.0 - left.astype(float) @ right.T) / 0.5)
    u = np.ones(7)
    for _ in range(200):
        v = (1 / 9) / (kernel.T @ u)
        u = (1 / 7) / (kernel @ v)
    np.testing.assert_allclose(transport_plan(left, right, 0.5), u[:, None] * kernel * v, atol=1e-5)


def test_unpaired_rows_find_what_few_pairs_cannot() -> None:
    table, a, b = toy()
    pairs = {c: v[:PAIRS] for c, v in table.items()}
    learned = found_first(Transport(dim=6).fit(table), a, b)
    teacher = found_first(CCA(6, 6e-3, 0.5).fit(pairs), a, b)
    assert learned > 1.3 * teacher, (learned, teacher)


def test_the_order_of_unpaired_rows_matters_to_rounding_only() -> None:
    one, other = (Transport(dim=4, rounds=3).fit(toy(seed)[0]) for seed in (1, 2))
    _, a, b = toy()
    left, right = (x.project("a", a) @ x.project("b", b).T for x in (one, other))
    np.testing.assert_allclose(left, right, atol=5e-3)


@pytest.mark.parametrize("alone", ["nothing", "one side"])
def test_without_unpaired_rows_on_both_sides_it_is_its_teacher(alone: str) -> None:
    table = dict(VALUES) if alone == "nothing" else {**VALUES, "b": VALUES["b"].copy()}
    del table["c"]
    if alone == "one side":
        table["b"][40:] = np.nan
    paired = {c: v[: N if alone == "nothing" else 40] for c, v in table.items()}
    aligner, teacher = Transport(dim=3).fit(table), CCA(3, 6e-3, 0.5).fit(paired)
    assert_same(aligner.transform(table), teacher.transform(table))


def test_blended_moments_are_the_weighted_covariance() -> None:
    moments = Moments.of(VALUES)
    predicted, cross = RNG.standard_normal((2, 6, 5))
    blended = BlendedMoments(moments, {("a", "b"): predicted}, {("a", "b"): 0.25})
    np.testing.assert_array_equal(blended.covariance("a", "b"), predicted)
    blended.learn(("a", "b"), cross)
    np.testing.assert_allclose(blended.covariance("a", "b"), 0.25 * predicted + 0.75 * cross)
    np.testing.assert_array_equal(blended.covariance("b", "a"), blended.covariance("a", "b").T)
    for pair in (("a", "a"), ("c", "a")):
        np.testing.assert_array_equal(blended.covariance(*pair), moments.covariance(*pair))


def test_the_predicted_covariance_is_that_of_predictions_for_all_rows() -> None:
    present = np.arange(N) < 30
    X = {"a": as_features(VALUES["a"]), "b": Features.of(VALUES["b"], present)}
    a, b = (VALUES[c][present].astype(float) - VALUES[c][present].mean(axis=0) for c in "ab")
    told = np.linalg.lstsq(a, b, rcond=None)[0]  # b from a, which for all rows of a is:
    everywhere = VALUES["a"] - VALUES["a"].mean(axis=0)
    expected = everywhere.T @ (everywhere @ told) / N
    none = dict.fromkeys("ab", 0.0)
    found = predicted_covariance(X, Moments.of(X), ("a", "b"), none)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    alone = {"a": Features.of(VALUES["a"], ~present), "b": X["b"]}
    assert not predicted_covariance(alone, Moments.of(alone), ("a", "b"), none).any()


def test_unpaired_rows_are_those_with_one_of_two_columns() -> None:
    a = Features(
        np.arange(8, dtype=np.float32)[:, None], np.array([0, 1, 2, 2, 3, 4, 4, 4]), np.zeros(8, int), 8
    )
    b = as_features(np.r_[[1.0, 2.0], [np.nan] * 3, [5.0, 6.0, 7.0]][:, None])
    found = unpaired({"a": a, "b": b, "c": as_features(np.zeros((8, 1)))})
    assert found.keys() == {("a", "b")}  # c is everywhere, so nothing is without it
    left, right = found["a", "b"]
    assert left.ravel().tolist() == [2.5, 4.0, 6.0]
    assert right.ravel().tolist() == [5.0, 6.0, 7.0]


def test_batches_share_no_place_until_the_next_shuffle() -> None:
    batches = list(islice(shuffled_batches(10, 4, np.random.default_rng(0)), 4))
    assert all(len(set(np.r_[one, two].tolist())) == 8 for one, two in (batches[:2], batches[2:]))
    assert next(shuffled_batches(3, 4, np.random.default_rng(0))).tolist() == [0, 1, 2]


def test_two_columns_never_seen_together_are_transported_over_a_third() -> None:
    masks = {"a": np.arange(N) < 40, "b": np.ones(N, bool), "c": np.arange(N) >= 40}
    aligner = Transport(dim=3).fit(gapped(masks))
    assert {v.shape for v in aligner.transform(VALUES).values()} == {(N, 3)}


def test_a_plan_tells_of_two_columns_what_no_bridge_between_them_can() -> None:
    """a and c share a number that b knows nothing of: their own covariance alone has it, and a plan."""
    shared, told, other = RNG.standard_normal((3, 4000))
    whole = {"a": np.c_[shared, told], "b": np.c_[told, other], "c": np.c_[told, shared]}
    gaps = {c: v.astype(np.float32) for c, v in whole.items()}
    gaps["a"][2000:], gaps["c"][:2000] = np.nan, np.nan
    blended = BlendedMoments(Moments.of(gaps), {("a", "c"): np.zeros((2, 2))}, {("a", "c"): 0.0})

    def correlations() -> np.ndarray:
        return CCA(3, ridge=1e-6).fit_moments(blended).correlations_

    # `told` correlates in all three pairs of columns, `shared` in none that the bridge tells of
    first, *others = correlations()
    np.testing.assert_allclose([first, *others], [1] + [0] * len(others), atol=0.05)
    assert not blended.known("a", "c")
    blended.learn(("a", "c"), Moments.of(whole).covariance("a", "c"))
    assert blended.known("c", "a")
    # `shared` in one of the two pairs that a column is in
    np.testing.assert_allclose(correlations()[:2], [1, 0.5], atol=0.05)


def three(seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Three views of one latent: 8 rows of a and b, 8 of b and c, 300 of a alone, 300 of c; and new rows."""
    rng = np.random.default_rng(seed)
    latent = rng.exponential(size=(816, 6)) * rng.choice([-1, 1], 6)
    shown = {"a": [1, 0, 1, 0], "b": [1, 1, 0, 0], "c": [0, 1, 0, 1]}
    table, new = {}, {}
    for c, parts in shown.items():
        view = latent @ rng.standard_normal((6, WIDTH)) + 0.3 * rng.standard_normal((816, WIDTH))
        there = np.repeat(parts, [8, 8, 300, 300]).astype(bool)[:, None]
        table[c], new[c] = np.where(there, view[:616], np.nan).astype(np.float32), view[616:]
    return table, new


def test_unpaired_rows_of_columns_never_seen_together_find_more_than_the_bridge() -> None:
    found = {"bridge": 0.0, "plan": 0.0}
    for seed in range(3):
        table, new = three(seed)
        for name, aligner in (("bridge", CCA(6, 6e-3, 0.5)), ("plan", Transport(dim=6))):
            found[name] += nearness({c: aligner.fit(table).transform(new)[c] for c in "ac"})
    assert found["plan"] > 1.5 * found["bridge"], found


def test_what_pairs_predict_of_columns_never_seen_together_is_what_the_bridge_composes() -> None:
    """Σ_ac = Σ_ab Σ_bb⁻¹ Σ_bc, here from the moments themselves."""
    told = {"a": VALUES["a"].copy(), "b": VALUES["b"], "c": VALUES["c"].copy()}
    told["a"][40:], told["c"][:20] = np.nan, np.nan
    moments = Moments.of(told)
    apart = moments.only("a", "b", "c")
    apart.count["a", "c"] = 0
    through = np.linalg.solve(moments.covariance("b", "b"), moments.covariance("b", "c"))
    none = dict.fromkeys("abc", 0.0)
    found = bridged(apart, {("a", "c"): np.zeros((6, 4))}, none)
    np.testing.assert_allclose(found["a", "c"], moments.covariance("a", "b") @ through, atol=1e-6)
    assert support(moments, "a", "c") == 20
    assert support(apart, "c", "a") == 40  # the weaker of 40 rows of a and b, 40 of b and c
    assert bridged(moments, {("a", "c"): np.zeros((6, 4))}, none) == {}


def test_a_first_ridge_of_zero_solves_features_said_twice() -> None:
    table, a, b = toy()
    plain = Transport(dim=4, first_ridge=0.0, rounds=2).fit({c: v[:, :4] for c, v in table.items()})
    twice = Transport(dim=4, first_ridge=0.0, rounds=2).fit(
        {c: v[:, [0, 1, 2, 3] * 2] for c, v in table.items()}
    )
    found, expected = (
        one.project("a", a[:, at]) @ one.project("b", b[:, at]).T
        for one, at in ((twice, [0, 1, 2, 3] * 2), (plain, [0, 1, 2, 3]))
    )
    np.testing.assert_allclose(found, expected, atol=2e-2)


def test_columns_count_alike_whatever_their_names() -> None:
    """The covariance under a plan, with the columns the other way round, is its transpose."""
    left, right = VALUES["a"][:30], VALUES["b"][30:]
    space = CCA(3).fit({"a": VALUES["a"], "b": VALUES["b"]})
    mirrored = CCA(3).fit({"a": VALUES["b"], "b": VALUES["a"]})
    one = plan_covariance(space, ("a", "b"), left, right, 1.0)
    other = plan_covariance(mirrored, ("a", "b"), right, left, 1.0)
    np.testing.assert_allclose(one, other.T, atol=1e-3 * np.abs(one).max())


def test_a_plans_covariance_is_that_of_its_pairs_by_weight() -> None:
    """Written out over all pairs: products of what lies off the weighted means."""
    space, left, right = CCA(3).fit(VALUES), VALUES["a"][:7] + 3, VALUES["b"][:9] - 2
    plan = transport_plan(space.project("a", left), space.project("b", right), 0.5).astype(float)
    weight = plan * np.sqrt(plan.max(axis=1, keepdims=True) * plan.max(axis=0)) ** CONFIDENCE
    weight /= weight.sum()
    pairs = [(i, j) for i in range(7) for j in range(9)]
    means = [sum(weight[i, j] * (left[i], right[j])[side] for i, j in pairs) for side in (0, 1)]
    expected = sum(weight[i, j] * np.outer(left[i] - means[0], right[j] - means[1]) for i, j in pairs)
    np.testing.assert_allclose(plan_covariance(space, ("a", "b"), left, right, 0.5), expected, atol=1e-4)


def test_moments_at_hand_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table, *_ = toy()
    seen = []
    add = Moments.add
    monkeypatch.setattr(Moments, "add", lambda self, rows: (seen.append(rows["a"].n), add(self, rows))[1])
    Transport(dim=3, rounds=1).fit({c: as_features(v) for c, v in table.items()})
    assert len(seen) == 2, "all rows once, the pairs once"


def test_what_cannot_be_learned_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "rounds": 0,
        "batch": 1,
        "entropy": 0,
        "trust": -1,
        "ridge": -1,
        "first_ridge": -1,
    }.items():
        with pytest.raises(UsageError, match=f"{name} must lie between"):
            Transport(**{name: value}).fit(VALUES)
    with pytest.raises(UsageError, match="no column with a first_ridge called 'b'"):
        Transport(first_ridge={"a": 1.0}).fit(toy()[0])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"chiasm\[transport\]"):
        Transport().fit(VALUES)
