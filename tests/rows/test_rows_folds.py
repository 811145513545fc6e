"""Folds: every row tested once, groups whole, classes in their shares, nothing learned from the future."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.rows.folds import folds


def held(parts):
    return sorted(np.concatenate([test for _, test in parts]).tolist())


def whole(parts, groups):
    return all({groups[i] for i in train}.isdisjoint({groups[i] for i in test}) for train, test in parts)


names = st.lists(st.sampled_from(["a", "b", "c", "d", None]), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(names, st.integers(2, 7), st.integers(0, 3), st.data())
def test_every_row_is_tested_once_and_never_trained_on(classes, k, seed, data):
    n = len(classes)
    groups = data.draw(st.none() | st.lists(st.integers(0, 30), min_size=n, max_size=n))
    if groups is not None and len(set(groups)) < 2:
        groups = None
    for stratify in (None, classes):
        parts = folds(n, k, groups=groups, stratify=stratify, seed=seed)
        assert held(parts) == list(range(n))
        assert all(len(test) and sorted([*train, *test]) == list(range(n)) for train, test in parts)
        assert groups is None or whole(parts, groups)


def test_the_seed_decides():
    def same(a, b, **given):
        first, second = folds(30, 3, seed=a, **given), folds(30, 3, seed=b, **given)
        return all(np.array_equal(x[1], y[1]) for x, y in zip(first, second, strict=True))

    groups = [i // 2 for i in range(30)]
    for given_ in ({}, {"groups": groups}, {"stratify": groups}):
        assert same(0, 0, **given_)
        assert not same(0, 1, **given_)


def test_classes_keep_their_shares():
    classes = ["common"] * 40 + ["rare"] * 10
    for _, test in folds(50, 5, stratify=classes):
        assert sum(classes[i] == "rare" for i in test) == 2


def test_classes_rarer_than_folds_are_parted_together():
    classes = ["common"] * 20 + ["once", "twice", "twice", "another", None]
    parts = folds(25, 5, stratify=classes)
    assert [sum(i >= 20 for i in test) for _, test in parts] == [1] * 5
    assert held(folds(22, 5, stratify=classes[:22])) == list(range(22))
    assert held(folds(20, 5, stratify=list(range(20)))) == list(range(20))


def test_groups_and_classes_together():
    groups = [i // 4 for i in range(80)]
    classes = [group % 2 for group in groups]
    parts = folds(80, 5, groups=groups, stratify=classes)
    assert whole(parts, groups)
    assert [np.mean([classes[i] for i in test]) for _, test in parts] == [0.5] * 5


def test_fewer_groups_or_rows_than_folds_give_fewer_folds():
    assert len(folds(30, 5, groups=["a", "b", "c"] * 10)) == 3
    assert len(folds(3, 5)) == 3


def test_a_row_without_a_group_is_a_group_of_its_own():
    assert len(folds(5, None, groups=["a", "a", None, None, "b"])) == 4


def test_one_group_at_a_time():
    groups = ["a"] * 3 + ["b"] * 4 + ["c"]
    parts = folds(8, None, groups=groups)
    assert [test.tolist() for _, test in parts] == [[0, 1, 2], [3, 4, 5, 6], [7]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=4, max_size=50), st.integers(2, 6))
def test_nothing_is_learned_from_the_future(times, k):
    if len(set(times)) < 2:
        times = [*times[:-1], max(times) + 1]
    parts = folds(len(times), k, times=times)
    assert 1 <= len(parts) <= k
    for train, test in parts:
        assert max(times[i] for i in train) < min(times[i] for i in test)
    assert len(set(held(parts))) == len(held(parts))


def test_time_may_be_dates():
    days = [dt.date(2020, 1, 1 + i % 10) for i in range(20)]
    train, test = folds(20, 3, times=days)[-1]
    assert max(days[i] for i in train) < min(days[i] for i in test)


@pytest.mark.parametrize(
    ("given_", "error", "said"),
    [
        ({"n": 1}, DataError, "1 rows make no folds"),
        ({"n": 4, "k": 1}, UsageError, "k must be 2 or more"),
        ({"n": 4, "k": None}, UsageError, "give groups"),
        ({"n": 4, "groups": [1, 1, 1]}, ShapeError, "groups: expected one per row, 4, got 3"),
        ({"n": 4, "groups": [1] * 4}, DataError, "one group only"),
        ({"n": 2, "times": [1, 2], "groups": [1, 2]}, UsageError, "Give times alone"),
        ({"n": 3, "times": [1, None, 2]}, DataError, "a row has no time"),
        ({"n": 3, "times": [1, 1, 1]}, DataError, "one time only"),
    ],
)
def test_what_cannot_be_is_said(given_, error, said):
    with pytest.raises(error, match=said):
        folds(**given_)
