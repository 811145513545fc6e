"""Late fusion: a head for every modality, their held-out scores stacked by the pattern that is present."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.fuse.patterns import Pattern, patterns_to_learn
from chiasm.fuse.singles import Stacked
from chiasm.fuse.stack import conditional, gaussian, logistic_stack
from chiasm.heads.logistic import indicators


class Late(Stacked):
    """Scores of single modalities, joined by weights learned from their scores of held-out rows; parameters
    as `Stacked`.

    Numbers are combined, for every pattern, by the mean of the target given its scores as if all were
    Gaussian, with weights that are not negative and moments of rarely seen pairs shrunk to independence;
    classes and labels by one logistic stacker per pattern, its weights not negative and shrunk to shared
    ones.
    """

    stack_: dict[str, Any]

    def _join(self, S: Floats, y: NDArray[Any], weights: Floats) -> None:
        if self.task.is_number:
            self.stack_ = gaussian(S, y, weights)
            return
        mask: NDArray[np.bool_] = np.asarray(np.isfinite(S).all(axis=2), bool)
        learned = logistic_stack(
            S, indicators(self.task, y), self.task, self.base_, weights, patterns_to_learn(mask)
        )
        self.stack_ = {_key(p): {"weights": a, "bias": b} for p, (a, b) in learned.items()}

    def _joined(self, pattern: Pattern) -> tuple[Floats, Floats]:
        if self.task.is_number:
            return conditional(self.stack_, pattern)
        own = self.stack_.get(_key(pattern))
        a = self.stack_[""]["weights"][list(pattern)] if own is None else own["weights"]
        bias = self.stack_[""]["bias"] if own is None else own["bias"]
        weights = np.repeat(a[:, None], len(self.base_), axis=1)
        return weights, self.base_ * (1 - a.sum()) + bias


def _key(pattern: Pattern) -> str:
    return "+".join(map(str, pattern))
