"""Evaluating on other rows: a space, and a predictor beside every single modality and for every pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.array_types import Floats
from chiasm.encode.cache import Cache
from chiasm.encode.features import Features
from chiasm.errors import DataError
from chiasm.heads.task import Task
from chiasm.judge.outcome import Outcome
from chiasm.judge.predictions import Sets, judge_target, patterns_of
from chiasm.judge.scoreboard import Report
from chiasm.judge.stress import Stress, stress
from chiasm.judge.verdicts import listed
from chiasm.model.judging import judge, known_share, row_groups, row_labels
from chiasm.model.learning import sizes
from chiasm.model.predictor import Predictor, Seen
from chiasm.model.space import Progress
from chiasm.model.targets import targets_of
from chiasm.rows.rows import Rows

if TYPE_CHECKING:
    from chiasm.model.model import Model

COMPARED = ("text", "number", "category", "date", "name", "vector")
"""Modalities by which rows are told to be the same ones."""
SOME = 0.05
"""Rows alike by chance are no news below this share."""


@dataclass(frozen=True, eq=False)
class Truth:
    """A target's values in rows that are to be judged.

    values : (n,) None where there is none to judge by.
    unlearned : of each row that holds classes or labels that were never learned, these.
    """

    values: list[Any]
    unlearned: list[tuple[Any, ...]]

    @classmethod
    def of(cls, task: Task, values: Sequence[Any]) -> Truth:
        """What a task can be judged by; numbers that are none, or too many, are as no value."""
        if task.is_number:
            return cls([value if _fits(task, value) else None for value in values], [])
        known, judged, unlearned = set(task.classes), list(values), []
        for i, value in enumerate(values):
            held = () if value is None else value if task.kind == "labels" else (value,)
            new = tuple(one for one in held if one not in known)
            if new:
                judged[i] = None
                unlearned.append(new)
        return cls(judged, unlearned)

    @property
    def rows(self) -> list[int]:
        """The places of the rows to judge."""
        return [i for i, value in enumerate(self.values) if value is not None]

    @property
    def lacking(self) -> str:
        """What is wrong where no row can be judged, else nothing."""
        names = sorted({str(one) for held in self.unlearned for one in held})
        found = f" that was learned (found: {listed(names)})" if names else ""
        return "" if self.rows else f"no row has a value{found}"


def _fits(task: Task, value: Any) -> bool:
    """Whether a value is as many finite numbers as the target has."""
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.size == task.outputs and bool(np.isfinite(numbers).all())


def evaluated(
    model: Model, rows: Rows, seed: int, stressed: bool, cache: Cache | None, progress: Progress | None
) -> Report:
    """The scoreboard of a model on rows read as its schema says; a target that no row tells is a note,
    DataError where there is nothing else to judge."""
    truths = {t: Truth.of(one.task, targets_of(rows, t)) for t, one in model.predictors.items()}
    lacking = {t: truth.lacking for t, truth in truths.items() if truth.lacking}
    if not model.columns and len(lacking) == len(truths):
        name, why = next(iter(lacking.items()))
        raise DataError(why, where=f"target {name!r}", hint="There is nothing to judge by.")
    report, known = search_report(model, rows, seed, cache, progress)
    codes = row_groups(rows, model.facts.get("by"))
    groups = None if codes is None else codes.tolist()
    outcomes, stresses = [], []
    for name, predictor in model.predictors.items():
        if name not in lacking:
            seen = predictor.see(rows, cache, progress)
            outcomes.append(outcome_of(predictor, seen, truths[name], groups, seed))
            stresses += [stress_of(predictor, seen, truths[name], groups, seed)] if stressed else []
    notes = [*report.notes, *(f"Target {t!r}: {why}, so it is not judged." for t, why in lacking.items())]
    known = known or _known_rows(rows, model.rows, set(model.predictors))
    if known:
        told = f"About {100 * known:.0f} % of these rows are among the indexed ones"
        notes = [f"{told}: that tells nothing of new rows.", *notes]
    return replace(report, outcomes=tuple(outcomes), stresses=tuple(stresses), notes=tuple(notes))


def search_report(
    model: Model, rows: Rows, seed: int, cache: Cache | None, progress: Progress | None
) -> tuple[Report, float]:
    """The scoreboard of a model's space on rows, and the share of them that is among the indexed ones."""
    space = model.space
    if not space.columns:
        return Report((), len(rows), ""), 0.0
    features = space.features(rows, cache, progress)
    target, groups = model.facts.get("target"), row_groups(rows, model.facts.get("by"))
    labels = row_labels(rows, target)
    report = judge(space, model.baselines, features, labels, target, seed, groups=groups)
    return report, known_share(space, model.galleries, features)


