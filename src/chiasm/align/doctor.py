"""Which encoders fit together, before anything is trained: kernel alignment and a held-out look at CCA."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.checks import check_count, check_matrix
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.metrics import bootstrap_interval
from chiasm.numerics import unit_rows

Doubles = NDArray[np.float64]
Encoders = Mapping[str, Mapping[str, "Features | NDArray[Any]"]]

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
WIDTHS = (16, 32, 64, 128, 256)
FEWEST = 20
"""Rows that a pair of columns must share to be looked at."""
KERNEL_ROWS, FIT_ROWS, HELD_ROWS = 2_000, 20_000, 1_000
HELD_SHARE = 0.2


@dataclass(frozen=True)
class Trial:
    """One ridge and width of CCA on held-out rows: recalls and mean reciprocal rank over both directions."""

    ridge: float
    width: int
    recall_1: float
    recall_10: float
    reciprocal_rank: float


@dataclass(frozen=True)
class EncoderPair:
    """One encoder of one column beside one of another.

    rows : that have both;  held : of them, the gallery of the trials.
    linear, rbf : unbiased centred kernel alignment, about 0 for strangers and 1 for the same geometry; NaN
        where a kernel does not vary.
    interval : of the best trial's R@10, 95 % over rows.
    """

    columns: tuple[str, str]
    encoders: tuple[str, str]
    rows: int
    held: int
    linear: float
    rbf: float
    trials: tuple[Trial, ...]
    interval: tuple[float, float]

    @property
    def named(self) -> dict[str, str]:
        """{column: encoder}, the two of them."""
        return dict(zip(self.columns, self.encoders, strict=True))

    @property
    def best(self) -> Trial:
        """The trial with the highest mean reciprocal rank."""
        return max(self.trials, key=lambda t: t.reciprocal_rank)

    def __str__(self) -> str:
        named = " with ".join(f"{c}={e}" for c, e in self.named.items())
        best, (low, high) = self.best, self.interval
        return (
            f"{named}: kernel alignment {self.linear:z.2f} linear, {self.rbf:z.2f} RBF; mean reciprocal rank "
            f"{best.reciprocal_rank:.3f}, R@1 {100 * best.recall_1:.1f}, "
            f"R@10 {100 * best.recall_10:.1f} ({100 * low:.1f}–{100 * high:.1f}) "
            f"of {self.held:,} held-out rows at ridge {best.ridge:g}, width {best.width}"
        )


@dataclass(frozen=True)
class Diagnosis:
    """What to use: {column: encoder}, the width and ridge of a CCA, and every pairing, the best first.

    notes : what could not be tried.
    """

    encoders: dict[str, str]
    width: int
    ridge: float
    pairings: tuple[EncoderPair, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The recommendation, then one line a pairing, then the notes."""
        chosen = ", ".join(f"{column}={encoder}" for column, encoder in self.encoders.items())
        advice = f"Use {chosen}; CCA of width {self.width}, ridge {self.ridge:g}."
        return [advice, *map(str, self.pairings), *self.notes]

    def to_json(self) -> dict[str, Any]:
        """A JSON document; a kernel alignment that could not be measured is null."""
        document = asdict(self)
        for pairing in document["pairings"]:
            for name in ("linear", "rbf"):
                pairing[name] = None if math.isnan(pairing[name]) else pairing[name]
        return document


def diagnose(
    X: Encoders, ridges: Sequence[float] = RIDGES, widths: Sequence[int] = WIDTHS, seed: int = 0
) -> Diagnosis:
    """Look at every pair of encoders of different columns, and recommend (after arXiv 2409.19425).

    X : {column: {encoder: (n, d) or Features}}; layers of one encoder are encoders by their own names.

    Each pairing gets its kernel alignment and, from closed-form CCA of second moments, recalls on a fifth
    of the rows, at most 1,000, that the CCA did not see. A column's encoder is the one whose best pairings
    have the highest mean reciprocal rank; width and ridge are best for the encoders so chosen together. At
    most 20,000 rows are learned from. A row of several items is their mean.
    """
    features = _checked(X)
    if not ridges or not widths:
        raise UsageError("diagnose needs one ridge and one width at least")
    for width in widths:
        check_count(width, "width")
    pairings = list(_pairings(features, ridges, sorted(widths), seed))
    encoders = {column: _encoder(column, pairings) for column in features}
    together = [p for p in pairings if all(encoders[c] == e for c, e in p.named.items())]
    ridge, width = _settings(together or pairings)
    ranked = sorted(pairings, key=lambda p: -p.best.reciprocal_rank)
    return Diagnosis(encoders, width, ridge, tuple(ranked))


def linear_cka(X: NDArray[Any], Y: NDArray[Any]) -> float:
    """Centred kernel alignment of rows X (n, d) and Y (n, e) under inner products (Kornblith et al. 2019).

    Unbiased (Song et al. 2012), so that strangers have 0 on average however wide they are; NaN where a
    kernel does not vary.
    """
    return _alignment(*(_inner(check_matrix(values, "rows")) for values in (X, Y)))


def rbf_cka(X: NDArray[Any], Y: NDArray[Any]) -> float:
    """`linear_cka` under Gaussian kernels as wide as the median distance between two rows."""
    return _alignment(*(_gaussian(check_matrix(values, "rows")) for values in (X, Y)))


def _inner(values: NDArray[Any]) -> Doubles:
    centred = values - values.mean(axis=0, dtype=np.float64)
    return np.asarray(centred @ centred.T)


def _gaussian(values: NDArray[Any]) -> Doubles:
    products = _inner(values)
    squares = np.diagonal(products)
    distances = np.clip(squares[:, None] + squares - 2 * products, 0, None)
    median = float(np.median(distances[~np.eye(len(distances), dtype=bool)]))
    return np.asarray(np.exp(-distances / (2 * median if median > 0 else 1.0)))


