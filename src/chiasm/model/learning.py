"""Learning a target: a trial of fusions by cross-validation, a choice, an outcome, and a fit on all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chiasm import plugins
from chiasm.array_types import Floats
from chiasm.encode.described import Described
from chiasm.errors import UsageError
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.late import Late
from chiasm.heads.calibrate import Calibration
from chiasm.heads.conformal import Conformal
from chiasm.heads.task import Task
from chiasm.judge.outcome import Outcome
from chiasm.judge.predictions import Sets, judge_target, patterns_of
from chiasm.model.choice import chosen
from chiasm.model.inputs import Inputs
from chiasm.model.lesson import FEW, Lesson, finite
from chiasm.model.predictor import Predictor
from chiasm.model.remarks import given_away, left_out, read_as, repeated
from chiasm.model.targets import Settings, lesson_of
from chiasm.model.trial import Candidate, Trial, run
from chiasm.rows.rows import Rows

AUTO = ("late", "concat", "experts", "weighted")
"""What `auto` tries beside every single modality; fusions that learn by gradients are tried when named."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A predictor, how good it is on rows it had not seen, and what is to be said of it."""

    predictor: Predictor
    outcome: Outcome
    notes: list[str]


def learn(
    rows: Rows,
    target: str,
    inputs: Inputs,
    described: Mapping[str, Described],
    settings: Settings,
    copies: Sequence[Mapping[str, Described]] = (),
) -> Learned:
    """Learn one target from rows that are described already."""
    lesson, known = lesson_of(rows, target, described, settings, copies)
    notes = left_out(target, len(rows) - len(known)) + read_as(target, lesson.task, settings.kinds)
    notes += repeated(known, target) if settings.by is None and settings.time is None else []
    notes += given_away(known, target, lesson.values, inputs.columns)
    fusions = candidates(settings.fuse, len(inputs.encoders))
    trial = run(lesson, inputs, fusions, lesson.parted(settings.folds, settings.seed))
    name, alone = chosen(trial) if settings.fuse == "auto" else (_name(settings.fuse), False)
    if len(inputs.encoders) == 1:
        name, alone = next(iter(inputs.encoders)), True
    used = trial.singles[name] if alone else trial.fusions[name]
    outcome = _judged(target, trial, name, used, len(rows) - len(known), settings)
    predictor = _refitted(target, lesson, inputs, fusions, trial, name, used, settings)
    return Learned(predictor, outcome, notes)


def candidates(fuse: str | Fusion, modalities: int) -> dict[str, Fusion]:
    """The fusions to try, by name; `late` is always there, since its heads are the single modalities.

    UsageError for what does not predict.
    """
    late: dict[str, Fusion] = {"late": fuse if isinstance(fuse, Late) else Late()}
    if fuse in ("auto", "none"):
        return late if modalities == 1 else {name: plugins.get("fuse", name)() for name in AUTO}
    own = plugins.get("fuse", fuse)() if isinstance(fuse, str) else fuse
    if not isinstance(own, Fusion):
        raise UsageError(f"{_name(fuse)!r} does not predict", hint=f"Known here: auto, {', '.join(AUTO)}.")
    return late if modalities == 1 else {**late, _name(fuse): own}


def _name(fuse: str | Fusion) -> str:
    return fuse if isinstance(fuse, str) else type(fuse).__name__.lower()


def _judged(
    target: str, trial: Trial, name: str, used: Candidate, left_out: int, settings: Settings
) -> Outcome:
    """The outcome of what is in use, on the rows that were scored by what had not seen them."""
    lesson, rows, several = trial.lesson, trial.fold >= 0, len(trial.singles) > 1
    shown = {}
    if used.modality is None:
        has = {c: finite(one.scores) for c, one in trial.singles.items()}
        shown = {pattern: trial.shown(name, pattern)[rows] for pattern in patterns_of(has)}
    # a column may have the name of a fusion
    titles = {n: f"{n} fusion" if n in trial.singles else n for n in trial.fusions}
    return judge_target(
        target,
        lesson.task,
        [value for value, scored in zip(lesson.values, rows.tolist(), strict=True) if scored],
        titles[name] if used.modality is None else name,
        {titles[n]: one.scores[rows] for n, one in trial.fusions.items()} if several else {},
        {n: one.scores[rows] for n, one in trial.singles.items()},
        shown,
        groups=None if lesson.groups is None else lesson.groups[rows].tolist(),
        sets=_sets(trial, used, settings),
        left_out=left_out,
        seed=settings.seed,
    )


