"""Pairs against strangers: the odds of either, how many rows score as strangers do, how likely each is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from chiasm.array_types import Ints
from chiasm.judge.estimate import Estimate

Floats = NDArray[Any]

MOST, DOUBTFUL = 0.5, 0.1
"""Where more rows than `MOST` score like strangers, or more pairs than `DOUBTFUL` like their better half, the
columns tell too little of each other to say which rows are mispaired."""


def odds(own: Floats, strange: Floats, keep: NDArray[np.bool_], folds: Ints) -> tuple[Floats, Floats]:
    """Log odds (r,) of rows and (s,) of strangers, being pairs rather than strangers, as other folds taught.

    own : (r, e) evidence of the rows' own pairs, of which `keep` (r,) are learned from;  strange : (s, e) of
    two strangers each;  folds : (r,) the fold of each row.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    parts = int(folds.max()) + 1
    others = np.arange(len(strange)) % parts
    scores, null = np.empty(len(own)), np.empty(len(strange))
    for f in range(parts):
        pairs, strangers = own[keep & (folds != f)], strange[others != f]
        X, y = np.vstack([pairs, strangers]), np.repeat([1, 0], [len(pairs), len(strangers)])
        scaler = StandardScaler().fit(X)
        judge = LogisticRegression(class_weight="balanced", max_iter=1000).fit(scaler.transform(X), y)
        scores[folds == f] = judge.decision_function(scaler.transform(own[folds == f]))
        null[others == f] = judge.decision_function(scaler.transform(strange[others == f]))
    return scores, null


def chances(scores: Floats, null: Floats, share: float) -> Floats:
    """(r,) that a row is mispaired: their share times how dense strangers are at its score, over how dense
    rows are there, a ratio that falls with the score (the local false discovery rate, Efron et al. 2001)."""
    from sklearn.isotonic import IsotonicRegression

    weights = np.repeat([1 / len(scores), 1 / len(null)], [len(scores), len(null)])
    ratio = IsotonicRegression(y_min=1e-9, y_max=1.0).fit(
        np.r_[scores, null], np.repeat([1.0, 0.0], [len(scores), len(null)]), weights
    )
    rows = ratio.predict(scores)
    return np.asarray(np.minimum(share * (1 - rows) / rows, 1.0))


def count(scores: Floats, null: Floats) -> Estimate:
    """How many rows score as strangers do: twice those below the strangers' median (Storey 2002). The
    interval is exact for a Poisson count."""
    below = int((scores < np.median(null)).sum())
    low = float(stats.chi2.ppf(0.025, 2 * below)) if below else 0.0
    return Estimate(2.0 * below, low, float(stats.chi2.ppf(0.975, 2 * below + 2)))


def reliable(scores: Floats, null: Floats, share: float) -> bool:
    """Whether pairs are unlike strangers: few score among the better half of them, mispaired ones aside."""
    low, high = np.quantile(null, [0.5, 0.9])
    # ties with the best strangers are doubtful: evidence that is always the same tells nothing
    doubtful = ((scores >= low) & (scores <= high)).mean() - 0.4 * share
    return bool(share <= MOST and doubtful <= DOUBTFUL)
