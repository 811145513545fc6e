"""Closed-form alignment: regularised CCA, ridge regression and orthogonal Procrustes, from second moments."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from chiasm.align.aligner import Aligner, Columns, Matrix
from chiasm.align.bridge import completed, seen
from chiasm.align.moments import Moments, Table
from chiasm.checks import check_count, check_known, check_range
from chiasm.errors import DataError, UsageError
from chiasm.numerics import (
    cholesky,
    fix_signs,
    leading_eigen,
    leading_singular,
    ridge_solution,
    unit_rows,
    whitened,
)

UNCORRELATED = 1e-4
"""Of the first correlation: what correlates less is noise in fewer than 1e8 rows, or no direction at all."""


class LinearAligner(Aligner):
    """One linear map a column into a space of `dim` coordinates: f(x) = (x - mean) W, at unit length.

    A column of fewer rows than features is solved in the coordinates of what the rows span: the same, in
    memory and time of the rows.

    `fit_moments` takes ready `Moments` instead of rows, which then never need to be in memory together.

    means_ : {column: (d,)};  maps_ : {column: (d, k)}
    """

    from_rows: ClassVar[bool] = False
    maps_: dict[str, Matrix]

    def fit(self, X: Table | Iterable[Table], y: Any = None, valid: Table | None = None) -> Self:
        """Learn the maps from rows; `y` and `valid` are ignored."""
        return self.fit_moments(Moments.of(X))

    def fit_rows(self, moments: Moments, X: Table, y: Any = None, valid: Table | None = None) -> Self:
        """Learn the maps from the moments of the rows."""
        return self.fit_moments(moments)

    def fit_moments(self, moments: Moments) -> Self:
        """Learn the maps from second moments."""
        self._begun(moments)
        self._learn(moments, {}, None, None)
        return self

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        """Set `maps_`, from the moments alone."""
        axes = moments.axes()
        self._solve(moments.projected(axes) if axes else moments, moments.columns)
        maps = {c: axes[c] @ w if c in axes else w for c, w in self.maps_.items()}
        with np.errstate(over="ignore"):
            # one memory layout, so that a model that was read back gives the same bits
            self.maps_ = {c: np.ascontiguousarray(w, np.float32) for c, w in maps.items()}
        for c, w in self.maps_.items():
            if not np.isfinite(w).all():
                raise DataError(
                    "numbers too small, alone or beside another column, for a map in single precision",
                    where=f"column {c!r}",
                    hint="Scale the features up.",
                )

    @abstractmethod
    def _solve(self, moments: Moments, columns: list[str]) -> None:
        """Set `maps_` for every column."""

    def project(self, name: str, values: Matrix) -> NDArray[np.float32]:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        return unit_rows(self.centred(name, values) @ self.scaled_map(name))

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("maps_")
        return int(next(iter(self.maps_.values())).shape[1])

    def scaled_map(self, name: str) -> NDArray[np.float32]:
        """(d, k) the map of one column as it is applied."""
        return np.asarray(self.maps_[name], np.float32)


class CCA(LinearAligner):
    """Regularised canonical correlation analysis of two or more columns with gaps.

    Two columns: the singular pairs of the whitened cross-covariance (Hotelling 1936; ridge: Vinod 1976).
    More: the leading eigenvectors of all whitened cross-covariances together (MAXVAR, Kettenring 1971);
    those of columns never seen together are composed over the columns seen with both (`bridge`).
    Coordinate j is scaled by ρ_j ** weight, so that what correlates counts (CSA, arXiv 2410.07610).

    dim : width of the space, at most as many coordinates as correlate.
    ridge : added to each covariance, in units of that column's total variance: one number, or one a column.
    weight : exponent of the correlations; 0 counts all coordinates alike. It may be changed after `fit`.

    correlations_ : (k,) canonical correlations, descending; for m > 2 columns the mean over pairs.
    """

    tunable = ("ridge", "weight")
    adjustable = ("weight",)
    ridge_by_column = True

    def __init__(
        self, dim: int = 128, ridge: float | Mapping[str, float] = 1e-3, weight: float = 1.0
    ) -> None:
        self.dim = dim
        self.ridge = ridge
        self.weight = weight

    def _solve(self, moments: Moments, columns: list[str]) -> None:
        check_count(self.dim, "dim")
        check_range(self.weight, "weight", 0)
        ridges = checked_ridges(self.ridge, columns)
        factors = {c: cholesky(moments.covariance(c, c), ridges[c]) for c in columns}
        solved = _two_blocks if len(columns) == 2 else _many_blocks
        blocks, values = solved(moments, columns, factors, self.dim)
        width = max(int((values > UNCORRELATED * values[0]).sum()), 1)
        self.correlations_ = np.clip(values[:width], 0, 1)
        self.maps_ = {
            c: linalg.solve_triangular(factors[c].T, blocks[c][:, :width], lower=False, check_finite=False)
            for c in columns
        }

    def scaled_map(self, name: str) -> NDArray[np.float32]:
        """(d, k) the map of one column, its coordinates scaled by ρ ** weight."""
        scale = self.correlations_**self.weight
        return np.asarray(self.maps_[name] * scale, np.float32)


class Ridge(LinearAligner):
    """Ridge regression of every column onto one of them (Hoerl & Kennard 1970).

    The space is the target's own leading principal directions.

    dim : width of the space, at most the target's.
    ridge : added to the covariance of every other column, in units of its total variance.
    target : the column regressed onto; None takes the one that shares most rows with the others.
    """

    tunable = ("ridge",)

    def __init__(self, dim: int = 128, ridge: float = 1e-3, target: str | None = None) -> None:
        self.dim = dim
        self.ridge = ridge
        self.target = target

    def _solve(self, moments: Moments, columns: list[str]) -> None:
        check_count(self.dim, "dim")
        check_range(self.ridge, "ridge", 0)
        target = _reference(moments, columns, self.target)
        axes = _principal(moments, target, self.dim)
        self.maps_ = {c: self._regression(moments, c, target) @ axes for c in columns if c != target}
        self.maps_[target] = axes

    def _regression(self, moments: Moments, column: str, target: str) -> Matrix:
        own, cross = (moments.covariance(column, c) for c in (column, target))
        return ridge_solution(own, cross, self.ridge)


class Procrustes(LinearAligner):
    """Orthogonal Procrustes: principal directions of each column rotated onto those of one (Schönemann 1966).

    dim : width of the space, at most that of the narrowest column.
    target : the column rotated onto; None takes the one that shares most rows with the others.
    """

    def __init__(self, dim: int = 128, target: str | None = None) -> None:
        self.dim = dim
        self.target = target

    def _solve(self, moments: Moments, columns: list[str]) -> None:
        check_count(self.dim, "dim")
        target = _reference(moments, columns, self.target)
        dim = min(self.dim, *(moments.width(c) for c in columns))
        axes = {c: _principal(moments, c, dim) for c in columns}
        self.maps_ = {}
        for c in columns:
            shared = axes[c].T @ moments.covariance(c, target) @ axes[target]
            left, _, right = linalg.svd(shared)
            rotation = np.eye(dim) if c == target else left @ right
            self.maps_[c] = axes[c] @ rotation


def checked_ridges(
    ridge: float | Mapping[str, float], columns: Iterable[str], name: str = "ridge"
) -> dict[str, float]:
    """{column: its ridge}, one for all or one a column; UsageError where one is missing or wrong."""
    ridges = ridge if isinstance(ridge, Mapping) else dict.fromkeys(columns, ridge)
    for c in columns:
        check_known(c, ridges, f"column with a {name}")
        check_range(ridges[c], name, 0)
    return {c: ridges[c] for c in columns}


def _two_blocks(
    moments: Moments, columns: list[str], factors: dict[str, Matrix], dim: int
) -> tuple[dict[str, Matrix], Matrix]:
    """The canonical directions of whitened columns, {column: (d, k)}, and their correlations (k,)."""
    a, b = columns
    core = whitened(moments.covariance(a, b), factors[a], factors[b])
    left, values, right = leading_singular(core, min(dim, *core.shape))
    signs = fix_signs(left)
    return {a: left * signs, b: right * signs}, values


def _many_blocks(
    moments: Moments, columns: list[str], factors: dict[str, Matrix], dim: int
) -> tuple[dict[str, Matrix], Matrix]:
    """As `_two_blocks`; the correlations are means over pairs of columns, and may be below zero."""
    blocks = {
        (a, b): whitened(moments.covariance(a, b), factors[a], factors[b])
        for a, b in combinations(columns, 2)
    }
    blocks = completed(blocks, seen(moments))
    # Few rows leave most directions without any correlation: those are dropped first.
    axes = {
        c: _correlated([W if a == c else W.T for (a, b), W in blocks.items() if c in (a, b)]) for c in columns
    }
    edges = np.cumsum([0, *(axes[c].shape[1] for c in columns)])
    spans = {c: slice(edges[i], edges[i + 1]) for i, c in enumerate(columns)}
    core = np.zeros((edges[-1], edges[-1]))
    for (a, b), block in blocks.items():
        small = axes[a].T @ block @ axes[b]
        core[spans[a], spans[b]], core[spans[b], spans[a]] = small, small.T
    widths = [moments.width(c) for c in columns]
    values, vectors = leading_eigen(core, min(dim, sum(widths) - max(widths), len(core)))
    found = np.vstack([axes[c] @ vectors[spans[c]] for c in columns])
    found *= fix_signs(found) * np.sqrt(len(columns))
    parts = np.split(found, np.cumsum(widths)[:-1])
    return dict(zip(columns, parts, strict=True)), values / (len(columns) - 1)


def _correlated(blocks: list[Matrix]) -> Matrix:
    """(d, r) orthonormal directions in which blocks (d, others) are more than rounding; at least one."""
    side_by_side = np.hstack(blocks)
    squares, vectors = leading_eigen(side_by_side @ side_by_side.T, len(side_by_side))
    return vectors[:, : max(int((squares > 1e-12 * squares[0]).sum()), 1)]


def _reference(moments: Moments, columns: list[str], target: str | None) -> str:
    if target is not None:
        check_known(target, columns, "column")
    else:
        target = max(columns, key=lambda c: sum(moments.pairs(c, o) for o in columns if o != c))
    unpaired = [c for c in columns if not moments.known(c, target)]
    if unpaired:
        raise UsageError(
            f"{unpaired} share no rows with the target {target!r}", hint="Use CCA, or another target."
        )
    return target


def _principal(moments: Moments, column: str, dim: int) -> Matrix:
    _, vectors = leading_eigen(moments.covariance(column, column), min(dim, moments.width(column)))
    return vectors * fix_signs(vectors)
