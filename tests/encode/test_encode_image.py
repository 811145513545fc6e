"""Gradients: any image has a finite line of its own, and a linear classifier can read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from chiasm.encode.image import WIDTHS, Gradients
from chiasm.errors import DataError, NotFitted, ShapeError, UsageError
from chiasm.rows.media import decode_image
from chiasm.storage import read_tree, write_tree


def noise(count: int, height: int = 20, width: int = 30) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


def blocks(image: np.ndarray) -> list[np.ndarray]:
    return np.split(Gradients().describe([image])[0], np.cumsum(WIDTHS)[:-1])


def flat(*colour: int, side: int = 32) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (side, side, 3)).copy()


def test_a_flat_image_has_colour_and_no_shape() -> None:
    fine, coarse, colour, grey, counts = blocks(flat(255, 0, 0))
    assert not fine.any()
    assert not coarse.any()
    np.testing.assert_array_equal(colour.reshape(-1, 3), np.broadcast_to([1, 0, 0], (64, 3)))
    np.testing.assert_allclose(grey, 76 / 255)  # the luma of pure red
    assert counts[3 * 16] == counts.sum() == 1  # red 3 of 0 … 3, green 0, blue 0


def test_gradients_tell_vertical_from_horizontal() -> None:
    stripes = flat(0, 0, 0, side=64)
    stripes[:, ::8] = stripes[:, 1::8] = 255
    upright, lying = (
        blocks(image)[1].reshape(-1, 9).sum(axis=0) for image in (stripes, stripes.swapaxes(0, 1))
    )
    assert upright.argmax() != lying.argmax()
    assert upright.max() > 0.9 * upright.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (8, 8), (28, 28), (224, 224), (1200, 900)])
def test_every_size_has_one_width(shape: tuple[int, int]) -> None:
    described = Gradients().describe(noise(1, *shape))
    assert described.shape == (1, sum(WIDTHS))
    assert described.dtype == np.float32
    assert np.isfinite(described).all()


def test_one_row_and_equal_rows_can_be_fitted() -> None:
    for images in (noise(1), [flat(9, 9, 9)] * 3):
        encoder = Gradients()
        described = encoder.describe(images)
        assert encoder.fit(described).transform(described).tolist() == [[0.0]] * len(images)


def test_every_block_weighs_the_same() -> None:
    encoder = Gradients(dim=10_000)
    described = encoder.describe(noise(12))
    values = encoder.fit(described).transform(described)
    assert values.shape == (12, 11)  # twelve points span eleven dimensions
    assert values.var(axis=0).sum() == pytest.approx(len(WIDTHS), rel=1e-3)
    assert (np.diff(values.var(axis=0)) <= 1e-5).all()


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    encoder = Gradients(dim=4)
    described = encoder.describe(noise(9))
    values = encoder.fit(described).transform(described)
    write_tree(tmp_path, "image", encoder.state())
    assert (Gradients(dim=4).restore(read_tree(tmp_path, "image")).transform(described) == values).all()
    assert (Gradients(dim=4).fit(described).transform(described) == values).all()


def test_identity_is_that_of_the_description() -> None:
    assert Gradients().identity() == Gradients(dim=3).identity() != Gradients(size=32).identity()


def test_wrong_use_is_named() -> None:
    empty = Gradients().describe([])
    assert empty.shape == (0, sum(WIDTHS))
    with pytest.raises(DataError, match="no cell"):
        Gradients().fit(empty)
    with pytest.raises(NotFitted, match="Gradients"):
        Gradients().transform(empty)
    with pytest.raises(ShapeError, match="expected"):
        Gradients().fit(np.zeros((2, 3), np.float32))
    with pytest.raises(UsageError, match="size"):
        Gradients(size=4).describe(noise(1))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_a_line_depends_on_its_image_alone(height: int, width: int, shade: int) -> None:
    image = np.full((height, width, 3), shade, np.uint8)
    image[0, 0] = 255 - shade
    alone, among = Gradients().describe([image]), Gradients().describe([*noise(2), image])
    np.testing.assert_array_equal(alone[0], among[2])
    assert np.isfinite(alone).all()


def linear_accuracy(train: list[np.ndarray], test: list[np.ndarray], y_train: list, y_test: list) -> float:
    encoder = Gradients()
    described = encoder.describe(train)
    classifier = LogisticRegression(max_iter=300).fit(encoder.fit(described).transform(described), y_train)
    return classifier.score(encoder.transform(encoder.describe(test)), y_test)


def test_handwritten_digits_of_8_pixels_are_told_apart() -> None:
    pixels, y = load_digits(return_X_y=True)
    grey = (pixels.reshape(-1, 8, 8, 1) * 15.9).astype(np.uint8)[:900]
    images = list(np.repeat(grey, 3, axis=3))
    assert linear_accuracy(images[:600], images[600:], y[:600], y[600:900]) > 0.95


def test_clothes_are_told_apart(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "fashion_mnist/fashion_mnist.parquet", columns=["label", "image"])
    cells = table.take(np.random.default_rng(0).permutation(len(table))[:2000]).to_pylist()
    images = [decode_image(cell["image"]) for cell in cells]
    y = [cell["label"] for cell in cells]
    assert linear_accuracy(images[:1500], images[1500:], y[:1500], y[1500:]) > 0.80
