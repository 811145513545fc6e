"""Small linear algebra against numpy's full decompositions."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.numerics import cholesky, fix_signs, leading_eigen, leading_singular, ridged, unit_rows, whitened

RNG = np.random.default_rng(0)


def test_unit_rows_leave_zero_and_nan_as_they_are() -> None:
    found = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, np.nan]]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, 0], [np.nan, np.nan]], atol=1e-7)
    assert unit_rows(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e-18, 1e18, 1e37])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_unit_rows_are_those_of_any_multiple(size: float, kind: type) -> None:
    rows = np.array([[3.0, -4.0], [0.0, 0.0], [2.0, 0.0]])
    units = [[0.6, -0.8], [0, 0], [1, 0]]
    np.testing.assert_allclose(
        unit_rows((rows * size).astype(kind)), units, atol=1e-3 if size < 1e-38 else 1e-6
    )


def test_a_ridge_is_in_units_of_the_total_variance() -> None:
    x = RNG.standard_normal((50, 4))
    own = x.T @ x
    np.testing.assert_allclose(ridged(own, 0.1), own + 0.1 * np.trace(own) * np.eye(4))
    np.testing.assert_allclose(ridged(100 * own, 0.1), 100 * ridged(own, 0.1))
    np.testing.assert_allclose(ridged(1e-60 * own, 0.1), 1e-60 * ridged(own, 0.1))
    np.testing.assert_array_equal(ridged(np.zeros((2, 2)), 0.1), 0.1 * np.eye(2))
    np.testing.assert_array_equal(own, x.T @ x)


def test_cholesky_factors_and_gives_singular_matrices_what_they_need() -> None:
    x = RNG.standard_normal((50, 4))
    own = x.T @ x
    factor = cholesky(own, 0.1)
    np.testing.assert_allclose(factor @ factor.T, ridged(own, 0.1))
    doubled = np.hstack([x, x])
    factor = cholesky(doubled.T @ doubled, 0.0)
    np.testing.assert_allclose(factor @ factor.T, doubled.T @ doubled, rtol=1e-4, atol=1e-3)
    assert np.isfinite(cholesky(np.zeros((3, 3)), 0.0)).all()
    assert np.isfinite(cholesky(np.diag([1.0, -1e-12]), 0.0)).all()


def test_whitening_makes_covariances_the_identity() -> None:
    x = RNG.standard_normal((50, 4)) @ RNG.standard_normal((4, 4))
    factor = cholesky(x.T @ x, 0.0)
    np.testing.assert_allclose(whitened(x.T @ x, factor, factor), np.eye(4), atol=1e-10)
    other = np.linalg.cholesky(np.diag([1.0, 4.0]))
    cross = RNG.standard_normal((4, 2))
    expected = np.linalg.inv(factor) @ cross @ np.linalg.inv(other).T
    np.testing.assert_allclose(whitened(cross, factor, other), expected)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_leading_eigenpairs(count: int) -> None:
    x = RNG.standard_normal((6, 6))
    symmetric = x + x.T
    values, vectors = leading_eigen(symmetric, count)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(symmetric)[::-1][:count], atol=1e-10)
    np.testing.assert_allclose(symmetric @ vectors, values * vectors, atol=1e-10)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5)])
def test_leading_singular_triples(shape: tuple[int, int]) -> None:
    matrix = RNG.standard_normal(shape)
    left, values, right = leading_singular(matrix, 3)
    np.testing.assert_allclose(values, np.linalg.svd(matrix, compute_uv=False)[:3], atol=1e-10)
    np.testing.assert_allclose(left.T @ left, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(left.T @ matrix @ right, np.diag(values), atol=1e-8)


def test_singular_values_of_zero_give_zero_vectors() -> None:
    left, values, right = leading_singular(np.outer([1.0, 2, 3], [1.0, 1]), 2)
    np.testing.assert_allclose(values, [np.sqrt(28), 0], atol=1e-6)
    assert np.isfinite(left).all()
    np.testing.assert_allclose(right.T @ right, np.eye(2), atol=1e-10)


def test_signs_make_the_largest_entry_positive() -> None:
    vectors = np.array([[1.0, -3.0, 0.0], [-2.0, 1.0, 0.0]])
    np.testing.assert_array_equal(fix_signs(vectors), [-1, -1, 1])
    np.testing.assert_array_equal(fix_signs(-vectors), [1, 1, 1])
