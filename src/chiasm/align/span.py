"""Wide columns of few rows: the same solution in the coordinates of what the rows span, many times faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.align.aligner import Aligner
from chiasm.align.moments import Moments
from chiasm.encode.features import Features

Axes = dict[str, NDArray[Any]]


def spans(aligner: Aligner, moments: Moments, rows: Mapping[str, Features]) -> Axes:
    """{column: (d, r) orthonormal} coordinates of what the rows of `moments` span, if `rows` are all of
    them and some column has fewer than features; else nothing. Ridge solutions lie there (Schölkopf et al.
    2001)."""
    whole = all(c in rows and len(rows[c].means) == moments.pairs(c, c) for c in moments.columns)
    if not whole or "ridge" not in aligner.tunable or aligner.from_rows:
        return {}
    wide = [c for c in moments.columns if len(rows[c].values) < moments.width(c)]
    return {c: np.linalg.qr(rows[c].values.T.astype(np.float64))[0].astype(np.float32) for c in wide}


def turned(table: Mapping[str, Features], axes: Axes) -> dict[str, Features]:
    """Features in these coordinates."""
    return {c: f.with_values(f.values @ axes[c]) if c in axes else f for c, f in table.items()}


def fit_spanned(
    aligner: Aligner,
    moments: Moments,
    rows: Mapping[str, Features],
    y: Any = None,
    valid: Mapping[str, Features] | None = None,
) -> Aligner:
    """`aligner.fit_rows(moments, rows, y, valid)`, solved where the rows span."""
    axes = spans(aligner, moments, rows)
    if not axes:
        return aligner.fit_rows(moments, rows, y, valid)
    small = clone(aligner)
    few = turned(rows, axes)
    small.fit_rows(Moments.of(few, moments.precision), few)
    state = small.state()
    maps = {c: axes[c] @ w if c in axes else w for c, w in state["maps_"].items()}
    means = {c: moments.center(c).astype(np.float32) for c in maps}
    return aligner.restore({**state, "maps_": maps, "means_": means})
