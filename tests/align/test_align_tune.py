"""Tuning finds a planted optimum, and never makes the validation part worse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from chiasm import metrics
from chiasm.align import CCA, Moments, Procrustes
from chiasm.align import tune as module
from chiasm.align.tune import mrr_ties_last, tune
from chiasm.encode.features import Features


def pairs(n: int, seed: int = 0) -> dict[str, Features]:
    """Two columns with a few shared numbers of different strength under many of their own."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    latent = rng.standard_normal((n, 6)) * np.linspace(2, 0.5, 6)
    mixes = [np.vstack([fixed.standard_normal((6, d)), 2 * np.eye(d)]) for d in (30, 25)]
    values = [np.hstack([latent, rng.standard_normal((n, len(m) - 6))]) @ m for m in mixes]
    return {c: Features.of(v.astype(np.float32)) for c, v in zip("ab", values, strict=True)}


def one_to_one(n: int) -> dict[tuple[str, str], sparse.csr_matrix]:
    same = sparse.csr_matrix(np.eye(n, dtype=bool))
    return {("a", "b"): same, ("b", "a"): same}


def test_the_best_of_the_grid_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted optimum: a try scores by its distance from ridges 0.01 and 0.03 and weight 0.75."""

    def score(_: object, aligner: CCA) -> float:
        ridge = aligner.ridge if isinstance(aligner.ridge, dict) else dict.fromkeys("ab", aligner.ridge)
        return -abs(ridge["a"] - 0.01) - abs(ridge["b"] - 0.03) - abs(aligner.weight - 0.75)

    monkeypatch.setattr(module._Scorer, "score", score)
    train, valid = pairs(200), pairs(60, 1)
    aligner, moments = CCA(5), Moments.of(train)
    found = tune(aligner.fit_moments(moments), moments, train, valid, one_to_one(60))
    assert (
        found.params
        == {"ridge": {"a": 0.01, "b": 0.03}, "weight": 0.75}
        == {k: getattr(aligner, k) for k in ("ridge", "weight")}
    )
    fresh = CCA(5, ridge={"a": 0.01, "b": 0.03}, weight=0.75).fit_moments(moments)
    np.testing.assert_array_equal(aligner.maps_["a"], fresh.maps_["a"])


def test_fewer_rows_than_features_are_tuned_alike_in_what_they_span(monkeypatch: pytest.MonkeyPatch) -> None:
    train, valid = pairs(24), pairs(150, 1)
    moments = Moments.of(train)
    found = tune(CCA(6).fit_moments(moments), moments, train, valid, one_to_one(150))
    monkeypatch.setattr(Moments, "axes", lambda self: {})
    slow = tune(CCA(6).fit_moments(moments), moments, train, valid, one_to_one(150))
    for one, other in zip(found.trace, slow.trace, strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=0.01)


def test_few_rows_want_more_ridge_than_many() -> None:
    chosen = {}
    for n in (40, 4000):
        train, valid = pairs(n), pairs(150, 1)
        moments = Moments.of(train)
        found = tune(CCA(6).fit_moments(moments), moments, train, valid, one_to_one(150))
        chosen[n] = sum(found.params["ridge"].values())
    assert chosen[40] > chosen[4000]


def test_no_try_scored_better_than_what_was_chosen() -> None:
    train, valid = pairs(300), pairs(120, 1)
    moments = Moments.of(train)
    found = tune(CCA(6).fit_moments(moments), moments, train, valid, one_to_one(120))
    for name, value in found.params.items():
        tried = [(t["value"], t["score"]) for t in found.trace if t.get("param") == name]
        assert value in [v for v, score in tried if score == max(score for _, score in tried)]
        assert set(module.GRIDS[name]) <= {v for v, _ in tried if not isinstance(v, dict)}


def test_hubness_never_lowers_the_validation_score() -> None:
    for seed in range(3):
        train, valid = pairs(200, seed), pairs(80, seed + 50)
        moments = Moments.of(train)
        found = tune(Procrustes(6).fit_moments(moments), moments, train, valid, one_to_one(80))
        assert found.params == {}
        for query, answers in found.hubness.items():
            for answer, (k, strength) in answers.items():
                tried = {
                    (t["k"], t["strength"]): t["score"]
                    for t in found.trace
                    if t.get("query") == query and t["answer"] == answer
                }
                assert tried[k, strength] == max(tried.values()) >= tried[1, 0.0]


def slow_mean_reciprocal_rank(
    queries: np.ndarray, gallery: np.ndarray, bank: np.ndarray, k: int, strength: float
) -> float:
    """Item by item, where answer i is right for query i: an answer that lies near the k training queries
    nearest to it loses `strength` times their mean cosine.
    """
    losses = [
        strength * np.mean(sorted((item @ query for query in bank), reverse=True)[:k]) for item in gallery
    ]
    found = []
    for i, query in enumerate(queries):
        scores = [item @ query - loss for item, loss in zip(gallery, losses, strict=True)]
        found.append(1 / (1 + sum(score >= scores[i] for j, score in enumerate(scores) if j != i)))
    return float(np.mean(found))


def test_the_hubs_are_those_of_the_training_queries() -> None:
    """Each try of each direction, over again: the bank is the training rows' in the query's column."""
    train, valid = pairs(60), pairs(40, 1)
    moments = Moments.of(train)
    aligner = Procrustes(6).fit_moments(moments)
    found = tune(aligner, moments, train, valid, one_to_one(40))
    bank, held_out = ({c: aligner.project(c, part[c].values) for c in "ab"} for part in (train, valid))
    tried = [t for t in found.trace if t["strength"] in (0.0, 0.6)]
    assert {(t["query"], t["k"]) for t in tried} == {(c, k) for c in "ab" for k in (1, 5, 10, 20, 50)}
    for t in tried:
        asked, answer = held_out[t["query"]], held_out[t["answer"]]
        expected = slow_mean_reciprocal_rank(asked, answer, bank[t["query"]], t["k"], t["strength"])
        assert t["score"] == pytest.approx(expected, rel=1e-5), t


def test_ridge_and_weight_are_tried_under_the_hubs_of_the_training_queries() -> None:
    train, valid = pairs(60), pairs(40, 1)
    moments = Moments.of(train)
    aligner = CCA(6).fit_moments(moments)
    found = tune(aligner, moments, train, valid, one_to_one(40))
    bank, held_out = ({c: aligner.project(c, part[c].values) for c in "ab"} for part in (train, valid))
    k, strength = module.PROVISIONAL
    expected = [
        slow_mean_reciprocal_rank(held_out[q], held_out[a], bank[q], k, strength) for q, a in ("ab", "ba")
    ]
    last = [t["score"] for t in found.trace if t.get("value") == found.params["ridge"]][-1]
    assert last == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_correction_that_gains_nothing_is_not_kept() -> None:
    values = np.eye(8, dtype=np.float32)
    X = {c: Features.of(values) for c in "ab"}
    moments = Moments.of(X)
    found = tune(Procrustes(8).fit_moments(moments), moments, X, X, one_to_one(8))
    assert found.hubness == {"a": {"b": [1, 0.0]}, "b": {"a": [1, 0.0]}}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.5))
def test_reciprocal_ranks_are_those_of_the_exact_measure(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(15 * 12).reshape(15, 12).astype(np.float32)  # no two tie
    relevant = rng.random((15, 12)) < share
    expected = 1 / metrics.first_ranks(scores, relevant)
    found = mrr_ties_last(scores, sparse.csr_matrix(relevant))
    assert found == pytest.approx(np.nanmean(expected) if relevant.any() else 0.0)


def test_ties_rank_last() -> None:
    right = sparse.csr_matrix(np.array([[True, False, False, True]]))
    assert mrr_ties_last(np.array([[1, 1, 1, 1]], np.float32), right) == 1 / 3
    assert mrr_ties_last(np.array([[1, 0, 0, 1]], np.float32), right) == 1


def test_tuning_repeats_itself() -> None:
    train, valid = pairs(150), pairs(60, 1)
    moments = Moments.of(train)
    first, second = (
        tune(CCA(4).fit_moments(moments), moments, train, valid, one_to_one(60), seed=3) for _ in range(2)
    )
    assert first == second
