"""Features: what is absent has no line, lists keep their items, rows can be taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chiasm.encode.features import Features, as_features
from chiasm.errors import Broken, ShapeError

RNG = np.random.default_rng(0)


def listed(counts: list[int]) -> Features:
    """As many items a row as `counts` says; item j holds (j, its row)."""
    row = np.repeat(np.arange(len(counts)), counts)
    values = np.stack([np.arange(len(row)), row], axis=1).astype(np.float32)
    item = np.array([i for count in counts for i in range(count)], np.int64)
    broken = tuple(Broken(r, "x", 0, "", "torn") for r, count in enumerate(counts) if not count)
    return Features(values, row, item, len(counts), broken, 10 * np.arange(len(row)))


@given(mask=arrays(bool, 9))
def test_dense_is_the_inverse_of_features(mask: np.ndarray) -> None:
    values = RNG.standard_normal((9, 3)).astype(np.float32)
    values[~mask] = np.nan
    features = Features.of(values)
    np.testing.assert_array_equal(features.present, mask)
    np.testing.assert_array_equal(features.dense(), values)
    assert features.row.tolist() == np.flatnonzero(mask).tolist()
    assert as_features(features) is features
    np.testing.assert_array_equal(as_features(values).values, features.values)


def test_the_mask_alone_decides_where_it_is_given() -> None:
    values = np.array([[1, 2], [np.inf, np.nan], [0, 0]])
    features = Features.of(values, np.array([True, False, True]))
    assert features.values.tolist() == [[1, 2], [0, 0]]
    assert features.row.tolist() == [0, 2]


@settings(max_examples=40)
@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_means_are_those_of_each_rows_items(counts: list[int]) -> None:
    features = listed(counts)
    assert features.counts.tolist() == counts
    dense = features.dense()
    for row, count in enumerate(counts):
        own = features.values[features.row == row]
        expected = own.mean(axis=0) if count else np.full(2, np.nan)
        np.testing.assert_allclose(dense[row], expected, rtol=1e-6)
    assert len(features.means) == features.present.sum()


@settings(max_examples=40)
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_taken_rows_keep_their_items_in_the_order_asked(counts: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.permutations(range(len(counts))))[: data.draw(st.integers(0, len(counts)))]
    features = listed(counts)
    taken = features.take(wanted)
    assert taken.n == len(wanted)
    expected = [v.tolist() for row in wanted for v in features.values[features.row == row]]
    assert taken.values.tolist() == expected
    assert taken.counts.tolist() == [counts[row] for row in wanted]
    assert taken.key is not None
    assert taken.key.tolist() == [10 * int(v[0]) for v in taken.values]
    assert {b.row for b in taken.broken} == {i for i, row in enumerate(wanted) if not counts[row]}


def test_no_rows_at_all() -> None:
    features = Features.of(np.zeros((0, 4)))
    assert (features.n, features.width, len(features.means)) == (0, 4, 0)
    assert features.dense().shape == (0, 4)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([[1, 2], [np.nan, 1]]), "features, row 1: a row holds NaN or infinity beside numbers"),
        (np.array([[1, 2], [3, -np.inf]]), "features, row 1: a row holds NaN"),
        (np.array([[1e200, 2]]), "features, row 0: a number is too large for single precision"),
        (np.zeros(3), r"features: expected numbers \(n, d\), got float64 \(3,\)"),
        (np.array([["a"]]), "features: expected numbers"),
    ],
)
def test_half_a_row_is_refused(values: np.ndarray, says: str) -> None:
    with pytest.raises(ShapeError, match=says):
        Features.of(values)


def test_items_without_a_row_are_refused() -> None:
    with pytest.raises(ShapeError, match="as many rows and items"):
        Features(np.zeros((2, 3), np.float32), np.zeros(1, np.int64), np.zeros(2, np.int64), 1)
