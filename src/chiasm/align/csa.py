"""Canonical similarity analysis: CCA under a cosine in which each coordinate counts by its correlation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.align.linear import CCA, LinearAligner
from chiasm.align.moments import Moments
from chiasm.errors import DataError
from chiasm.numerics import unit_rows


class CSA(LinearAligner):
    """The similarity Σ ρ_i x_i y_i / (|x| |y|) over the leading canonical coordinates (arXiv 2410.07610).

    The correlations ρ stand in the product and not in the lengths: an item whose content the other column
    does not share is like nothing, where `CCA`, which weighs before it takes the length, makes it as like to
    its nearest as any other. To be a cosine of unit vectors all the same, a vector is √ρ_i x_i / |x|
    and, in a coordinate of its own column, what is missing to length 1; across columns those are never
    multiplied. Within one column they are: two items that both share little are alike in that.

    The trade-off of the paper: more coordinates tell more items apart, but the later ones are noise
    that the training rows took for correlation. `separations` measures it on held-out rows, and
    `narrow` keeps as many as separate best.

    dim : coordinates s at most; vectors have one more for each column, 18 for two columns and dim=16.
    ridge : as in `CCA`.

    correlations_ : (s,) descending;  maps_ : {column: (d, s)}
    """

    tunable = ("ridge",)
    ridge_by_column = True

    def __init__(self, dim: int = 128, ridge: float | Mapping[str, float] = 1e-3) -> None:
        self.dim = dim
        self.ridge = ridge

    def _solve(self, moments: Moments, columns: list[str]) -> None:
        under = CCA(self.dim, self.ridge, weight=0.0).fit_moments(moments)
        self.maps_, self.correlations_ = under.maps_, under.correlations_

    @property
    def space_width(self) -> int:
        """s, and one coordinate a column."""
        self.require_fitted("maps_")
        return len(self.correlations_) + len(self.maps_)

    def project(self, name: str, values: NDArray[Any]) -> NDArray[np.float32]:
        """Items (items, d) of one column into the space (items, s + columns), at unit length."""
        shared = super().project(name, values) * np.sqrt(self.correlations_).astype(np.float32)
        own = np.zeros((len(shared), len(self.maps_)), np.float32)
        lengths = np.einsum("ij,ij->i", shared, shared)
        own[:, sorted(self.maps_).index(name)] = np.sqrt(np.clip(1 - lengths, 0, None))
        return unit_rows(np.hstack([shared, own]))

    def separations(self, held_out: Moments) -> dict[tuple[str, str], NDArray[np.float64]]:
        """For each pair of columns (s,): how far pairs lie above strangers, with 1 … s coordinates.

        The mean of Σ ρ_i x_i y_i over pairs less that over strangers, in standard deviations of the
        strangers', in closed form from moments of rows that `fit` did not see. Pairs of columns without
        such rows are left out.
        """
        self.require_fitted("maps_")
        present = [c for c in self.maps_ if c in held_out.columns]
        shared = held_out.only(*present).projected({c: self.maps_[c] for c in present})
        return {
            (a, b): self._separation(shared, a, b)
            for a, b in itertools.combinations(sorted(present), 2)
            if held_out.known(a, b)
        }

    def _separation(self, shared: Moments, a: str, b: str) -> NDArray[np.float64]:
        gain = self.correlations_ * np.diagonal(shared.covariance(a, b))
        spread_a, spread_b = (shared.covariance(c, c) for c in (a, b))  # (s, s)
        noise = spread_a * spread_b * np.outer(self.correlations_, self.correlations_)
        variance = np.diagonal(noise.cumsum(axis=0).cumsum(axis=1))
        return np.asarray(gain.cumsum() / np.sqrt(np.maximum(variance, np.finfo(float).tiny)))

    def narrow(self, held_out: Moments) -> Self:
        """Keep the leading coordinates that separate best, on average over the pairs of columns."""
        found = list(self.separations(held_out).values())
        if not found:
            raise DataError("no two columns share two held-out rows", where="CSA.narrow")
        width = int(np.mean(found, axis=0).argmax()) + 1
        self.correlations_ = self.correlations_[:width]
        self.maps_ = {c: np.ascontiguousarray(w[:, :width]) for c, w in self.maps_.items()}
        return self
