"""Why a row is predicted so: shares of columns, pieces of items, and what is worth collecting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.encode.features import Features
from chiasm.heads.estimator import labels_of
from chiasm.judge.collect import Worth, worth_collecting
from chiasm.judge.estimate import Estimate
from chiasm.judge.explain import Explanation, shares
from chiasm.judge.occlude import Part, occlude
from chiasm.judge.outcome import Outcome
from chiasm.measures import measures_for
from chiasm.model.predictor import Predictor, Seen
from chiasm.rows import media
from chiasm.rows.clean import cleaner
from chiasm.rows.rows import Rows

Masks = NDArray[np.bool_]
TRIED = 500
"""Indexed rows whose cells are tried."""
MOVED = 0.1
"""The part of its interval by which a number must move to be another decision."""


@dataclass(frozen=True, eq=False)
class Case:
    """One row before a predictor, which can be shown any of its columns, or other contents of one.

    vectors : {modality: (1, d)} of those that the row has;  cells : {group: its cell}.
    place : of the class whose probability is the score; None for numbers, whose mean is.
    """

    predictor: Predictor
    vectors: Mapping[str, NDArray[np.float32]]
    cells: Mapping[str, Mapping[str, Any]]
    place: int | None = None

    @classmethod
    def of(cls, predictor: Predictor, seen: Seen) -> Case:
        """The case of one row, seen by a predictor."""
        vectors = {m: f.means for m, f in predictor.looked_at(seen.features).items() if len(f.row)}
        cells = {m: seen.described[m].values[0] for m in vectors if m in predictor.inputs.groups}
        case = cls(predictor, vectors, cells)
        if predictor.task.is_number:
            return case
        return replace(case, place=predictor.place(case.raw(vectors))[0])

    @property
    def columns(self) -> list[str]:
        """The columns that the row has and the predictor looks at."""
        return sorted(c for m in self.vectors for c in self.cells.get(m, (m,)))

    def raw(
        self, vectors: Mapping[str, NDArray[np.float32]], shown: Mapping[str, Masks] | None = None
    ) -> Floats:
        """(s, q) calibrated scores of vectors (s, d) a modality; `shown` (s,) tells where one is there.

        A case of which nothing is shown has the scores of a row of which nothing is known.
        """
        there = shown or {m: np.ones(max(map(len, vectors.values())), bool) for m in vectors}
        n = len(next(iter(there.values())))
        features = {}
        for modality, values in vectors.items():
            rows = np.flatnonzero(there[modality])
            own = values[rows] if len(values) == n else np.repeat(values, len(rows), axis=0)
            features[modality] = Features(own, rows, np.zeros(len(rows), np.int64), n)
        scores = self.predictor.scores(features)
        nothing = ~np.any(list(there.values()), axis=0)
        scores[nothing] = self.predictor.fusion.base_
        return scores

    def read(self, scores: Floats) -> Floats:
        """(s,) the score that is explained: the probability of the class, or the number."""
        task = self.predictor.task
        if self.place is None:
            return np.asarray(task.numbers(scores).mean(axis=1), np.float64)
        return np.asarray(task.probabilities(scores)[:, self.place], np.float64)

    def value(self, masks: Masks) -> Floats:
        """(s,) scores when only the columns masked True, of `columns`, are shown."""
        place = {column: i for i, column in enumerate(self.columns)}
        vectors, shown = dict(self.vectors), {}
        for modality in self.vectors:
            if modality not in self.cells:
                shown[modality] = masks[:, place[modality]]
                continue
            own = sorted(self.cells[modality])
            part = masks[:, [place[column] for column in own]]  # (s, columns of the group)
            vectors[modality] = self._group(modality, own, part)
            shown[modality] = np.asarray(part.any(axis=1), bool)
        return self.read(self.raw(vectors, shown))

    def _group(self, modality: str, own: Sequence[str], part: Masks) -> NDArray[np.float32]:
        """(s, d) of a group of which some columns are shown."""
        kinds, where = np.unique(part, axis=0, return_inverse=True)
        cell = self.cells[modality]
        cells = [{c: cell[c] for c, on in zip(own, kind, strict=True) if on} for kind in kinds.tolist()]
        values = self.predictor.inputs.encoders[modality].transform(cells)
        return np.asarray(values[where.ravel()], np.float32)

    def changed(self, modality: str, values: NDArray[np.float32]) -> Floats:
        """(s, q) scores with other contents (s, d) of one modality, the others as they are."""
        return self.raw({**self.vectors, modality: values})


def explain(predictor: Predictor, rows: Rows, seen: Seen) -> Explanation:
    """The explanation of one row's prediction, with the pieces of its items."""
    said = predictor.predict_row(seen)
    case = Case.of(predictor, seen)
    groups = {m: sorted(cells) for m, cells in case.cells.items()}
    found = shares(case.value, case.columns, groups)
    whole = dict.fromkeys(predictor.inputs.columns, 0.0) | found.shares
    parts = {m: _parts(case, m, rows, seen) for m in case.vectors if m not in case.cells}
    parts = {m: some for m, some in parts.items() if some}
    scored = said.label, found.score, found.base, whole, parts, found.exact
    return Explanation(predictor.target, *scored, said.absent, said.broken)


