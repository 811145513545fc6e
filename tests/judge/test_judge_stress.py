"""Stress: noise drowns, gaps fall back to the rest, attacks are the worst that a linear score knows."""

import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy.special import softmax

from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.fuse.fusion import Fusion
from chiasm.heads.task import Task
from chiasm.judge import harm
from chiasm.judge.stress import Stress, render, stress


class Sum(Fusion):
    """Scores that add up over the columns: each its features times their slopes by the target."""

    def _learn(self, columns, y, groups, weights):
        T = y if self.task.is_number else y - y.mean(0) if y.ndim == 2 else np.eye(len(self.base_))[y]
        T = T - T.mean(axis=0)
        squares = {c: (f.values**2).sum(axis=0)[:, None] for c, f in columns.items()}
        self.maps_ = {c: f.values.T @ T[f.row] / squares[c] for c, f in columns.items()}

    def _score(self, columns):
        out = np.tile(self.base_, (next(iter(columns.values())).n, 1))
        for c, f in columns.items():
            out[f.row] += f.values @ self.maps_[c]
        return out

    def pull(self, X, gradient):
        return {
            c: np.where(np.isnan(v), 0.0, gradient @ self.maps_[c].T) for c, v in X.items() if c in self.maps_
        }


class Steps(Sum):
    """As a forest: no gradient in one of its columns."""

    def pull(self, X, gradient):
        found = super().pull(X, gradient)
        return {c: np.zeros_like(v) if c == "photo" else v for c, v in found.items()}


RNG = np.random.default_rng(0)
N = 300
Y = RNG.integers(0, 2, N)
X = {
    "notes": (RNG.standard_normal((N, 4)) + 1.5 * (Y - 0.5)[:, None]).astype(np.float32),
    "photo": (10 * (RNG.standard_normal((N, 3)) + (Y - 0.5)[:, None])).astype(np.float32),
}
X["photo"][:60] = np.nan
VALUES = ["yes" if one else "no" for one in Y]
SUM = Sum().fit(X, VALUES)


def values_of(found, kind, *columns):
    curve = next(one for one in found.curves if one.kind == kind and one.columns == columns)
    return [one.value for one in curve.values]


def test_a_harmless_level_changes_nothing_and_a_growing_one_harms():
    found = stress("ill", SUM, X, VALUES, main="log_loss")
    whole = values_of(found, "noise", "notes")[0]
    for curve in found.curves:
        assert curve.values[0].value == whole
        assert curve.values[-1].value > whole
    assert values_of(found, "FGSM", "notes") == sorted(values_of(found, "FGSM", "notes"))
    assert {one.columns for one in found.curves} == {("notes",), ("photo",), ("notes", "photo")}


def test_a_linear_score_is_pushed_exactly_by_reach_times_weight():
    spread = {c: np.nanstd(v, axis=0) for c, v in X.items()}
    reach = {"notes": 0.1 * spread["notes"]}
    slope = SUM.maps_["notes"][:, 1] - SUM.maps_["notes"][:, 0]
    for steps in (1, 10):
        now = harm.attacked(SUM, Y, X, reach, steps)
        before, after = ((s := SUM.scores(Z))[:, 1] - s[:, 0] for Z in (X, now))
        fall = np.abs(slope) @ reach["notes"]
        np.testing.assert_allclose(after - before, np.where(Y == 1, -fall, fall), rtol=1e-3)
        np.testing.assert_array_equal(now["photo"], X["photo"])


@pytest.mark.parametrize("steps", [1, 10])
def test_an_attack_stays_within_reach_and_out_of_absent_cells(steps):
    reach = {c: np.full(v.shape[1], 0.5, np.float32) for c, v in X.items()}
    now = harm.attacked(SUM, Y, X, reach, steps, seed=1)
    for c, v in X.items():
        assert (np.isnan(now[c]) == np.isnan(v)).all()
        assert np.nanmax(abs(now[c] - v)) <= 0.5 + 1e-5


