"""Kernel CCA: every column's likeness to a few of its items, then correlations in closed form."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.spatial.distance import pdist

from chiasm.align.aligner import Aligner, Columns, Matrix, shortened
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.tune import FEW, mrr_ties_last, sample
from chiasm.checks import check_count, check_known, check_range
from chiasm.encode.features import Features
from chiasm.numerics import blocks, cholesky, unit_rows

Vectors = NDArray[np.float32]
RIDGES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SAFE = 1e-3  # of them, where no rows are held out
SAMPLE = 500  # items of a column among which the median distance is taken
ROWS = 4_096  # mapped at once
FAR = 1e15  # bandwidths from which an item is as far as can be
JITTER = 1e-9  # of the landmarks' kernel, in units of its trace: below it float32 knows nothing


class KernelCCA(Aligner):
    """Canonical correlations of Gaussian kernels, approximately, in time and memory linear in the rows.

    basis : "nystroem" tells an item by its kernel with `size` items drawn from its own column (Williams &
        Seeger 2001), "fourier" by cosines and sines of `size / 2` random directions (random Fourier features:
        Rahimi & Recht 2007; their CCA: Lopez-Paz et al. 2014, arXiv 1402.0119). Nyström's items know where
        the data lie and find more; Fourier's waves need no training item in the model. A `CCA` of either is
        learned.

    Where it loses: a fit takes some 30 times as long as `CCA`'s (benchmarks/results/aligners.md) and keeps
    `size` items a column in the model; Fourier's waves find no more than `CCA` does; an item far from all
    that was seen is like nothing.

    dim, weight : of the CCA under it.
    ridge : of it; None takes the best of `RIDGES` for `valid` rows, 1e-3 where `fit` is given none.
    size : numbers an item is told by, at most. Time grows with their square, later with their cube.
    bandwidth : in median distances between a column's items; the larger, the nearer to a linear map.
    seed : of what is drawn, column by column, by its name.

    ridge_ : taken;  bandwidths_ : {column: float};  bases_ : {column: (m, d)} items less their mean, or
    directions;  maps_ : {column: (m, k)};  offsets_ : {column: (k,)};  correlations_ : (k,) descending.
    """

    tunable = adjustable = ("weight",)

    def __init__(
        self,
        dim: int = 128,
        ridge: float | None = None,
        weight: float = 1.0,
        size: int = 2048,
        bandwidth: float = 0.8,
        basis: str = "nystroem",
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.ridge = ridge
        self.weight = weight
        self.size = size
        self.bandwidth = bandwidth
        self.basis = basis
        self.seed = seed

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        self._check()
        self.bandwidths_ = {
            c: self.bandwidth * median_distance(f.values, self._random(c)) for c, f in X.items()
        }
        self.bases_ = {c: self._drawn(c, f) for c, f in X.items()}
        factors = {c: self._whitening(c) for c in X}
        mapped = Moments.of(self._mapped(X, factors))
        if self.ridge is None and valid is not None:
            scores = []
            for ridge in RIDGES:
                self._solve(mapped, factors, ridge)
                scores.append(nearness(self.transform(valid)))
            self._solve(mapped, factors, RIDGES[int(np.argmax(scores))])
        else:
            self._solve(mapped, factors, SAFE if self.ridge is None else self.ridge)

    def _check(self) -> None:
        check_known(self.basis, ("nystroem", "fourier"), "basis")
        check_count(self.size, "size", 2)
        check_range(self.bandwidth, "bandwidth", 1e-6)
        check_range(self.weight, "weight", 0)

    def _random(self, column: str) -> np.random.Generator:
        digest = hashlib.blake2b(f"{self.seed} {column}".encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "big"))

    def _drawn(self, column: str, cells: Features) -> Vectors:
        rng = self._random(column)
        if self.basis == "fourier":
            scale = np.float32(1 / self.bandwidths_[column])
            return rng.standard_normal((self.size // 2, cells.width), np.float32) * scale
        chosen = np.sort(rng.permutation(len(cells.values))[: self.size])
        return self.centred(column, cells.values[chosen])

    def _whitening(self, column: str) -> Matrix:
        """(m, m) what makes products of `_kernel_features` those of the kernel."""
        if self.basis == "fourier":
            return np.eye(2 * len(self.bases_[column]))
        among = self._kernel_features(column, self.bases_[column]).astype(np.float64)
        factor = cholesky((among + among.T) / 2, JITTER)
        inverse = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        return np.asarray(inverse.T)

    def _mapped(self, X: Columns, factors: dict[str, Matrix]) -> Iterator[dict[str, Features]]:
        small = {c: factor.astype(np.float32) for c, factor in factors.items()}
        rows = max(f.n for f in X.values())
        for start in range(0, rows, ROWS):
            part = {c: f.take(np.arange(start, min(start + ROWS, rows))) for c, f in X.items()}
            yield {
                c: f.with_values(self._kernel_features(c, self.centred(c, f.values)) @ small[c])
                for c, f in part.items()
            }

    def _solve(self, moments: Moments, factors: dict[str, Matrix], ridge: float) -> None:
        under = CCA(self.dim, ridge).fit_moments(moments)
        self.ridge_, self.correlations_ = ridge, under.correlations_
        self.maps_ = {c: np.asarray(factors[c] @ w, np.float32) for c, w in under.maps_.items()}
        self.offsets_ = {c: under.means_[c] @ w for c, w in under.maps_.items()}

    def selected_params(self) -> dict[str, Any]:
        """The ridge taken."""
        self.require_fitted("ridge_")
        return {"ridge": self.ridge_}

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("correlations_")
        return len(self.correlations_)

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        centred = self.centred(name, values)
        scale = (self.correlations_**self.weight).astype(np.float32)
        out = np.empty((len(centred), self.space_width), np.float32)
        for rows in blocks(len(centred), len(self.bases_[name])):
            out[rows] = self._kernel_features(name, centred[rows]) @ self.maps_[name]
        return unit_rows((out - self.offsets_[name]) * scale)

    def _kernel_features(self, name: str, centred: Vectors) -> Vectors:
        """(items, m) of items less their mean: their kernel with the column's own, or their waves."""
        basis = self.bases_[name]
        if self.basis == "fourier":
            products = centred @ basis.T
            waves = np.hstack([np.cos(products), np.sin(products)])
            return np.asarray(waves * np.float32(len(basis) ** -0.5))
        # in a unit, a power of two, in which squares neither overflow nor vanish
        size, power = np.frexp(self.bandwidths_[name])
        centred, basis = (shortened(np.ldexp(v, -int(power)), FAR) for v in (centred, basis))
        products = centred @ basis.T
        lengths, own = (np.einsum("ij,ij->i", v, v) for v in (centred, basis))
        products *= 2
        products -= lengths[:, None]
        products -= own  # now minus the squared distances
        products *= np.float32(0.5 / size**2)
        return np.asarray(np.exp(np.minimum(products, 0)))


def nearness(space: Mapping[str, Vectors]) -> float:
    """How near the columns of a row lie, {column: (n, k) unit rows, NaN absent}: the mean reciprocal rank of
    rows that have both, of at most `FEW` drawn ones, over all pairs of columns both ways."""
    found = []
    for a, b in itertools.permutations(sorted(space), 2):
        both = sample(np.flatnonzero(~np.isnan(space[a][:, 0] + space[b][:, 0])), FEW, seed=0)
        partners = sparse.csr_matrix(sparse.eye_array(len(both), dtype=bool))
        found.append(mrr_ties_last(space[a][both] @ space[b][both].T, partners))
    return float(np.mean(found))


def median_distance(values: Vectors, rng: np.random.Generator) -> float:
    """The median distance of items (n, d) that differ, among `SAMPLE` drawn ones; 1 where none do."""
    distances = pdist(values[np.sort(rng.permutation(len(values))[:SAMPLE])])
    return float(np.median(distances[distances > 0])) if distances.any() else 1.0
