"""One column under a new encoder: its map is solved anew onto the space as it is, and nothing else moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.align.aligner import Aligner, Columns, Matrix
from chiasm.align.choose import row_scores
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.tune import FEW, PROVISIONAL, Right, Tuning, sampled
from chiasm.checks import check_known, check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError
from chiasm.numerics import leading_eigen, ridge_solution, unit_rows

Vectors = NDArray[np.float32]
TINY = 1e-9
"""Of the largest variance: what varies less is rounding."""


@dataclass(frozen=True)
class Settings:
    """How a column is solved onto the space.

    ridge : added to the features' covariance, in units of their total variance.
    share : of the column's own old vectors in what is regressed onto; the rest is the other columns'.
    root : exponent of the strengths of the fitted directions. A regression shrinks each by its correlation,
        though the vectors it is fitted to are shrunk already; 0.5 takes that back.
    """

    ridge: float = 1e-2
    share: float = 0.5
    root: float = 0.5


TRIED: dict[str, tuple[float, ...]] = {
    "ridge": (1e-2, 1e-3, 3e-3, 3e-2, 1e-1),
    "share": (0.5, 0.0, 1.0),
    "root": (0.5, 1.0),
}


class Swapped(Aligner):
    """An aligner of which some columns have new encoders, and for these linear maps of their own.

    A map is a ridge regression of the new features, in closed form, onto what is known of the same cells:
    the vectors that the old encoder gave them, and those of the other columns in the same rows (see
    `Settings`). Nothing else moves: all other columns are projected by the aligner that is wrapped.

    It loses to a full refit where the new encoder sees more than the old one did: directions that the other
    columns' maps left out do not come back (on Flickr8k 100 and 101 % of its R@10 from MobileNetV2 to the
    small MobileNetV1, 94 and 100 % the other way, `benchmarks/swap.py`).

    aligner : what is wrapped, None takes `CCA(dim)`; `fit` fits it, and swaps nothing.
    dim : width of that CCA; an aligner that is given has its own.

    aligner_ : it, fitted;  maps_ : {swapped column: (d, k)};  offsets_ : {swapped column: (k,)}.
    """

    def __init__(self, aligner: Aligner | None = None, dim: int = 128) -> None:
        self.aligner = aligner
        self.dim = dim

    @classmethod
    def of(cls, aligner: Aligner) -> Swapped:
        """A fitted aligner wrapped, nothing swapped yet; of one that is wrapped, a copy."""
        if isinstance(aligner, Swapped):
            return cls(aligner.aligner, aligner.dim).restore(aligner.state())
        state = {"aligner_": aligner.state(), "means_": aligner.means_, "maps_": {}, "offsets_": {}}
        return cls(clone(aligner), aligner.dim).restore(state)

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        self.aligner_ = self._inner().fit_rows(moments, X, y, valid)
        self.maps_: dict[str, Vectors] = {}
        self.offsets_: dict[str, Vectors] = {}

    def _inner(self) -> Aligner:
        own: Aligner = CCA(self.dim) if self.aligner is None else clone(self.aligner)
        return own

    def state(self) -> dict[str, Any]:
        """The learned attributes, the wrapped aligner as what it learned."""
        found = super().state()
        return {k: v.state() if isinstance(v, Aligner) else v for k, v in found.items()}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take over what `state` gave."""
        super().restore(state)
        self.aligner_ = self._inner().restore(state["aligner_"])
        return self

    @property
    def space_width(self) -> int:
        """That of the wrapped aligner."""
        self.require_fitted("aligner_")
        return self.aligner_.space_width

    def project(self, name: str, values: Matrix) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        self.require_fitted("aligner_")
        if name not in self.maps_:
            return self.aligner_.project(name, values)
        return unit_rows(self.centred(name, values) @ self.maps_[name] + self.offsets_[name])


def swapped(
    aligner: Aligner,
    column: str,
    cells: Features | Matrix,
    vectors: Mapping[str, Features | Matrix],
    settings: Settings = Settings(),
) -> Swapped:
    """The fitted aligner with `column` solved anew.

    cells : (n, d) or Features of the column by its new encoder.
    vectors : {column: (n, k) or Features in the space} of the same rows, other columns' and where there are
        any `column`'s own by its old encoder. Items of one row and place are the same cell.
    """
    return Regression(column, as_features(cells), vectors).solve(aligner, settings)


