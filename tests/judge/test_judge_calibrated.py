"""How far off calibrated probabilities seem, against truths drawn from them one sample at a time."""

import numpy as np
import pytest

from chiasm.judge.calibrated import calibrated_error
from chiasm.measures import ECE

RNG = np.random.default_rng(7)


def two_classes(n):
    yes = RNG.random(n)
    return np.stack([1 - yes, yes], axis=1)


def drawn(p):
    return (RNG.random(len(p)) < p[:, 1]).astype(int)


@pytest.mark.parametrize(("n", "points"), [(60, 11.8), (200, 6.5), (1000, 2.9)])
def test_calibrated_probabilities_of_few_rows_seem_to_be_off(n, points):
    p = two_classes(n)
    found = [ECE(drawn(p), p) for _ in range(300)]
    one = calibrated_error(p, "classes", np.arange(n))
    assert 100 * one.value == pytest.approx(points, abs=0.8)
    assert one.value == pytest.approx(np.mean(found), rel=0.05)
    assert (one.low, one.high) == pytest.approx(np.quantile(found, [0.025, 0.975]), rel=0.15)


def test_labels_are_as_far_off_as_each_drawn_for_itself():
    p = RNG.random((90, 3))
    found = [ECE((RNG.random(p.shape) < p).astype(float), p) for _ in range(300)]
    assert calibrated_error(p, "labels", np.arange(90)).value == pytest.approx(np.mean(found), rel=0.05)


def test_of_calibrated_probabilities_one_in_forty_seems_worse():
    above = 0
    for _ in range(200):
        p = two_classes(60)
        above += ECE(drawn(p), p) > calibrated_error(p, "classes", np.arange(60)).high
    assert above <= 12


def test_copies_of_a_row_tell_no_more_than_the_row():
    p = two_classes(60)
    once = calibrated_error(p, "classes", np.arange(60))
    copied = np.repeat(p, 5, axis=0)
    again = calibrated_error(copied, "classes", np.repeat(np.arange(60), 5))
    assert (again.value, again.high) == pytest.approx((once.value, once.high))
    assert calibrated_error(copied, "classes", np.arange(300)).value < 0.7 * once.value


def test_probabilities_of_the_same_seed_are_no_special_ones():
    """Random numbers that are the probabilities themselves would be off by a quarter in one draw."""
    yes = np.random.default_rng(0).random(20_000)
    rows = np.arange(20_000)
    found = calibrated_error(np.stack([1 - yes, yes], axis=1), "classes", rows)
    assert found.value == pytest.approx(
        calibrated_error(two_classes(20_000), "classes", rows).value, rel=0.05
    )
