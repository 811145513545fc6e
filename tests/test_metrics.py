"""Measures against slow loops a reader can check by eye."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from chiasm import metrics, numerics
from chiasm.errors import ShapeError


def every_order(scores, relevant):
    """The relevance flags in each ranking that the scores allow, ties in every order."""
    return [
        [bool(relevant[i]) for i in order]
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]


def slow_first(scores, relevant):
    return np.mean([flags.index(True) + 1 for flags in every_order(scores, relevant)])


def slow_average_precision(flags):
    places = [i for i, hit in enumerate(flags, 1) if hit]
    return np.mean([sum(flags[:i]) / i for i in places])


rows = st.integers(2, 5).flatmap(
    lambda g: st.tuples(
        st.lists(st.integers(0, 2), min_size=g, max_size=g),
        st.lists(st.booleans(), min_size=g, max_size=g).filter(any),
    )
)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_ties_get_the_mean_over_every_order(row):
    scores, relevant = row
    S, R = np.array([scores], np.float32), np.array([relevant])
    orders = every_order(scores, relevant)
    assert metrics.first_ranks(S, R)[0] == pytest.approx(slow_first(scores, relevant))
    expected = np.mean([slow_average_precision(flags) for flags in orders])
    assert metrics.average_precision(S, R)[0] == pytest.approx(expected)
    for k in range(1, len(scores) + 1):
        expected = np.mean([sum(flags[:k]) / k for flags in orders])
        assert metrics.precision_at(S, R, k)[0] == pytest.approx(expected)


def test_without_ties_the_textbook_values():
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]])
    relevant = np.array([[False, True, False, True], [True, False, False, False]])
    ranks = metrics.first_ranks(scores, relevant)
    assert ranks.tolist() == [2, 4]
    assert metrics.recall_at(ranks, 1) == 0
    assert metrics.recall_at(ranks, 2) == 0.5
    assert metrics.median_rank(ranks) == 3
    assert metrics.mean_reciprocal_rank(ranks) == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert metrics.mean_average_precision(scores, relevant) == pytest.approx(
        ((1 / 2 + 2 / 4) / 2 + 1 / 4) / 2
    )


def test_constant_scores_are_chance_not_success():
    relevant = sparse.identity(101, dtype=bool, format="csr")
    ranks = metrics.first_ranks(np.zeros((101, 101)), relevant)
    assert (ranks == 51).all()
    assert metrics.recall_at(ranks, 10) == 0


def test_sparse_dense_and_tiles_agree(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((50, 37)).astype(np.float32)
    relevant = rng.random((50, 37)) < 0.1
    whole = metrics.rank_tiles([scores], relevant)
    monkeypatch.setattr(numerics, "TILE", 100)
    tiled = metrics.rank_tiles(metrics.tiles_of(scores), sparse.csr_array(relevant))
    np.testing.assert_array_equal(whole.first, tiled.first)
    np.testing.assert_array_equal(whole.precision, tiled.precision)
    np.testing.assert_array_equal(whole.positives, relevant.sum(axis=1))


def test_a_query_with_nothing_relevant_has_no_rank_and_no_say():
    scores = np.array([[1.0, 2.0], [1.0, 2.0]])
    relevant = np.array([[False, False], [False, True]])
    ranking = metrics.rank_tiles([scores], relevant)
    assert np.isnan(ranking.first[0])
    assert np.isnan(ranking.precision[0])
    assert ranking.positives.tolist() == [0, 1]
    assert metrics.recall_at(ranking.first, 1) == 1
    assert np.isnan(metrics.median_rank(np.array([np.nan])))
    assert np.isnan(metrics.nan_mean(np.array([np.nan])))


def test_the_first_of_five_captions_counts():
    # the trap of one caption a photo: the photo finds its fifth caption, and that is a hit
    scores = np.array([[0.1, 0.2, 0.3, 0.4, 0.9, 0.8]])
    relevant = np.array([[True, True, True, True, True, False]])
    assert metrics.recall_at(metrics.first_ranks(scores, relevant), 1) == 1


def test_scores_that_do_not_fit_are_refused():
    relevant = np.eye(3, dtype=bool)
    for scores in (np.zeros((2, 3)), np.zeros((4, 3)), np.zeros((3, 2))):
        with pytest.raises(ShapeError, match="scores"):
            metrics.rank_tiles([scores], relevant)
    with pytest.raises(ShapeError, match="NaN"):
        metrics.first_ranks(np.full((3, 3), np.nan), relevant)


@pytest.mark.parametrize(
    ("positives", "gallery", "k"), [([1], 10, 1), ([5, 1], 40, 10), ([3], 5, 5), ([4], 6, 9)]
)
def test_chance_is_hypergeometric(positives, gallery, k):
    expected = np.mean([1 - comb(gallery - p, k) / max(comb(gallery, k), 1) for p in positives])
    found = metrics.chance_recall(np.array([*positives, 0]), gallery, k)
    assert found == pytest.approx(1.0 if k > gallery else expected)


def test_chance_is_what_random_scores_get():
    rng = np.random.default_rng(1)
    relevant = np.zeros((4000, 50), bool)
    relevant[:, :3] = True
    ranks = metrics.first_ranks(rng.random((4000, 50)), relevant)
    assert metrics.recall_at(ranks, 5) == pytest.approx(
        metrics.chance_recall(relevant.sum(1), 50, 5), abs=0.03
    )


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = 0
    for seed in range(200):
        low, high = metrics.bootstrap_interval(rng.normal(size=60), draws=200, seed=seed)
        inside += low <= 0 <= high
    assert 175 <= inside <= 199


def test_groups_widen_the_interval_of_values_that_go_together():
    photo = np.repeat(np.arange(40), 5)
    values = np.random.default_rng(3).normal(size=40)[photo]
    alone = metrics.bootstrap_interval(values)
    together = metrics.bootstrap_interval(values, groups=photo)
    assert together[1] - together[0] > 1.8 * (alone[1] - alone[0])


def test_drawn_groups_have_the_mean_of_all_their_values():
    values = np.random.default_rng(4).normal(size=30)
    groups = np.arange(30) // 3
    rng = np.random.default_rng(0)
    drawn = [np.concatenate([values[groups == g] for g in rng.integers(10, size=10)]) for _ in range(50)]
    expected = np.quantile([one.mean() for one in drawn], [0.025, 0.975])
    assert metrics.bootstrap_interval(values, groups=groups, draws=50) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    ("values", "groups"), [([np.nan], None), ([0.5], None), ([0.1, 0.9, 0.4], [7, 7, 7]), ([], None)]
)
def test_one_group_tells_nothing_of_others(values, groups):
    place = None if groups is None else np.array(groups)
    assert np.isnan(metrics.bootstrap_interval(np.array(values, float), groups=place)).all()


@pytest.mark.parametrize(("positives", "gallery"), [(1, 1), (1, 5), (3, 5), (5, 5), (4, 30)])
def test_chance_of_average_precision_is_that_of_constant_scores(positives: int, gallery: int) -> None:
    """Constant scores are measured as the mean over every order."""
    relevant = np.arange(gallery)[None] < positives
    expected = metrics.mean_average_precision(np.zeros((1, gallery)), relevant)
    found = metrics.chance_average_precision(np.array([positives, 0]), gallery)
    assert found == pytest.approx(expected)
    assert np.isnan(metrics.chance_average_precision(np.array([0]), gallery))
