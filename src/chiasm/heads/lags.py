"""What a forecast looks at: a channel's own past, its neighbours', the same hour of earlier seasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.errors import ShapeError

OWN_STEPS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)  # how far back changes are taken: dense at first
NEIGHBOUR_STEPS = (1, 3, 6)  # the same for neighbours
SEASONS = 6  # earlier seasons looked at
NEIGHBOURS = 8  # correlated channels, in the graph that is learned


@dataclass(frozen=True)
class Lags:
    """The features of channels at origins: what is known at step T, for the value at T + h.

    series : (t, c) in standard units, NaN where a reading is missing.
    past, season : in steps; season 0 where there is none.
    graphs : (c, c) weights of neighbours, each with a zero diagonal.
    known : (t + horizon, k) what is known of every step beforehand, or None.
    """

    series: Floats
    past: int
    season: int
    graphs: tuple[Floats, ...]
    known: Floats | None = None

    def __post_init__(self) -> None:
        if len(self.series) < self.past:
            raise ShapeError(f"expected {self.past} steps or more, got {len(self.series)}", where="history")

    def last(self, origins: NDArray[np.int64]) -> Floats:
        """(m, c) the last reading within `past` steps up to each origin; NaN where there is none."""
        out = self.series[origins].copy()
        for p in range(1, self.past):
            out = np.where(np.isnan(out), self.series[origins - p], out)
        return out

    def at(self, origins: NDArray[np.int64], h: int) -> NDArray[np.float32]:
        """(m, c, d) features for h steps after each origin, NaN where one is unknown; differences are
        from `last`, so that what is learned at one level holds at others."""
        base = self.last(origins)
        parts = [base, *self._own(origins, base), *self._near(origins, base)]
        if self.season:
            parts += self._seasonal(origins, h, base)
        if self.known is not None:
            parts += [np.broadcast_to(k[:, None], base.shape) for k in self.known[origins + h].T]
        return np.stack(parts, axis=-1).astype(np.float32)

    def _own(self, origins: NDArray[np.int64], base: Floats) -> list[Floats]:
        window = np.stack([self.series[origins - p] for p in range(self.past)])
        steps = sorted({p for p in OWN_STEPS if p < self.past} | {self.past - 1} - {0})
        middle = mean(window)
        spread = np.sqrt(mean((window - middle) ** 2))
        return [*(base - window[p] for p in steps), middle - base, spread]

    def _near(self, origins: NDArray[np.int64], base: Floats) -> list[Floats]:
        parts = []
        for graph in self.graphs:
            here = weighted(self.series[origins], graph)
            earlier = [weighted(self.series[origins - p], graph) for p in NEIGHBOUR_STEPS if p < self.past]
            parts += [here - base, *(here - one for one in earlier)]
        return parts

    def _seasonal(self, origins: NDArray[np.int64], h: int, base: Floats) -> list[Floats]:
        """Levels and changes at the target's place in earlier seasons, each the mean of three steps."""
        first = -(-(h + 1) // self.season)  # the three steps end at T or before
        backs = [self.season * k - h for k in range(first, first + SEASONS)]
        levels = np.stack([self._around(origins - back) for back in backs])
        changes = levels - np.stack([self._around(origins - back - h) for back in backs])
        low, high = np.fmin.reduce(levels), np.fmax.reduce(levels)
        return [levels[0] - base, mean(levels) - base, low - base, high - base, changes[0], mean(changes)]

    def _around(self, steps: NDArray[np.int64]) -> Floats:
        return mean(np.stack([self.step(steps + one) for one in (-1, 0, 1)]))

    def step(self, steps: NDArray[np.int64]) -> Floats:
        """(m, c) the readings of steps; NaN before the first."""
        return np.where((steps >= 0)[:, None], self.series[np.maximum(steps, 0)], np.nan)


def mean(stack: Floats) -> Floats:
    """The mean along the first axis of what is there; NaN where nothing is."""
    there = ~np.isnan(stack)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, stack, 0.0).sum(axis=0) / there.sum(axis=0), np.float64)


def weighted(values: Floats, graph: Floats) -> Floats:
    """(m, c) the weighted mean of each channel's neighbours that are there; NaN where none is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.where(there, values, 0.0) @ graph.T) / (there @ graph.T), np.float64)


def correlated(series: Floats) -> Floats:
    """(c, c) for each channel the `NEIGHBOURS` others whose changes correlate most with its own, weighted by
    the correlation; correlations of 0 or less count as none."""
    changes = np.diff(series, axis=0)
    there = ~np.isnan(changes)
    centred = np.where(there, changes - mean(changes), 0.0)
    both = there.T.astype(np.float64) @ there
    spread = np.sqrt(mean(centred**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.nan_to_num((centred.T @ centred) / both / np.outer(spread, spread), posinf=0.0, neginf=0.0)
    np.fill_diagonal(found, 0.0)
    cut = np.sort(found, axis=1)[:, -min(NEIGHBOURS, len(found))][:, None]
    return np.where((found >= cut) & (found > 0), found, 0.0)


def units(series: Floats, shared: bool) -> tuple[Floats, Floats]:
    """Centre and scale (c,) of the channels; a channel that never moves or was never read has scale 1."""
    flat = series.reshape(-1, 1) if shared else series
    centre = np.nan_to_num(mean(flat))
    spread = np.nan_to_num(np.sqrt(mean((flat - centre) ** 2)))
    ones = np.ones(series.shape[1])
    return centre * ones, np.where(spread > 0, spread, 1.0) * ones