@pytest.mark.parametrize("kind", ["classes", "labels", "order", "number", "numbers"])
def test_the_gradient_is_the_finite_difference(kind):
    values = {
        "classes": ["a", "b", "c"],
        "labels": [["a"], ["a", "b"], []],
        "order": [1, 2, 3],
        "number": [1.0, 2.5, 3.0],
        "numbers": [[1.0, 2.0], [0.0, 1.0], [2.0, 5.0]],
    }[kind]
    task = Task.of(values, kind)
    y, scores = task.code(values), RNG.standard_normal((3, task.outputs))

    def loss(s):
        if task.is_number:
            return ((s - y) ** 2).sum() / 2
        if kind == "labels":
            return (np.logaddexp(0, s) - y * s).sum()
        return -np.log(softmax(s, axis=1)[np.arange(3), y]).sum()

    found, step = harm.loss_gradient(task, scores, y), 1e-6
    for i, j in np.ndindex(*scores.shape):
        bump = np.zeros_like(scores)
        bump[i, j] = step
        assert found[i, j] == pytest.approx(
            (loss(scores + bump) - loss(scores - bump)) / (2 * step), abs=1e-6
        )
    assert (harm.loss_gradient(task, np.full_like(scores, np.nan), y) == 0).all()


def test_gaps_grow_and_rows_left_with_nothing_are_the_prior():
    some = harm.gapped(X, ["notes"], 0.25)
    more = harm.gapped(X, ["notes"], 0.75)
    gone, further = (np.isnan(Z["notes"][:, 0]) for Z in (some, more))
    assert gone.mean() == pytest.approx(0.25, abs=0.08)
    assert (further | ~gone).all()
    found = stress("ill", SUM, X, VALUES, missing=(1.0,), noise=(), attack=())
    assert values_of(found, "missing", "notes", "photo") == [0.5]


def test_noise_is_in_units_of_each_features_spread():
    spread = {c: np.nanstd(v, axis=0) for c, v in X.items()}
    now = harm.noisy(X, spread, ["photo"], 2.0)
    added = now["photo"][60:] - X["photo"][60:]
    assert added.std(axis=0) == pytest.approx(2 * spread["photo"], rel=0.2)
    assert np.isnan(now["photo"][:60]).all()


def test_steps_are_not_called_robust():
    found = stress("ill", Steps().fit(X, VALUES), X, VALUES)
    assert {one.columns for one in found.curves if one.kind in ("FGSM", "PGD")} == {("notes",)}
    assert found.notes[0].startswith("Gradient attacks do not apply to photo: scores are steps")


def test_numbers_with_one_column():
    price = (X["notes"].sum(axis=1) + RNG.standard_normal(N)).tolist()
    one = {"notes": X["notes"]}
    found = stress("price", Sum().fit(one, price), one, [None, *price[1:]])
    assert (found.measure, found.rows) == ("r2", N - 1)
    assert {curve.columns for curve in found.curves} == {("notes",)}


def test_it_prints_and_survives_as_a_document():
    found = stress("ill", SUM, X, VALUES)
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Stress.from_json(document) == found
    with pytest.raises(DataError, match="stress table: not the document"):
        Stress.from_json({"target": "ill"})
    console = Console(width=100, file=io.StringIO())
    console.print(render(found))
    text = console.file.getvalue()
    assert "ill under stress: 300 rows" in text
    assert "notes + photo" in text
    assert "PGD" in text


def test_misuse_is_named():
    with pytest.raises(UsageError, match="missing must lie between"):
        stress("ill", SUM, X, VALUES, missing=(2,))
    with pytest.raises(UsageError, match="level must lie between"):
        stress("ill", SUM, X, VALUES, noise=(-1,))
    with pytest.raises(UsageError, match="no measure of classes"):
        stress("ill", SUM, X, VALUES, main="r2")
    with pytest.raises(ShapeError, match="notes: expected 299 rows, got 300"):
        stress("ill", SUM, X, VALUES[1:])
    with pytest.raises(DataError, match="ill: no row has a value"):
        stress("ill", SUM, X, [None] * N)
