"""Choosing an aligner: a ladder of them, the cheapest first, climbed as long as the next rung pays."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.align.aligner import Aligner
from chiasm.align.anchors import Anchors
from chiasm.align.blend import Blend
from chiasm.align.hubness import Hubness
from chiasm.align.kernel import KernelCCA
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.transport import Transport
from chiasm.align.tune import BANK, Right, Tuning, reciprocal_ranks, sampled, tune
from chiasm.encode.features import Features
from chiasm.errors import UsageError
from chiasm.metrics import bootstrap_interval

AUTO = "auto"
FEW_ANCHORS = 1_000
OPTIONAL_RUNGS = ("anchors", "transport")
"""Where they do not pay, the next rung is tried all the same: what stands above does not build on them."""
Columns = Mapping[str, Features]
Doubles = NDArray[np.float64]
Measure = Callable[[Doubles], Doubles]


@dataclass(frozen=True)
class Rung:
    """One aligner that was tried.

    score : mean reciprocal rank of the right answer among the held-out rows, over all directions.
    gain, low, high : of the score over the last rung that paid, with the 95 % interval over rows; NaN for the
        first.
    seconds : of learning and tuning, as the clock ran.
    """

    name: str
    score: float
    gain: float
    low: float
    high: float
    seconds: float

    @property
    def pays(self) -> bool:
        """Whether it is better than the last that paid beyond the interval; the first always is."""
        return np.isnan(self.gain) or self.low > 0

    def __str__(self) -> str:
        found = f"{self.name} {self.score:.3f}"
        if np.isnan(self.gain):
            return f"{found} ({self.seconds:.1f} s)"
        return f"{found} ({self.gain:+.3f}, {self.low:+.3f} to {self.high:+.3f}; {self.seconds:.1f} s)"


@dataclass(frozen=True, eq=False)
class Choice:
    """The highest rung that paid, fitted and tuned, and every rung that was tried."""

    aligner: Aligner
    tuning: Tuning
    rungs: tuple[Rung, ...]

    @property
    def name(self) -> str:
        """Of the chosen rung."""
        return [rung.name for rung in self.rungs if rung.pays][-1]

    def __str__(self) -> str:
        tried = ", ".join(map(str, self.rungs))
        failed = [rung.name for rung in self.rungs if not rung.pays]
        others = f"; {' and '.join(failed)} {'does' if len(failed) == 1 else 'do'} not pay" if failed else ""
        return f"Alignment: {self.name} is taken{others}. Mean reciprocal rank on held-out rows: {tried}."


def ladder(dim: int, moments: Moments) -> list[tuple[str, Aligner]]:
    """What `align="auto"` tries: the default, likeness to rows, which learns nothing but asks for a wider
    space, unpaired rows where they are the most (with the extra `transport`), kernels, and heads trained by
    gradients (with `neural`)."""
    rungs: list[tuple[str, Aligner]] = [("cca", CCA(dim)), ("anchors", Anchors(FEW_ANCHORS))]
    if mostly_unpaired(moments) and find_spec("ot"):
        rungs.append(("transport", Transport(dim)))
    rungs.append(("kernel", KernelCCA(dim)))
    if find_spec("torch") and find_spec("lightning"):
        rungs.append(("blend", Blend(dim)))
    return rungs


def mostly_unpaired(moments: Moments) -> bool:
    """Whether for some two columns more rows have either alone than have both."""
    both = {pair: moments.pairs(*pair) for pair in itertools.combinations(moments.columns, 2)}
    return any(1 < n < min(moments.pairs(c, c) - n for c in pair) for pair, n in both.items())


def climb(
    ladder: Iterable[tuple[str, Aligner]],
    moments: Moments,
    rows: Columns,
    valid: Columns,
    relevant: Right,
    y: Any = None,
    seed: int = 0,
) -> Choice:
    """Fit and tune one rung after the other; stop at the first that does not pay, but for `OPTIONAL_RUNGS`.

    ladder : (name, unfitted aligner), the cheapest first; a rung is made when it is reached.
    moments, rows, y : what is learned from.  valid, relevant, seed : as in `tune`.

    A rung pays where the mean reciprocal rank of the right answers, hubness corrected and paired by row, is
    higher beyond its 95 % interval. Tuning and choosing see the same held-out rows, so the score of the
    chosen rung is for comparing, not for reporting.
    """
    best: tuple[Aligner, Tuning] | None = None
    below: Doubles = np.zeros(0)
    rungs: list[Rung] = []
    for name, given in ladder:
        start = time.perf_counter()
        aligner: Aligner = clone(given)
        aligner.fit_rows(moments, rows, y, valid)
        tuning = tune(aligner, moments, rows, valid, relevant, y, seed)
        aligner.set_params(**tuning.params)
        found = row_scores(aligner, tuning, valid, rows, relevant, seed)
        rungs.append(_rung(name, found, below, time.perf_counter() - start, seed))
        if rungs[-1].pays:
            best, below = (aligner, tuning), found
        elif name not in OPTIONAL_RUNGS:
            break
    if best is None:
        raise UsageError("a ladder needs one aligner at least")
    return Choice(*best, tuple(rungs))


def _rung(name: str, found: Doubles, below: Doubles, seconds: float, seed: int) -> Rung:
    score = float(np.nanmean(found)) if np.isfinite(found).any() else 0.0
    if not len(below):
        return Rung(name, score, np.nan, np.nan, np.nan, seconds)
    gained = found - below
    gain = float(np.nanmean(gained)) if np.isfinite(gained).any() else 0.0
    return Rung(name, score, gain, *bootstrap_interval(gained, seed=seed), seconds)


def row_scores(
    aligner: Aligner,
    tuning: Tuning,
    valid: Columns,
    rows: Columns,
    relevant: Right,
    seed: int = 0,
    measure: Measure = np.asarray,
) -> Doubles:
    """(n,) of each held-out row the mean reciprocal rank, or a measure of it, over its queries and
    directions; NaN where it asks nothing. Hubs are corrected as tuned, by a bank of the rows learned from."""
    vectors = {c: aligner.project(c, valid[c].values) for c in aligner.columns}
    bank = {c: aligner.project(c, sampled(rows[c], BANK, seed).values) for c in aligner.columns}
    hubness = Hubness().fit(bank, tuning.hubness)
    penalties = {c: hubness.penalties(c, v) for c, v in vectors.items()}
    n = next(iter(valid.values())).n
    sums, counts = np.zeros(n), np.zeros(n)
    for (query, answer), right in relevant.items():
        if query in vectors and answer in vectors:
            scores = vectors[query] @ vectors[answer].T - penalties[answer].get(query, np.float32(0))
            asked, ranks = reciprocal_ranks(scores, right)
            place = valid[query].row[asked]
            size = np.bincount(place, minlength=n)
            sums += np.bincount(place, measure(ranks), n) / np.maximum(size, 1)
            counts += size > 0
    return np.asarray(np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0))
