"""Context: neighbours and the mean of the others, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.encode.features import Features
from chiasm.errors import ShapeError, UsageError
from chiasm.fuse.context import in_sequence

NAN = float("nan")
X = {"t": np.array([[1.0], [2.0], [4.0], [8.0], [NAN], [32.0]])}
GROUPS = ["u", "u", "u", "v", "v", "w"]


def dense(found: dict[str, Features], column: str) -> list[float]:
    return found[column].dense()[:, 0].tolist()


def test_neighbours_and_others() -> None:
    found = in_sequence(X, GROUPS)
    assert list(found) == ["t", "t[-1]", "t[+1]", "t[all]"]
    np.testing.assert_equal(dense(found, "t"), X["t"][:, 0].tolist())
    np.testing.assert_equal(dense(found, "t[-1]"), [NAN, 1, 2, NAN, 8, NAN])
    np.testing.assert_equal(dense(found, "t[+1]"), [2, 4, NAN, NAN, NAN, NAN])
    np.testing.assert_equal(dense(found, "t[all]"), [3, 2.5, 1.5, NAN, 8, NAN])


def test_order_says_what_stands_next() -> None:
    found = in_sequence(X, GROUPS, order=[2, 1, 0, 0, 1, 0], reach=2)
    np.testing.assert_equal(dense(found, "t[+1]"), [NAN, 1, 2, NAN, NAN, NAN])
    np.testing.assert_equal(dense(found, "t[-2]"), [4, NAN, NAN, NAN, NAN, NAN])
    np.testing.assert_equal(dense(found, "t[+2]"), [NAN, NAN, 1, NAN, NAN, NAN])


def test_rows_of_other_sequences_have_no_say() -> None:
    changed = {"t": X["t"] * np.array([[1], [1], [1], [5], [5], [5]])}
    one, other = in_sequence(X, GROUPS, reach=3), in_sequence(changed, GROUPS, reach=3)
    for column in one:
        np.testing.assert_array_equal(one[column].dense()[:3], other[column].dense()[:3])


def test_reach_beyond_the_rows_and_none_at_all() -> None:
    assert list(in_sequence(X, GROUPS, reach=0)) == ["t", "t[all]"]
    assert len(in_sequence(X, GROUPS, reach=9)["t[+9]"].row) == 0
    empty = in_sequence({"t": np.zeros((0, 2))}, [])
    assert all(f.n == 0 for f in empty.values())


def test_wrong_lengths_are_named() -> None:
    with pytest.raises(ShapeError, match="groups: expected one value per row, got 2"):
        in_sequence(X, ["u", "v"])
    with pytest.raises(ShapeError, match="order"):
        in_sequence(X, GROUPS, order=[1])
    with pytest.raises(UsageError, match="reach"):
        in_sequence(X, GROUPS, reach=-1)