def _parts(case: Case, column: str, rows: Rows, seen: Seen) -> list[Part]:
    """The pieces of the first item of a cell."""
    item = first_item(rows, column)
    if item is None:
        return []
    encoder = case.predictor.inputs.encoders[column]
    count = int(seen.features[column].counts[0])
    rest = case.vectors[column] * count - seen.features[column].values[:1]

    def score_of(values: list[Any]) -> Floats:
        own = encoder.transform(encoder.describe(values))
        return case.read(case.changed(column, np.asarray((own + rest) / count, np.float32)))

    return occlude(rows.schema[column].modality, item, score_of)


def first_item(rows: Rows, column: str) -> Any:
    """The first item of a row's cell, decoded and cleaned; None where it holds no media, text or series."""
    modality = rows.schema[column].modality
    if modality not in ("text", "image", "sound", "series", "video"):
        return None
    cell = next(rows.cells(column), None)
    if cell is None:
        return None
    return cleaner(modality, rows.schema[column].clean, column)(media.decode(modality, cell.value))


def tried(n: int) -> NDArray[np.int64]:
    """Places of at most `TRIED` of n indexed rows, whose cells are tried in a row that lacks them."""
    return np.unique(np.linspace(0, n - 1, min(n, TRIED)).astype(np.int64))


def worth(predictor: Predictor, seen: Seen, others: Seen, outcome: Outcome | None) -> list[Worth]:
    """The modalities that a row lacks, and what collecting each would do, tried with the cells of other rows.

    outcome : of the target, which says what modalities add.
    """
    said = predictor.predict_row(seen)
    case = Case.of(predictor, seen)
    lacking = [m for m in predictor.modalities if not len(seen.features[m].row)]
    theirs = {m: f for m, f in others.features.items() if m in case.vectors}
    whole = np.all([f.present for f in theirs.values()], axis=0)
    known = predictor.scores(theirs)
    known[~whole] = np.nan
    now = case.raw(case.vectors)
    score, width = float(case.read(now)[0]), 0.0
    if predictor.task.is_number:  # of a number a decision changes when it moves by a part of its interval
        width = float(np.mean([high - low for low, high in np.reshape(said.interval, (-1, 2))]))

    def alike(scores: Floats) -> Floats:
        return scores if predictor.task.is_number else predictor.task.probabilities(scores)

    def plugged(modality: str, places: NDArray[np.int64]) -> tuple[Sequence[Any], Floats]:
        scores = case.changed(modality, others.features[modality].take(places).means)
        if predictor.task.is_number:
            values = case.read(scores)
            return (np.abs(values - score) <= MOVED * width).tolist(), values
        return labels_of(predictor.task, scores), case.read(scores)

    task = predictor.task
    measures = measures_for(task.kind, task.outputs) if outcome is None else outcome.measures
    return worth_collecting(
        True if predictor.task.is_number else said.label,
        score,
        alike(now)[0],
        {m: others.features[m].present for m in lacking},
        alike(known),
        plugged,
        measures[0],
        {} if outcome is None else _gains(predictor, outcome, case),
    )


def _gains(predictor: Predictor, outcome: Outcome, case: Case) -> dict[str, Estimate]:
    """{modality: what it adds to the others, by the main measure, over all rows that have it and another}; of
    one used alone, the least that it gains over a modality that the row has instead."""
    if not predictor.alone:
        return {one.name: one.gain for one in outcome.added}
    instead = [one.gain for one in outcome.gains if one.name in case.vectors and one.gain.bounded]
    return {predictor.name: min(instead, key=lambda gain: gain.value)} if instead else {}
