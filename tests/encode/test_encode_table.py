"""Categories, numbers and ready vectors."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm import read
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.table import OneHot, Standard
from chiasm.encode.vector import Hellinger, Vector
from chiasm.errors import ShapeError


def test_categories_are_indicators_and_new_ones_zero() -> None:
    encoder = OneHot().fit(["dog", "cat", "dog"])
    assert encoder.categories_ == ["cat", "dog"]
    assert encoder.transform(["dog", "heron", "cat"]).tolist() == [[0, 1], [0, 0], [1, 0]]


def test_categories_of_a_table_are_read_as_words_not_as_files() -> None:
    rows = read({"kind": ["dog", None, "cat", "dog"] * 4}, modalities={"kind": "category"})
    described = describe_column(rows, "kind", OneHot())
    assert not described.broken
    assert described.values[:3] == ["dog", "cat", "dog"]
    found = encode_column(rows[:4], "kind", OneHot().fit(described.values))
    assert found.dense()[[0, 2, 3]].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert np.isnan(found.dense()[1]).all()


def test_numbers_are_standard_deviations_from_the_mean() -> None:
    values = np.array([[1e6 + 1], [1e6 + 2], [1e6 + 6]], np.float32)
    found = Standard().fit(values).transform(values)[:, 0]
    np.testing.assert_allclose(found, (values[:, 0] - values.mean()) / values.std(), atol=1e-5)
    assert not Standard().fit(np.full((3, 1), 7.0)).transform(np.array([[8.0]])).any()


def test_hellinger_is_the_signed_root_at_unit_length() -> None:
    values = np.array([[4, -9, 0], [0, 0, 0]], np.float32)
    found = Hellinger().fit(values).transform(values)
    np.testing.assert_allclose(found, [[2 / 13**0.5, -3 / 13**0.5, 0], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("kind", [Vector, Hellinger])
def test_new_vectors_of_another_width_are_broken(kind: type[Vector]) -> None:
    train = read({"v": [[1.0, 2.0, 3.0], [0.0, 1.0, 1.0]]})
    encoder = kind().fit(describe_column(train, "v", kind()).values)
    new = read({"v": [[1.0, 2.0], [1.0, 2.0, 3.0], [4.0, 5.0], None]})
    found = encode_column(new, "v", encoder)
    assert found.row.tolist() == [1]
    assert {b.row: b.why for b in found.broken} == {0: "width 2, expected 3", 2: "width 2, expected 3"}
    with pytest.raises(ShapeError, match=r"expected \(n, 3\), got \(1, 2\)"):
        encoder.transform(np.ones((1, 2)))
