"""Copies and near-duplicates: sought fast among the rows of a training, and all of them for an audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from chiasm.encode.features import Features
from chiasm.numerics import blocks, leading_eigen, leading_singular, unit_rows

NEAR = 0.99
"""Cosine of features, less their mean, from which two items are near-duplicates. A photo compressed again or
at 60 % of its size is as near to itself (9 of 10, by the built-in encoder), a cropped one is not; strangers
in made sounds and digits reach 0.98."""
WIDE = 32
"""Narrower columns know exact copies only: among few directions what is merely alike is as near."""
AXES, SAMPLE, NEIGHBOURS = 16, 1_000, 8
MORE_AXES = 64
"""Leading directions in which all near-duplicates are looked for first."""

Places = NDArray[np.int64]
Vectors = NDArray[Any]


def near_duplicate_ids(columns: Mapping[str, Features]) -> Places:
    """(n,) ids of rows, equal where a chain of copies or near-duplicates links them in any column."""
    n = next(iter(columns.values())).n
    links = np.concatenate([_links(f) for _, f in sorted(columns.items())], axis=1)
    graph = sparse.coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(n, n))
    found: Places = connected_components(graph, directed=False)[1].astype(np.int64)
    return found


def _links(features: Features) -> Places:
    """(2, links) rows with a copy, and with a near-duplicate, of the same item."""
    values = features.values + np.float32(0)  # of the two zeros one
    packed = values.view(np.dtype((np.void, values.itemsize * values.shape[1])))[:, 0]
    _, first, place = np.unique(packed, return_index=True, return_inverse=True)
    copies = np.stack([features.row, features.row[first][place]])
    if features.width < WIDE or len(first) < 2:
        return copies
    near = near_duplicates(values[first])
    return np.concatenate([copies, features.row[first][near]], axis=1)


def near_duplicates(values: Vectors) -> Places:
    """(2, pairs) places among distinct vectors (n, d) whose cosine, less the mean, is `NEAR` or more.

    Found among the neighbours in few principal directions, in which distances are never longer; of more than
    `NEIGHBOURS` near-duplicates some are left to the chain.
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


def all_near_duplicates(values: Vectors, least: float = NEAR) -> tuple[Places, Places, Vectors]:
    """(p,), (p,) all pairs of vectors (n, d) whose cosine, less the mean, is `least` or more, the earlier
    first, and their cosines (p,). Time grows with n²; `near_duplicates` is for a training's many rows."""
    unit = unit_rows(values - values.mean(axis=0))
    few = np.asarray(unit @ _axes(unit), np.float32) if min(unit.shape) > 2 * MORE_AXES else unit
    found = [_near(unit, few, rows, least) for rows in blocks(len(few), len(few))]
    left, right, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
    return left, right, cosines


def _axes(unit: Vectors) -> Vectors:
    """(d, MORE_AXES) orthonormal leading directions of (n, d), by the products of its narrower side."""
    if len(unit) >= unit.shape[1]:
        return leading_eigen(unit.T @ unit, MORE_AXES)[1]
    return np.asarray(np.linalg.qr(unit.T @ leading_eigen(unit @ unit.T, MORE_AXES)[1])[0])


def _near(unit: Vectors, few: Vectors, rows: slice, least: float) -> tuple[Places, Places, Vectors]:
    """Pairs of the given rows with later ones: as near as that in the leading directions, where distances are
    never longer, then in all."""
    half = np.einsum("ij,ij->i", few, few) / 2
    # half the squared distance
    apart = half[rows, None] + half[rows.start :] - few[rows] @ few[rows.start :].T
    left, right = (found + rows.start for found in np.nonzero(apart <= 1 - least + 1e-5))
    left, right = left[left < right], right[left < right]
    cosines = [
        np.einsum("ij,ij->i", unit[left[some]], unit[right[some]])
        for some in blocks(len(left), unit.shape[1])
    ]
    near = np.concatenate([np.empty(0, np.float32), *cosines])
    return left[near >= least], right[near >= least], near[near >= least]
