"""Auditing rows with a model's encoders: what is mispaired, copied or leaking, what gives a target away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chiasm.align.tune import sample
from chiasm.checks import check_known
from chiasm.encode.cache import Cache, opened
from chiasm.encode.features import Features
from chiasm.errors import DataError
from chiasm.judge.audit import Audit, audit
from chiasm.judge.pairing import Ridge
from chiasm.model.parts import Parts
from chiasm.model.space import Progress
from chiasm.model.targets import targets_of
from chiasm.rows.rows import Rows

if TYPE_CHECKING:
    from chiasm.model.model import Model

TELLING = ("text", "category", "number", "date")
STRIKING = 0.05
"""Share of held-out rows with a copy among those learned from, from which it is said."""
LOOKED_AT = 2_000
"""Rows of a fit that are looked at: more would cost more than a sixth of the fit."""


def audit_rows(
    model: Model, rows: Rows, by: str | None, seed: int, cache: Cache | None, progress: Progress | None
) -> Audit:
    """The audit of rows read as the model's schema says. The encoders give features and are not learned
    again; what maps them to each other is learned anew from these rows, so that none is judged by what
    learned from it.

    by : a column of parts or groups; None takes the one the model was parted by, one that says 'train', or
        for the rows that the model learned from its own held-out parts.
    """
    targets = {*model.predictors, *([model.facts["target"]] if model.facts.get("target") else [])}
    with opened(cache) as kept:
        features = model.space.features(rows, kept, progress)
    if not any(len(f.row) for f in features.values()):
        raise DataError(
            f"no row holds anything in {', '.join(map(repr, features))}",
            where="audit",
            hint="These are the columns the model compares: give a table that has them by these names.",
        )
    column, parts = _parts(model, rows, by)
    found = audit(
        features,
        parts=parts,
        values=_values(rows, [c.name for c in rows.schema.columns if c.modality in TELLING]),
        targets=_values(rows, sorted(targets & set(rows.columns))),
        numbers=rows.numbers,
        ridge=_ridge(model),
        seed=seed,
    )
    return replace(found, by=column, ids=_ids(found, rows))


def _ids(found: Audit, rows: Rows) -> dict[int, str]:
    """{number: id} of the rows that were found, where they have ids."""
    named = {row for one in found.duplicates for row in one.rows}
    named |= {row for one in found.mispaired for row in (one.row, *one.fits)}
    pairs = zip(rows.numbers.tolist(), rows.ids, strict=True) if rows.schema.ids else ()
    return {number: name for number, name in pairs if number in named}


def remarks_on_fit(
    features: Mapping[str, Features], parts: Parts, ridge: Ridge | None, seed: int
) -> list[str]:
    """A cheap look at the rows of a fit, at most `LOOKED_AT`: one sentence each on mispaired rows and on
    held-out rows that have a near-duplicate among those learned from; nothing where nothing strikes."""
    n = next(iter(features.values())).n
    some = sample(np.arange(n), LOOKED_AT, seed)
    held = np.isin(some, parts.score)
    # one vector a row: what five captions share is looked at once
    few = {c: Features.of(f.take(some).dense()) for c, f in features.items()}
    found = audit(few, parts=np.where(held, "held out", "learned").tolist(), ridge=ridge, rounds=1, seed=seed)
    notes = [
        f"{one}: chiasm inspect DATA --pairs MODEL names them."
        for one in found.paired
        if one.reliable and one.count.low > 0
    ]
    leaking = {row for leak in found.leaks for row in leak.parts["held out"]}
    if leaking and len(leaking) >= STRIKING * held.sum():
        notes.append(
            f"{len(leaking):,} of {int(held.sum()):,} held-out rows looked at have a near-duplicate among "
            "those learned from: the scoreboard flatters. --by COL keeps what belongs together on one side."
        )
    return notes


def _parts(model: Model, rows: Rows, by: str | None) -> tuple[str, Sequence[Any] | None]:
    """The column that names the parts, "" for none, and the part of each row."""
    if by is not None:
        check_known(by, rows.columns, "column")
        return by, rows.values(by)
    own = model.facts.get("by")
    if own in rows.columns:
        return str(own), rows.values(own)
    for column in rows.schema.of("category"):
        values = rows.values(column)
        if "train" in values:
            return column, values
    return "", _held_out(model, rows)


def _held_out(model: Model, rows: Rows) -> Sequence[Any] | None:
    """Which of the model's own rows its scoreboard was made of; None of rows that came later."""
    if rows.table is not model.rows.table or "trained_rows" not in model.facts:
        return None
    known: Mapping[str, Iterable[int]] = model.facts["trained_rows"]
    named = {"fit": "learned from", "tune": "learned from", "score": "held out"}
    names = {int(number): named[part] for part, numbers in known.items() for number in numbers}
    return [names.get(int(number)) for number in rows.numbers]


def _values(rows: Rows, columns: Sequence[str]) -> dict[str, list[Any]]:
    return {
        c: targets_of(rows, c) if rows.schema[c].modality in ("number", "date") else rows.values(c)
        for c in columns
    }


def _ridge(model: Model) -> Ridge | None:
    """What tuning found for these features, where the model's aligner has a ridge."""
    found: Ridge | None = model.facts.get("tuned", {}).get("ridge")
    return found
