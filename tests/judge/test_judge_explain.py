"""Shares of columns: games whose Shapley and Owen values are known, and every order of the players tried."""

import json
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.judge.explain import Explanation, shares
from chiasm.judge.occlude import Part


def names(m):
    return [f"c{i}" for i in range(m)]


def table_game(m, seed=0):
    """A game with any value for each of the 2^m coalitions."""
    values = np.random.default_rng(seed).standard_normal(2**m) * 10

    def value(masks):
        return values[masks @ (1 << np.arange(m))]

    return value


def by_orders(value, m, belongs=None):
    """What each player adds, the mean over all orders in which no modality is interrupted."""
    belongs = list(range(m)) if belongs is None else belongs
    gained, count = np.zeros(m), 0
    for order in permutations(range(m)):
        runs = [belongs[i] for i in order]
        if sum(a != b for a, b in pairwise(runs)) != len(set(belongs)) - 1:
            continue
        masks = np.zeros((m + 1, m), bool)
        for step, player in enumerate(order):
            masks[step + 1 :, player] = True
        gained[list(order)] += np.diff(value(masks))
        count += 1
    return gained / count


def adds_up(found):
    return abs(found.base + sum(found.shares.values()) - found.score) < 1e-9


def test_in_a_linear_game_the_share_is_the_weight():
    weights = np.array([2.0, -1.0, 0.0, 0.5])
    found = shares(lambda masks: 3 + masks @ weights, names(4))
    assert found.base == 3
    assert found.score == 4.5
    np.testing.assert_allclose(list(found.shares.values()), weights, atol=1e-12)
    assert found.shares["c2"] == 0.0  # who never changes anything gets nothing at all
    assert found.exact


def test_in_a_unanimity_game_those_who_are_needed_share_evenly():
    found = shares(lambda masks: masks[:, [0, 2, 3]].all(axis=1).astype(float), names(5))
    np.testing.assert_allclose(list(found.shares.values()), [1 / 3, 0, 1 / 3, 1 / 3, 0], atol=1e-15)


def test_in_a_symmetric_game_all_get_the_same():
    found = shares(lambda masks: masks.sum(axis=1) ** 2.0, names(6))
    np.testing.assert_allclose(list(found.shares.values()), 6.0)


@given(m=st.integers(1, 6), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_shares_are_the_mean_over_all_orders(m, seed):
    value = table_game(m, seed)
    found = shares(value, names(m))
    np.testing.assert_allclose(list(found.shares.values()), by_orders(value, m), atol=1e-9)
    assert adds_up(found)


@pytest.mark.parametrize("belongs", [[0, 0, 0, 1, 2], [0, 1, 0, 1, 2, 2], [0, 0, 0, 0], [0, 1, 2, 1, 3, 1]])
def test_a_group_is_one_player_and_its_columns_share_what_it_gets(belongs):
    m = len(belongs)
    value, groups = table_game(m), {}
    for column, k in zip(names(m), belongs, strict=True):
        groups.setdefault(f"table {k}", []).append(column)
    found = shares(value, names(m), groups)
    np.testing.assert_allclose(list(found.shares.values()), by_orders(value, m, belongs), atol=1e-9)
    whole = shares(
        lambda masks: value(masks @ np.equal.outer(range(max(belongs) + 1), belongs)), list(groups)
    )
    for name, members in groups.items():
        assert sum(found.shares[column] for column in members) == pytest.approx(whole.shares[name], abs=1e-9)


def test_all_coalitions_are_asked_in_one_call():
    asked = []

    def value(masks):
        asked.append(masks)
        return table_game(2)(masks)

    shares(value, names(2))
    assert len(asked) == 1
    assert sorted(asked[0].tolist()) == [[False, False], [False, True], [True, False], [True, True]]


def test_a_row_with_nothing_is_the_base():
    found = shares(lambda masks: np.full(len(masks), 0.25), [])
    assert (found.base, found.score, found.shares) == (0.25, 0.25, {})


def test_beyond_twelve_players_orders_are_drawn_and_still_add_up():
    weights = np.random.default_rng(1).standard_normal(15)
    asked = []

    def value(masks):
        asked.append(len(masks))
        return masks @ weights + (masks[:, 0] & masks[:, 14])

    found = shares(value, names(15))
    assert not found.exact
    assert adds_up(found)
    want = weights + 0.5 * np.isin(np.arange(15), [0, 14])
    # A linear part is exact in any order; which of two comes last differs in its reverse.
    np.testing.assert_allclose(list(found.shares.values()), want, atol=1e-9)
    assert max(asked) < 10_000
    assert shares(value, names(15)) == found
    assert shares(lambda masks: masks @ weights[:12], names(12)).exact


def test_drawn_orders_come_close_where_columns_interact():
    def value(masks):
        return np.sqrt(masks @ np.arange(1, 15.0))

    found = np.array(list(shares(value, names(14)).shares.values()))
    many = np.random.default_rng(0).permuted(np.tile(np.arange(14), (40_000, 1)), axis=1)
    path = np.sqrt(np.cumsum(many + 1.0, axis=1))
    want = np.zeros(14)
    np.add.at(want, many, np.diff(path, axis=1, prepend=0.0) / len(many))
    assert np.abs(found - want).max() < 0.02


def test_a_modality_stays_exact_where_only_its_many_columns_are_drawn():
    m, groups = 22, {"record": names(20)}

    def value(masks):
        return np.sqrt(masks[:, :20].sum(axis=1)) * (1 + masks[:, 20]) + 2.0 * masks[:, 21] * masks[:, 0]

    found = shares(value, names(m), groups)
    whole = shares(lambda masks: value(np.repeat(masks, [20, 1, 1], axis=1)), ["record", "photo", "note"])
    assert not found.exact
    assert whole.exact
    assert sum(found.shares[c] for c in groups["record"]) == pytest.approx(whole.shares["record"], abs=1e-9)
    assert found.shares["c20"] == pytest.approx(whole.shares["photo"], abs=1e-12)
    assert adds_up(found)


def test_bad_input_is_named():
    with pytest.raises(ShapeError, match=r"expected \(4,\) scores, got \(\)"):
        shares(lambda masks: 1.0, names(2))
    with pytest.raises(DataError, match="not finite"):
        shares(lambda masks: np.where(masks.any(axis=1), 1.0, np.nan), names(2))
    with pytest.raises(UsageError, match="'x' is no column"):
        shares(lambda masks: masks.sum(axis=1), names(2), {"table": ["x"]})
    with pytest.raises(UsageError, match="in two groups"):
        shares(lambda masks: masks.sum(axis=1), names(2), {"a": ["c0"], "b": ["c0"]})
    with pytest.raises(UsageError, match="must differ"):
        shares(lambda masks: masks.sum(axis=1), ["a", "a"])


def test_an_explanation_is_a_json_document():
    one = Explanation("kind", "cat", 0.9, 0.5, {"note": 0.4}, {"note": [Part("word", "purrs", (3, 8), 0.3)]})
    document = json.loads(json.dumps(one.to_json()))
    assert list(document)[:6] == ["target", "label", "score", "base", "shares", "parts"]
    assert document["parts"]["note"] == [{"kind": "word", "what": "purrs", "where": [3, 8], "effect": 0.3}]
