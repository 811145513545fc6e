"""The targets of rows: their values, what they ask for, and the lesson they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.encode.described import Described
from chiasm.errors import DataError, UsageError
from chiasm.fuse.fusion import Fusion
from chiasm.heads.head import check_classes
from chiasm.heads.task import Task
from chiasm.model.lesson import Lesson
from chiasm.rows.modality import MEDIA
from chiasm.rows.rows import Rows

Kinds = Mapping[str, "str | Sequence[Any]"]
LEAST = 10
"""Fewer rows with a value than this are not learned from."""


@dataclass(frozen=True, eq=False)
class Settings:
    """How targets are learned.

    fuse : 'auto', the name of a fusion, or one.
    kinds : {target: a kind of `Task`, or the values of an order from low to high}.
    folds : of the cross-validation, None for one a group of `by`.  by, time : columns that part the rows.
    balance : whether every class weighs the same.  coverage : of conformal sets and intervals.
    """

    fuse: str | Fusion
    kinds: Kinds
    folds: int | None
    by: str | None
    time: str | None
    balance: bool
    coverage: float
    seed: int


def lesson_of(
    rows: Rows,
    target: str,
    described: Mapping[str, Described],
    settings: Settings,
    copies: Sequence[Mapping[str, Described]],
) -> tuple[Lesson, Rows]:
    """The lesson of the rows that have a value of the target, and these rows."""
    values = targets_of(rows, target)
    use = np.flatnonzero([value is not None for value in values])
    _check_enough(target, use, described)
    known, taught = rows[use], [values[i] for i in use.tolist()]
    task = _task(taught, target, settings.kinds.get(target))
    lesson = Lesson(
        task,
        taught,
        {c: d.take(use) for c, d in described.items()},
        None if settings.by is None else _groups(known, settings.by),
        _weights(task, taught) if settings.balance else None,
        None if settings.time is None else known.values(settings.time),
        [{c: d.take(use) for c, d in one.items()} for one in copies],
    )
    return lesson, known


def targets_of(rows: Rows, target: str) -> list[Any]:
    """The target's values, one a row, None where there is none or it is broken."""
    column = rows.schema[target]
    if column.modality in MEDIA:
        raise UsageError(f"column {target!r} holds {column.modality}, which is no target", where="target")
    if column.many:  # of a list without labels, none holds: that is not an absent cell
        return list(rows.table[target].to_pylist())
    if column.modality in ("number", "date"):
        found: list[Any] = [None] * len(rows)
        values, places, _ = rows.array(target)
        plain = rows.values(target)
        for place, value in zip(places.tolist(), values[:, 0].tolist(), strict=True):
            found[place] = plain[place] if isinstance(plain[place], int | float) else value
        return found
    return rows.values(target)


def _check_enough(target: str, use: NDArray[np.int64], described: Mapping[str, Described]) -> None:
    both = np.intersect1d(use, np.concatenate([d.row for d in described.values()]))
    if len(both) < LEAST:
        found = "" if len(both) == len(use) else f", {len(both)} of them beside anything usable"
        raise DataError(
            f"{len(use)} rows have a value{found}: fewer than {LEAST}",
            where=f"target {target!r}",
            hint="Give more rows.",
        )


def _task(values: Sequence[Any], target: str, kind: str | Sequence[Any] | None) -> Task:
    try:
        task = Task.of(values, kind) if kind is None or isinstance(kind, str) else _ordered(values, kind)
        check_classes(task)
    except DataError as error:
        raise DataError(error.what, where=f"target {target!r}", hint=error.hint) from error
    if task.kind == "classes" and len(task.classes) > len(values) / 2:
        raise DataError(
            f"{len(task.classes):,} classes in {len(values):,} rows: hardly any is there twice",
            where=f"target {target!r}",
            hint=_unlike_classes(values, target),
        )
    return task


def _unlike_classes(values: Sequence[Any], target: str) -> str:
    """What to do about a target of which hardly any value is there twice."""
    if all(isinstance(value, str) for value in values):
        return "Is it a name or a free text? A target is a column of few different words, or of numbers."
    return f"A number is task='number' (--task {target}=number)."


def _ordered(values: Sequence[Any], order: Sequence[Any]) -> Task:
    """The order that was stated; on the command line its steps are words, whatever they are in the data."""
    words = {str(value): value for value in values}
    steps = [words.get(str(step), step) for step in order]
    unknown = sorted(set(words) - {str(step) for step in order})
    if unknown:
        raise DataError(
            f"the order leaves out {', '.join(unknown)}", hint="State every value, from low to high."
        )
    return Task("order", tuple(steps))


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
