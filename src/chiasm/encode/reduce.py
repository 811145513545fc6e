"""Block-weighted principal components: what hand-made descriptions of images and sounds are reduced by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix, check_range
from chiasm.encode.encoder import Descriptions
from chiasm.numerics import fix_signs, leading_singular

_CONSTANT = 1e-12  # variance of a block that never varies but for rounding
_NEGLIGIBLE = 1e-3  # singular values below this share of the first are rounding, as they come from squares


def block_pca(
    described: Descriptions, widths: Sequence[int], dim: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (d0,) and projection (d0, k), k <= dim, of rows (n, d0) made of blocks of columns of `widths`.

    Every block gets the same total variance, so that a long one does not dominate a short one; blocks of
    width 1 are standardised. k is the number of directions in which the rows vary, at least 1. n >= 1.
    """
    check_range(dim, "dim", 1)
    values = check_matrix(described, "described", sum(widths))
    mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = np.asarray(values - mean, np.float32)
    scale = block_scale(centred, widths)
    centred *= scale
    count = min(dim, *centred.shape)
    _, strength, axes = leading_singular(centred, count)
    kept = max(int((strength > _NEGLIGIBLE * max(strength[0], 1)).sum()), 1)
    axes = axes[:, :kept] * fix_signs(axes[:, :kept])
    return mean, np.ascontiguousarray(scale[:, None] * axes, np.float32)


def block_scale(centred: NDArray[np.float32], widths: Sequence[int]) -> NDArray[np.float32]:
    """(d0,) what each column of centred rows (n, d0) is multiplied by; 0 for a block that never varies."""
    variance = np.square(centred).mean(axis=0, dtype=np.float64)
    totals = np.add.reduceat(variance, np.r_[0, np.cumsum(widths)[:-1]])
    scale = np.where(totals > _CONSTANT, 1 / np.sqrt(np.maximum(totals, _CONSTANT)), 0)
    return np.repeat(scale, widths).astype(np.float32)


def project(
    described: Descriptions, mean: NDArray[np.float32], projection: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Rows (n, d0) in the reduced coordinates (n, k)."""
    values = check_matrix(described, "described", len(mean))
    return np.asarray((values - mean) @ projection, np.float32)
