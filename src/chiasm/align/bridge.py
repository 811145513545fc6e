"""Columns never seen together: what their correlation is, from the columns that were seen with both.

That no row has image and sound says nothing of their covariance: it is unknown, not zero. Given a bridge t, a
text that was seen with both, the least that can be assumed is that image and sound are independent beyond it:
Σ_is = Σ_it Σ_tt⁻¹ Σ_ts, the regression onto the text followed by the regression from it. Among all Gaussians
with the moments that are known it is the one of greatest entropy (Dempster 1972, Covariance selection). In
whitened coordinates, K = L⁻¹ Σ L⁻ᵀ with ridges and all, it is a product, K_is = K_it K_ts.

What image and sound share that the text does not tell is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from chiasm.align.moments import Moments
from chiasm.numerics import cholesky

Matrix = NDArray[Any]
Pair = tuple[str, str]


def seen(moments: Moments) -> set[Pair]:
    """The pairs of columns (a, b), a < b, whose covariance is known."""
    return {p for p in combinations(moments.columns, 2) if moments.known(*p)}


def support(moments: Moments, a: str, b: str) -> int:
    """The rows that tell of a and b: those that have both, or where they are too few for a covariance, those
    of the weakest link of the best path between them (a widest path; Floyd 1962)."""
    if moments.known(a, b):
        return moments.pairs(a, b)
    rows = {(c, d): moments.pairs(c, d) for c, d in permutations(moments.columns, 2)}
    for via in moments.columns:
        for c, d in rows:
            if via not in (c, d):
                rows[c, d] = max(rows[c, d], min(rows[c, via], rows[via, d]))
    return rows[a, b]


def bridges(columns: Collection[str], known: Collection[Pair]) -> dict[Pair, list[str]]:
    """{(a, b): the columns known with both} of the pairs a < b that are not `known` and have any."""
    order = sorted(columns)
    met = {frozenset(pair) for pair in known}
    found = {
        (a, b): [c for c in order if {frozenset((a, c)), frozenset((c, b))} <= met]
        for a, b in combinations(order, 2)
        if frozenset((a, b)) not in met
    }
    return {pair: via for pair, via in found.items() if via}


def completed(blocks: Mapping[Pair, Matrix], known: Collection[Pair]) -> dict[Pair, Matrix]:
    """Whitened cross-covariances {(a, b): (d_a, d_b)}, a < b, those of pairs not `known` filled in.

    Every round composes the pairs that are one bridge apart, so that image–text, text–sound and sound–series
    give image–sound first and image–series, over sound, next. Pairs that nothing joins stay as they are.
    """
    full, known = dict(blocks), set(known)
    columns = {c for pair in blocks for c in pair}
    while found := bridges(columns, known):
        full |= {pair: _composed(full, known, pair, via) for pair, via in found.items()}
        known |= set(found)
    return full


def _composed(blocks: Mapping[Pair, Matrix], known: set[Pair], pair: Pair, via: list[str]) -> Matrix:
    """K_aB K_BB⁻¹ K_Bb over all bridges B together, so that what two of them tell alike counts once."""

    def block(a: str, b: str) -> Matrix:
        return blocks[a, b] if a < b else blocks[b, a].T

    def between(c: str, d: str) -> Matrix:
        if c == d:
            return np.eye(len(block(c, pair[0])))
        met = (min(c, d), max(c, d)) in known
        return block(c, d) if met else np.zeros(block(c, d).shape)

    left, right = (np.vstack([block(c, one) for c in via]) for one in pair)
    if len(via) == 1:
        return np.asarray(left.T @ right)
    # gaps may leave more correlation than there can be: then the factor takes the ridge that it needs
    factor = cholesky(np.block([[between(c, d) for d in via] for c in via]), 0.0)
    return np.asarray(left.T @ linalg.cho_solve((factor, True), right))
