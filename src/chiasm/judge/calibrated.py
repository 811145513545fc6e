"""How far off calibrated probabilities would seem: what a finite sample makes of no error at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chiasm.judge.estimate import Estimate
from chiasm.measures import Values, bins_of

DRAWS, FEWEST = 500, 100
DRAWN = 1 << 26
"""Probabilities drawn for before there are fewer draws; 500 of 130,000 rows."""


def calibrated_error(p: Values, kind: str, groups: NDArray[np.int64], seed: int = 0) -> Estimate:
    """The calibration error of truths drawn from probabilities p (n, q): its mean, and where 95 % of it lie.

    Right as they are, it is above 0, for shares of few rows are off by chance; an error within is no evidence
    against them (consistency resampling, Bröcker & Smith 2007; of this error Vaicenavicius et al. 2019). A
    bootstrap of the error would add that noise once more.

    kind : of the target.  groups : (n,) from 0; rows of one share their luck, as alike as they can be.
    """
    # all that the error looks at is whether the likeliest class is right, of labels whether each is
    sure = np.maximum(p, 1 - p) if kind == "labels" else p.max(axis=1, keepdims=True)
    place, rng = bins_of(sure).ravel(), np.random.default_rng((seed, DRAWS))
    luck = (int(groups.max()) + 1, sure.shape[1])
    draws = int(np.clip(DRAWN // sure.size, FEWEST, DRAWS))
    gaps = (sure - (rng.random(luck)[groups] < sure) for _ in range(draws))
    found = [np.abs(np.bincount(place, gap.ravel())).sum() / gap.size for gap in gaps]
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(float(np.mean(found)), float(low), float(high))