def tuned_swap(
    aligner: Aligner,
    column: str,
    rows: Mapping[str, Features],
    vectors: Mapping[str, Features],
    valid: Mapping[str, Features],
    relevant: Right,
    seed: int = 0,
) -> tuple[Swapped, Settings]:
    """`swapped` with the settings that find most among held-out rows, in the directions of `relevant`.

    rows, valid : {column: features} learned from and held out, of `column` by its new encoder.
    vectors, relevant : of the rows learned from as in `swapped`, of the held-out ones as in `tune`.
    """
    regression = Regression(column, rows[column], vectors)
    bank = {c: sampled(rows[c], FEW, seed) for c in aligner.columns}
    hubness: dict[str, dict[str, list[float]]] = {}
    for query, answer in relevant:
        hubness.setdefault(query, {})[answer] = [*PROVISIONAL]

    def score(settings: Settings) -> float:
        made = regression.solve(aligner, settings)
        found = row_scores(made, Tuning(hubness=hubness), valid, bank, relevant, seed)
        return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0

    best = Settings()
    for name, values in TRIED.items():
        best = max((replace(best, **{name: value}) for value in values), key=score)
    return regression.solve(aligner, best), best


class Regression:
    """New features of a column beside what the space knows of the same cells; every row weighs alike."""

    def __init__(self, column: str, cells: Features, vectors: Mapping[str, Features | Matrix]) -> None:
        known = {c: as_features(v, c) for c, v in vectors.items()}
        own, others = _own(cells, known.get(column)), _others(cells, known, column)
        usable = np.isfinite(own[:, 0]) | np.isfinite(others[:, 0])
        if usable.sum() < 2:
            raise DataError(
                "fewer than two cells are known in the space and to the new encoder",
                where=f"column {column!r}",
            )
        self.column, self.own, self.others = column, own[usable], others[usable]
        share = 1.0 / cells.counts[cells.row[usable]]
        self.weights = (share / share.sum())[:, None]
        values = cells.values[usable].astype(np.float64)
        self.mean = (self.weights * values).sum(axis=0)
        self.centred = values - self.mean
        self.axes = None
        if len(values) < values.shape[1]:  # ridge solutions lie where the rows span
            self.axes = np.linalg.qr(self.centred.T)[0]
            self.centred = self.centred @ self.axes
        self.covariance = self.centred.T @ (self.weights * self.centred)

    def solve(self, aligner: Aligner, settings: Settings) -> Swapped:
        """The aligner with the column's new map."""
        check_known(self.column, aligner.columns, "column")
        for name, low, high in (("ridge", 0.0, np.inf), ("share", 0.0, 1.0), ("root", 0.0, np.inf)):
            check_range(asdict(settings)[name], name, low, high)
        target = self._target(settings.share)
        offset = (self.weights * target).sum(axis=0)
        target = target - offset
        cross = self.centred.T @ (self.weights * target)
        found = ridge_solution(self.covariance, cross, max(settings.ridge, TINY))
        found = self._rooted(found, settings.root)
        found *= np.sqrt((self.weights * target**2).sum() / max(self._strengths(found).trace(), 1e-30))
        found = found if self.axes is None else self.axes @ found
        made = Swapped.of(aligner)
        made.means_ = {**made.means_, self.column: self.mean.astype(np.float32)}
        made.maps_ = {**made.maps_, self.column: np.ascontiguousarray(found, np.float32)}
        made.offsets_ = {**made.offsets_, self.column: offset.astype(np.float32)}
        return made

    def _target(self, share: float) -> Matrix:
        """(items, k) the two kinds of vectors mixed; where one is not there, the other alone."""
        own = np.where(np.isnan(self.own), self.others, self.own)
        others = np.where(np.isnan(self.others), self.own, self.others)
        return np.asarray(share * own + (1 - share) * others, np.float64)

    def _strengths(self, found: Matrix) -> Matrix:
        """(k, k) covariance of what a map gives."""
        return np.asarray(found.T @ self.covariance @ found)

    def _rooted(self, found: Matrix, root: float) -> Matrix:
        """The map with the standard deviations of its principal directions raised to `root`."""
        if root == 1:
            return found
        variances, directions = leading_eigen(self._strengths(found), found.shape[1])
        factors = np.maximum(variances, TINY * max(variances[0], 1e-30)) ** ((root - 1) / 2)
        return np.asarray((found @ directions * factors) @ directions.T)


def _own(cells: Features, old: Features | None) -> Matrix:
    """(items, k) the old vector of each cell, NaN where there is none."""
    if old is None:
        return np.full((len(cells.row), 1), np.nan)
    place = {key: i for i, key in enumerate(zip(old.row.tolist(), old.item.tolist(), strict=True))}
    found = [place.get(key, -1) for key in zip(cells.row.tolist(), cells.item.tolist(), strict=True)]
    padded = np.vstack([old.values, np.full((1, old.width), np.nan)])
    return padded[found]


def _others(cells: Features, known: Mapping[str, Features], column: str) -> Matrix:
    """(items, k) the mean over the other columns of each cell's row, at unit length; NaN where none is."""
    sums: Matrix = np.zeros((cells.n, 1))
    there = np.zeros(cells.n, bool)
    for other in sorted(set(known) - {column}):
        sums = sums + np.nan_to_num(unit_rows(known[other].dense()))
        there |= known[other].present
    return np.where(there[:, None], unit_rows(sums), np.nan)[cells.row]
