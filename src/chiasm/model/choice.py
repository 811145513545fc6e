"""The choice among fusions and single modalities: the least loss, and a fusion only where it pays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chiasm.array_types import Floats
from chiasm.model.lesson import finite
from chiasm.model.trial import Trial


def chosen(trial: Trial) -> tuple[str, bool]:
    """(name, whether it is a single modality) of what predicts best on rows it had not seen.

    The fusion of least mean loss, unless the best single modality is there in every row that can be
    predicted and the fusion's paired gain over it is less than one standard error: fewer parts then do as
    well. A row of which a candidate knows nothing costs what the commonest answer costs.
    """
    fusions = {name: _losses(trial, one.scores) for name, one in trial.fusions.items()}
    singles = {name: _losses(trial, one.scores) for name, one in trial.singles.items()}
    fused, alone = _least(fusions), _least(singles)
    gain, error = _gain(singles[alone] - fusions[fused], trial)
    everywhere = finite(trial.singles[alone].scores) >= finite(trial.fusions[fused].scores)
    if len(singles) == 1 or (bool(everywhere.all()) and gain <= error):
        return alone, True
    return fused, False


def _losses(trial: Trial, scores: Floats) -> Floats:
    """(rows scored,) what each costs, times its weight."""
    lesson, rows = trial.lesson, trial.fold >= 0
    prior = lesson.task.prior(lesson.coded, lesson.weights)
    weights = np.ones(len(rows)) if lesson.weights is None else lesson.weights
    filled = np.where(finite(scores)[:, None], scores, prior)
    return lesson.task.losses(filled[rows], lesson.coded[rows]) * weights[rows]


def _least(losses: Mapping[str, Floats]) -> str:
    return min(losses, key=lambda name: float(losses[name].mean()))


def _gain(losses: Floats, trial: Trial) -> tuple[float, float]:
    """The mean gain and its standard error, whole groups being what varies."""
    groups, rows = trial.lesson.groups, trial.fold >= 0
    place = np.arange(len(losses)) if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    off = np.bincount(place, losses - losses.mean())
    return float(losses.mean()), float(np.sqrt(len(off)) * off.std() / len(losses))
