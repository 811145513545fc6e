"""A question to the space: query cells, likes and dislikes become one vector, every hit has its shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import UsageError
from chiasm.index import Gallery

DISLIKE = -0.5  # Rocchio's balance: what is not wanted says less than what is


@dataclass(frozen=True)
class Hit:
    """One item that was found.

    row : the row's id, or its number where rows have none;  column, item : which of its cells and items.
    score : standard deviations above what items of that column score by chance, so that answers from
        different columns compare.
    shares : {part of the query: its share}, adding up to the score.
    """

    row: str
    column: str
    item: int
    score: float
    shares: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a question: a query column, or one liked or disliked row.

    label : a column, 'like ID' or 'unlike ID';  vector : (k,) unit;  mix : the columns it is made of.
    """

    label: str
    weight: float
    vector: NDArray[np.float32]
    mix: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Question:
    """Parts joined into one unit vector, and the mix of columns by which hubs are corrected."""

    parts: Sequence[Part]
    vector: NDArray[np.float32]
    mix: Mapping[str, float]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Question:
        """Join parts; UsageError where there are none or they cancel out."""
        if not parts:
            raise UsageError("nothing was asked", hint="Give COL=VALUE, or rows to be like.")
        total = np.sum([part.weight * part.vector for part in parts], axis=0)
        length = float(np.linalg.norm(total))
        if length < 1e-6:
            raise UsageError("the query holds nothing the model knows, or its parts cancel out")
        scaled = [Part(p.label, p.weight / length, p.vector, p.mix) for p in parts]
        mix: dict[str, float] = {}
        for part in scaled:
            for column, share in part.mix.items():
                mix[column] = mix.get(column, 0.0) + part.weight * share
        return cls(scaled, (total / length).astype(np.float32), mix)

    def ask(
        self, gallery: Gallery, ids: Sequence[str], k: int, allowed: NDArray[np.bool_] | None
    ) -> list[Hit]:
        """The k best items of one gallery, best first; `ids` name its rows."""
        query = self.vector[None]
        scores, found = gallery.search(query, k, self.mix, allowed)
        mean, deviation = (float(v[0]) for v in gallery.standardise(query, self.mix))
        terms = self._terms(gallery, found[0]) / deviation
        hits = []
        for i, place in enumerate(found[0]):
            z = (float(scores[0, i]) - mean) / deviation
            shares = self._shares(terms[:, i], z)
            row, item = int(gallery.row[place]), int(gallery.item[place])
            hits.append(Hit(ids[row], gallery.column, item, z, shares))
        return hits

    def _terms(self, gallery: Gallery, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """(parts, places) what each part adds to a score above the mean of the background.

        Score, hub penalties and mean are linear in the parts, so each part's term is exact.
        """
        centre = gallery.background.mean(axis=0) if len(gallery.background) else 0.0
        above = np.asarray(gallery.matrix[places], np.float64) - centre  # (places, dim + c)
        lines = [part.weight * gallery.extend(part.vector[None], part.mix)[0] for part in self.parts]
        return np.asarray(np.asarray(lines, np.float64) @ above.T)

    def _shares(self, terms: NDArray[np.float64], z: float) -> dict[str, float]:
        """{label: share}; what single precision leaves over is spread evenly, so that they add up to z."""
        left = (z - float(terms.sum())) / len(terms)
        shares: dict[str, float] = {}
        for part, term in zip(self.parts, terms, strict=True):
            shares[part.label] = shares.get(part.label, 0.0) + float(term) + left
        return shares