def outcome_of(
    predictor: Predictor, seen: Seen, truth: Truth, groups: Sequence[Any] | None, seed: int
) -> Outcome:
    """The outcome on rows of which none was learned from; those that cannot be judged are left out.

    groups : (n,) rows that are resampled together.
    """
    rows = truth.rows
    judged = [truth.values[i] for i in rows]
    features = {m: f.take(rows) for m, f in seen.features.items()}
    names = predictor.patterns(features)
    scores = predictor.scores(features, names)
    singles = predictor.alone_scores(features)
    title = predictor.name if predictor.alone or predictor.name not in singles else f"{predictor.name} fusion"
    shown = {}
    if not predictor.alone and len(singles) > 1:
        shown = _by_pattern(predictor, {m: f for m, f in features.items() if m in singles})
    if predictor.alone:
        singles[predictor.name] = scores
    conformal, task = predictor.conformal, predictor.task
    covered = conformal.covered(scores, task.code(judged), names)
    return judge_target(
        predictor.target,
        task,
        judged,
        title,
        {} if predictor.alone else {title: scores},
        singles,
        shown,
        groups=None if groups is None else [groups[i] for i in rows],
        sets=[Sets(covered, sizes(conformal, task, scores, names), conformal.coverage)],
        left_out=len(truth.values) - len(rows) - len(truth.unlearned),
        unlearned=truth.unlearned,
        seed=seed,
    )


def _by_pattern(predictor: Predictor, features: Mapping[str, Features]) -> dict[tuple[str, ...], Floats]:
    """{modalities: (n, q) scores of what is shown these alone}, NaN where a row lacks one."""
    found = {}
    for pattern in patterns_of({m: f.present for m, f in features.items()}):
        whole = np.all([features[m].present for m in pattern], axis=0)
        scores = predictor.scores({m: features[m] for m in pattern})
        found[pattern] = np.where(whole[:, None], scores, np.nan)
    return found


def stress_of(
    predictor: Predictor, seen: Seen, truth: Truth, groups: Sequence[Any] | None, seed: int
) -> Stress:
    """How the predictor's fusion holds out on harmed features of these rows."""
    features = {m: f for m, f in predictor.looked_at(seen.features).items() if len(f.row)}
    return stress(predictor.target, predictor.fusion, features, truth.values, groups=groups, seed=seed)


def _known_rows(rows: Rows, indexed: Rows, targets: set[str]) -> float:
    """The share of rows that are among the indexed ones, by what can be compared of them; 0 where that is no
    more than chance.

    Counted are rows equal to exactly one indexed row, less as many as new rows of the same kind would be:
    by the rows that there are twice (Good 1953, Biometrika 40). So two columns of a few words tell nothing.
    """
    columns = [c.name for c in rows.schema.columns if c.modality in COMPARED and c.name not in targets]
    cells = {c: _comparable(rows, c) for c in columns}
    told = {c: found for c, found in cells.items() if any(one is not None for one in found)}
    asked = [one for one in zip(*told.values(), strict=True) if any(cell is not None for cell in one)]
    if not asked:
        return 0.0
    times = Counter(zip(*(_comparable(indexed, c) for c in told), strict=True))
    same = sum(times[one] == 1 for one in asked) / len(rows)
    share = same - 2 * sum(count == 2 for count in times.values()) / len(indexed)
    return share if share > SOME else 0.0


def _comparable(rows: Rows, column: str) -> list[Any]:
    """(n,) what equals for equal cells, None where absent."""
    if rows.schema[column].modality != "vector":
        return [None if value is None else repr(value) for value in rows.values(column)]
    found: list[Any] = [None] * len(rows)
    values, places, _ = rows.array(column)
    for place, value in zip(places.tolist(), values, strict=True):
        found[place] = value.tobytes()
    return found
