"""A question to the space: query cells, likes and dislikes become one vector, every hit has its shares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import DataError, UsageError, did_you_mean
from chiasm.index import Gallery
from chiasm.model.space import Space
from chiasm.rows.readers import read
from chiasm.rows.schema import Column, Schema

WORDS = ("text", "category")
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


def check_searchable(space: Space) -> None:
    """Raise UsageError where a model has no space to search in."""
    if not space.columns:
        raise UsageError(
            "this model only predicts: it has no space to search in",
            hint="A space needs two columns of text, media, series or vectors, or encoders for others.",
        )


def asked(space: Space, schema: Schema, query: Mapping[str, Any]) -> list[Part]:
    """The parts of a query {column: value}."""
    for column in query:
        if column not in space.columns:
            hint = _filter(schema[column], query[column]) if column in schema else ""
            raise UsageError(
                f"column {column!r} is not in the space", hint=hint or did_you_mean(column, space.columns)
            )
    if not query:
        return []
    features = space.features(read([dict(query)], schema=schema))
    vectors = space.project(features)
    parts = []
    for column in query:
        f, where = vectors[column], f"query {column}={query[column]!s:.200}"
        if f.broken:
            raise DataError(f.broken[0].why, where=where)
        if len(f.row) and schema[column].modality in WORDS and not features[column].values.any():
            raise DataError("it holds no word or category that the model has learned", where=where)
        if len(f.row):
            mean = f.values.mean(axis=0)
            vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
            parts.append(Part(column, space.fusion.weight(column), vector, {column: 1.0}))
    return parts


def _filter(column: Column, value: Any) -> str:
    """How a column that is not in the space is asked for."""
    name = column.name if column.name.isidentifier() else f"col[{column.name!r}]"
    compared = value if column.modality == "number" else json.dumps(str(value), ensure_ascii=False)
    if column.modality not in ("category", "name", "number", "date"):
        return ""
    return f"It is a filter: where='{name} == {compared}' (--where '{name} == {compared}')."


def rows_like(
    space: Space, galleries: Mapping[str, Gallery], places: Sequence[tuple[str | int, int]], weight: float
) -> list[Part]:
    """Parts that ask to be near to indexed rows (id, place), or away from them by a negative weight."""
    verb = "like" if weight > 0 else "unlike"
    parts = []
    for name, place in places:
        fused = space.fuse(galleries, place)
        if np.isnan(fused).any():
            raise DataError(f"row {name!r} has nothing in the space", hint="Its cells are absent or broken.")
        columns = [c for c, g in galleries.items() if (g.row == place).any()]
        parts.append(Part(f"{verb} {name}", weight, fused, {c: 1 / len(columns) for c in columns}))
    return parts
