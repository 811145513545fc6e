"""Sets and intervals hold the truth as often as they say: counted on rows they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from chiasm import storage
from chiasm.errors import DataError
from chiasm.heads.conformal import Conformal, quantile
from chiasm.heads.patterns import pattern_names
from chiasm.heads.task import Task

N = 2000
TASKS = {
    "classes": Task("classes", tuple("abcd")),
    "order": Task("order", (1, 2, 3, 4)),
    "labels": Task("labels", tuple("abcd")),
    "number": Task("number", (), (100.0,), (5.0,)),
    "numbers": Task("numbers", (), (0.0, 1.0), (2.0, 3.0)),
}


def drawn(kind: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores, truths and patterns: rows that lack the image have scores of another, worse kind."""
    rng = np.random.default_rng(seed)
    task = TASKS[kind]
    lacking = rng.random(n) < 0.3
    spoil = np.where(lacking, 3.0, 1.0)[:, None]
    scores = 2 * rng.normal(size=(n, task.outputs))
    if task.is_number:
        y: Any = scores + spoil * rng.normal(size=scores.shape)
    elif kind == "labels":
        y = (rng.random(scores.shape) < expit(scores / spoil)).astype(float)
    else:
        y = (softmax(scores / spoil, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return scores, y, np.where(lacking, "text", "image + text").tolist()


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_coverage_in_every_pattern(kind: str, coverage: float) -> None:
    scores, y, names = drawn(kind, N, 0)
    model = Conformal(coverage).fit(scores, y, TASKS[kind], names)
    scores, y, names = drawn(kind, 20 * N, 1)
    held = model.covered(scores, y, names)
    for pattern in sorted(set(names)):
        mine = np.array(names) == pattern
        # what a binomial count of the rows learned from, and of these, may differ
        learned = mine.mean() * N
        noise = 4 * np.sqrt(coverage * (1 - coverage) * (1 / learned + 1 / mine.sum()))
        assert coverage - noise < held[mine].mean()
        if kind in ("classes", "number", "numbers"):  # steps of the others are coarser
            assert held[mine].mean() < coverage + noise


def test_a_pattern_without_its_own_threshold_would_not_be_covered() -> None:
    scores, y, names = drawn("number", N, 0)
    blind = Conformal().fit(scores, y, TASKS["number"])
    scores, y, names = drawn("number", N, 1)
    assert blind.covered(scores, y)[np.array(names) == "text"].mean() < 0.8


def test_sets_are_what_they_say() -> None:
    scores, y, names = drawn("classes", N, 0)
    model = Conformal().fit(scores, y, TASKS["classes"], names)
    sets = model.sets(scores, names)
    assert np.array_equal(model.covered(scores, y, names), sets[np.arange(N), y])
    likeliest = scores.argmax(axis=1)
    assert sets[np.arange(N), likeliest][sets.any(axis=1)].all()
    assert np.array_equal(model.abstains(scores, names), sets.sum(axis=1) != 1)


def test_the_set_of_an_order_has_no_holes() -> None:
    scores, y, _ = drawn("order", N, 0)
    sets = Conformal(0.6).fit(scores, y, TASKS["order"]).sets(scores)
    assert sets.any(axis=1).all()
    assert (np.abs(np.diff(np.pad(sets.astype(int), ((0, 0), (1, 1))))).sum(axis=1) == 2).all()


def test_intervals_are_in_the_targets_own_units() -> None:
    y = np.linspace(-1, 1, 99)[:, None]
    model = Conformal(0.9).fit(np.zeros((99, 1)), y, TASKS["number"])
    low, high = model.intervals(np.zeros((1, 1)))[0, 0]
    # the 90th of the 99 absolute errors 0, 1/49, 1/49, … in units of 5 around 100
    assert high - 100 == pytest.approx(5 * 45 / 49)
    assert 100 - low == pytest.approx(5 * 45 / 49)


def test_the_quantile_is_of_one_more_than_there_are() -> None:
    ones = np.ones(9)
    assert quantile(np.arange(9.0), ones, 0.9) == 8
    assert quantile(np.arange(9.0), ones, 0.8) == 7
    assert quantile(np.arange(8.0), np.ones(8), 0.9) == np.inf


def test_groups_count_once() -> None:
    """A hundred groups, one of them with a thousand strange rows: it has the say of one."""
    y = np.concatenate([np.linspace(0, 1, 99), np.full(1000, 50.0)])[:, None]
    groups = np.append(np.arange(99), np.full(1000, 99))
    model = Conformal().fit(np.zeros(y.shape), y, TASKS["number"], groups=groups)
    assert model.covered(np.zeros((1, 1)), np.array([[0.5]])).all()
    assert not model.covered(np.zeros((1, 1)), np.array([[1.1]])).any()


def test_too_few_rows_leave_all_open() -> None:
    scores, y, _ = drawn("classes", 5, 0)
    model = Conformal().fit(scores, y, TASKS["classes"])
    assert model.sets(scores).all()
    assert model.abstains(scores).all()


def test_small_and_unseen_patterns_share_the_safest_threshold() -> None:
    scores, y, names = drawn("classes", N, 0)
    few = [*names[:-5], *["sound"] * 5]
    model = Conformal().fit(scores, y, TASKS["classes"], few)
    widest = max(limit[0] for limit in model.thresholds_.values())
    assert model.thresholds_[""][0] == widest
    assert np.array_equal(model.sets(scores[:9], ["sound"] * 9), model.sets(scores[:9], ["new"] * 9))


def test_a_row_with_nothing_is_open_and_abstains(tmp_path: Path) -> None:
    scores, y, names = drawn("classes", N, 0)
    model = Conformal().fit(scores, y, TASKS["classes"], names)
    empty = np.full((1, 4), np.nan)
    assert model.sets(empty).all()
    assert model.abstains(empty).all()
    storage.write_tree(tmp_path, "state", model.state())
    again = Conformal().restore(storage.read_tree(tmp_path, "state"))
    assert np.array_equal(again.sets(scores, names), model.sets(scores, names))


def test_names_of_patterns() -> None:
    has = {"text": np.array([True, True, False]), "image": np.array([True, False, False])}
    assert pattern_names(has) == ["image + text", "text", ""]


def test_sets_of_numbers_and_intervals_of_classes_are_refused() -> None:
    scores, y, _ = drawn("number", 99, 0)
    with pytest.raises(DataError, match="numbers have intervals"):
        Conformal().fit(scores, y, TASKS["number"]).sets(scores)
    scores, y, _ = drawn("classes", 99, 0)
    with pytest.raises(DataError, match="classes have sets"):
        Conformal().fit(scores, y, TASKS["classes"]).intervals(scores)
