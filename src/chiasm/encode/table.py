"""Tables: categories as indicator vectors, numbers by their distance from the mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix
from chiasm.encode.encoder import Descriptions, Encoder, check_cells


class OneHot(Encoder):
    """One column for each category of the training rows; a category not seen there gives a zero row."""

    modality: ClassVar[str] = "category"
    cached: ClassVar[bool] = False

    def describe(self, cells: Sequence[Any]) -> list[str]:
        """The categories as words."""
        return [str(cell) for cell in cells]

    def fit(self, described: Descriptions) -> Self:
        """Learn the categories, in sorted order."""
        check_cells(described, self)
        self.forget()
        self.categories_ = sorted(set(described))
        self.width_ = len(self.categories_)
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, categories) a single 1 a row, none for a category not seen in training."""
        self.require_fitted("categories_")
        place = {name: index for index, name in enumerate(self.categories_)}
        found = np.array([place.get(name, -1) for name in described], np.int64)
        return np.asarray(found[:, None] == np.arange(self.width_), np.float32)


class Standard(Encoder):
    """Numbers as standard deviations from the mean of the training rows; zero where those do not vary."""

    modality: ClassVar[str] = "number"
    cached: ClassVar[bool] = False

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """The numbers as a column (n, 1)."""
        return np.asarray(cells, np.float32).reshape(len(cells), 1)

    def fit(self, described: Descriptions) -> Self:
        """Learn mean and standard deviation."""
        check_cells(described, self)
        self.forget()
        values = check_matrix(described, "Standard", 1)
        spread = values.std(dtype=np.float64)
        self.centre_ = float(values.mean(dtype=np.float64))
        self.scale_ = float(1 / spread) if spread > 0 else 0.0
        self.width_ = 1
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, 1)."""
        self.require_fitted("scale_")
        values = check_matrix(described, "Standard", 1)
        return np.asarray((values - self.centre_) * self.scale_, np.float32)
