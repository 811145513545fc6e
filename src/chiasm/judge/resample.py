"""The paired bootstrap: rows drawn with replacement, whole groups at a time, for all statistics alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.judge.estimate import NOTHING, Estimate

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
DRAWS, FEWEST = 500, 100
HELD = 1 << 26
"""Counts held at most, in bytes, before fewer draws are made; 500 draws of 130,000 rows."""
TILE = 1 << 21
"""Weights handed to a statistic at a time, in numbers."""


@dataclass(frozen=True, eq=False)
class Resample:
    """How often each draw holds each row. A statistic of two columns of scores gets the same draws for both,
    so their difference is paired.

    counts : (draws, n).  group : (n,) what is drawn whole, numbered from 0.
    """

    counts: NDArray[np.uint8]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, n: int, groups: Sequence[Any] | None = None, seed: int = 0) -> Resample:
        """Draws of n rows; rows of one group are drawn together, one without a group (None) alone."""
        keys = range(n) if groups is None else [i if g is None else repr(g) for i, g in enumerate(groups)]
        place: dict[Any, int] = {}
        group = np.array([place.setdefault(key, len(place)) for key in keys], np.int64)
        rng = np.random.default_rng(seed)
        draws = int(np.clip(HELD // max(n, 1), FEWEST, DRAWS))
        counts = np.empty((draws, n), np.uint8)
        for line in counts:
            drawn = np.bincount(rng.integers(len(place), size=len(place)), minlength=len(place))
            line[:] = np.minimum(drawn, 255)[group]
        return cls(counts, group)

    @property
    def units(self) -> int:
        """Groups, or rows without one, that are drawn from."""
        return len(np.unique(self.group))

    def estimate(self, statistic: Statistic, rows: NDArray[Any]) -> Estimate:
        """The value of a statistic, weights (b, r) of the given rows to (b,), with its 95 % interval; of rows
        of one group there is none (NaN), since draws of one thing do not differ."""
        counts = self.counts[:, rows]
        value = float(statistic(np.ones((1, counts.shape[1])))[0])
        if len(np.unique(self.group[rows])) < 2:
            return replace(NOTHING, value=value)
        step = max(1, TILE // max(1, counts.shape[1]))
        tiles = [statistic(counts[i : i + step].astype(float)) for i in range(0, len(counts), step)]
        drawn = np.concatenate(tiles)
        drawn = drawn[np.isfinite(drawn)]
        if not len(drawn) or not np.isfinite(value):
            return replace(NOTHING, value=value)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return Estimate(value, float(low), float(high))
