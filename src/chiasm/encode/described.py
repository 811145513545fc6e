"""What is known of a column before its encoder is fitted: descriptions of its items, and what is broken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.encoder import Descriptions, Encoder
from chiasm.encode.features import Features
from chiasm.errors import Broken, EncoderError


@dataclass(frozen=True, eq=False)
class Described:
    """The descriptions of one column before its encoder is fitted: fields as in `Features`.

    values : (items, d0) or a list of items.
    """

    values: Descriptions
    row: NDArray[np.int64]
    item: NDArray[np.int64]
    n: int
    broken: tuple[Broken, ...]
    key: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Described:
        """The given rows, which must ascend, renumbered from 0."""
        place = np.full(self.n, -1, np.int64)
        place[rows] = np.arange(len(rows))
        keep = np.flatnonzero(place[self.row] >= 0)
        values = self.values[keep] if isinstance(self.values, np.ndarray) else [self.values[i] for i in keep]
        broken = tuple(replace(b, row=int(place[b.row])) for b in self.broken if place[b.row] >= 0)
        return Described(values, place[self.row[keep]], self.item[keep], len(rows), broken, self.key[keep])

    def features(self, encoder: Encoder) -> Features:
        """The features of these items by a fitted encoder."""
        if not len(self.row):
            return Features(np.zeros((0, 0), np.float32), self.row, self.item, self.n, self.broken, self.key)
        values = checked(encoder.transform(self.values), len(self.row), encoder, "transform")
        return Features(values, self.row, self.item, self.n, self.broken, self.key)

    def beside(self, other: Described) -> Described:
        """Pairs of descriptions of the same cells; what is broken for either is."""
        places = {place: i for i, place in enumerate(other._places())}
        both = [(i, places[place]) for i, place in enumerate(self._places()) if place in places]
        values = [(self.values[i], other.values[j]) for i, j in both]
        keep = np.array([i for i, _ in both], np.int64)
        broken = {(one.row, one.item): one for one in (*other.broken, *self.broken)}
        ordered = tuple(broken[place] for place in sorted(broken))
        return Described(values, self.row[keep], self.item[keep], self.n, ordered, self.key[keep])

    def _places(self) -> list[tuple[int, int]]:
        return list(zip(self.row.tolist(), self.item.tolist(), strict=True))


def checked(values: Any, count: int, encoder: Encoder, where: str) -> NDArray[np.float32]:
    """An encoder's answer as finite (count, d) float32; EncoderError where it is none."""
    name = f"{type(encoder).__name__}, {where}"
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(values, np.float32)
    except (ValueError, TypeError) as error:
        raise EncoderError(f"expected ({count}, d) numbers: {error}", where=name) from error
    if array.ndim != 2 or len(array) != count:
        raise EncoderError(f"expected ({count}, d), got {array.shape}", where=name)
    if not np.isfinite(array).all():
        raise EncoderError("it gave NaN or infinity", where=name)
    return array