def _alignment(K: Doubles, L: Doubles) -> float:
    if len(K) != len(L) or len(K) < 4:
        raise ShapeError(f"kernel alignment needs the same four rows or more, got {len(K)} and {len(L)}")
    for kernel in (K, L):
        np.fill_diagonal(kernel, 0)
    own = [_independence(kernel, kernel) for kernel in (K, L)]
    # what is left of a kernel that does not vary is rounding
    varies = all(v > 1e-10 * np.vdot(kernel, kernel) for v, kernel in zip(own, (K, L), strict=True))
    return _independence(K, L) / math.sqrt(own[0] * own[1]) if varies else math.nan


def _independence(K: Doubles, L: Doubles) -> float:
    """n (n - 3) times the unbiased Hilbert–Schmidt independence criterion of kernels with empty diagonals."""
    n, a, b = len(K), K.sum(axis=0), L.sum(axis=0)
    trace = np.einsum("ij,ij->", K, L)
    return float(trace + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * (a @ b) / (n - 2))


def _checked(X: Encoders) -> dict[str, dict[str, Features]]:
    if not isinstance(X, Mapping) or not all(isinstance(named, Mapping) for named in X.values()):
        raise UsageError("expected {column: {encoder: array (n, d)}}", where="diagnose")
    features = {c: {e: as_features(X[c][e]) for e in sorted(X[c])} for c in sorted(X)}
    lengths = {f"{c}={e}": f.n for c, named in features.items() for e, f in named.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"encoders have different numbers of rows: {lengths}", where="diagnose")
    there = {c: {e: f for e, f in named.items() if len(f.row)} for c, named in features.items()}
    there = {c: named for c, named in there.items() if named}
    if len(there) < 2:
        raise DataError(
            f"two columns with features are needed, got {list(there) or 'none'}", where="diagnose"
        )
    return there


def _pairings(
    features: Mapping[str, Mapping[str, Features]], ridges: Sequence[float], widths: Sequence[int], seed: int
) -> Iterator[EncoderPair]:
    """Every pair of encoders of two columns that share rows enough."""
    n = next(f.n for named in features.values() for f in named.values())
    order = np.random.default_rng(seed).permutation(n)  # one for all, so that all are held to the same rows
    for a, b in itertools.combinations(features, 2):
        for e, f in itertools.product(features[a], features[b]):
            left, right = features[a][e], features[b][f]
            rows = order[(left.present & right.present)[order]]
            if len(rows) >= FEWEST:
                tables = {a: left, b: right}
                yield _pairing((a, b), (e, f), tables, rows, ridges, widths, seed)


def _pairing(
    columns: tuple[str, str],
    encoders: tuple[str, str],
    features: Mapping[str, Features],
    rows: NDArray[np.int64],
    ridges: Sequence[float],
    widths: Sequence[int],
    seed: int,
) -> EncoderPair:
    held, fit = np.split(rows, [min(HELD_ROWS, int(HELD_SHARE * len(rows)))])
    some = [features[c].take(rows[:KERNEL_ROWS]).means for c in columns]
    moments = Moments.of({c: features[c].take(np.sort(fit[:FIT_ROWS])) for c in columns})
    answers = {c: features[c].take(held).means for c in columns}
    found = [trial for ridge in ridges for trial in _trials(moments, answers, ridge, widths)]
    _, hits = max(found, key=lambda trial: trial[0].reciprocal_rank)
    return EncoderPair(
        columns,
        encoders,
        len(rows),
        len(held),
        linear_cka(*some),
        rbf_cka(*some),
        tuple(trial for trial, _ in found),
        bootstrap_interval(hits, seed=seed),
    )


def _trials(
    moments: Moments, held: Mapping[str, NDArray[np.float32]], ridge: float, widths: Sequence[int]
) -> Iterator[tuple[Trial, Doubles]]:
    """A trial a width, of one decomposition, and (held,) the share of both directions found among ten."""
    cca = CCA(max(widths), ridge).fit_moments(moments)
    left, right = (cca.project(c, values) for c, values in held.items())
    for width in widths:
        scores = unit_rows(left[:, :width]) @ unit_rows(right[:, :width]).T
        own = np.diagonal(scores)
        ranks = np.stack([(scores >= own[:, None]).sum(axis=1), (scores >= own).sum(axis=0)])
        top, ten = (ranks <= 1).mean(), (ranks <= 10).mean(axis=0)
        yield Trial(ridge, width, float(top), float(ten.mean()), float((1 / ranks).mean())), ten


def _encoder(column: str, pairings: Sequence[EncoderPair]) -> str:
    """The encoder with the best pairings, on average over the other columns."""
    best: dict[str, dict[str, float]] = {}  # {encoder: {other column: reciprocal rank}}
    for p in pairings:
        if column in p.named:
            (other,) = (c for c in p.columns if c != column)
            reached = best.setdefault(p.named[column], {})
            reached[other] = max(reached.get(other, 0.0), p.best.reciprocal_rank)
    if not best:
        raise DataError(
            f"column {column!r} shares fewer than {FEWEST} rows with every other column", where="diagnose"
        )
    return max(best, key=lambda encoder: float(np.mean(list(best[encoder].values()))))


def _settings(pairings: Sequence[EncoderPair]) -> tuple[float, int]:
    """The ridge and width with the highest mean reciprocal rank over the pairings."""
    found: dict[tuple[float, int], list[float]] = {}
    for trial in (t for p in pairings for t in p.trials):
        found.setdefault((trial.ridge, trial.width), []).append(trial.reciprocal_rank)
    return max(found, key=lambda setting: float(np.mean(found[setting])))
