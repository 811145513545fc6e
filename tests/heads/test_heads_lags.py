"""Features of a forecast: each from the past alone, gaps left as gaps."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.errors import ShapeError
from chiasm.heads.lags import Lags, correlated, mean, weighted

RING = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])


def view(series: np.ndarray, season: int = 7) -> Lags:
    return Lags(series, 4, season, (RING,), np.arange(len(series) + 3.0)[:, None])


@pytest.mark.parametrize("h", [1, 3, 6, 7, 8, 15])
def test_the_future_has_no_say(h: int) -> None:
    rng = np.random.default_rng(0)
    series = rng.normal(size=(60, 3))
    known = np.arange(90.0)[:, None]
    origins = np.array([3, 20, 40])
    for one in origins:
        changed = series.copy()
        changed[one + 1 :] = 1e6
        before, after = (Lags(s, 4, 7, (RING,), known).at(np.array([one]), h) for s in (series, changed))
        assert np.array_equal(before, after, equal_nan=True)


def test_a_straight_line_is_seen_as_one() -> None:
    series = np.arange(30.0)[:, None] * np.array([1.0, 2.0, 3.0])
    own = view(series).at(np.array([20]), 1)[0]
    assert own[:, 0].tolist() == [20, 40, 60]  # the last reading
    assert own[:, 1:4].tolist() == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]  # changes over one, two, three steps


def test_the_last_reading_is_carried_as_far_as_the_past_goes() -> None:
    series = np.full((12, 3), np.nan)
    series[5] = 1.0
    assert view(series).last(np.array([5, 8]))[:, 0].tolist() == [1, 1]
    assert np.isnan(view(series).last(np.array([4, 9]))).all()


def test_means_are_of_what_is_there() -> None:
    assert mean(np.array([[1.0, np.nan], [3.0, np.nan]]))[0] == 2
    values = np.array([[1.0, np.nan, 5.0]])
    assert np.array_equal(weighted(values, RING), [[np.nan, 5, 1]], equal_nan=True)


def test_channels_that_move_alike_find_each_other() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 400, 1)).cumsum(axis=1)
    series = np.concatenate([one, one + 0.1 * rng.normal(size=(400, 1)), other], axis=1)
    series[::9, 0] = np.nan
    graph = correlated(series)
    assert graph[0].argmax() == 1
    assert graph[1].argmax() == 0
    assert (np.diag(graph) == 0).all()


def test_too_short() -> None:
    with pytest.raises(ShapeError, match="expected 4 steps or more, got 3"):
        view(np.zeros((3, 3)))
