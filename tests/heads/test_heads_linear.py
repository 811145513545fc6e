"""Linear, kernel and forest heads beside slow or known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score

from chiasm.errors import NotFitted
from chiasm.heads.folds import folds, held_out, several
from chiasm.heads.forest import Forest
from chiasm.heads.head import HEADS, Head
from chiasm.heads.kernel import Kernel
from chiasm.heads.linear import Linear, principal
from chiasm.heads.logistic import logistic
from chiasm.heads.ordinal import Ordinal
from chiasm.heads.task import Task

RNG = np.random.default_rng(1)
Z = RNG.standard_normal((80, 5)).astype(np.float32)
WIDE = RNG.standard_normal((40, 90)).astype(np.float32)
NUMBER = Task("number", centre=(0.0,), scale=(1.0,))
CLASSES = Task("classes", ("a", "b", "c"))
y = (Z[:, :1] - 0.5 * Z[:, 1:2] + 0.3 * RNG.standard_normal((80, 1))).astype(np.float64)
k = (Z[:, 0] > 0).astype(np.int64) + (Z[:, 1] > 0.5)


@pytest.mark.parametrize("values", [Z[:40], WIDE])
def test_held_out_scores_are_those_of_refitted_ridges(values: np.ndarray) -> None:
    centred = values.astype(np.float64) - values.mean(axis=0)
    basis, _ = principal(centred, np.ones(len(values)))
    fold = folds(y[:40], None, 4)
    found = next(basis.held_out(y[:40], [0.1], fold))
    for train, held in held_out(fold):
        slow = Ridge(alpha=0.1 * basis.top).fit(values[train], y[:40][train])
        np.testing.assert_allclose(found[held, 0], np.ravel(slow.predict(values[held])), atol=1e-4)


def test_logistic_regression_agrees_with_a_library() -> None:
    T = np.eye(3)[k]
    W = logistic(Z.astype(np.float64), T, np.ones(80), 1.0, labels=False)
    known = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(Z, k)
    odds = Z @ W[:-1] + W[-1]
    expected = known.decision_function(Z)
    centre = lambda s: s - s.mean(axis=1, keepdims=True)  # noqa: E731 (softmax does not see a constant)
    np.testing.assert_allclose(centre(odds), centre(expected), atol=0.01)


def test_a_forest_reads_as_it_was_grown() -> None:
    forest = Forest(trees=20, best=0.25).fit(Z, y, NUMBER)
    params = {"min_samples_leaf": 2, "max_features": 0.33, "random_state": 0}
    random = ExtraTreesRegressor(15, **params).fit(Z, y[:, 0]).predict(Z)
    best = RandomForestRegressor(5, **params).fit(Z, y[:, 0]).predict(Z)
    np.testing.assert_allclose(forest.scores(Z)[:, 0], 0.75 * random + 0.25 * best, atol=1e-12)


@pytest.mark.parametrize("head", [Linear(), Kernel(), Forest(trees=20)])
@pytest.mark.parametrize(("task", "target"), [(NUMBER, y), (CLASSES, k)])
def test_a_head_learns_and_is_kept(head: Head, task: Task, target: Any) -> None:
    fold = folds(target, None, 5)
    found = head.cross_fit(Z, target, task, fold)
    prior = np.tile(task.prior(target), (80, 1))
    assert task.losses(found, target).mean() < 0.9 * task.losses(prior, target).mean()
    assert np.array_equal(HEADS.revive(HEADS.record(head)).scores(Z), head.scores(Z))


@pytest.mark.parametrize("head", [Linear(), Kernel()])
def test_copies_in_a_group_count_as_one_row_of_their_weight(head: Head) -> None:
    weights = np.r_[np.full(40, 2.0), np.ones(40)]
    rows = np.r_[np.arange(40), np.arange(80)]
    weighted = head.fit(Z, y, NUMBER, weights).scores(Z)
    copied = head.fit(Z[rows], y[rows], NUMBER, weights[rows], rows).scores(Z)
    np.testing.assert_allclose(weighted, copied, atol=0.1)


def test_a_constant_column_has_no_say() -> None:
    wider = np.hstack([Z, np.full((80, 1), 0.1, np.float32)])
    np.testing.assert_allclose(
        Linear().fit(wider, y, NUMBER).scores(wider), Linear().fit(Z, y, NUMBER).scores(Z), atol=1e-6
    )


def test_folds_keep_groups_and_spread_classes() -> None:
    groups = np.repeat(np.arange(40), 2)
    fold = folds(k, groups, 5)
    assert all(len(set(fold[groups == g])) == 1 for g in range(40))
    share = [np.bincount(k[folds(k, None, 5) == f], minlength=3) for f in range(5)]
    assert np.ptp(share, axis=0).max() <= 2


@pytest.mark.parametrize("head", [Linear(), Kernel(), Forest(trees=20)])
@pytest.mark.parametrize(("task", "target"), [(NUMBER, y), (CLASSES, k)])
def test_a_single_group_is_held_out_row_by_row(head: Head, task: Task, target: Any) -> None:
    """One site of two is left to learn from: penalty and held-out scores are those of rows without groups."""
    one = np.zeros(80, np.int64)
    assert not several(one)
    assert np.array_equal(folds(target, one, 5), folds(target, None, 5))
    grouped, plain = (head.fit(Z, target, task, groups=g).scores(Z) for g in (one, None))
    assert np.array_equal(grouped, plain)


@pytest.mark.parametrize("head", [Linear(), Kernel(), Forest(trees=20)])
@pytest.mark.parametrize(("task", "target"), [(NUMBER, y + 3), (CLASSES, np.minimum(k, 1))])
def test_rows_that_no_fold_can_teach_get_the_prior(head: Head, task: Task, target: Any) -> None:
    found = head.cross_fit(Z, target, task, np.zeros(80, np.int64))
    np.testing.assert_allclose(found, np.tile(task.prior(target), (80, 1)))


def test_every_penalty_of_folds_is_that_of_the_fold_alone() -> None:
    """One Gram a fold, scaled for each penalty, and the larger system say the same."""
    basis, _ = principal(Z.astype(np.float64) - Z.mean(axis=0), np.linspace(0.5, 1.5, 80))
    fold, shares = folds(y, None, 4), [1e-3, 0.1, 10.0]
    together = np.array(list(basis.held_out(y, shares, fold)))
    alone = np.array([next(basis.held_out(y, [share], fold)) for share in shares])
    assert np.array_equal(together, alone)
    error = np.square(y - together).sum(axis=2) * basis.weights
    np.testing.assert_allclose(basis.errors(y, shares, fold, fold).sum(axis=1), error.sum(axis=1))


def test_trees_of_many_rows_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    many = RNG.standard_normal((2000, 3)).astype(np.float32)
    target = many[:, :1].astype(np.float64)
    whole = Forest(trees=4).fit(many, target, NUMBER)
    monkeypatch.setattr("chiasm.heads.forest.TREE_ROWS", 200)
    bounded = Forest(trees=4).fit(many, target, NUMBER)
    assert len(bounded.value_) < 4 * 200 < len(whole.value_)
    assert np.square(bounded.scores(many) - target).mean() < 0.2


@pytest.mark.parametrize("head", [Linear(), Kernel(), Forest(trees=20)])
def test_a_head_alone_is_an_estimator_as_scikit_learn_has_them(head: Head) -> None:
    names = np.array(["low", "mid", "top"])[k]
    assert head.fit(Z, names).classes_.tolist() == ["low", "mid", "top"]
    assert head.score(Z, names) == np.mean(head.predict(Z) == names) > 0.7
    np.testing.assert_allclose(head.predict_proba(Z).sum(axis=1), 1)
    assert head.fit(Z, y[:, 0]).score(Z, y[:, 0]) == pytest.approx(r2_score(y[:, 0], head.predict(Z)))
    assert head.score(Z, y[:, 0]) > 0.7
    both = np.hstack([y, -y])
    assert head.fit(Z, both).predict(Z).shape == (80, 2)
    assert head.score(Z, both) == pytest.approx(r2_score(both, head.predict(Z)))
    with pytest.raises(NotFitted):
        clone(head).predict(Z)


def test_labels_and_many_whole_numbers_alone() -> None:
    labels = [["a"] * int(z[0] > 0) + ["b"] * int(z[1] > 0) for z in Z]
    head = Linear().fit(Z, labels)
    assert head.predict(Z).tolist()[0] in ([], ["a"], ["b"], ["a", "b"])
    assert head.score(Z, labels) > 0.8
    dozen = np.tile(np.arange(12), 7)[:80]
    assert Linear().fit(Z, dozen).classes_.tolist() == list(range(12))


def test_an_ordinal_head_takes_values_for_an_order() -> None:
    head = Ordinal().fit(Z, k)
    assert head.task.kind == "order"
    assert head.score(Z, k) > 0.7
