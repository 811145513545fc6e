"""Forecasts on series whose best forecast is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chiasm import storage
from chiasm.errors import DataError, NotFitted, ShapeError, UsageError
from chiasm.heads.forecast import Forecast


def walk(steps: int = 300, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(steps, channels)).cumsum(axis=0)


def waves(steps: int = 600) -> np.ndarray:
    """A day of 24 steps, its height drawn anew each day: yesterday's shape tells, its level does not."""
    rng = np.random.default_rng(0)
    hour = np.arange(steps) % 24
    height = np.repeat(rng.normal(size=steps // 24), 24)
    one = np.where(hour > 12, 3.0, 0.0) + height + 0.05 * rng.normal(size=steps)
    return one[:, None] * np.array([1.0, 9.0])


def follower(steps: int = 500) -> np.ndarray:
    """The second channel repeats the first one step later."""
    lead = np.random.default_rng(0).normal(size=steps)
    return np.stack([lead, np.r_[0.0, lead[:-1]]], axis=1)


def fast(**kw: object) -> Forecast:
    return Forecast(**{"past": 6, "rounds": 20, **kw})  # type: ignore[arg-type]


def test_of_a_random_walk_nothing_beats_the_last_reading_by_much() -> None:
    model = fast().fit(walk())
    assert min(map(np.mean, model.report_.values())) > 0.97 * np.mean(model.report_["persistence"])


def test_a_channel_that_follows_another_is_foretold_by_ridge() -> None:
    series = follower()
    model = fast(horizon=1).fit(series[:400])
    assert model.kept_.startswith("ridge")
    errors = model.backtest(series, 400)[:, 0, 1] - series[400:, 1]
    assert np.sqrt(np.mean(errors**2)) < 0.1


def test_a_season_is_seen_in_a_long_history() -> None:
    series = waves()
    model = fast(season=24, horizon=2).fit(series[:480])
    truth = np.stack([series[480:-1], series[481:]], axis=1)
    found = model.backtest(series, 480)
    assert model.kept_ == "trees"
    assert np.abs(found - truth).mean() < 0.6 * np.abs(series[479:-2][:, None] - truth).mean()


def test_predict_is_the_backtest_of_the_last_window() -> None:
    series = waves()
    hour = (np.arange(len(series) + 3) % 24)[:, None]
    model = fast(season=24).fit(series, known=hour[:-3])
    ahead = model.predict(series, known=hour)
    longer = np.concatenate([series, np.zeros((3, 2))])
    assert np.allclose(ahead, model.backtest(longer, len(series), known=hour)[0])


def test_intervals_hold_what_they_say() -> None:
    series = walk(2000, 2)
    model = fast(models=("persistence",), coverage=0.8).fit(series[:1000])
    start = np.abs(model.backtest(series, 1000) - windows(series, 1000, 3)) <= model.half_
    assert abs(start.mean() - 0.8) < 0.05
    ends = model.intervals(series)
    assert np.allclose(ends.mean(axis=-1), model.predict(series))


def windows(series: np.ndarray, start: int, horizon: int) -> np.ndarray:
    count = len(series) - start - horizon + 1
    return np.stack([series[start + h : start + h + count] for h in range(horizon)], axis=1)


def test_missing_readings_are_left_out_and_a_silent_channel_is_not_guessed() -> None:
    series = follower()
    series[np.random.default_rng(1).random(series.shape) < 0.1] = np.nan
    model = fast(horizon=1).fit(series)
    history = follower()[:50]
    history[-6:, 1] = np.nan
    ahead = model.predict(history)
    assert np.isfinite(ahead[0, 0])
    assert np.isnan(ahead[0, 1])


def test_state_is_arrays_and_says_the_same_again(tmp_path: Path) -> None:
    series = waves()
    model = fast(season=24).fit(series)
    storage.write_tree(tmp_path, "forecast", model.state())
    again = fast(season=24).restore(storage.read_tree(tmp_path, "forecast"))
    assert np.array_equal(again.predict(series), model.predict(series))
    assert np.array_equal(fast(season=24).fit(series).predict(series), model.predict(series))


def test_the_summary_stars_what_is_kept() -> None:
    model = fast().fit(walk())
    starred = [line for line in model.summary().splitlines() if "*" in line]
    assert len(starred) == 1
    assert starred[0].startswith(model.kept_)


def test_bad_input_is_named() -> None:
    with pytest.raises(NotFitted):
        fast().predict(walk())
    with pytest.raises(DataError, match="12 steps are too few"):
        fast().fit(walk(12))
    with pytest.raises(DataError, match="holds infinity"):
        fast().fit(np.full((100, 2), np.inf))
    with pytest.raises(UsageError, match="no forecasting model called 'arima'"):
        fast(models=("arima",)).fit(walk())
    with pytest.raises(UsageError, match="no model to compare"):
        fast(models=("seasonal",)).fit(walk())
    with pytest.raises(ShapeError, match=r"expected \(n, 3\)|expected weights"):
        fast().fit(walk(), graph=np.ones((2, 2)))
    model = fast(models=("persistence",)).fit(walk())
    with pytest.raises(ShapeError, match=r"expected \(t, 3\)"):
        model.predict(walk(channels=2))
    with pytest.raises(ShapeError, match="expected 0 known values a step, got 1"):
        model.predict(walk(), known=np.zeros((303, 1)))
