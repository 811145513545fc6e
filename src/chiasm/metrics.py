"""Measures of retrieval: ranks, recall, average precision, chance, bootstrap intervals.

Equal scores get the value expected over every order of the tied items, so that constant scores measure as
chance and never as success (McSherry & Najork 2008, Computing information retrieval performance measures
efficiently in the presence of tied scores). A query without any relevant item has no rank: its value is NaN,
and means leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix, check_range
from chiasm.errors import ShapeError
from chiasm.numerics import blocks

Values = NDArray[np.float64]


class Relevant(Protocol):
    """Who is relevant to whom: a boolean matrix (q, g), dense or sparse, or what slices into one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one pass over the scores of q queries tells of each of them.

    first : (q,) rank of the best relevant item, counted from 1.
    precision : (q,) average precision over the full ranking.
    positives : (q,) relevant items; where it is 0 the others are NaN.
    """

    first: Values
    precision: Values
    positives: NDArray[np.int64]


def rank_tiles(tiles: Iterable[NDArray[Any]], relevant: Relevant) -> Ranking:
    """Rank q queries against g items, the scores coming as consecutive blocks of rows (t, g)."""
    queries, items = relevant.shape
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, items + 1))])
    first, precision = np.full(queries, np.nan), np.full(queries, np.nan)
    positives = np.zeros(queries, np.int64)
    start = 0
    for tile in tiles:
        stop = start + len(tile)
        ordered = _ordered(tile, items, stop, queries)
        for query, wanted in enumerate(_positions(relevant[start:stop]), start):
            positives[query] = len(wanted)
            if len(wanted):
                ties = _ties(ordered[query - start], tile[query - start][wanted])
                first[query], precision[query] = _first(*ties), _precision(*ties, harmonic)
        start = stop
    if start != queries:
        raise ShapeError(f"expected scores of {queries} queries, got {start}", where="scores")
    return Ranking(first, precision, positives)


def tiles_of(scores: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The blocks of rows of a score matrix (q, g) that is in memory already."""
    check_matrix(scores, "scores")
    for rows in blocks(*scores.shape):
        yield scores[rows]


def first_ranks(scores: NDArray[Any], relevant: Relevant) -> Values:
    """(q,) rank of the best relevant item, from 1; NaN where no item is relevant.

    The rank is 1 + the irrelevant items that score higher + the expected number, among those that tie with
    the best relevant item, that come before it.
    """
    return rank_tiles(tiles_of(scores), relevant).first


def average_precision(scores: NDArray[Any], relevant: Relevant) -> Values:
    """(q,) non-interpolated average precision over the full ranking; NaN where no item is relevant."""
    return rank_tiles(tiles_of(scores), relevant).precision


def mean_average_precision(scores: NDArray[Any], relevant: Relevant) -> float:
    """The mean of `average_precision` over the queries that have a relevant item; NaN if none has."""
    return nan_mean(average_precision(scores, relevant))


def precision_at(scores: NDArray[Any], relevant: Relevant, k: int) -> Values:
    """(q,) expected share of relevant items among the first k; NaN where no item is relevant."""
    check_range(k, "k", 1, relevant.shape[1])
    out = np.full(len(scores), np.nan)
    for query, wanted in enumerate(_positions(relevant[0 : len(scores)])):
        if len(wanted):
            better, tied, hits = _ties(np.sort(scores[query]), scores[query][wanted])
            out[query] = (hits * np.clip((k - better) / tied, 0, 1)).sum() / k
    return out


def recall_at(ranks: Values, k: int) -> float:
    """R@k: the share of queries with a relevant item among the first k; NaN ranks are left out."""
    return nan_mean(hits_at(ranks, k))


def hits_at(ranks: Values, k: int) -> Values:
    """(q,) 1 where a relevant item is among the first k, 0 where not, NaN where the rank is NaN."""
    return np.where(np.isnan(ranks), np.nan, ranks <= k)


def mean_reciprocal_rank(ranks: Values) -> float:
    """The mean of 1 / rank, of ranks as `first_ranks` counts them; NaN ranks are left out."""
    return nan_mean(1.0 / ranks)


def median_rank(ranks: Values) -> float:
    """The median of the ranks that are not NaN; NaN if all are."""
    known = ranks[~np.isnan(ranks)]
    return float(np.median(known)) if len(known) else float("nan")


