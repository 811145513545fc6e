"""Learning a target: a trial of fusions by cross-validation, a choice, an outcome, and a fit on all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm import plugins
from chiasm.encode.engine import Described
from chiasm.errors import DataError, UsageError
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.late import Late
from chiasm.heads.calibrate import Calibration
from chiasm.heads.conformal import Conformal, pattern_names
from chiasm.heads.linear import check_classes
from chiasm.heads.task import Task
from chiasm.judge.outcome import Outcome
from chiasm.judge.predictions import Sets, judge_target, patterns_of
from chiasm.model.choice import chosen
from chiasm.model.inputs import Inputs
from chiasm.model.predictor import Predictor
from chiasm.model.remarks import giveaways, left_out, read_as, repeated
from chiasm.model.trial import FEW, Lesson, Trial, finite, parted, run, teach_all
from chiasm.rows.rows import Rows

Floats = NDArray[np.float64]
AUTO = ("late", "concat", "experts", "weighted")
"""What `auto` tries beside every single modality; fusions that learn by gradients are tried when named."""
LEAST = 10
"""Fewer rows with a value than this are not learned from."""


@dataclass(frozen=True, eq=False)
class Settings:
    """How targets are learned.

    fuse : 'auto', the name of a fusion, or one.  kinds : {target: kind}, see `Task`.
    folds : of the cross-validation, None for one a group of `by`.  by, time : columns that part the rows.
    balance : whether every class weighs the same.  coverage : of conformal sets and intervals.
    """

    fuse: str | Fusion = "auto"
    kinds: Mapping[str, str] | None = None
    folds: int | None = 5
    by: str | None = None
    time: str | None = None
    balance: bool = False
    coverage: float = 0.9
    seed: int = 0


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
    values = targets_of(rows, target)
    use = np.flatnonzero([value is not None for value in values])
    _check_enough(target, use, described)
    known = rows[use]
    task = _task([values[i] for i in use.tolist()], target, settings)
    notes = left_out(target, len(rows) - len(use)) + read_as(target, task, settings.kinds or {})
    notes += repeated(known, target) if settings.by is None and settings.time is None else []
    notes += giveaways(known, target, [values[i] for i in use.tolist()], inputs.columns)
    groups = None if settings.by is None else _groups(known, settings.by)
    lesson = Lesson(
        task,
        [values[i] for i in use.tolist()],
        {c: d.take(use) for c, d in described.items()},
        groups,
        _weights(task, [values[i] for i in use.tolist()]) if settings.balance else None,
        [{c: d.take(use) for c, d in one.items()} for one in copies],
    )
    times = None if settings.time is None else known.values(settings.time)
    fusions = _candidates(settings.fuse, len(inputs.encoders))
    trial = run(lesson, inputs, fusions, parted(lesson, settings.folds, times, settings.seed))
    name, alone = chosen(trial) if settings.fuse == "auto" else (_name(settings.fuse), False)
    if len(inputs.encoders) == 1:
        name, alone = next(iter(inputs.encoders)), True
    scores = trial.singles[name] if alone else trial.fusions[name]
    outcome = _judged(target, trial, name, alone, scores, len(rows) - len(use), settings)
    predictor = _refitted(target, lesson, inputs, fusions, trial, name, alone, settings)
    return Learned(predictor, outcome, notes)


def _check_enough(target: str, use: NDArray[np.int64], described: Mapping[str, Described]) -> None:
    both = np.intersect1d(use, np.concatenate([d.row for d in described.values()]))
    if len(both) < LEAST:
        found = "" if len(both) == len(use) else f", {len(both)} of them beside anything usable"
        raise DataError(
            f"{len(use)} rows have a value{found}: fewer than {LEAST}",
            where=f"target {target!r}",
            hint="Give more rows.",
        )


def targets_of(rows: Rows, target: str) -> list[Any]:
    """The target's values, one a row, None where there is none or it is broken."""
    column = rows.schema[target]
    if column.many:  # of a list without labels, none holds: that is not an absent cell
        return list(rows.table[target].to_pylist())
    if column.modality in ("image", "sound", "video"):
        raise UsageError(f"column {target!r} holds {column.modality}, which is no target", where="target")
    if column.modality in ("number", "date"):
        found: list[Any] = [None] * len(rows)
        values, places, _ = rows.array(target)
        plain = rows.values(target)
        for place, value in zip(places.tolist(), values[:, 0].tolist(), strict=True):
            whole = isinstance(plain[place], int)
            found[place] = plain[place] if whole else value
        return found
    return rows.values(target)


def _task(values: Sequence[Any], target: str, settings: Settings) -> Task:
    try:
        task = Task.of(values, (settings.kinds or {}).get(target))
        check_classes(task)
    except DataError as error:
        raise DataError(error.what, where=f"target {target!r}", hint=error.hint) from error
    if task.kind == "classes" and len(task.classes) > len(values) / 2:
        raise DataError(
            f"{len(task.classes):,} classes in {len(values):,} rows: hardly any is there twice",
            where=f"target {target!r}",
            hint="Is it a name or a free text? Numbers are read with --as COL=number.",
        )
    return task


