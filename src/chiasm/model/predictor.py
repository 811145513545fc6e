"""The predictor of one target: encoders, fusion, calibration and conformal sets, applied to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.encode.cache import Cache
from chiasm.encode.described import Described
from chiasm.encode.features import Features
from chiasm.errors import DataError
from chiasm.fuse.fusion import Fusion
from chiasm.heads.calibrate import Calibration
from chiasm.heads.conformal import Conformal
from chiasm.heads.estimator import labels_of
from chiasm.heads.patterns import pattern_names
from chiasm.heads.task import Task
from chiasm.model.inputs import Inputs, Progress
from chiasm.rows.rows import Rows

WIDEST = 10_000_000
"""Features wider than these are no features."""


@dataclass(frozen=True)
class Prediction:
    """What one row is said to be.

    label : a class, a list of labels, a number in the target's units, or a list of numbers; None where the
        row has nothing to go by: then `score` and `interval` are None, `labels` and `used` empty.
    score : the calibrated probability of the label (of several labels, of the likeliest); None for numbers.
    interval : (low, high) that holds the number at the stated coverage, of several numbers a pair each.
    labels : the conformal set: classes, or labels, that are left open at the stated coverage.
    abstained : whether that set does not single out one class.
    used, absent, broken : columns it went by, those that were not there, and those that could not be read.
    """

    target: str
    label: Any
    score: float | None
    interval: Any
    labels: tuple[Any, ...]
    abstained: bool
    used: tuple[str, ...]
    absent: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether the row had nothing to go by."""
        return not self.used

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


NOTHING = (None, None, None, (), True)
"""Label, score, interval, labels and abstention of a row that has nothing to go by."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Rows as a predictor sees them: described cells, and the features of its modalities."""

    rows: Rows
    described: Mapping[str, Described]
    features: Mapping[str, Features]