def _sets(trial: Trial, used: Candidate, settings: Settings) -> list[Sets]:
    """Whether the sets or intervals, learned on the other folds, in time on earlier ones, hold the truth of
    each row scored. A row without a score, or with few rows to learn from, gets none."""
    lesson, names = trial.lesson, np.array(trial.lesson.patterns(used.modality))
    covered, size = np.zeros(len(names), bool), np.full(len(names), np.nan)
    known = finite(used.scores)
    for number, calibration in enumerate(used.calibrations):
        here, others = known & (trial.fold == number), known & lesson.elsewhere(trial.fold, number)
        if here.any() and others.sum() >= FEW:
            scores = _taught(trial, used, calibration)
            own = _conformal(lesson, scores, names, others, settings.coverage)
            some = used.scores[here], names[here].tolist()
            covered[here] = own.covered(some[0], lesson.coded[here], some[1])
            size[here] = sizes(own, lesson.task, *some)
    rows = trial.fold >= 0
    return [Sets(covered[rows], size[rows], settings.coverage)]


def _conformal(
    lesson: Lesson, scores: Floats, names: np.ndarray, rows: np.ndarray, coverage: float
) -> Conformal:
    """Sets and intervals as some rows (n,) teach them."""
    groups = None if lesson.groups is None else lesson.groups[rows]
    return Conformal(coverage).fit(
        scores[rows], lesson.coded[rows], lesson.task, names[rows].tolist(), groups
    )


def sizes(conformal: Conformal, task: Task, scores: Floats, names: Sequence[str]) -> Floats:
    """(n,) classes in the set, or the mean width of the intervals; NaN where a row has no scores."""
    if not task.is_number:
        return np.where(finite(scores), conformal.sets(scores, names).sum(axis=1), np.nan)
    ends = conformal.intervals(scores, names)
    return np.asarray((ends[..., 1] - ends[..., 0]).mean(axis=1), np.float64)


def _refitted(
    target: str,
    lesson: Lesson,
    inputs: Inputs,
    fusions: Mapping[str, Fusion],
    trial: Trial,
    name: str,
    used: Candidate,
    settings: Settings,
) -> Predictor:
    """The chosen one, learned from all rows, calibrated by the scores of rows it had not seen."""
    everything = np.ones(len(lesson.values), bool)
    own = inputs.fit(lesson.described, np.flatnonzero(everything))
    wanted = {n: f for n, f in fusions.items() if n == "late" or (n == name and used.modality is None)}
    learned = lesson.teach(own, wanted, np.flatnonzero(everything))
    late, fusion = learned["late"], learned["late" if used.modality is not None else name]
    calibration = lesson.calibrate(used.raw, used.modality, everything) or _untouched(lesson.task)
    singles = {
        m: lesson.calibrate(one.raw, m, everything) or _untouched(lesson.task)
        for m, one in trial.singles.items()
    }
    names = lesson.patterns(used.modality)
    scores = _taught(trial, used, calibration)
    conformal = _conformal(lesson, scores, np.array(names), everything, settings.coverage)
    alone = used.modality is not None
    return Predictor(target, lesson.task, own, name, alone, fusion, late, calibration, singles, conformal)


def _taught(trial: Trial, used: Candidate, calibration: Calibration | None) -> Floats:
    """(n, q) scores that sets and intervals learn from: each calibrated by other folds, or where those were
    too few, as the oldest are in time, by the calibration of what the sets are for."""
    if calibration is None:
        return used.scores
    calibrated = np.array([one is not None for one in used.calibrations])[trial.fold]
    own = calibration.transform(used.raw, trial.lesson.patterns(used.modality))
    return np.where((calibrated & (trial.fold >= 0))[:, None], used.scores, own)


def _untouched(task: Task) -> Calibration:
    """A calibration that leaves scores as they are: of no rows nothing is learned."""
    y = np.zeros((0, task.outputs)) if task.is_number or task.kind == "labels" else np.zeros(0, np.int64)
    return Calibration().fit(np.zeros((0, task.outputs)), y, task)
