"""Making a model: rows are described once, then a space is fitted and every target is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn.base import clone
from threadpoolctl import threadpool_limits

from chiasm import plugins
from chiasm.align.aligner import Aligner
from chiasm.align.hubness import Hubness
from chiasm.align.linear import CCA
from chiasm.checks import check_known, check_range
from chiasm.encode.cache import Cache, opened
from chiasm.encode.described import Described
from chiasm.errors import UsageError
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.mean import Mean
from chiasm.heads.task import KINDS
from chiasm.judge.scoreboard import Report
from chiasm.model import folder
from chiasm.model.auditing import remarks_on_fit
from chiasm.model.fitting import Fitted, choose_encoders, fit_space, named_aligner
from chiasm.model.inputs import TABLE, Encoders, Inputs, Progress, choose_inputs, named
from chiasm.model.judging import Baselines
from chiasm.model.learning import Learned, candidates, learn
from chiasm.model.model import Model
from chiasm.model.remarks import doubted, unnamed
from chiasm.model.space import Space
from chiasm.model.targets import Kinds, Settings
from chiasm.rows.join import check_once
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows

MOST_COPIES = 100
FEW = 5_000
"""Rows up to which one thread of linear algebra is faster than several."""


def fit(
    data: Any,
    *,
    target: str | Sequence[str] | None = None,
    task: str | Kinds | None = None,
    encoders: Encoders | None = None,
    modalities: Mapping[str, str] | None = None,
    clean: Mapping[str, Sequence[str]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    align: str | Aligner = "cca",
    fuse: str | Fusion | Mean = "auto",
    dim: int = 256,
    by: str | None = None,
    time: str | None = None,
    folds: int | None = 5,
    balance: bool = False,
    coverage: float = 0.9,
    copies: int = 0,
    precision: str = "float32",
    seed: int = 0,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Model:
    """Fit a model on rows, or on anything `chiasm.read` reads.

    target : a column to predict, or several; kept out of the space. Rows of equal class of the first are
        right answers to each other in a search, and supervised aligners learn from it.
    task : 'classes', 'labels', 'order', 'number' or 'numbers', or {target: one of these, or the values of an
        order from low to high}; else the values tell.
    encoders : {column: a name, a model folder or file, an Encoder, or a function of a list of cells}.
    clean : {column: cleaning steps}, see `chiasm.read`.
    groups : {name: columns} of numbers, categories and dates that are one modality; else all are, as 'table'.
    align : 'cca', 'ridge', 'procrustes', 'semantic', or an aligner.
    fuse : how a target is predicted from several modalities: 'auto' tries and chooses; the name of a fusion,
        or one; 'none' predicts nothing. 'mean', or a `Mean`, weighs the columns of a search.
    dim : width of the space, at most what the columns allow, for an aligner given by name.
    by : a column of groups that are held out whole.
    time : a column to order by: the past predicts the future.
    folds : of the cross-validation of targets; None holds out one group of `by` at a time.
    balance : whether every class weighs the same.  coverage : of conformal sets and intervals.
    copies : changed copies of every row (`chiasm.rows.augment`) to learn targets from.
    precision : of the products between columns: 'float32', or 'bfloat16' where the processor has it (torch).
    cache : where features are kept; None takes the user's cache folder.
    """
    check_range(seed, "seed", 0, 2**32 - 1)
    check_range(copies, "copies", 0, MOST_COPIES)
    check_range(coverage, "coverage", 0, 1)
    rows = read(data, modalities=modalities, clean=clean)
    check_once(rows)
    targets = [target] if isinstance(target, str) else list(target or ())
    kinds = dict.fromkeys(targets, task) if isinstance(task, str) else dict(task or {})
    _check(rows, targets, kinds, by, time, folds)
    together = set(groups or {TABLE}) - set(rows.columns) if targets else set()
    single = {name: one for name, one in (encoders or {}).items() if name not in together}
    joining = choose_encoders(rows, single, targets, (by, time))
    weighing, fuse = (_mean(fuse), "auto") if fuse == "mean" or isinstance(fuse, Mean) else (Mean(), fuse)
    settings = Settings(fuse, kinds, folds, by, time, balance, coverage, seed)
    predicted = [] if fuse == "none" else targets
    inputs = Inputs(joining, {})
    candidates(fuse, 2)
    named_aligner(align, dim)
    if predicted:
        inputs = choose_inputs(rows, encoders or {}, targets, groups, (by, time))
    with opened(cache) as kept:
        described = inputs.describe(rows, kept, progress)
        changed = [inputs.describe(rows, seed=seed + i) for i in range(copies)] if predicted else []
    # threads that share a small matrix wait for each other longer than they work
    with threadpool_limits(1 if len(rows) <= FEW else None, user_api="blas"):
        learned = {name: learn(rows, name, inputs, described, settings, changed) for name in predicted}
        kinds_found = {name: one.predictor.task.kind for name, one in learned.items()}
        equal = next((name for name in targets if kinds_found.get(name, "classes") == "classes"), None)
        fitted = None
        if joining:
            fitted = fit_space(
                rows, joining, {c: described[c] for c in joining}, target=equal, align=align, fusion=weighing,
                dim=dim, by=by, precision=precision, seed=seed,
            )  # fmt: skip
            remarks = remarks_on_fit(fitted.features, fitted.parts, fitted.tuning.params.get("ridge"), seed)
            fitted = replace(fitted, notes=[*fitted.notes, *remarks])
    facts = {
        "seed": seed,
        "target": equal,
        "by": by,
        "targets": {name: one.predictor.name for name, one in learned.items()},
    }
    return _model(rows, fitted, learned, described, facts)


def _check(
    rows: Rows,
    targets: Sequence[str],
    kinds: Kinds,
    by: str | None,
    time: str | None,
    folds: int | None,
) -> None:
    for column in (*targets, *kinds, *(one for one in (by, time) if one is not None)):
        rows.schema[column]
    for column in kinds:
        if column not in targets:
            raise UsageError(
                f"column {column!r} has a task but is no target", where="task", hint="Name it as one."
            )
        if isinstance(kinds[column], str):
            check_known(str(kinds[column]), KINDS, "kind of target")
    if len(set(targets)) < len(targets):
        raise UsageError("a target is named twice", where="target")
    _check_parting(rows, targets, by, time, folds)


def _check_parting(
    rows: Rows, targets: Sequence[str], by: str | None, time: str | None, folds: int | None
) -> None:
    if folds is None and by is None:
        raise UsageError(
            "a fold for each group needs groups", where="folds", hint="Name their column with by."
        )
    if folds is not None and folds < 2:
        raise UsageError(f"there must be 2 folds or more, got {folds}", where="folds")
    for parting in (by, time):
        if parting in targets:
            raise UsageError(f"column {parting!r} is a target: it cannot part the rows", where="by, time")
    if time is not None and rows.schema[time].modality not in ("number", "date"):
        held = rows.schema[time].modality
        raise UsageError(f"column {time!r} holds {held}, no number or date to order by", where="time")
    if by is not None and time is not None:
        raise UsageError("folds go by groups or by time", hint="Give by or time, not both.")


def _mean(fuse: Any) -> Mean:
    own: Mean = plugins.get("fuse", fuse)() if isinstance(fuse, str) else clone(fuse)
    return own.fit({})


def _model(
    rows: Rows,
    fitted: Fitted | None,
    learned: Mapping[str, Learned],
    described: Mapping[str, Described],
    facts: Mapping[str, Any],
) -> Model:
    outcomes = tuple(one.outcome for one in learned.values())
    notes = unnamed(rows, parted=bool(facts["by"] or facts["targets"]))
    notes += doubted(rows, sorted({c for one in learned.values() for c in one.predictor.inputs.columns}))
    notes += [note for one in learned.values() for note in one.notes]
    broken = [cell for d in described.values() for cell in d.broken]
    report = Report((), len(rows), "", (), outcomes) if outcomes else None
    space, galleries, baselines, more = NOWHERE, {}, Baselines({}), {}
    if fitted is not None:
        space, baselines, notes = fitted.space, fitted.baselines, [*notes, *fitted.notes]
        galleries = space.galleries(space.project(fitted.features))
        report = report if fitted.report is None else replace(fitted.report, outcomes=outcomes)
        more = {
            "tuned": fitted.tuning.params,
            "hubness": fitted.tuning.hubness,
            "trained_rows": fitted.parts.numbers(rows),
        }
    return Model(
        space,
        rows,
        galleries,
        baselines,
        {name: one.predictor for name, one in learned.items()},
        report,
        {**facts, **more, "versions": folder.versions()},
        tuple(notes),
        named(broken, rows),
    )


NOWHERE = Space({}, CCA().restore({"means_": {}, "maps_": {}}), Hubness().fit({}, {}), Mean())
"""The space of a model that only predicts: no column is in it."""
