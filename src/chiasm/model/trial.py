"""A trial of fusions by cross-validation: encoders, fusions and single modalities anew in every fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.encode.engine import Described
from chiasm.encode.features import Features
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.singles import Stacked
from chiasm.heads.calibrate import Calibration
from chiasm.heads.conformal import pattern_names
from chiasm.heads.task import Task
from chiasm.model.inputs import Inputs
from chiasm.rows.folds import folds

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Fold = tuple[Places, Places]
Pattern = tuple[str, ...]

FEW = 30
"""Fewer rows than these calibrate nothing."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What there is to learn a target from: rows that have a value, described but not yet encoded.

    values : the target, one a row;  groups : (n,) which rows stay together;  weights : (n,) of the rows.
    copies : changed copies of the rows, described in the same way, learned from and never scored.
    """

    task: Task
    values: Sequence[Any]
    described: Mapping[str, Described]
    groups: Places | None = None
    weights: Floats | None = None
    copies: Sequence[Mapping[str, Described]] = ()

    @property
    def coded(self) -> NDArray[Any]:
        """The coded targets."""
        return self.task.code(self.values)

    @property
    def has(self) -> dict[str, NDArray[np.bool_]]:
        """{modality: (n,) whether a row has it}."""
        return {c: np.isin(np.arange(d.n), d.row) for c, d in self.described.items()}

    def teach(self, inputs: Inputs, fusion: Fusion, rows: Places) -> Fusion:
        """A fresh fusion that learned from some rows and their copies, as fitted inputs encode them."""
        sets = [inputs.features(one) for one in (self.described, *self.copies)]
        times = len(sets)
        # a copy is never on the other side of an inner split than its row
        groups = np.arange(len(self.values)) if self.groups is None and times > 1 else self.groups
        own: Fusion = clone(fusion)
        return own.fit(
            {c: stacked([one[c].take(rows) for one in sets]) for c in sets[0]},
            [self.values[i] for i in rows.tolist()] * times,
            task=self.task,
            groups=None if groups is None else groups[rows].tolist() * times,
            weights=None if self.weights is None else np.tile(self.weights[rows], times),
        )


@dataclass(frozen=True, eq=False)
class Trial:
    """Scores of rows by what had not seen them, calibrated on the other folds.

    fusions : {name: (n, q)};  singles : {modality: (n, q)}, NaN where there is nothing to go by.
    raw : those of both as they were before calibration.
    fold : (n,) the fold in which a row was scored, -1 where it never was.
    learned : {candidate: the calibration of each fold};  fitted : the inputs and fusions of each fold.
    """

    lesson: Lesson
    fusions: dict[str, Floats]
    singles: dict[str, Floats]
    raw: dict[str, Floats]
    fold: Places
    learned: dict[str, list[Calibration | None]] = field(repr=False)
    fitted: list[tuple[Inputs, dict[str, Fusion]]] = field(repr=False)

    def shown(self, name: str, pattern: Pattern) -> Floats:
        """(n, q) calibrated scores of a candidate shown only these modalities; NaN where a row lacks one."""
        raw = np.full_like(self.raw["late"], np.nan)
        for number, (inputs, fusions) in enumerate(self.fitted):
            rows = np.flatnonzero(self.fold == number)
            features = {
                c: f.take(rows) for c, f in inputs.features(self.lesson.described).items() if c in pattern
            }
            if set(features) == set(pattern) and len(rows):
                whole = np.all([f.present for f in features.values()], axis=0)
                raw[rows[whole]] = fusions[name].scores(features)[whole]
        names = [" + ".join(sorted(pattern))] * len(raw)
        return calibrated(raw, names, self.fold, self.learned[name])


def finite(scores: Floats) -> NDArray[np.bool_]:
    """(n,) rows of which something is known."""
    return np.asarray(np.isfinite(scores).all(axis=1), bool)


def stacked(parts: Sequence[Features]) -> Features:
    """The rows of several features, one below the other."""
    starts = np.cumsum([0, *(f.n for f in parts)])
    return Features(
        np.concatenate([f.values for f in parts if len(f.row)] or [parts[0].values]),
        np.concatenate([f.row + start for f, start in zip(parts, starts, strict=False)]),
        np.concatenate([f.item for f in parts]),
        int(starts[-1]),
    )


def parted(lesson: Lesson, k: int | None, times: Sequence[Any] | None, seed: int) -> list[Fold]:
    """The folds of a lesson: in time, or by group, keeping the shares of classes where there are any."""
    if times is not None:
        return folds(len(lesson.values), k, times=times, seed=seed)
    groups = None if lesson.groups is None else lesson.groups.tolist()
    classes = lesson.values if lesson.task.kind in ("classes", "order") else None
    return folds(len(lesson.values), k, groups=groups, stratify=classes, seed=seed)


def run(lesson: Lesson, inputs: Inputs, fusions: Mapping[str, Fusion], parts: Sequence[Fold]) -> Trial:
    """Fit and score every fusion and every single modality in every fold.

    `late` is among the fusions: its heads are the single modalities.
    """
    n, q = len(lesson.values), lesson.task.outputs
    raw = {name: np.full((n, q), np.nan) for name in fusions}
    alone = {modality: np.full((n, q), np.nan) for modality in inputs.encoders}
    fold, fitted = np.full(n, -1), []
    for number, (train, test) in enumerate(parts):
        fold[test] = number
        own = inputs.fit(lesson.described, train)
        features = {c: f.take(test) for c, f in own.features(lesson.described).items()}
        learned = teach_all(lesson, own, fusions, train)
        for name, fusion in learned.items():
            raw[name][test] = fusion.scores(features)
        for modality, f in features.items():
            alone[modality][test] = learned["late"].scores({modality: f})
        fitted.append((own, learned))

    both = {**alone, **raw}
    names = pattern_names(lesson.has)
    learned_by = {name: calibrations(one, lesson, fold) for name, one in both.items()}
    scores = {name: calibrated(both[name], names, fold, learned_by[name]) for name in both}
    return Trial(
        lesson, {c: scores[c] for c in fusions}, {c: scores[c] for c in alone}, both, fold, learned_by, fitted
    )


def teach_all(
    lesson: Lesson, inputs: Inputs, fusions: Mapping[str, Fusion], rows: Places
) -> dict[str, Fusion]:
    """Fresh fusions that learned from some rows; those that stack single modalities share those of `late`."""
    late = lesson.teach(inputs, fusions["late"], rows)
    learned: dict[str, Fusion] = {}
    for name, fusion in fusions.items():
        shared = isinstance(fusion, Stacked) and fusion.get_params() == fusions["late"].get_params()
        if name == "late":
            learned[name] = late
        elif shared and isinstance(fusion, Stacked) and isinstance(late, Stacked):
            learned[name] = clone(fusion).fit_like(late)
        else:
            learned[name] = lesson.teach(inputs, fusion, rows)
    return learned


def calibrations(raw: Floats, lesson: Lesson, fold: Places) -> list[Calibration | None]:
    """For every fold what the other folds teach about scores (n, q); None where those are too few."""
    names, known = np.array(pattern_names(lesson.has)), finite(raw)
    found: list[Calibration | None] = []
    for number in range(int(fold.max()) + 1):
        others = np.flatnonzero(known & (fold >= 0) & (fold != number))
        if len(others) < FEW:
            found.append(None)
            continue
        groups = None if lesson.groups is None else lesson.groups[others]
        own = Calibration()
        own.fit(raw[others], lesson.coded[others], lesson.task, names[others].tolist(), groups)
        found.append(own)
    return found


def calibrated(
    raw: Floats, names: Sequence[str], fold: Places, learned: Sequence[Calibration | None]
) -> Floats:
    """(n, q) scores of rows that have the modalities named (n,), each by the calibration of its fold."""
    out = raw.copy()
    for number, own in enumerate(learned):
        rows = np.flatnonzero(finite(raw) & (fold == number))
        if own is not None and len(rows):
            out[rows] = own.transform(raw[rows], [names[i] for i in rows.tolist()])
    return out
