"""Held-out parts of the rows: one to tune on, one to score on, the rest to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    present : {column: (n,) True where the row has it}.
    """
    everything = np.arange(len(rows))
    paired = everything[np.sum(list(present.values()), axis=0) >= 2]
    size = min(MOST, round(SHARE * len(paired)))
    if len(paired) < LEAST or (by is not None and len({str(v) for v in rows[paired].values(by)}) < 3):
        return Parts(everything, everything[:0], everything[:0])
    rest, score = rows[paired].split(test=size, by=by, seed=seed)
    _, tune = rest.split(test=min(size, len(rest) - 1), by=by, seed=seed)
    held = {
        name: np.flatnonzero(np.isin(rows.numbers, part.numbers))
        for name, part in (("t", tune), ("s", score))
    }
    fit = _apart(rows, by, np.setdiff1d(everything, np.r_[held["t"], held["s"]]), np.r_[held["t"], held["s"]])
    return Parts(fit, held["t"], held["s"])


def _apart(rows: Rows, by: str | None, fit: Places, held: Places) -> Places:
    """The rows to learn from without those whose group is held out (rows with one column were not split)."""
    if by is None:
        return fit
    groups = rows.values(by)
    out = {groups[i] for i in held if groups[i] is not None}
    return np.array([i for i in fit if groups[i] not in out], np.int64)
