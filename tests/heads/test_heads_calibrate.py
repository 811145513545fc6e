"""Calibration finds the stretch that was put in, and leaves alone what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from chiasm import storage
from chiasm.errors import NotFitted, ShapeError
from chiasm.heads.calibrate import Calibration
from chiasm.heads.task import Task

CLASSES = Task("classes", ("a", "b", "c"))


def classes(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True logits, and classes drawn by them."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 3))
    return logits, (softmax(logits, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


def test_a_temperature_is_found() -> None:
    logits, y = classes(4000)
    model = Calibration().fit(3 * logits, y, CLASSES)
    assert model.form_ == "slope"
    assert np.allclose(np.exp(model.slope_), 1 / 3, rtol=0.05)
    assert np.allclose(model.transform(3 * logits), log_softmax(logits, axis=1), atol=0.5)


def test_a_bias_is_found() -> None:
    logits, y = classes(4000)
    model = Calibration().fit(logits - [1.0, 0.0, 0.0], y, CLASSES)
    assert model.form_ == "slope and bias"
    assert abs(model.bias_[0] - model.bias_[1:].mean() - 1) < 0.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [30, 300])
def test_what_is_right_is_hardly_touched(n: int, seed: int) -> None:
    logits, y = classes(n, seed)
    new, truth = classes(5000, 99)
    before, after = (
        CLASSES.losses(s, truth).mean() for s in (new, Calibration().fit(logits, y, CLASSES).transform(new))
    )
    assert after < before + 1.5 / n


def test_patterns_have_confidences_of_their_own() -> None:
    logits, y = classes(4000)
    names = ["image + text", "text"] * 2000
    scores = logits * np.where(np.arange(4000) % 2, 4.0, 1.0)[:, None]
    model = Calibration().fit(scores, y, CLASSES, names)
    assert model.form_ == "slopes by pattern"
    gap = model.patterns_["image + text"] - model.patterns_["text"]
    assert abs(gap - np.log(4)) < 0.15
    assert np.isfinite(model.transform(scores, ["never seen"] * 4000)).all()


def test_labels_each_have_a_slope() -> None:
    rng = np.random.default_rng(0)
    task = Task("labels", ("x", "y"))
    logits = 2 * rng.normal(size=(4000, 2))
    y = (rng.random((4000, 2)) < expit(logits)).astype(float)
    model = Calibration().fit(logits * [4.0, 1.0], y, task)
    assert np.allclose(np.exp(model.slope_), [0.25, 1.0], rtol=0.15)


def test_numbers_are_drawn_to_the_line() -> None:
    rng = np.random.default_rng(0)
    task = Task("number", (), (10.0,), (2.0,))
    y = rng.normal(size=(2000, 1))
    model = Calibration().fit(2 * y + 1 + 0.1 * rng.normal(size=y.shape), y, task)
    assert np.allclose(model.transform(np.array([[3.0]])), 1.0, atol=0.05)


def test_a_random_number_is_quietened_and_a_right_one_left() -> None:
    rng = np.random.default_rng(0)
    task = Task("number", (), (0.0,), (1.0,))
    y = rng.normal(size=(500, 1))
    assert Calibration().fit(rng.normal(size=(500, 1)), y, task).slope_[0] < -1
    assert Calibration().fit(y + 0.01 * rng.normal(size=y.shape), y, task).form_ == "none"


def test_a_row_of_weight_two_is_two_rows() -> None:
    logits, y = classes(600)
    twice = np.r_[np.arange(600), np.arange(200)]
    weights = np.r_[np.full(200, 2.0), np.ones(400)]
    weighted = Calibration().fit(logits - [1.0, 0.0, 0.0], y, CLASSES, weights=weights)
    copied = Calibration().fit((logits - [1.0, 0.0, 0.0])[twice], y[twice], CLASSES, groups=twice)
    assert weighted.form_ == copied.form_ == "slope and bias"
    assert np.allclose(weighted.bias_, copied.bias_, atol=0.05)
    assert np.allclose(weighted.slope_, copied.slope_, atol=0.05)


def test_balanced_scores_stay_balanced_under_their_weights() -> None:
    """Scores learned with balanced weights: calibrated without them, the rare class would be rare again."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(4000) < 0.05, 1, 0)
    task = Task("classes", ("common", "rare"))
    signal = 2 * y - 1 + rng.normal(size=4000)
    scores = np.column_stack([-signal, signal])  # the log odds were both classes equally frequent
    weights = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    plain, kept = (Calibration().fit(scores, y, task, weights=w) for w in (None, weights))
    recall = [(m.transform(scores)[y == 1].argmax(axis=1) == 1).mean() for m in (plain, kept)]
    assert recall[0] < 0.6
    assert recall[1] > 0.8


@pytest.mark.parametrize("kind", ["number", "classes"])
def test_rows_of_no_weight_teach_nothing(kind: str) -> None:
    logits, y = classes(400)
    task = CLASSES if kind == "classes" else Task("number", (), (0.0,), (1.0,))
    scores, truth = (3 * logits, y) if kind == "classes" else (3 * logits[:, :1], logits[:, :1])
    weights = np.r_[np.ones(300), np.zeros(100)]
    found = Calibration().fit(scores, truth, task, weights=weights)
    assert np.array_equal(found.slope_, Calibration().fit(scores[:300], truth[:300], task).slope_)


def test_empty_rows_teach_nothing_and_stay_empty(tmp_path: Path) -> None:
    logits, y = classes(400)
    holes = np.concatenate([3 * logits, np.full((50, 3), np.nan)])
    model = Calibration().fit(holes, np.append(y, np.zeros(50, int)), CLASSES)
    assert np.array_equal(model.slope_, Calibration().fit(3 * logits, y, CLASSES).slope_)
    assert np.isnan(model.transform(holes)[400:]).all()
    storage.write_tree(tmp_path, "state", model.state())
    again = Calibration().restore(storage.read_tree(tmp_path, "state"))
    assert np.array_equal(again.transform(holes), model.transform(holes), equal_nan=True)


def test_few_rows_and_bad_shapes() -> None:
    logits, y = classes(5)
    assert Calibration().fit(9 * logits, y, CLASSES).form_ == "none"
    with pytest.raises(ShapeError, match="expected one pattern per row, 5, got 1"):
        Calibration().fit(logits, y, CLASSES, ["text"])
    with pytest.raises(ShapeError, match="expected one weight per row, 5"):
        Calibration().fit(logits, y, CLASSES, weights=np.ones(3))
    with pytest.raises(NotFitted):
        Calibration().transform(logits)