def _weights(task: Task, values: Sequence[Any]) -> Floats | None:
    """(n,) the inverse of how common each row's class is, 1 on average; None but for classes."""
    if task.kind not in ("classes", "order"):
        return None
    coded = task.code(values)
    counts = np.bincount(coded, minlength=task.outputs)
    return np.asarray(len(coded) / (np.count_nonzero(counts) * counts[coded]), np.float64)


def _groups(rows: Rows, by: str) -> NDArray[np.int64]:
    """(n,) codes; a row without a group is one of its own."""
    names = [f"row {i}" if value is None else f"group {value}" for i, value in enumerate(rows.values(by))]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _candidates(fuse: str | Fusion, modalities: int) -> dict[str, Fusion]:
    """The fusions to try, by name; `late` is always there, since its heads are the single modalities."""
    late: dict[str, Fusion] = {"late": fuse if isinstance(fuse, Late) else Late()}
    if fuse == "auto":
        return late if modalities == 1 else {name: plugins.get("fuse", name)() for name in AUTO}
    own = plugins.get("fuse", fuse)() if isinstance(fuse, str) else fuse
    if not isinstance(own, Fusion):
        raise UsageError(f"{_name(fuse)!r} does not predict", hint=f"Known here: auto, {', '.join(AUTO)}.")
    return late if modalities == 1 else {**late, _name(fuse): own}


def check_fusion(fuse: str | Fusion) -> None:
    """Raise UsageError for what predicts nothing, before any work is done."""
    if fuse not in ("auto", "none"):
        _candidates(fuse, 2)


def _name(fuse: str | Fusion) -> str:
    return fuse if isinstance(fuse, str) else type(fuse).__name__.lower()


def _judged(
    target: str, trial: Trial, name: str, alone: bool, scores: Floats, left_out: int, settings: Settings
) -> Outcome:
    """The outcome of what is in use, on the rows that were scored by what had not seen them."""
    lesson = trial.lesson
    shown = {}
    if not alone and len(trial.singles) > 1:
        has = {c: finite(s) for c, s in trial.singles.items()}
        shown = {pattern: trial.shown(name, pattern) for pattern in patterns_of(has)}
    rows = trial.fold >= 0
    return judge_target(
        target,
        lesson.task,
        [value for value, scored in zip(lesson.values, rows.tolist(), strict=True) if scored],
        name,
        {n: s[rows] for n, s in trial.fusions.items()} if len(trial.singles) > 1 else {},
        {n: s[rows] for n, s in trial.singles.items()},
        {p: s[rows] for p, s in shown.items()},
        groups=None if lesson.groups is None else lesson.groups[rows].tolist(),
        sets=_sets(trial, scores, settings),
        left_out=left_out,
        seed=settings.seed,
    )


def _sets(trial: Trial, scores: Floats, settings: Settings) -> list[Sets]:
    """Whether the sets or intervals, learned on the other folds, hold the truth of each row scored."""
    lesson, names = trial.lesson, np.array(pattern_names(trial.lesson.has))
    covered, size = np.zeros(len(scores), bool), np.zeros(len(scores))
    known = finite(scores)
    for number in range(int(trial.fold.max()) + 1):
        here, others = known & (trial.fold == number), known & (trial.fold != number)
        if others.sum() < FEW:
            return []
        if here.any():
            groups = None if lesson.groups is None else lesson.groups[others]
            own = Conformal(settings.coverage).fit(
                scores[others], lesson.coded[others], lesson.task, names[others].tolist(), groups
            )
            some = scores[here], names[here].tolist()
            covered[here] = own.covered(some[0], lesson.coded[here], some[1])
            size[here] = sizes(own, lesson.task, *some)
    rows = trial.fold >= 0
    return [Sets(covered[rows], size[rows], settings.coverage)]


def sizes(conformal: Conformal, task: Task, scores: Floats, names: Sequence[str]) -> Floats:
    """(n,) classes in the set, or the mean width of the intervals."""
    if not task.is_number:
        return np.asarray(conformal.sets(scores, names).sum(axis=1), np.float64)
    ends = conformal.intervals(scores, names)
    return np.asarray((ends[..., 1] - ends[..., 0]).mean(axis=1), np.float64)


def _refitted(
    target: str,
    lesson: Lesson,
    inputs: Inputs,
    fusions: Mapping[str, Fusion],
    trial: Trial,
    name: str,
    alone: bool,
    settings: Settings,
) -> Predictor:
    """The chosen one, learned from all rows, calibrated by the scores of rows it had not seen."""
    everything = np.arange(len(lesson.values))
    own = inputs.fit(lesson.described, everything)
    wanted = {n: f for n, f in fusions.items() if n == "late" or (n == name and not alone)}
    learned = teach_all(lesson, own, wanted, everything)
    late, fusion = learned["late"], learned["late" if alone else name]
    names, raw = pattern_names(lesson.has), trial.raw[name]
    calibration = Calibration()
    known = finite(raw)
    calibration.fit(raw, lesson.coded, lesson.task, names, lesson.groups)
    scores = calibration.transform(raw, names) if known.any() else raw
    conformal = Conformal(settings.coverage).fit(scores, lesson.coded, lesson.task, names, lesson.groups)
    return Predictor(target, lesson.task, own, name, alone, fusion, late, calibration, conformal)
