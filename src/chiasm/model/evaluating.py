"""Evaluating on other rows: a space, and a predictor beside every single modality and for every pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chiasm.encode.cache import Cache
from chiasm.errors import DataError
from chiasm.judge.outcome import Outcome
from chiasm.judge.predictions import Sets, judge_target, patterns_of
from chiasm.judge.scoreboard import Report
from chiasm.judge.stress import Stress, stress
from chiasm.model.judging import judge, known_share, row_groups, row_labels
from chiasm.model.learning import sizes
from chiasm.model.predictor import Predictor, Seen
from chiasm.model.space import Progress
from chiasm.rows.rows import Rows

if TYPE_CHECKING:
    from chiasm.model.model import Model

PLAIN = ("text", "number", "category", "date", "name")
SOME = 0.05
"""Rows alike by chance are no news below this share."""


def search_report(model: Model, rows: Rows, seed: int, cache: Cache, progress: Progress | None) -> Report:
    """The scoreboard of a model's space on rows; it says how many of them are among the indexed ones."""
    space = model.space
    if not space.columns:
        return Report((), len(rows), "")
    features = space.features(rows, cache, progress)
    target, groups = model.facts.get("target"), row_groups(rows, model.facts.get("by"))
    labels = row_labels(rows, target)
    report = judge(space, model.baselines, features, labels, target, seed, groups=groups)
    known = known_share(space, model.galleries, features)
    if not known:
        return report
    note = f"About {known:.0%} of these rows are among the indexed ones: that tells nothing of new rows."
    return replace(report, notes=(note, *report.notes))


def outcome_of(
    predictor: Predictor, seen: Seen, values: Sequence[Any], groups: Sequence[Any] | None, seed: int
) -> Outcome:
    """The outcome on rows of which none was learned from; those without a target are left out.

    values : (n,) the target;  groups : (n,) rows that are resampled together.
    """
    known = _known(predictor, values)
    judged = [value for value, use in zip(values, known, strict=True) if use]
    rows = [i for i, use in enumerate(known) if use]
    features = {m: f.take(rows) for m, f in seen.features.items()}
    names = predictor.patterns(features)
    scores = predictor.scores(features, names)
    singles = predictor.alone_scores(features)
    title = predictor.name if predictor.alone or predictor.name not in singles else f"{predictor.name} fusion"
    shown = {}
    if not predictor.alone and len(singles) > 1:
        for pattern in patterns_of({m: f.present for m, f in features.items() if m in singles}):
            whole = [f.present for m, f in features.items() if m in pattern]
            shown[pattern] = predictor.scores({m: features[m] for m in pattern})
            for present in whole:
                shown[pattern][~present] = float("nan")
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
        left_out=len(known) - len(rows),
        seed=seed,
    )


def stress_of(predictor: Predictor, seen: Seen, values: Sequence[Any], seed: int) -> Stress:
    """How the predictor's fusion holds out on harmed features of these rows."""
    known = _known(predictor, values)
    features = {m: f for m, f in predictor.looked_at(seen.features).items() if len(f.row)}
    kept = [value if use else None for value, use in zip(values, known, strict=True)]
    return stress(predictor.target, predictor.fusion, features, kept, seed=seed)


def _known(predictor: Predictor, values: Sequence[Any]) -> list[bool]:
    """(n,) rows whose target is one that was learned."""
    classes = set(predictor.task.classes) if predictor.task.kind in ("classes", "order") else None
    known = [value is not None and (classes is None or value in classes) for value in values]
    if not any(known):
        raise DataError("no row has a value that was learned", where=f"target {predictor.target!r}")
    return known


def remarks_on(rows: Rows, indexed: Rows, targets: set[str], outcomes: Sequence[Outcome]) -> list[str]:
    """What is to be said of rows that were judged: targets without a value, rows learned from."""
    unjudged = sorted(targets - {one.target for one in outcomes})
    found = [f"Target {name!r}: no row has a value, so it is not judged." for name in unjudged]
    plain = [c.name for c in rows.schema.columns if c.modality in PLAIN and c.name not in targets]
    if outcomes and len(plain) > 1:
        learned = set(zip(*(map(repr, indexed.values(c)) for c in plain), strict=True))
        asked = list(zip(*(map(repr, rows.values(c)) for c in plain), strict=True))
        share = sum(one in learned for one in asked) / len(asked)
        if share > SOME:
            found.append(
                f"About {share:.0%} of these rows were learned from: how well new ones do is not told."
            )
    return found
