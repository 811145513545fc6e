"""A trial of fusions by cross-validation: encoders, fusions and single modalities anew in every fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chiasm.array_types import Floats
from chiasm.encode.features import Features
from chiasm.fuse.fusion import Fusion
from chiasm.heads.calibrate import Calibration
from chiasm.model.inputs import Inputs
from chiasm.model.lesson import Fold, Lesson, Places, finite

Pattern = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Scores of rows by what had not seen them, NaN where there was nothing to go by.

    raw : (n, q) as they were;  scores : calibrated on other folds;  calibrations : one a fold.
    modality : the one it looks at; None for a fusion.
    """

    raw: Floats
    scores: Floats
    calibrations: Sequence[Calibration | None]
    modality: str | None = None

    @classmethod
    def of(cls, raw: Floats, lesson: Lesson, fold: Places, modality: str | None = None) -> Candidate:
        """The candidate of raw scores, each calibrated by what other folds teach."""
        found = [
            lesson.calibrate(raw, modality, lesson.elsewhere(fold, i)) for i in range(int(fold.max()) + 1)
        ]
        scores = calibrated(raw, lesson.patterns(modality), fold, found)
        return cls(raw, scores, found, modality)


@dataclass(frozen=True, eq=False)
class Trial:
    """All candidates of a lesson.

    fusions : {name: candidate};  singles : {modality: candidate}.
    fold : (n,) the fold in which a row was scored, -1 where it never was.
    fitted : of each fold the features of its rows, and the fusions that had not seen them.
    """

    lesson: Lesson
    fusions: dict[str, Candidate]
    singles: dict[str, Candidate]
    fold: Places
    fitted: list[tuple[dict[str, Features], dict[str, Fusion]]] = field(repr=False)

    def shown(self, name: str, pattern: Pattern) -> Floats:
        """(n, q) calibrated scores of a fusion shown only these modalities; NaN where a row lacks one."""
        raw = np.full_like(self.fusions[name].raw, np.nan)
        for number, (features, fusions) in enumerate(self.fitted):
            rows = np.flatnonzero(self.fold == number)
            some = {c: f for c, f in features.items() if c in pattern}
            if set(some) == set(pattern) and len(rows):
                whole = np.all([f.present for f in some.values()], axis=0)
                raw[rows[whole]] = fusions[name].scores(some)[whole]
        names = [" + ".join(sorted(pattern))] * len(raw)
        return calibrated(raw, names, self.fold, self.fusions[name].calibrations)


def run(lesson: Lesson, inputs: Inputs, fusions: Mapping[str, Fusion], parts: Sequence[Fold]) -> Trial:
    """Fit and score every fusion and every single modality in every fold.

    `late` is among the fusions: its heads are the single modalities.
    """
    n, q = len(lesson.values), lesson.task.outputs
    together = {name: np.full((n, q), np.nan) for name in fusions}
    alone = {modality: np.full((n, q), np.nan) for modality in inputs.encoders}
    fold, fitted = np.full(n, -1), []
    for number, (train, test) in enumerate(parts):
        fold[test] = number
        own = inputs.fit(lesson.described, train)
        features = {c: f.take(test) for c, f in own.features(lesson.described).items()}
        learned = lesson.teach(own, fusions, train)
        for name, fusion in learned.items():
            together[name][test] = fusion.scores(features)
        for modality, f in features.items():
            alone[modality][test] = learned["late"].scores({modality: f})
        fitted.append((features, learned))
    return Trial(
        lesson,
        {name: Candidate.of(raw, lesson, fold) for name, raw in together.items()},
        {modality: Candidate.of(raw, lesson, fold, modality) for modality, raw in alone.items()},
        fold,
        fitted,
    )


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
