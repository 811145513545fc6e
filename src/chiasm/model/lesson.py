"""A lesson: the rows that have a value of a target, from which fusions learn, in folds and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.array_types import Floats
from chiasm.encode.described import Described
from chiasm.encode.features import Features
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.singles import Stacked
from chiasm.heads.calibrate import Calibration
from chiasm.heads.folds import several
from chiasm.heads.patterns import pattern_names
from chiasm.heads.task import Task
from chiasm.model.inputs import Inputs
from chiasm.rows.folds import folds

Places = NDArray[np.int64]
Fold = tuple[Places, Places]

FEW = 30
"""Fewer rows than these calibrate nothing."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What there is to learn a target from: rows described but not yet encoded.

    values : the target, one a row;  groups : (n,) which rows stay together;  weights : (n,) of the rows.
    times : (n,) what the rows are ordered by, where the past is to predict the future.
    copies : changed copies of the rows, described in the same way, learned from and never scored.
    """

    task: Task
    values: Sequence[Any]
    described: Mapping[str, Described]
    groups: Places | None = None
    weights: Floats | None = None
    times: Sequence[Any] | None = None
    copies: Sequence[Mapping[str, Described]] = ()

    @cached_property
    def coded(self) -> NDArray[Any]:
        """The coded targets."""
        return self.task.code(self.values)

    @cached_property
    def has(self) -> dict[str, NDArray[np.bool_]]:
        """{modality: (n,) whether a row has it}."""
        return {c: np.isin(np.arange(d.n), d.row) for c, d in self.described.items()}

    @cached_property
    def _patterns(self) -> list[str]:
        return pattern_names(self.has)

    def patterns(self, modality: str | None) -> list[str]:
        """(n,) the modalities that each row has; of one used alone, that one where it is there."""
        if modality is None:
            return self._patterns
        return [modality if here else "" for here in self.has[modality].tolist()]

    def parted(self, k: int | None, seed: int) -> list[Fold]:
        """Folds in time, or by group, keeping the shares of classes where there are any."""
        if self.times is not None:
            return folds(len(self.values), k, times=self.times, seed=seed)
        groups = None if self.groups is None else self.groups.tolist()
        classes = self.values if self.task.kind in ("classes", "order") else None
        return folds(len(self.values), k, groups=groups, stratify=classes, seed=seed)

    def elsewhere(self, fold: Places, number: int) -> NDArray[np.bool_]:
        """(n,) the rows of other folds, in time of earlier ones."""
        return (fold >= 0) & (fold < number if self.times is not None else fold != number)

    def calibrate(self, raw: Floats, modality: str | None, rows: NDArray[np.bool_]) -> Calibration | None:
        """What some rows (n,) teach about scores (n, q) of one modality or all; None where they are few."""
        use = np.flatnonzero(rows & finite(raw))
        if len(use) < FEW:
            return None
        names = self.patterns(modality)
        groups = None if self.groups is None else self.groups[use]
        weights = None if self.weights is None else self.weights[use]
        own = Calibration()
        own.fit(raw[use], self.coded[use], self.task, [names[i] for i in use], groups, weights=weights)
        return own

    def teach(self, inputs: Inputs, fusions: Mapping[str, Fusion], rows: Places) -> dict[str, Fusion]:
        """Fresh fusions that learned from some rows and their copies, as fitted inputs encode them; those
        that stack single modalities share those of `late`."""
        sets = [inputs.features(one) for one in (self.described, *self.copies)]
        columns = {c: stacked([one[c].take(rows) for one in sets]) for c in sets[0]}
        late = self._taught(fusions["late"], columns, rows)
        learned: dict[str, Fusion] = {}
        for name, fusion in fusions.items():
            if name == "late":
                learned[name] = late
            elif isinstance(late, Stacked) and _stacks_alike(fusion, late):
                learned[name] = clone(fusion).fit_like(late)
            else:
                learned[name] = self._taught(fusion, columns, rows)
        for one in learned.values():
            if isinstance(one, Stacked):
                one.forget_held()
        return learned

    def _taught(self, fusion: Fusion, columns: Mapping[str, Features], rows: Places) -> Fusion:
        times = 1 + len(self.copies)
        groups = self.groups
        if times > 1 and not several(None if groups is None else groups[rows]):
            groups = np.arange(len(self.values))  # a copy stays on the side of its row in inner splits
        own: Fusion = clone(fusion)
        return own.fit(
            columns,
            [self.values[i] for i in rows.tolist()] * times,
            task=self.task,
            groups=None if groups is None else groups[rows].tolist() * times,
            weights=None if self.weights is None else np.tile(self.weights[rows], times),
        )


def finite(scores: Floats) -> NDArray[np.bool_]:
    """(n,) rows of which something is known."""
    return np.asarray(np.isfinite(scores).all(axis=1), bool)


def stacked(parts: Sequence[Features]) -> Features:
    """The rows of several features, one below the other."""
    starts = np.cumsum([0, *(f.n for f in parts)])
    return Features(
        np.concatenate([f.values for f in parts if len(f.row)] or [parts[0].values]),
        np.concatenate([f.row + start for f, start in zip(parts, starts, strict=False)]),
        np.concatenate([f.item for f in parts]),
        int(starts[-1]),
    )


def _stacks_alike(fusion: Fusion, late: Stacked) -> bool:
    return isinstance(fusion, Stacked) and fusion.get_params() == late.get_params()
