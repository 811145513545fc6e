"""Product of experts: the likelihood ratios of all modalities, multiplied (Hinton 2002)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats, Mask
from chiasm.fuse.patterns import Pattern, rows_by_pattern
from chiasm.fuse.singles import Stacked
from chiasm.fuse.stack import conditional, gaussian, logistic_stack
from chiasm.heads.logistic import indicators

POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Experts(Stacked):
    """log p(y | x) = log p(y) + k^-power Σ (log p(y | x_m) - log p(y)) over the k modalities present;
    parameters as `Stacked`.

    Every head is calibrated by itself. `power_`, chosen on held-out scores, says how redundant they are: 0
    where they are independent given the target, 1 where all agree. Of numbers every expert is a Gaussian,
    weighted by its precision.
    """

    power_: float
    weight_: Floats
    bias_: Floats
    precision_: Floats

    def _join(self, S: Floats, y: NDArray[Any], weights: Floats) -> None:
        mask: Mask = np.asarray(np.isfinite(S).all(axis=2), bool)
        self.weight_, self.bias_ = self._calibrated(S, y, weights)
        own = self.weight_[:, None] * S + self.bias_[:, None]
        self.precision_ = self._precisions(own, y, mask, weights)
        losses = []
        for power in POWERS:
            self.power_ = power
            scores = np.empty(S.shape[1:])
            for pattern, rows in rows_by_pattern(mask).items():
                a, b = self._joined(pattern)
                scores[rows] = b + (a[:, None] * S[list(pattern)][:, rows]).sum(axis=0)
            losses.append(np.average(self.task.losses(scores, y), weights=weights))
        self.power_ = POWERS[int(np.argmin(losses))]

    def _calibrated(self, S: Floats, y: NDArray[Any], weights: Floats) -> tuple[Floats, Floats]:
        """Weights and biases (m, q) that make every modality's own scores right by themselves."""
        alone = [(i,) for i in range(len(S))]
        if self.task.is_number:
            moments = gaussian(S, y, weights)
            lines = [conditional(moments, one) for one in alone]
            return np.array([a[0] for a, _ in lines]), np.array([b for _, b in lines])
        learned = logistic_stack(S, indicators(self.task, y), self.task, self.base_, weights, alone)
        slope = np.array([np.repeat(learned[one][0], len(self.base_)) for one in alone])
        return slope, np.array([learned[one][1] for one in alone]) + self.base_ * (1 - slope)

    def _precisions(self, own: Floats, y: NDArray[Any], mask: Mask, weights: Floats) -> Floats:
        """(m + 1, q) of numbers one over the error's variance of each expert, at least the last's, the
        prior's; ones of classes and labels, whose scores are logarithms already."""
        if not self.task.is_number:
            return np.ones((len(own) + 1, own.shape[2]))
        mass, squares = mask * weights, np.square(np.nan_to_num(own) - y)
        error = np.einsum("mn,mnq->mq", mass, squares) / mass.sum(axis=1)[:, None]
        spread = np.average(np.square(y - self.base_), axis=0, weights=weights)
        prior = 1 / np.maximum(spread, 1e-9)  # an output that never varies has no spread
        return np.vstack([np.maximum(1 / np.maximum(error, 1e-9), prior), prior])

    def _joined(self, pattern: Pattern) -> tuple[Floats, Floats]:
        p, share = list(pattern), len(pattern) ** -self.power_
        prior = self.precision_[-1]
        if self.task.is_number:
            total = prior + share * (self.precision_[p] - prior).sum(axis=0)
            each = share * self.precision_[p] / total
            rest = (1 - share * len(p)) * prior / total
        else:
            each = np.full((len(p), len(prior)), share)
            rest = 1 - share * len(p) * np.ones(len(prior))
        return each * self.weight_[p], rest * self.base_ + (each * self.bias_[p]).sum(axis=0)
