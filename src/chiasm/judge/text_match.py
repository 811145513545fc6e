"""Which cells of one column say the same, told without any label from the closeness of all of them.

Wordings differ, so it is read off the cosines in the space, where wording has little weight. Those of texts
that say the same lie apart, and are parted from the others where two normal distributions fit best (minimum
error thresholding, Kittler & Illingworth 1986).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.errors import ShapeError
from chiasm.numerics import blocks, unit_rows

SAMPLED = 1_000
"""Texts of each side, at most, by whose cosines the threshold is found."""
SHARPNESS, CUTS = 3, 500


@dataclass(frozen=True, eq=False)
class TextMatch:
    """Which answers' texts say the same as which queries': a boolean matrix (q, g), made by row slices.

    query, answer : (q, k), (g, k) their texts, evened out, unit vectors, NaN where there is none.
    threshold : the cosine from which two say the same, infinite where none can be told to.
    """

    query: NDArray[np.float32]
    answer: NDArray[np.float32]
    threshold: float

    @classmethod
    def of(cls, query: Features, answer: Features, via: Features, seed: int = 0) -> TextMatch:
        """Of items of two columns; `via` are those of the column seen with both, in the space."""
        if not query.n == answer.n == via.n:
            raise ShapeError(
                f"expected features of the same rows, got {query.n}, {answer.n} and {via.n}", where="bridge"
            )
        rng = np.random.default_rng(seed)
        rows = [np.unique(side.row[via.present[side.row]]) for side in (query, answer)]
        left, right = (_evened(via, some) for some in rows)
        cosines = left[rng.permutation(rows[0])[:SAMPLED]] @ right[rng.permutation(rows[1])[:SAMPLED]].T
        return cls(left[query.row], right[answer.row], mixture_threshold(cosines))

    @property
    def shape(self) -> tuple[int, int]:
        """(q, g)."""
        return len(self.query), len(self.answer)

    def __getitem__(self, rows: slice) -> NDArray[np.bool_]:
        """The given rows (t, g); false where a text is absent."""
        return np.asarray(self.query[rows] @ self.answer.T >= self.threshold)


def _evened(via: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, k) the texts of these rows, each the mean of all of them by their closeness; the others are NaN.

    One step of mean shift (Fukunaga & Hostetler 1975): what is left of the wordings averages out.
    """
    texts = unit_rows(via.dense())
    known, out = texts[rows], np.full_like(texts, np.nan)
    for part in blocks(len(known), len(known)):
        closeness = np.maximum(known[part] @ known.T, 0) ** SHARPNESS
        out[rows[part]] = closeness @ known
    return unit_rows(out)


def mixture_threshold(values: NDArray[Any]) -> float:
    """Where the upper of two normal distributions begins that the values are a mixture of.

    Of all cuts with at most half of the values above, the one with the least Σ_j p_j log(σ_j² / p_j²),
    Kittler & Illingworth's criterion; infinite where none is better than one distribution for all.
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if len(ordered) < 4 or not ordered.var() > 1e-12:
        return math.inf
    below = np.unique(np.linspace(len(ordered) // 2, len(ordered) - 2, CUTS).astype(np.int64))
    powers = np.stack([ordered, ordered**2]).cumsum(axis=1)
    lower = powers[:, below - 1]
    cost = np.zeros(len(below))
    for count, (first, second) in ((below, lower), (len(ordered) - below, powers[:, -1:] - lower)):
        share, variance = count / len(ordered), second / count - (first / count) ** 2
        cost += share * (np.log(np.maximum(variance, 1e-12)) - 2 * np.log(share))
    best = int(cost.argmin())
    if not cost[best] < np.log(ordered.var()):
        return math.inf
    return float(ordered[below[best] - 1 : below[best] + 1].mean())


def neighbour_agreement(items: Features, texts: NDArray[np.float32], threshold: float) -> float:
    """How often two items of two rows, nearest to each other, have texts that say the same; NaN without any.

    texts : (items, k) unit vectors, NaN where there is none.
    """
    known = np.flatnonzero(~np.isnan(texts).any(axis=1))
    vectors, rows = items.values[known], items.row[known]
    nearest = np.empty(len(known), np.int64)
    for part in blocks(len(known), len(known)):
        cosines = vectors[part] @ vectors.T
        cosines[rows[part][:, None] == rows] = -np.inf
        nearest[part] = cosines.argmax(axis=1)
    mutual = np.flatnonzero((nearest[nearest] == np.arange(len(known))) & (rows[nearest] != rows))
    one, other = (texts[known[some]] for some in (mutual, nearest[mutual]))
    return metrics.nan_mean(((one * other).sum(axis=1) >= threshold).astype(float))