def nan_mean(values: Values) -> float:
    """The mean of the values that are not NaN; NaN if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def chance_recall(positives_per_query: NDArray[np.int64], gallery_size: int, k: int) -> float:
    """R@k of a random order: the mean of 1 − C(g − p, k) / C(g, k) over queries with p > 0 relevant of g."""
    positives, queries = np.unique(positives_per_query[positives_per_query > 0], return_counts=True)
    if not len(positives):
        return float("nan")
    drawn = np.arange(min(k, gallery_size))
    # (p, k): the chance that each further draw misses too
    misses = np.clip(gallery_size - positives[:, None] - drawn, 0, None) / (gallery_size - drawn)
    return float(np.average(1.0 - misses.prod(axis=1), weights=queries))


def chance_average_precision(positives_per_query: NDArray[np.int64], gallery_size: int) -> float:
    """Mean average precision of a random order: the mean over queries with p > 0 relevant of g items.

    A relevant item at place i has before it (i − 1)(p − 1)/(g − 1) others on average, so the expectation is
    Σ (1 + (i − 1)(p − 1)/(g − 1)) / (i g) over the places, which is (H + (p − 1)(g − H)/(g − 1)) / g with
    H = Σ 1/i.
    """
    positives = positives_per_query[positives_per_query > 0].astype(np.float64)
    if not len(positives):
        return float("nan")
    harmonic = float((1.0 / np.arange(1, gallery_size + 1)).sum())
    others = (positives - 1) / max(gallery_size - 1, 1)
    return float(((harmonic + others * (gallery_size - harmonic)) / gallery_size).mean())


def bootstrap_interval(
    per_query_values: Values,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
) -> tuple[float, float]:
    """Percentile interval of the mean of the values that are not NaN.

    groups : (q,) values of one group are drawn together (the five captions of a photo are not independent).
    NaNs where fewer than two groups, or values, are there: one tells nothing of how much others differ.
    """
    check_range(level, "level", 0.0, 1.0)
    check_range(draws, "draws", 1)
    known = ~np.isnan(per_query_values)
    values = per_query_values[known]
    _, group = np.unique(np.arange(len(values)) if groups is None else groups[known], return_inverse=True)
    sums, sizes = np.bincount(group, values), np.bincount(group)
    if len(sums) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    picks = (rng.integers(len(sums), size=len(sums)) for _ in range(draws))
    means = [sums[drawn].sum() / sizes[drawn].sum() for drawn in picks]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ordered(tile: NDArray[Any], items: int, stop: int, queries: int) -> NDArray[Any]:
    """The scores of a block of queries (t, g), each row ascending."""
    if tile.ndim != 2 or tile.shape[1] != items or stop > queries:
        raise ShapeError(
            f"expected ({queries}, {items}), got {tile.shape} up to query {stop}", where="scores"
        )
    ordered = np.sort(tile, axis=1)
    # NaN sorts last, where it would pass for the best score
    if items and np.isnan(ordered[:, -1]).any():
        raise ShapeError("scores hold NaN", where="scores", hint="An absent item belongs in no gallery.")
    return ordered


def _positions(relevant: Any) -> Iterator[NDArray[np.int64]]:
    """For each row of a boolean matrix, dense or sparse, the columns that are True."""
    if isinstance(relevant, np.ndarray):
        yield from (np.flatnonzero(row) for row in relevant)
        return
    rows = relevant.tocsr()
    rows.eliminate_zeros()
    for start, stop in zip(rows.indptr, rows.indptr[1:], strict=False):
        yield rows.indices[start:stop]


def _ties(ordered: NDArray[Any], wanted: NDArray[Any]) -> tuple[Values, Values, Values]:
    """For each score of a relevant item, best first: items above it, items at it, relevant items at it."""
    levels, hits = np.unique(wanted, return_counts=True)
    above = np.searchsorted(ordered, levels, "right")
    tied = above - np.searchsorted(ordered, levels, "left")
    return (len(ordered) - above)[::-1].astype(float), tied[::-1].astype(float), hits[::-1].astype(float)


def _first(better: Values, tied: Values, hits: Values) -> float:
    """Expected rank of the first relevant item when ties come in random order."""
    return float(1 + better[0] + (tied[0] - hits[0]) / (hits[0] + 1))


def _precision(better: Values, tied: Values, hits: Values, harmonic: Values) -> float:
    """Expected average precision when ties come in random order.

    At place i of n tied items, r of them relevant, behind N items with R relevant ones, the expected
    precision of a relevant item is (R + 1 + (i − 1)(r − 1)/(n − 1)) / (N + i), and one stands there with
    chance r/n. The sum over i needs only H = Σ 1/(N + i), a difference of two harmonic numbers.
    """
    before = np.cumsum(hits) - hits
    above = better.astype(np.int64)
    h = harmonic[above + tied.astype(np.int64)] - harmonic[above]
    among = (hits - 1) / np.maximum(tied - 1, 1) * (tied - (better + 1) * h)
    return float((hits / tied * ((before + 1) * h + among)).sum() / hits.sum())
