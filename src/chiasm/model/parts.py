"""Held-out parts of the rows: one to tune on, one to score on, the rest to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_known
from chiasm.rows.columns import ROW, with_rows
from chiasm.rows.rows import Rows

SHARE = 0.15
MOST = 1_000
LEAST = 40
"""With fewer rows that have two columns nothing is held out: a part of five rows tells nothing."""

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Places of rows: learned from, tuned on, scored on. The last two are empty where rows are too few."""

    fit: Places
    tune: Places
    score: Places

    def numbers(self, rows: Rows) -> dict[str, Places]:
        """The rows' numbers in their source, by part."""
        return {name: rows.numbers[places] for name, places in vars(self).items()}


def hold_out(rows: Rows, present: Mapping[str, NDArray[np.bool_]], by: str | None, seed: int) -> Parts:
    """Part the rows at random, or whole groups of column `by`; held-out rows have at least two columns.

    present : {column: (n,) True where the row has it}. Nothing is held out where rows or groups are too few,
    or groups so uneven that less than half of the rows would be left to learn from.
    """
    if by is not None:
        check_known(by, rows.columns, "column")
    everything = np.arange(len(rows))
    nothing = Parts(everything, everything[:0], everything[:0])
    paired = everything[np.sum(list(present.values()), axis=0) >= 2]
    if len(paired) < LEAST:
        return nothing
    size = min(MOST, round(SHARE * len(paired)))
    # a row's number is its place; the cells stay behind, which may hold all the media
    placed = replace(rows, table=with_rows(rows.table.select([ROW] if by is None else [by, ROW]), everything))
    rest, score = _split(placed[paired], size, by, seed)
    rest, tune = _split(rest, size, by, seed)
    held = np.r_[tune.numbers, score.numbers]
    fit = _apart(rows, by, np.setdiff1d(everything, held), held)
    if not len(tune) or not len(score) or 2 * len(np.intersect1d(fit, paired)) < len(paired):
        return nothing
    return Parts(fit, tune.numbers, score.numbers)


def _split(rows: Rows, size: int, by: str | None, seed: int) -> tuple[Rows, Rows]:
    """(rest, held); nothing is held where all rows are one group."""
    if by is not None and len(set(_groups(rows, by))) < 2:
        return rows, rows[:0]
    return rows.split(test=min(size, len(rows) - 1), by=by, seed=seed)


def _apart(rows: Rows, by: str | None, fit: Places, held: Places) -> Places:
    """The rows to learn from without those whose group is held out (rows with one column were not split)."""
    if by is None:
        return fit
    groups = _groups(rows, by)
    out = {groups[i] for i in held}
    return np.array([i for i in fit if groups[i] not in out], np.int64)


def _groups(rows: Rows, by: str) -> list[str | int]:
    """The group of each row; a row without one is a group of its own."""
    return [i if value is None else repr(value) for i, value in enumerate(rows.values(by))]
