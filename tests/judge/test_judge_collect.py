"""What is worth collecting: worlds where one column decides, one echoes, one is noise, one was never seen."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from chiasm.errors import ShapeError
from chiasm.judge.collect import LIKE, like_rows, worth_collecting
from chiasm.judge.scoreboard import Estimate
from chiasm.measures import ACCURACY, R2

REAL, NONE, HARM = Estimate(0.04, 0.01, 0.07), Estimate(0.0, -0.02, 0.02), Estimate(-0.05, -0.08, -0.02)


def binary(p):
    return np.stack([1 - p, p], axis=1)


@pytest.fixture
def world():
    """A weak `note`; `photo` decides, `echo` repeats the note, `noise` says nothing, `scan` is unseen."""
    rng = np.random.default_rng(0)
    n = 600
    y = rng.integers(0, 2, n)
    note = y - 0.5 + rng.normal(0, 1.0, n)
    columns = {
        "photo": y - 0.5 + rng.normal(0, 0.2, n),
        "echo": note + rng.normal(0, 0.01, n),
        "noise": rng.normal(0, 1, n),
    }
    models = {c: LogisticRegression().fit(np.stack([note, v], 1), y) for c, v in columns.items()}
    alone = LogisticRegression().fit(note[:, None], y)
    known = alone.predict_proba(note[:, None])
    known[:100] = np.nan  # rows without a note
    mine = 0.1

    def plugged(column, rows):
        p = models[column].predict_proba(np.stack([np.full(len(rows), mine), columns[column][rows]], 1))
        return list(p[:, 1] > 0.5), p[:, 1]

    missing = {c: rng.random(n) < 0.7 for c in columns} | {"scan": np.zeros(n, bool)}
    now = alone.predict_proba([[mine]])[0]
    return {
        "label": True,
        "score": float(now[1]),
        "scores": now,
        "missing": missing,
        "training_scores": known,
        "plugged": plugged,
        "measure": ACCURACY,
    }


def test_the_column_that_decides_comes_first_and_the_others_are_not_worth_it(world):
    gains = {"photo": REAL, "echo": REAL, "noise": NONE, "scan": REAL}
    found = {one.column: one for one in worth_collecting(**world, gains=gains)}
    assert next(iter(found)) == "photo"
    photo = found["photo"]
    assert photo.collect
    assert 0.3 < photo.flips < 0.7  # this row stands on the fence
    assert photo.change > 0.3
    assert photo.rows == LIKE
    assert photo.verdict.startswith("collect photo: it would change this decision in ")
    assert photo.verdict.endswith("of trials; accuracy gain +4.0, 1.0 to 7.0 points")
    assert found["noise"].verdict == (
        "not worth collecting noise: accuracy gain 0.0, -2.0 to 2.0 points, cannot be told from zero"
    )
    assert found["echo"].change < 0.1
    assert "no training row has it" in found["scan"].verdict
    assert (found["scan"].flips, found["scan"].change, found["scan"].rows) == (None, None, 0)
    assert [one.collect for one in found.values()] == [True, False, False, False]


def test_a_gain_below_zero_and_one_not_measured_are_said(world):
    world["missing"] = {"photo": world["missing"]["photo"]}
    assert "predicted worse" in worth_collecting(**world, gains={"photo": HARM})[0].verdict
    assert "was not measured" in worth_collecting(**world)[0].verdict
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    assert "was not measured" in worth_collecting(**world, gains={"photo": nothing})[0].verdict


def test_a_gain_is_told_in_the_units_of_its_measure(world):
    [photo] = worth_collecting(
        **world | {"missing": {"photo": world["missing"]["photo"]}, "measure": R2}, gains={"photo": REAL}
    )
    assert photo.verdict.endswith("of trials; R² gain +0.04, 0.01 to 0.07")


def test_a_decision_that_stays_is_no_reason_to_collect(world):
    world["plugged"] = lambda column, rows: ([True] * len(rows), np.full(len(rows), world["score"]))
    [photo] = worth_collecting(**world | {"missing": {"photo": np.ones(600, bool)}}, gains={"photo": REAL})
    assert (photo.flips, photo.change, photo.collect) == (0.0, 0.0, False)
    assert "hardly change this decision (0% of trials)" in photo.verdict


def test_like_rows_are_the_nearest_that_have_everything():
    known = binary(np.array([0.1, 0.5, np.nan, 0.52, 0.9, 0.49]))
    has = np.array([True, True, True, False, True, True])
    assert like_rows(np.array([0.5, 0.5]), known, has).tolist() == [1, 5, 0, 4]


def test_a_json_document_and_bad_shapes(world):
    found = worth_collecting(**world, gains={"photo": REAL})
    document = json.loads(json.dumps([one.to_json() for one in found]))
    assert document[0]["column"] == "photo"
    assert document[0]["gain"] == {"value": 0.04, "low": 0.01, "high": 0.07}
    with pytest.raises(ShapeError, match="training_scores"):
        worth_collecting(**world | {"training_scores": np.zeros((600, 3))})
    with pytest.raises(ShapeError, match="missing"):
        worth_collecting(**world | {"missing": {"photo": np.ones(3, bool)}})
    with pytest.raises(ShapeError, match="expected 50 labels"):
        worth_collecting(**world | {"plugged": lambda column, rows: ([True], [0.5])})
