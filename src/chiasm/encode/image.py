"""Images without a download: histograms of oriented gradients, thumbnails and colours, reduced by PCA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.array_types import Floats32
from chiasm.checks import check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells, digest
from chiasm.encode.reduce import block_pca, project

Pixels = NDArray[np.uint8]

ORIENTATIONS = 9
CELLS = (8, 4)  # cells along one side, fine and coarse
LEVELS = 4  # of each colour in the histogram
COLOUR, GREY = 8, 16  # sides of the thumbnails


class Gradients(Encoder):
    """Shape by gradients (HOG; Dalal and Triggs 2005) at two scales, layout by thumbnails, colour by counts.

    size : side in pixels to which every image is squashed; a multiple of 8 uses all of it.
    dim : largest width of the features; fewer where the training images have less variance.
    """

    modality: ClassVar[str] = "image"

    mean_: Floats32
    projection_: Floats32

    def __init__(self, size: int = 64, dim: int = 256) -> None:
        self.size = size
        self.dim = dim

    def identity(self) -> str:
        """All that a description depends on, which `dim` is not."""
        return digest(self.kind, self.version, self.size)

    def describe(self, cells: Sequence[Pixels]) -> Floats32:
        """(n, d0) of RGB pixels (h, w, 3) of any size, each described by itself."""
        check_range(self.size, "size", 2 * max(CELLS))
        out = np.empty((len(cells), sum(WIDTHS)), np.float32)
        for line, pixels in zip(out, cells, strict=True):
            np.concatenate(_blocks(pixels, self.size), out=line)
        return out

    def fit(self, described: Descriptions) -> Self:
        """Learn the weights of the blocks and the principal components from descriptions (n, d0)."""
        check_cells(described, self)
        self.forget()
        self.mean_, self.projection_ = block_pca(described, WIDTHS, self.dim)
        self.width_ = self.projection_.shape[1]
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, k) of descriptions (n, d0)."""
        self.require_fitted("projection_")
        return project(described, self.mean_, self.projection_)


def _hog_width(cells: int) -> int:
    return (cells - 1) ** 2 * 4 * ORIENTATIONS


WIDTHS = (*map(_hog_width, CELLS), 3 * COLOUR**2, GREY**2, LEVELS**3)


def _blocks(pixels: Pixels, size: int) -> list[Floats32]:
    """One image's blocks, of `WIDTHS`."""
    image = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
    grey = image.convert("L")
    shade = np.asarray(grey, np.float32) / np.float32(255)
    shapes = [_hog(shade, cells) for cells in CELLS]
    return [*shapes, _thumbnail(image, COLOUR), _thumbnail(grey, GREY), _colours(image)]


def _hog(shade: Floats32, cells: int) -> Floats32:
    """Gradient histograms of a grey image (s, s), normalised over overlapping blocks of 2 x 2 cells."""
    from skimage.feature import hog

    side = len(shade) // cells
    used = shade[: side * cells, : side * cells]
    found = hog(used, orientations=ORIENTATIONS, pixels_per_cell=(side, side), cells_per_block=(2, 2))
    return np.asarray(found, np.float32)


def _thumbnail(image: Image.Image, side: int) -> Floats32:
    small = image.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() / np.float32(255)


def _colours(image: Image.Image) -> Floats32:
    """(64,) root of the share of the pixels in each of 4 x 4 x 4 colours, so that rare ones count too."""
    levels = np.asarray(image, np.int64) * LEVELS // 256
    bins = levels @ np.array([LEVELS**2, LEVELS, 1])
    share = np.bincount(bins.ravel(), minlength=LEVELS**3) / bins.size
    return np.asarray(np.sqrt(share), np.float32)
