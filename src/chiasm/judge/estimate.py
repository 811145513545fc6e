"""A measured value with what it could as well have been, made, printed and read back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chiasm import metrics

FEW = 30
"""With fewer rows, groups or queries than this an interval is called rough."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % bootstrap interval; NaN where nothing could be measured. The ends alone
    are NaN where draws could not differ, as of one group."""

    value: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether it has a value and an interval, so that a verdict can go by it."""
        return math.isfinite(self.value) and math.isfinite(self.low) and math.isfinite(self.high)

    @classmethod
    def of(cls, values: metrics.Values, groups: NDArray[Any], seed: int) -> Estimate:
        """The mean of values (q,) that are not NaN; those of one group are drawn together."""
        return cls(metrics.nan_mean(values), *metrics.bootstrap_interval(values, groups=groups, seed=seed))


NOTHING = Estimate(math.nan, math.nan, math.nan)
"""What could not be measured."""


def percent(share: float) -> str:
    """A share in print, without its sign."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"