@dataclass(frozen=True, eq=False)
class Predictor:
    """Y = T(F(X)) of one target.

    name : of the fusion in use, or of the modality that is used alone.
    alone : whether one modality is used alone: the others are looked at only in rows that lack it.
    fusion : what predicts;  late : late fusion, whose heads are the single modalities.
    calibration : of what predicts;  singles : {modality: that of its scores alone}.
    """

    target: str
    task: Task
    inputs: Inputs
    name: str
    alone: bool
    fusion: Fusion
    late: Fusion
    calibration: Calibration
    singles: Mapping[str, Calibration]
    conformal: Conformal

    @property
    def modalities(self) -> list[str]:
        """The modalities it learned from."""
        return sorted(self.fusion.widths_)

    def looked_at(self, features: Mapping[str, Features]) -> dict[str, Features]:
        """What it goes by: everything; or, where one modality is used alone, that one, and everything else
        only in rows that lack it."""
        known = {m: f for m, f in features.items() if m in self.fusion.widths_}
        if not self.alone or self.name not in known:
            return known
        lacking = ~known[self.name].present
        return {m: f if m == self.name else kept(f, lacking) for m, f in known.items()}

    def see(self, rows: Rows, cache: Cache | None = None, progress: Progress | None = None) -> Seen:
        """φ of rows."""
        described = self.inputs.describe(rows, cache, progress)
        return Seen(rows, described, self.inputs.features(described))

    def scores(self, features: Mapping[str, Features], patterns: Sequence[str] | None = None) -> Floats:
        """(n, q) calibrated scores; NaN rows where there is nothing it looks at."""
        names = self.patterns(features) if patterns is None else patterns
        return self.calibration.transform(self.fusion.scores(self.looked_at(features)), names)

    def patterns(self, features: Mapping[str, Features]) -> list[str]:
        """(n,) the names of the modalities by which each row is predicted."""
        seen = self.looked_at(features)
        return pattern_names(
            {m: seen[m].present if m in seen else f.present & False for m, f in features.items()}
        )

    def alone_scores(self, features: Mapping[str, Features]) -> dict[str, Floats]:
        """{modality: (n, q) calibrated scores of that modality alone}."""
        found = {}
        for m, f in features.items():
            if m in self.singles and m in self.late.widths_:
                names = [m if here else "" for here in f.present.tolist()]
                found[m] = self.singles[m].transform(self.late.scores({m: f}), names)
        return found

    def predict(self, seen: Seen) -> list[Prediction]:
        """One prediction a row, an empty one where a row has nothing to go by."""
        names = self.patterns(seen.features)
        scores = self.scores(seen.features, names)
        known = np.flatnonzero(np.isfinite(scores).all(axis=1)).tolist()
        found = dict(zip(known, self._said(scores[known], [names[i] for i in known]), strict=True))
        said = [found.get(i, NOTHING) for i in range(len(scores))]
        return [
            Prediction(self.target, *one, *columns)
            for one, *columns in zip(said, *self._columns(seen), strict=True)
        ]

    def predict_row(self, seen: Seen) -> Prediction:
        """The prediction of one row; DataError where it has nothing to go by."""
        (said,) = self.predict(seen)
        if said.empty:
            why = f"broken: {', '.join(said.broken)}" if said.broken else "all absent"
            columns = ", ".join(c for m in self.modalities for c in self.inputs.columns_of(m))
            raise DataError(
                f"nothing to predict {self.target!r} from ({why})",
                where=f"row {seen.rows.ids[0]}",
                hint=f"A row needs one of: {columns}.",
            )
        return said

    def _said(self, scores: Floats, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Label, score, interval, labels and abstention of each row of scores."""
        if not len(scores):
            return []
        labels = labels_of(self.task, scores)
        sure = [None] * len(labels) if self.task.is_number else self.confidence(scores).tolist()
        abstained = self.conformal.abstains(scores, names).tolist()
        return list(zip(labels, sure, *self._open(scores, names), abstained, strict=True))

    def check(self) -> None:
        """Raise ValueError unless its parts fit each other, tried with a row of zeros: a folder may hold
        anything."""
        widths = {m: self.inputs.encoders[m].width_ for m in self.modalities}
        if widths != dict(self.fusion.widths_) or max(widths.values()) > WIDEST:
            raise ValueError("the widths of encoders and fusion differ")
        task, zeros = self.task, {m: Features.of(np.zeros((1, w), np.float32)) for m, w in widths.items()}
        distinct = len({repr(one) for one in task.classes}) == len(task.classes)
        if not distinct or not np.isfinite(task.centre).all() or not (np.array(task.scale) > 0).all():
            raise ValueError("the task is none")
        scores = self.scores(zeros)
        if scores.shape != (1, task.outputs) or not np.isfinite(scores).all():
            raise ValueError("its scores are not those of its target")
        self._open(scores, self.patterns(zeros))
        self.conformal.abstains(scores, self.patterns(zeros))
        self.alone_scores(zeros)

    def confidence(self, scores: Floats) -> Floats:
        """(n,) the probability of each row's label, of several labels that of the likeliest."""
        probability = self.task.probabilities(scores)
        return np.asarray(probability[np.arange(len(scores)), self.place(scores)], np.float64)

    def place(self, scores: Floats) -> list[int]:
        """The class whose probability is a row's score: its label, of several labels the likeliest."""
        if self.task.kind == "order":
            return [self.task.classes.index(label) for label in labels_of(self.task, scores)]
        return [int(i) for i in scores.argmax(axis=1)]

    def _open(self, scores: Floats, names: Sequence[str]) -> tuple[list[Any], list[tuple[Any, ...]]]:
        """Intervals of numbers, sets of classes or labels."""
        if not self.task.is_number:
            sets = self.conformal.sets(scores, names)
            return [None] * len(scores), [
                tuple(c for c, inside in zip(self.task.classes, row, strict=True) if inside) for row in sets
            ]
        pairs = [
            [(low, high) for low, high in row] for row in self.conformal.intervals(scores, names).tolist()
        ]
        intervals = [row[0] for row in pairs] if self.task.kind == "number" else pairs
        return intervals, [()] * len(scores)

    def _columns(self, seen: Seen) -> tuple[list[tuple[str, ...]], ...]:
        """Of each row the columns used, absent and broken."""
        n = len(seen.rows)
        used: list[list[str]] = [[] for _ in range(n)]
        absent: list[list[str]] = [[] for _ in range(n)]
        broken: list[list[str]] = [[] for _ in range(n)]
        lost = {(b.row, b.column) for d in seen.described.values() for b in d.broken}
        looked_at = {m: f.present for m, f in self.looked_at(seen.features).items()}
        for modality in sorted(seen.features):
            there = self._there(seen, modality)
            going_by = looked_at.get(modality, np.zeros(n, bool))
            for column, present in there.items():
                for i in range(n):
                    if present[i] and going_by[i]:
                        used[i].append(column)
                    elif not present[i]:
                        (broken if (i, column) in lost else absent)[i].append(column)
        return tuple([tuple(sorted(one)) for one in group] for group in (used, absent, broken))

    def _there(self, seen: Seen, modality: str) -> dict[str, NDArray[np.bool_]]:
        """{column: (n,) whether a row has it} of a modality."""
        if modality not in self.inputs.groups:
            return {modality: seen.features[modality].present}
        described = seen.described[modality]
        there = {c: np.zeros(described.n, bool) for c in self.inputs.groups[modality]}
        for row, cell in zip(described.row.tolist(), described.values, strict=True):
            for column in cell:
                there[column][row] = True
        return there


def kept(features: Features, rows: NDArray[np.bool_]) -> Features:
    """The same rows, of which only some (n,) still have their items."""
    use = rows[features.row]
    return Features(features.values[use], features.row[use], features.item[use], features.n)
