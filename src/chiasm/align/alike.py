"""Which rows belong together though they are several: copies and near-copies, never to be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from chiasm.encode.features import Features
from chiasm.numerics import leading_singular, unit_rows

NEAR = 0.99
"""Cosine of features, less their mean, from which two items are near-copies."""
WIDE = 32
"""Narrower columns know exact copies only: among few directions what is merely alike is as near."""
AXES, SAMPLE, NEIGHBOURS = 16, 1_000, 8

Places = NDArray[np.int64]


def alike(columns: Mapping[str, Features]) -> Places:
    """(n,) ids of rows, equal where a chain of copies or near-copies links them in any column."""
    n = next(iter(columns.values())).n
    links = np.concatenate([_links(f) for _, f in sorted(columns.items())], axis=1)
    graph = sparse.coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(n, n))
    found: Places = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _links(features: Features) -> Places:
    """(2, links) rows with a copy, and with a near-copy, of the same item."""
    values = features.values + np.float32(0)  # of the two zeros one
    packed = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))[:, 0]
    _, first, place = np.unique(packed, return_index=True, return_inverse=True)
    copies = np.stack([features.row, features.row[first][place]])
    if features.width < WIDE or len(first) < 2:
        return copies
    near = near_copies(values[first])
    return np.concatenate([copies, features.row[first][near]], axis=1)


def near_copies(values: NDArray[Any]) -> Places:
    """(2, pairs) places among distinct vectors (n, d) whose cosine, less the mean, is `NEAR` or more.

    Found among the neighbours in few principal directions, in which distances are never longer; of more than
    `NEIGHBOURS` near-copies some are left to the chain.
    """
    units = unit_rows(values - values.mean(axis=0))
    sample = units[:: max(len(units) // SAMPLE, 1)]
    axes = leading_singular(sample.astype(np.float64), min(AXES, len(sample)))[2].astype(np.float32)
    radius = np.sqrt(2 - 2 * NEAR)
    few = units @ axes
    found = cKDTree(few).query(few, k=min(NEIGHBOURS + 1, len(few)), distance_upper_bound=radius)[1]
    left, order = np.nonzero((found < len(units)) & (found != np.arange(len(units))[:, None]))
    right = found[left, order]
    cosines = np.einsum("ij,ij->i", units[left], units[right])
    return np.stack([left, right])[:, cosines >= NEAR]
