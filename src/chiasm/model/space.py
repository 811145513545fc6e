"""The space of a model: its encoders, its aligner, its hubness correction and its fusion, applied to rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import Aligner
from chiasm.align.hubness import Hubness
from chiasm.encode.cache import Cache
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import encode_column
from chiasm.encode.features import Features
from chiasm.fuse.mean import Mean
from chiasm.index import Gallery
from chiasm.numerics import unit_rows
from chiasm.rows.rows import Rows

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Space:
    """What turns rows into vectors of one space, column by column, and a row's vectors into one."""

    encoders: Mapping[str, Encoder]
    aligner: Aligner
    hubness: Hubness
    fusion: Mean

    @property
    def columns(self) -> list[str]:
        """The columns that are in the space, sorted."""
        return self.aligner.columns

    def features(
        self, rows: Rows, cache: Cache | None = None, progress: Progress | None = None
    ) -> dict[str, Features]:
        """φ: {column: features} of the space's columns; a missing column has no items."""
        return {
            column: encode_column(rows, column, self.encoders[column], cache=cache, progress=progress)
            for column in self.columns
            if column in rows.schema
        }

    def project(self, features: Mapping[str, Features]) -> dict[str, Features]:
        """W: {column: features} to {column: unit vectors (items, k)}."""
        return {c: f.with_values(self._projected(c, f)) for c, f in features.items()}

    def _projected(self, column: str, features: Features) -> NDArray[np.float32]:
        # a column without items was never encoded, so its width is not known
        values = features.values if len(features.row) else np.zeros((0, len(self.aligner.means_[column])))
        return self.aligner.project(column, values)

    def galleries(
        self, vectors: Mapping[str, Features], like: Mapping[str, Gallery] | None = None
    ) -> dict[str, Gallery]:
        """A gallery a column of projected vectors; `like` gives those whose scales of scores are kept."""
        out = {}
        for column, f in vectors.items():
            background = like[column].background if like and column in like else None
            losses = self.hubness.penalties(column, f.values)
            out[column] = Gallery.build(
                f.values, f.row, f.item, column=column, penalties=losses, background=background
            )
        return out

    def fuse(self, galleries: Mapping[str, Gallery], row: int) -> NDArray[np.float32]:
        """F: (k,) one vector of a row over the columns it has; NaN where it has none."""
        parts = {}
        for column, gallery in galleries.items():
            items = gallery.vectors[gallery.row == row]
            mean = items.mean(axis=0, keepdims=True) if len(items) else np.full((1, gallery.dim), np.nan)
            parts[column] = unit_rows(mean)
        return np.asarray(self.fusion.transform(parts)[0])
