"""Any function as an encoder, and when its results may be kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chiasm import plugins, read
from chiasm.encode.cache import Cache
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column, encode_column
from chiasm.errors import EncoderError
from chiasm.rows.rows import Rows

TEXTS = ["a dog barks", "rain", None, "two cats sleep"]


def lengths(cells: list[str]) -> list[list[int]]:
    return [[len(cell), cell.count(" ")] for cell in cells]


def scaled(cells: list[str], by: float) -> np.ndarray:
    return by * np.array(lengths(cells))


class Loaded:
    """A model as people have it: one class, other weights."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, cells: list[str]) -> np.ndarray:
        return scaled(cells, self.by)

    def encode(self, cells: list[str]) -> np.ndarray:
        return scaled(cells, self.by)


def closure(by: float) -> Any:
    def encode(cells: list[str]) -> np.ndarray:
        return scaled(cells, by)

    return encode


@pytest.fixture
def rows() -> Rows:
    return read({"words": TEXTS}, modalities={"words": "text"})


def test_a_function_is_an_encoder(rows: Rows) -> None:
    encoder = plugins.encoder(lengths, "text")
    described = describe_column(rows, "words", encoder)
    found = described.features(encoder.fit(described.values))
    assert found.values.tolist() == [[11, 2], [4, 0], [14, 2]]
    assert found.row.tolist() == [0, 1, 3]
    assert encode_column(rows[[3]], "words", encoder).values.tolist() == [[14, 2]]


@pytest.mark.parametrize(
    "make",
    [
        Loaded,
        closure,
        lambda by: Loaded(by).encode,
        lambda by: partial(scaled, by=by),
        lambda by: lambda cells: scaled(cells, by),
    ],
    ids=["object", "closure", "method", "partial", "lambda"],
)
def test_two_models_behind_one_source_never_share_vectors(make: Any, rows: Rows, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for by in (1.0, 2.0):
        found = describe_column(rows, "words", Function(make(by), "text"), cache=cache).values
        np.testing.assert_array_equal(found, scaled(["a dog barks", "rain", "two cats sleep"], by))
    assert cache.size() == 0
    assert Function(make(1.0), "text", name="model 1").cached


def test_a_function_is_kept_under_a_name_alone(rows: Rows, tmp_path: Path) -> None:
    """What a function reads beside its arguments, such as a global model, cannot be known."""
    cache = Cache(tmp_path)
    describe_column(rows, "words", Function(lengths, "text"), cache=cache)
    assert cache.size() == 0
    describe_column(rows, "words", Function(lengths, "text", "lengths"), cache=cache)
    assert cache.size() > 0
    assert Function(lengths, "text", "x").identity() != Function(lengths, "sound", "x").identity()
    assert Function(lengths, "text", "x").identity() != Function(lengths, "text", "y").identity()


def test_one_name_for_two_widths_is_found_out(rows: Rows, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    describe_column(rows[:1], "words", Function(lengths, "text", name="same"), cache=cache)
    wider = Function(lambda cells: np.ones((len(cells), 5)), "text", name="same")
    for _ in range(2):
        with pytest.raises(EncoderError, match=r"different widths \[2, 5\].*chiasm cache --clear"):
            describe_column(rows, "words", wider, cache=cache)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda cells: np.ones((len(cells) - 1, 2)), r"expected \(3, d\), got \(2, 2\)"),
        (lambda cells: np.ones(len(cells)), r"expected \(3, d\), got \(3,\)"),
        (lambda cells: [[1.0]] * 2 + [[1.0, 2.0]], r"expected \(n, d\) numbers"),
        (lambda cells: [["one"]] * 3, r"expected \(3, d\) numbers"),
        (lambda cells: np.full((len(cells), 2), np.inf), "NaN or infinity"),
        (lambda cells: np.full((len(cells), 2), 1e300), "NaN or infinity"),
    ],
)
def test_a_wrong_answer_is_named(answer: Any, says: str, rows: Rows) -> None:
    with pytest.raises(EncoderError, match=f"Function.*{says}"):
        describe_column(rows, "words", Function(answer, "text"))


class Short(Encoder):
    """Descriptions that are words, one too few."""

    modality = "text"
    cached = False

    def describe(self, cells: Any) -> list[str]:
        return list(cells)[1:]


def test_a_list_that_is_too_short_is_named(rows: Rows) -> None:
    with pytest.raises(EncoderError, match="Short, column 'words': expected 3 descriptions, got 2"):
        describe_column(rows, "words", Short())


def test_a_function_may_change_the_width_of_vectors() -> None:
    rows = read({"v": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], None]})
    encoder = Function(lambda cells: np.asarray(cells)[:, :2], "vector")
    encoder.fit(describe_column(rows, "v", encoder).values)
    found = encode_column(rows, "v", encoder)
    assert found.values.tolist() == [[1, 2], [4, 5]]
    assert not found.broken
