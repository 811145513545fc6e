"""Forecasting the channels of a series: simple rules, ridge and trees, the best on the latest piece kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.array_types import Floats
from chiasm.checks import Estimator, check_known, check_matrix, check_range
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.heads import lags, trees
from chiasm.heads.lags import Lags

MODELS = ("persistence", "seasonal", "ridge", "trees")
HELD_SHARE = 0.2  # of the steps, the latest: the models are compared there before all is refitted
FEWEST_WINDOWS = 10  # windows on either side of that cut
BLOCK = 200_000  # forecasts of one step made at a time
WIDEST_RIDGE = 1000  # readings a ridge model may look at, unless one step alone is wider
PENALTIES = (0.01, 0.1, 1.0, 10.0)


class Forecast(Estimator):
    """The next `horizon` steps of every channel of one long series, with intervals.

    `fit` compares persistence, the last season, ridge on the last steps of all channels and boosted trees on
    `Lags` on the latest fifth, keeps the best and refits it on everything: a model that beats no simple
    rule is not kept. What is learned is the change from the last reading, per step ahead.

    past : steps looked back.  horizon : steps forecast.  season : steps of a season, 0 where there is none.
    shared : whether the channels share a unit, in which errors are then counted; else each counts in its own
        standard deviations.
    coverage : share of readings that `intervals` should hold.
    models : which are compared; "seasonal" is left out where there is no season.
    rounds : trees for each step ahead.
    samples : windows × channels × horizon learned from at most, drawn at random of more.
    seed : of that draw and of the trees.

    Attributes
    ----------
    kept_ : the model kept.  report_ : {model: [RMSE of each step ahead]} on the latest fifth, in the shared
        unit or in standard deviations.  half_ : (horizon, c) half widths of the intervals.
    """

    def __init__(
        self,
        past: int = 12,
        horizon: int = 3,
        season: int = 0,
        shared: bool = False,
        coverage: float = 0.9,
        models: Sequence[str] = MODELS,
        rounds: int = 100,
        samples: int = 1_000_000,
        seed: int = 0,
    ) -> None:
        self.past = past
        self.horizon = horizon
        self.season = season
        self.shared = shared
        self.coverage = coverage
        self.models = models
        self.rounds = rounds
        self.samples = samples
        self.seed = seed

    def fit(
        self, series: NDArray[Any], *, graph: NDArray[Any] | None = None, known: NDArray[Any] | None = None
    ) -> Self:
        """Learn from a series (t, c) in time order, NaN where a reading is missing.

        graph : (c, c) weights of neighbouring channels, used beside the graph of correlated channels.
        known : (t, k) what is known of every step beforehand, such as the hour or a holiday.
        Raises DataError where the series is too short, ShapeError where shapes do not fit.
        """
        check_range(self.past, "past", 1)
        check_range(self.horizon, "horizon", 1)
        check_range(self.season, "season", 0)
        check_range(self.coverage, "coverage", 0, 1)
        for model in self.models:
            check_known(model, MODELS, "forecasting model")
        self.forget()
        series, known = _series(series), None if known is None else _series(known, len(series))
        cut = round((1 - HELD_SHARE) * len(series))
        needed = self.horizon + FEWEST_WINDOWS
        if min(cut - self.past, len(series) - cut) < needed:
            hint = f"Give {max(5 * needed, 2 * (self.past + needed))} or more."
            raise DataError(f"{len(series)} steps are too few", where="series", hint=hint)
        trial: Self = clone(self)
        errors = trial._compared(series, graph, known, cut)
        self.report_ = {name: _rms(error, (0, 2)).tolist() for name, error in errors.items()}
        self.kept_ = min(self.report_, key=lambda name: float(np.mean(np.square(self.report_[name]))))
        self._learn(series, graph, known, [self.kept_])
        unit = np.ones(1) if self.shared else trial.scale_
        self.half_ = _quantile(np.abs(errors[self.kept_]), self.coverage) * unit
        return self

    def predict(self, history: NDArray[Any], *, known: NDArray[Any] | None = None) -> Floats:
        """(horizon, c) forecasts of the steps after a history (t, c), t >= past.

        A longer history shows earlier seasons too. known : (t + horizon, k), where `fit` had it. A channel
        without a reading in the last `past` steps is NaN.
        """
        history = self._checked(history)
        if known is not None:
            known = _series(known, len(history) + self.horizon)
        last = np.array([len(history) - 1])
        return np.asarray(self._forecast(self.kept_, self._lags(history, known), last)[0])

    def intervals(self, history: NDArray[Any], *, known: NDArray[Any] | None = None) -> Floats:
        """(horizon, c, 2) low and high ends around `predict`: the stated share of the errors on the latest
        fifth, per channel and step. They hold as far as the future errs like that fifth."""
        middle = self.predict(history, known=known)
        return np.stack([middle - self.half_, middle + self.half_], axis=-1)

    def backtest(self, series: NDArray[Any], start: int, *, known: NDArray[Any] | None = None) -> Floats:
        """(windows, horizon, c) forecasts of every window of a series (t, c) whose first step is `start` or
        later and whose last is in it, each from what came before it alone."""
        series = self._checked(series)
        check_range(start, "start", self.past, len(series) - self.horizon)
        held = None if known is None else _series(known, len(series))
        origins = np.arange(start - 1, len(series) - self.horizon)
        return self._forecast(self.kept_, self._lags(series, held), origins)

    def summary(self) -> str:
        """A table of every model compared: RMSE of each step ahead and pooled, the kept one starred."""
        self.require_fitted("kept_")
        lines = [["model", *(str(h) for h in range(1, self.horizon + 1)), "pooled"]]
        for name, found in sorted(self.report_.items(), key=lambda item: _pooled(item[1])):
            star = " *" if name == self.kept_ else ""
            lines.append([name + star, *(f"{e:.4g}" for e in found), f"{_pooled(found):.4g}"])
        width = max(len(line[0]) for line in lines)
        return "\n".join("  ".join([line[0].ljust(width), *(c.rjust(8) for c in line[1:])]) for line in lines)

    def _checked(self, history: NDArray[Any]) -> Floats:
        self.require_fitted("kept_")
        history = _series(history)
        if history.shape[1] != len(self.scale_):
            raise ShapeError(f"expected (t, {len(self.scale_)}), got {history.shape}", where="history")
        return history

    def _compared(
        self, series: Floats, graph: NDArray[Any] | None, known: Floats | None, cut: int
    ) -> dict[str, Floats]:
        """{model: (windows, horizon, c) errors} after `cut` of models that learned before it; of the ridge
        models the best."""
        names = self._candidates(series.shape[1])
        self._learn(series[:cut], graph, None if known is None else known[:cut], names)
        origins = self._drawn(cut - 1, len(series) - self.horizon, series.shape[1])
        view = self._lags(series, known)
        truth = np.stack([series[origins + h] for h in range(1, self.horizon + 1)], axis=1)
        unit = np.ones(1) if self.shared else self.scale_
        errors = {name: (self._forecast(name, view, origins) - truth) / unit for name in names}
        ridges = [name for name in names if name in self.ridges_]
        best = min(ridges, key=lambda name: float(_rms(errors[name], (0, 1, 2))), default="")
        return {name: error for name, error in errors.items() if name not in ridges or name == best}

    def _candidates(self, channels: int) -> list[str]:
        """The models by name, ridge in all its variants."""
        variants = {
            "seasonal": ["seasonal"] if self.season else [],
            "ridge": list(self._variants(channels)),
        }
        names = [one for model in self.models for one in variants.get(model, [model])]
        if not names:
            raise UsageError("no model to compare", where="models", hint="A seasonal one needs a season.")
        return names

    def _variants(self, channels: int) -> dict[str, tuple[int, float]]:
        """{name: (steps looked back, penalty)} of ridge: one step, three, or all of `past` as far as that
        stays solvable, each with every penalty."""
        reaches = sorted({1, min(3, self.past), self.past})
        return {
            f"ridge {steps} {penalty}": (steps, penalty)
            for steps in reaches
            for penalty in PENALTIES
            if steps == 1 or steps * channels <= WIDEST_RIDGE
        }

    def _learn(
        self, series: Floats, graph: NDArray[Any] | None, known: Floats | None, names: list[str]
    ) -> None:
        self.centre_, self.scale_ = lags.units(series, self.shared)
        near = [lags.correlated((series - self.centre_) / self.scale_)]
        self.graphs_ = near if graph is None else [_graph(graph, series.shape[1]), *near]
        self.known_ = 0 if known is None else known.shape[1]
        view = self._lags(series, known)
        origins = self._drawn(self.past - 1, len(series) - self.horizon, series.shape[1])
        grid = self._variants(series.shape[1])
        self.ridges_ = {name: self._ridge(view, origins, *grid[name]) for name in names if name in grid}
        steps = range(1, self.horizon + 1) if "trees" in names else ()
        self.trees_ = [self._grow(view, origins, h) for h in steps]

    def _grow(self, view: Lags, origins: NDArray[np.int64], h: int) -> trees.Trees:
        change = (view.step(origins + h) - view.last(origins)).ravel()
        use = np.isfinite(change)
        features = view.at(origins, h)
        return trees.grow(features.reshape(-1, features.shape[-1])[use], change[use], self.rounds, self.seed)

    def _ridge(self, view: Lags, origins: NDArray[np.int64], steps: int, penalty: float) -> dict[str, Any]:
        """Ridge from the last readings of all channels to the changes of all steps; a channel's missing
        change counts as its mean one, so that the window teaches that channel nothing."""
        inputs, base = _recent(view, origins, steps), view.last(origins)
        change = np.concatenate([view.step(origins + h) - base for h in range(1, self.horizon + 1)], axis=1)
        offset, middle = np.nan_to_num(lags.mean(change)), inputs.mean(axis=0)
        X, Y = inputs - middle, np.nan_to_num(change - offset)
        return {
            "steps": steps,
            "middle": middle,
            "offset": offset,
            "weights": np.linalg.solve(X.T @ X + penalty * len(X) * np.eye(X.shape[1]), X.T @ Y),
        }

    def _forecast(self, name: str, view: Lags, origins: NDArray[np.int64]) -> Floats:
        """(m, horizon, c) in the series' own units."""
        size = max(1, BLOCK // len(self.scale_))
        parts = [self._block(name, view, origins[i : i + size]) for i in range(0, len(origins), size)]
        return np.concatenate(parts) * self.scale_ + self.centre_

    def _block(self, name: str, view: Lags, origins: NDArray[np.int64]) -> Floats:
        base, steps = view.last(origins)[:, None], range(1, self.horizon + 1)
        if name == "seasonal":
            found = np.stack(
                [view.step(origins + h - self.season * -(-h // self.season)) for h in steps], axis=1
            )
            return np.where(np.isnan(found), base, found)
        if name == "trees":
            change = [self._read(view, origins, h) for h in steps]
            return base + np.stack(change, axis=1)
        if name == "persistence":
            return np.repeat(base, self.horizon, axis=1)
        ridge = self.ridges_[name]
        inputs = _recent(view, origins, ridge["steps"]) - ridge["middle"]
        flat = inputs @ ridge["weights"] + ridge["offset"]
        return np.asarray(base + flat.reshape(len(origins), self.horizon, -1), np.float64)

    def _read(self, view: Lags, origins: NDArray[np.int64], h: int) -> Floats:
        features = view.at(origins, h)
        return trees.read(self.trees_[h - 1], features.reshape(-1, features.shape[-1])).reshape(
            features.shape[:2]
        )

    def _lags(self, series: Floats, known: Floats | None) -> Lags:
        width = 0 if known is None else known.shape[1]
        if width != self.known_:
            raise ShapeError(f"expected {self.known_} known values a step, got {width}", where="known")
        units = (series - self.centre_) / self.scale_
        return Lags(units, self.past, self.season, tuple(self.graphs_), known)

    def _drawn(self, low: int, high: int, channels: int) -> NDArray[np.int64]:
        """Origins low … high - 1, or as many of them as `samples` allows, ascending."""
        count = max(FEWEST_WINDOWS, self.samples // (self.horizon * channels))
        if high - low <= count:
            return np.arange(low, high)
        return np.sort(np.random.default_rng(self.seed).choice(np.arange(low, high), count, replace=False))


def _recent(view: Lags, origins: NDArray[np.int64], steps: int) -> Floats:
    """(m, steps × c) the latest readings; for ridge a missing one counts as the last reading known, or where
    there is none as the channel's mean."""
    here = [view.step(origins - p) for p in range(steps)]
    base = np.nan_to_num(view.last(origins))
    return np.concatenate([np.where(np.isnan(one), base, one) for one in here], axis=1)


def _series(values: NDArray[Any], steps: int | None = None) -> Floats:
    series = np.asarray(check_matrix(values, "series"), np.float64)
    if steps is not None and len(series) != steps:
        raise ShapeError(f"expected one line per step, {steps}, got {len(series)}", where="known")
    if np.isinf(series).any():
        raise DataError("holds infinity", where="series", hint="A missing reading is NaN.")
    return series


def _graph(graph: NDArray[Any], channels: int) -> Floats:
    weights = np.array(check_matrix(graph, "graph", channels), np.float64)
    if len(weights) != channels or not np.isfinite(weights).all() or (weights < 0).any():
        raise ShapeError(f"expected weights ({channels}, {channels}), none below zero", where="graph")
    np.fill_diagonal(weights, 0.0)
    return weights


def _rms(errors: Floats, axes: tuple[int, ...]) -> Floats:
    return np.asarray(np.sqrt(np.nanmean(np.square(errors), axis=axes)), np.float64)


def _pooled(found: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(found))))


def _quantile(sizes: Floats, coverage: float) -> Floats:
    """(horizon, c) the size that `coverage` of n + 1 errors stay below; the largest where n is small."""
    level = np.minimum(1.0, np.ceil((len(sizes) + 1) * coverage) / len(sizes))
    return np.asarray(np.nanquantile(sizes, level, axis=0, method="higher"), np.float64)
