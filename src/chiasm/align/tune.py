"""Choosing ridge, correlation weight and hubness correction on a validation part of the training rows.

Nothing is refitted from rows: a ridge is a new decomposition of the same second moments, a weight rescales
the coordinates, and the hubness settings only change what is taken off a score. Only an aligner that learns
from rows, and has a parameter that is not to be changed after `fit`, learns from them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.hubness import neighbourhood
from chiasm.align.moments import Moments
from chiasm.align.span import projected
from chiasm.encode.features import Features

GRIDS: dict[str, tuple[float, ...]] = {
    "ridge": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "weight": (0.0, 0.5, 0.75, 1.0, 1.5, 2.0),
    "power": (1.0, 2.0, 3.0, 4.0, 6.0),
}
FACTORS = (0.3, 3.0)
"""Of the common ridge, tried column by column: a wide column wants another than a narrow one."""
KS = (5, 10, 20, 50, 100, 200)
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
PROVISIONAL = (50, 0.6)  # hubness while ridge and weight are chosen: their best values depend on it
FEW = 2_000
"""Queries and bank items a direction while ridge and weight are chosen."""
BANK = 10_000
"""Items of a column that stand for its queries when hubs are looked for."""

Vectors = NDArray[np.float32]
Right = Mapping[tuple[str, str], sparse.csr_matrix]


@dataclass
class Tuning:
    """What was chosen and why.

    params : of the aligner;  hubness : {query: {answer: [k, strength]}};  trace : every try with its score,
    the mean reciprocal rank over all directions (for hubness of one direction).
    """

    params: dict[str, Any] = field(default_factory=dict)
    hubness: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    trace: list[dict[str, Any]] = field(default_factory=list)


def tune(
    aligner: Aligner,
    moments: Moments,
    rows: Columns,
    valid: Columns,
    relevant: Right,
    y: Any = None,
    seed: int = 0,
    bank: Columns | None = None,
) -> Tuning:
    """Set the fitted aligner's tunable parameters to the best on the validation part.

    moments, rows, y : what it was fitted on, from which it learns again where a parameter asks for that.
    valid : {column: features} held out, which neither the rows nor the bank may contain.
    relevant : {(query column, answer column): (query items, answer items)}, true where an answer is right.
    bank : rows that stand for training queries, None takes `rows`; where it is empty, hubs stay uncorrected.
    """
    bank = rows if bank is None else bank
    axes = {} if aligner.from_rows else moments.axes()
    if not axes:
        return _tuned(_Fit(aligner, moments, rows, y, valid), bank, relevant, seed)
    # as good in these coordinates, and as many times faster as the matrices are smaller
    few, own, held, banked = moments.projected(axes), *(projected(part, axes) for part in (rows, valid, bank))
    small = clone(aligner).fit_rows(few, own, y, held)
    tuning = _tuned(_Fit(small, few, own, y, held), banked, relevant, seed)
    aligner.set_params(**tuning.params).fit_rows(moments, rows, y, valid)
    return tuning


@dataclass
class _Fit:
    """A fitted aligner and what it was fitted on."""

    aligner: Aligner
    moments: Moments
    rows: Columns
    y: Any
    valid: Columns

    def set(self, name: str, value: Any) -> None:
        """Give it another parameter, and learn again where it has to."""
        self.aligner.set_params(**{name: value})
        if name not in self.aligner.adjustable:
            self.aligner.fit_rows(self.moments, self.rows, self.y, self.valid)


def _tuned(fit: _Fit, bank: Columns, relevant: Right, seed: int) -> Tuning:
    tuning, aligner = Tuning(), fit.aligner
    few = {c: sampled(f, FEW, seed) for c, f in bank.items()}
    small = _Scorer(fit.valid, few, _thinned(relevant, seed))
    for name in aligner.tunable:
        _choose(tuning, fit, small, name, GRIDS[name])
    if aligner.ridge_by_column:
        tuning.params["ridge"] = dict.fromkeys(aligner.columns, tuning.params["ridge"])
        for column in aligner.columns:
            ridges = tuning.params["ridge"]
            tried = [ridges, *({**ridges, column: ridges[column] * factor} for factor in FACTORS)]
            _choose(tuning, fit, small, "ridge", tried)
    tuning.params = {**aligner.selected_params(), **tuning.params}
    if bank:
        large = {c: sampled(f, BANK, seed) for c, f in bank.items()}
        _tune_hubness(tuning, _Scorer(fit.valid, large, relevant), aligner)
    return tuning


@dataclass
class _Scorer:
    valid: Columns
    bank: Columns
    relevant: Right

    def vectors(self, aligner: Aligner, part: Columns) -> dict[str, Vectors]:
        return {c: aligner.project(c, f.values) for c, f in part.items() if c in aligner.columns}

    def score(self, aligner: Aligner) -> float:
        """Mean reciprocal rank over all directions, under a provisional hubness correction."""
        valid, bank = self.vectors(aligner, self.valid), self.vectors(aligner, self.bank)
        k, strength = PROVISIONAL
        found = []
        for (query, answer), relevant in self.relevant.items():
            loss = strength * neighbourhood(valid[answer], bank[query], [k])[k] if query in bank else 0.0
            asked = np.flatnonzero(np.diff(relevant.indptr))
            found.append(mrr_ties_last(valid[query][asked] @ valid[answer].T - loss, relevant[asked]))
        return float(np.mean(found)) if found else 0.0


def _choose(tuning: Tuning, fit: _Fit, scorer: _Scorer, name: str, values: Sequence[Any]) -> None:
    """Set the parameter to the value with the highest score, the first of equals."""
    scores = []
    for value in values:
        fit.set(name, value)
        scores.append(scorer.score(fit.aligner))
    tuning.params[name] = values[int(np.argmax(scores))]
    tuning.trace += [{"param": name, "value": v, "score": s} for v, s in zip(values, scores, strict=True)]
    fit.set(name, tuning.params[name])


def _tune_hubness(tuning: Tuning, scorer: _Scorer, aligner: Aligner) -> None:
    valid, bank = scorer.vectors(aligner, scorer.valid), scorer.vectors(aligner, scorer.bank)
    for (query, answer), relevant in scorer.relevant.items():
        scores = valid[query] @ valid[answer].T
        best = tuning.hubness.setdefault(query, {})
        tried = {(1, 0.0): mrr_ties_last(scores, relevant)}
        for k, strength, loss in _losses(valid[answer], bank[query]):
            tried[k, strength] = mrr_ties_last(scores - loss, relevant)
        best[answer] = [*max(tried, key=tried.__getitem__)]
        tuning.trace += [
            {"query": query, "answer": answer, "k": k, "strength": s, "score": v}
            for (k, s), v in tried.items()
        ]


def _losses(gallery: Vectors, bank: Vectors) -> Iterator[tuple[int, float, Vectors]]:
    ks = [k for k in KS if k <= len(bank)]
    near = neighbourhood(gallery, bank, ks) if ks else {}
    for k in ks:
        for strength in STRENGTHS:
            yield k, strength, np.float32(strength) * near[k]


def mrr_ties_last(scores: Vectors, relevant: sparse.csr_matrix) -> float:
    """Mean of `reciprocal_ranks`; 0 where nothing is asked."""
    _, found = reciprocal_ranks(scores, relevant)
    return float(found.mean()) if len(found) else 0.0


def reciprocal_ranks(
    scores: Vectors, relevant: sparse.csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which queries (q, g) have a relevant item, and 1 / rank of the best of each; ties rank last.

    Counts instead of sorting: `metrics` has the exact measure, this is the fast one for many tries.
    """
    asked = np.flatnonzero(np.diff(relevant.indptr))
    if not len(asked):
        return asked, np.zeros(0)
    query = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    hits = scores[query, relevant.indices]
    best = np.maximum.reduceat(hits, relevant.indptr[asked])
    better = (scores[asked] >= best[:, None]).sum(axis=1)
    ours = np.add.reduceat(
        (hits >= best.repeat(np.diff(relevant.indptr)[asked])).astype(int), relevant.indptr[asked]
    )
    return asked, 1.0 / (1 + better - ours)


def sample(places: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` of the places, drawn at random, in their order."""
    return places if len(places) <= most else np.sort(np.random.default_rng(seed).permutation(places)[:most])


def sampled(features: Features, most: int, seed: int) -> Features:
    """At most `most` items of a column, drawn at random."""
    keep = sample(np.arange(len(features.row)), most, seed)
    return Features(features.values[keep], features.row[keep], features.item[keep], features.n)


def _thinned(relevant: Right, seed: int) -> Right:
    """Right with at most `FEW` queries a direction; the others ask nothing."""
    out = {}
    for pair, matrix in relevant.items():
        asked = np.flatnonzero(np.diff(matrix.indptr))
        if len(asked) > FEW:
            keep = np.zeros(matrix.shape[0])
            keep[np.random.default_rng(seed).permutation(asked)[:FEW]] = 1
            matrix = sparse.csr_matrix(sparse.diags_array(keep) @ matrix).astype(bool)
            matrix.eliminate_zeros()
        out[pair] = matrix
    return out
