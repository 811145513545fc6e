"""Alignment from few pairs and many unpaired rows: transport pairs them softly, a closed form learns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import Aligner, Columns, Matrix
from chiasm.align.bridge import Pair, completed, seen, support
from chiasm.align.linear import CCA, checked_ridges
from chiasm.align.moments import TOGETHER, Doubles, Moments
from chiasm.align.product import cross, multiplied
from chiasm.align.span import Axes, projected
from chiasm.checks import check_count, check_range
from chiasm.errors import UsageError, require_extra
from chiasm.numerics import cholesky, ridge_solution, unit_rows, whitened

STEPS = 10
"""Of Sinkhorn a plan; more change it by less than the next round does."""
MEMORY = 0.5
"""What the plans of earlier rounds keep of their weight in every round."""
CONFIDENCE = 0.7
"""Exponent of the geometric mean of a plan's peaks in a row and in a column, as the weight of their pair:
where the mass is spread, little is known."""

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]
Loose = dict[Pair, tuple[Vectors, Vectors]]


class Transport(Aligner):
    """CCA of what few pairs predict, then of soft pairs that optimal transport makes of unpaired rows.

    After SOTAlign (arXiv 2602.23353): its linear teacher and transport plans, with a closed form in the place
    of its trained student. The pairs' regression, extended to the covariances of all rows, gives the first
    space. In every round, entropic transport (Cuturi 2013) under the cosines of the last space spreads each
    unpaired row of one column over those of another. The cross-covariance under these plans, blended with the
    predicted one, and the covariances of all rows give the next space. That every row gets the same mass is
    what nearest neighbours lack: no hub takes all.

    What the pairs predict of two columns that no two rows share is composed over columns seen with both
    (`bridge`), and trusted as the pairs of the best such path's weakest link are. Neither it nor the plan is
    enough alone: the composition misses what the bridge does not tell, a plan begins from it and drifts.

    Unpaired for two columns are rows that have one of them without the other; several items of a row are
    their mean. Without such rows on both sides it is `CCA(dim, first_ridge, weight)` of the rows with two
    columns or more. The order of unpaired rows matters as rounding does, and as the seed does where they
    are more than a batch. Which of two columns is the first by its name matters as far as Sinkhorn has not
    converged.

    It gains less the more pairs there are: on the test part of Flickr8k R@10 rises by 44 % with 100 pairs,
    22 % with 300 and 5 % with 1,000, where R@1 from photo to caption stays as it is
    (benchmarks/results/unpaired.md). It loses where the unpaired rows of two columns tell of different
    things: transport leaves no row unmatched, so they are forced together.

    dim : width of the space.
    ridge, first_ridge : as in `CCA`, of all spaces and of the pairs' regression.
    weight : exponent of the correlations, as in `CCA`. It may be changed after `fit`.
    trust : how many unpaired rows a true pair counts for.
    entropy : of the last plan, in units of cosine; that of the first is twice as large.
    rounds : plans made of every pair of columns, each followed by a new space.
    batch : unpaired rows a side that are transported in a round; a few matrices batch × batch are in memory.
    seed : of the order in which unpaired rows are taken.

    maps_ : {column: (d, k)};  correlations_ : (k,) descending
    """

    tunable = adjustable = ("weight",)
    maps_: dict[str, Matrix]

    def __init__(
        self,
        dim: int = 128,
        ridge: float | Mapping[str, float] = 1e-3,
        first_ridge: float | Mapping[str, float] = 6e-3,
        weight: float = 0.5,
        trust: float = 15.0,
        entropy: float = 0.025,
        rounds: int = 6,
        batch: int = 6000,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.ridge = ridge
        self.first_ridge = first_ridge
        self.weight = weight
        self.trust = trust
        self.entropy = entropy
        self.rounds = rounds
        self.batch = batch
        self.seed = seed

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        self._check(X)
        axes = moments.axes()
        few = projected(X, axes)
        if loose := unpaired(few):
            space = self._transported(moments.projected(axes) if axes else moments, few, loose)
            self.maps_ = {c: axes[c] @ w if c in axes else w for c, w in space.maps_.items()}
        else:
            space = self._taught(X)
            self.means_, self.maps_ = space.means_, space.maps_
        self.correlations_ = space.correlations_

    def _check(self, columns: Iterable[str]) -> None:
        require_extra("ot", "transport")
        check_range(self.trust, "trust", 0)
        check_range(self.entropy, "entropy", 1e-3)
        check_count(self.rounds, "rounds")
        check_count(self.batch, "batch", 2)
        checked_ridges(self.ridge, columns)
        checked_ridges(self.first_ridge, columns, "first_ridge")

    def _taught(self, X: Columns) -> CCA:
        """The space of the pairs alone."""
        paired = np.flatnonzero(np.sum([f.present for f in X.values()], axis=0) > 1)
        return CCA(self.dim, self.first_ridge, self.weight).fit({c: f.take(paired) for c, f in X.items()})

    def _transported(self, moments: Moments, X: Columns, loose: Loose) -> CCA:
        """The space after all rounds."""
        rng = np.random.default_rng(self.seed)
        blended = self._blended(moments, X, loose)
        batches = {
            p: (shuffled_batches(len(a), self.batch, rng), shuffled_batches(len(b), self.batch, rng))
            for p, (a, b) in loose.items()
        }
        space = CCA(self.dim, self.ridge, self.weight).fit_moments(blended)
        for entropy in np.geomspace(2 * self.entropy, self.entropy, self.rounds):
            for pair, (left, right) in loose.items():
                i, j = (next(batch) for batch in batches[pair])
                blended.learn(pair, plan_covariance(space, pair, left[i], right[j], float(entropy)))
            space = CCA(self.dim, self.ridge, self.weight).fit_moments(blended)
        return space

    def _blended(self, moments: Moments, X: Columns, loose: Loose) -> BlendedMoments:
        """The moments of all rows with what the pairs predict, before any plan."""
        ridges = checked_ridges(self.first_ridge, X)
        predicted = {p: predicted_covariance(X, moments, p, ridges) for p in loose}
        shares = {p: self._share(support(moments, *p), loose[p]) for p in loose}
        return BlendedMoments(moments, predicted | bridged(moments, predicted, ridges), shares)

    def _share(self, pairs: int, loose: tuple[Vectors, Vectors]) -> float:
        """The weight of what the pairs predict beside the plans; a single pair has none."""
        true = self.trust * pairs if pairs >= TOGETHER else 0.0
        return true / (true + min(map(len, loose)))

    def project(self, name: str, values: Matrix) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        centred = self.centred(name, values)
        return unit_rows(centred @ np.asarray(self.maps_[name] * self.correlations_**self.weight, np.float32))

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("maps_")
        return len(self.correlations_)


class BlendedMoments(Moments):
    """Moments in which covariances between columns are partly predicted, partly those under transport plans.

    predicted : {(a, b): (d_a, d_b)} by the pairs, all there is before the first plan.
    shares : {(a, b): weight of the predicted covariance, 0 … 1}, a before b.
    """

    def __init__(
        self, moments: Moments, predicted: Mapping[Pair, Doubles], shares: Mapping[Pair, float]
    ) -> None:
        super().__init__(moments.precision)
        vars(self).update(vars(moments))
        self.predicted = predicted
        self.shares = shares
        self.plans: dict[Pair, Doubles] = {}

    def learn(self, pair: Pair, found: Doubles) -> None:
        """Take in the covariance of a and b under a new plan."""
        self.plans[pair] = MEMORY * self.plans[pair] + (1 - MEMORY) * found if pair in self.plans else found

    def known(self, a: str, b: str) -> bool:
        """Whether rows or a plan tell their covariance."""
        return super().known(a, b) or (min(a, b), max(a, b)) in self.plans

    def axes(self) -> Axes:
        """None: plans are made in the coordinates of what the rows span."""
        return {}

    def covariance(self, a: str, b: str) -> Doubles:
        """(d_a, d_b) the blended covariance; that of the rows within a column."""
        if a > b:
            return self.covariance(b, a).T
        if (a, b) not in self.predicted:
            return super().covariance(a, b)
        if (a, b) not in self.plans:
            return self.predicted[a, b]
        share = self.shares[a, b]
        return share * self.predicted[a, b] + (1 - share) * self.plans[a, b]


def predicted_covariance(X: Columns, moments: Moments, pair: Pair, ridges: Mapping[str, float]) -> Doubles:
    """(d_a, d_b) the covariance of all rows that ridge regression on the pairs predicts; zero without pairs.

    C_aa (S_aa + r)⁻¹ S_ab (S_bb + r)⁻¹ C_bb, where S is of the rows with both columns and C of all rows: what
    the few pairs happen to leave out of either column's spread is put back, and their noise is damped.
    """
    a, b = pair
    both = {c: X[c].take(np.flatnonzero(X[a].present & X[b].present)) for c in pair}
    if len(both[a].row) == 0:
        return np.zeros((moments.width(a), moments.width(b)))
    few = Moments.of(both)
    spread = {c: ridge_solution(few.covariance(c, c), moments.covariance(c, c), ridges[c]) for c in pair}
    return np.asarray(spread[a].T @ few.covariance(a, b) @ spread[b])


def bridged(
    moments: Moments, predicted: Mapping[Pair, Doubles], ridges: Mapping[str, float]
) -> dict[Pair, Doubles]:
    """Those of the predicted covariances {(a, b): (d_a, d_b)} that no rows tell, composed of the others."""
    columns = moments.columns
    met = seen(moments)
    unmet = [pair for pair in predicted if pair not in met]
    if not unmet:
        return {}
    factors = {c: cholesky(moments.covariance(c, c), ridges[c]) for c in columns}
    told = {p: moments.covariance(*p) for p in itertools.combinations(columns, 2)} | dict(predicted)
    blocks = {(a, b): whitened(one, factors[a], factors[b]) for (a, b), one in told.items()}
    full = completed(blocks, met)
    return {(a, b): factors[a] @ full[a, b] @ factors[b].T for a, b in unmet}


def unpaired(X: Columns) -> Loose:
    """{(a, b): means (n, d_a) of rows with a but not b, (m, d_b) with b but not a}, two each or more."""
    found = {}
    for a, b in itertools.combinations(sorted(X), 2):
        left, right = X[a], X[b]
        alone = left.means[~right.present[left.present]], right.means[~left.present[right.present]]
        if min(map(len, alone)) > 1:
            found[a, b] = alone
    return found


def shuffled_batches(n: int, most: int, rng: np.random.Generator) -> Iterator[Places]:
    """Endless batches of min(n, most) places, from a new shuffle whenever the last has too few left."""
    size = min(n, most)
    while True:
        places = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield np.sort(places[start : start + size])


def plan_covariance(space: CCA, pair: Pair, left: Vectors, right: Vectors, entropy: float) -> Doubles:
    """(d_a, d_b) the covariance of left (n, d_a) and right (m, d_b) under their transport plan."""
    plan = transport_plan(space.project(pair[0], left), space.project(pair[1], right), entropy)
    peaks = plan.max(axis=1, keepdims=True), plan.max(axis=0)
    for peak in peaks:
        plan *= peak ** np.float32(CONFIDENCE / 2)
    plan /= plan.sum()
    moved = plan @ (right - plan.sum(axis=0) @ right)  # means under the plan, which by now is not uniform
    product, unit = multiplied(left - plan.sum(axis=1) @ left, moved, cross)
    return np.asarray(product, np.float64) * unit


def transport_plan(left: Vectors, right: Vectors, entropy: float) -> Vectors:
    """(n, m) the plan between unit rows (n, k) and (m, k), each with the same mass, 1 in all."""
    import ot

    cost = 1 - left @ right.T
    # moves only where Sinkhorn begins; a zero in each row and column keeps its sums from underflow
    cost -= cost.min(axis=1, keepdims=True)
    cost -= cost.min(axis=0)
    mass = [np.full(size, 1 / size, np.float32) for size in cost.shape]
    plan = ot.sinkhorn(*mass, cost, entropy, numItermax=STEPS, stopThr=0, warn=False)
    if not np.isfinite(plan).all():
        raise UsageError(f"no transport plan in single precision at entropy {entropy:g}", hint="Raise it.")
    return np.asarray(plan, np.float32)
