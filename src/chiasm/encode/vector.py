"""Ready-made vectors: as they are, or square-rooted for activations and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from chiasm.encode.encoder import Descriptions, Encoder


class Vector(Encoder):
    """Ready vectors as they are."""

    modality: ClassVar[str] = "vector"
    cached: ClassVar[bool] = False

    @property
    def cell_width(self) -> int | None:
        """That of the vectors it was fitted on."""
        return getattr(self, "width_", None)

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """The vectors, one below the other (n, d)."""
        return np.asarray(cells, np.float32)


class Hellinger(Vector):
    """Signed square root, then unit length: for non-negative activations and histograms, whose few large
    entries would dominate every product (Arandjelović & Zisserman 2012). A zero vector stays zero.
    """

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, d) rows of unit length."""
        values = super().transform(described)
        return np.asarray(normalize(np.sign(values) * np.sqrt(np.abs(values))), np.float32)
