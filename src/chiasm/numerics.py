"""Small linear algebra: row blocks, unit rows, whitening by Cholesky, leading singular and eigen pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Matrix = NDArray[np.floating[Any]]
TINY, LARGE = 1e-30, 1e30
"""Squared lengths between these are exact enough in single precision."""
TILE = 1 << 23
"""Numbers of a block: 32 MB of float32."""


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Consecutive slices of `rows` rows so that each block holds about `TILE` numbers."""
    step = max(1, TILE // max(1, width))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def unit_rows(values: Matrix) -> NDArray[np.float32]:
    """Rows (n, k) at unit length, whatever their size; a zero row stays zero and a NaN row NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", values, values)
    odd = np.flatnonzero(~((squares > TINY) & (squares < LARGE)))
    norms = np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        units = np.divide(values, norms, dtype=np.float32)
    if len(odd):
        rows = values[odd]
        peaks = np.abs(rows).max(axis=1, initial=0, keepdims=True)
        rows = rows / np.where(peaks > 0, peaks, 1)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        units[odd] = np.divide(rows, np.where(norms > 0, norms, 1), dtype=np.float32)
    return units


def softmax(scores: Matrix) -> tuple[Matrix, Matrix]:
    """Probabilities (n, q) of scores, and the logarithm (n,) of the sum of their exponentials.

    In plain NumPy: inside an optimiser SciPy's own, which know every kind of array, take most of the time.
    """
    top = scores.max(axis=1, keepdims=True)
    shares = np.exp(scores - top)
    sums = shares.sum(axis=1, keepdims=True)
    return shares / sums, (np.log(sums) + top)[:, 0]


def ridged(covariance: Matrix, ridge: float) -> Matrix:
    """C + ridge · trace(C) · I: a ridge in units of the features' total variance, so one value fits any
    width and size.
    """
    variance = float(np.trace(covariance))
    scale = variance if variance > 0 else 1.0
    out = covariance.copy()
    out.flat[:: len(covariance) + 1] += ridge * scale
    return out


def cholesky(covariance: Matrix, ridge: float) -> Matrix:
    """The lower Cholesky factor of the ridged covariance; singular matrices get the ridge they need."""
    while True:
        try:
            return np.asarray(linalg.cholesky(ridged(covariance, ridge), lower=True, check_finite=False))
        except linalg.LinAlgError:
            ridge = max(10 * ridge, 1e-9)


def ridge_solution(covariance: Matrix, cross: Matrix, ridge: float) -> Matrix:
    """(C + ridge · trace(C) · I)⁻¹ B of C (d, d) and B (d, k); a singular C gets the ridge it needs."""
    return np.asarray(linalg.cho_solve((cholesky(covariance, ridge), True), cross, check_finite=False))


def whitened(cross: Matrix, left: Matrix, right: Matrix) -> Matrix:
    """L⁻¹ C R⁻ᵀ for lower factors L (a, a), R (b, b) and C (a, b)."""
    half = linalg.blas.dtrsm(1.0, left, cross, lower=1)
    return np.asarray(linalg.blas.dtrsm(1.0, right, half, side=1, lower=1, trans_a=1))


def leading_eigen(symmetric: Matrix, count: int) -> tuple[Matrix, Matrix]:
    """The `count` largest eigenvalues (count,), descending, with their vectors (n, count)."""
    size = len(symmetric)
    values, vectors = linalg.eigh(
        symmetric, subset_by_index=(size - count, size - 1), driver="evr", check_finite=False
    )
    return values[::-1], vectors[:, ::-1]


def leading_singular(matrix: Matrix, count: int) -> tuple[Matrix, Matrix, Matrix]:
    """U (a, count), s (count,), V (b, count) of the largest singular values.

    Through the Gram matrix of the shorter side: several times faster than a full decomposition. Values below
    some 1e-8 of the largest are rounding, and their vectors on the longer side are not of unit length.
    """
    if matrix.shape[0] < matrix.shape[1]:
        right, values, left = leading_singular(matrix.T, count)
        return left, values, right
    squares, right = leading_eigen(matrix.T @ matrix, count)
    values = np.sqrt(np.clip(squares, 0, None))
    left = (matrix @ right) / np.where(values > 0, values, 1)
    return left, values, right


def fix_signs(vectors: Matrix) -> NDArray[np.float64]:
    """Per column (n, k) the sign, ±1, that makes its largest entry positive: results then repeat exactly."""
    peak = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[peak, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
