"""Alignment without training: an item is described by its likeness to rows that have both columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.moments import Moments
from chiasm.checks import check_count, check_range
from chiasm.numerics import blocks, unit_rows

Vectors = NDArray[np.float32]


class Anchors(Aligner):
    """Similarities to paired training rows as coordinates: ASIF (arXiv 2210.01738), on relative
    representations (arXiv 2209.15430).

    Coordinate j of an item is its cosine to anchor row j *in the item's own column*, features less their
    mean. The `keep` highest stay, raised to `power`, at unit length. A photo and a text meet because the
    photo is like the photos, and the text like the texts, of the same rows. `keep=None, power=1` gives
    plain relative representations.

    With gaps: an anchor is a row with two columns or more, and a column that an anchor lacks has nothing
    there. So two columns are compared over the anchors that both have; what an item has at others is
    counted as unlike, and lowers all its similarities to that column.

    dim : anchors at most, the width of the space. The more the better, and the larger what is searched.
        Of more rows they are drawn so that every pair of columns gets its share.
    keep : similarities kept an item; None keeps all. It may be changed after `fit`, as `power` may.
    power : exponent of the similarities, which keep their sign: the higher, the more the nearest anchors
        count. Few rows want a low one (2 for hundreds, 4 for many thousands).
    seed : of the rows drawn.

    anchors_ : (k,) the rows of `fit` that are coordinates.
    maps_ : {column: (d, k)} their features, centred, at unit length; 0 where an anchor lacks the column.
    """

    tunable = adjustable = ("power",)

    def __init__(self, dim: int = 4096, keep: int | None = 200, power: float = 3.0, seed: int = 0) -> None:
        self.dim = dim
        self.keep = keep
        self.power = power
        self.seed = seed

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        check_count(self.dim, "dim")
        _check_settings(self.keep, self.power)
        self.anchors_ = drawn_anchors({c: f.present for c, f in X.items()}, self.dim, self.seed)
        self.maps_ = {}
        for column, cells in X.items():
            anchors = cells.take(self.anchors_)
            vectors = np.zeros((cells.width, len(self.anchors_)), np.float32)
            vectors[:, anchors.present] = unit_rows(anchors.means - self.means_[column]).T
            self.maps_[column] = vectors

    @property
    def space_width(self) -> int:
        """As many coordinates as anchors."""
        self.require_fitted("anchors_")
        return len(self.anchors_)

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column to sparse similarities (items, k), at unit length."""
        _check_settings(self.keep, self.power)
        relative = unit_rows(self.centred(name, values) @ self.maps_[name])
        for rows in blocks(*relative.shape):
            relative[rows] = sharpened(relative[rows], self.keep, self.power)
        return unit_rows(relative)


def sharpened(similarities: Vectors, keep: int | None, power: float) -> Vectors:
    """The `keep` highest of each row (t, k), and those that tie with the last of them, raised to `power`.

    Each row is first divided by its largest, lest high powers underflow: only its direction counts.
    """
    width = similarities.shape[1]
    if keep is not None and keep < width:
        least = np.partition(similarities, width - keep, axis=1)[:, width - keep, None]
        similarities = np.where(similarities >= least, similarities, np.float32(0))
    sizes = np.abs(similarities)
    largest = sizes.max(axis=1, keepdims=True)
    sizes /= np.where(largest > 0, largest, 1)
    return np.asarray(np.sign(similarities) * sizes ** np.float32(power))


def drawn_anchors(present: Mapping[str, NDArray[np.bool_]], most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` rows that have two columns or more, ascending; present : {column: (n,)}.

    Drawn without replacement, a row by the sum of 1 / (rows that have both) over the pairs it has, so that
    a rare pair gets as many anchors as a common one (Efraimidis & Spirakis 2006, weighted sampling).
    """
    weight = np.zeros(len(next(iter(present.values()))))
    for a, b in itertools.combinations(sorted(present), 2):
        both = present[a] & present[b]
        weight += both / max(int(both.sum()), 1)
    rows = np.flatnonzero(weight)
    keys = np.random.default_rng(seed).exponential(size=len(weight))[rows] / weight[rows]
    return np.sort(rows[np.argsort(keys, kind="stable")[:most]])


def _check_settings(keep: int | None, power: float) -> None:
    if keep is not None:
        check_count(keep, "keep")
    check_range(power, "power", 1e-3)
