"""Stacking with gaps: scores of single modalities to one, by separate weights for every pattern.

Each pattern of present columns has a model of its own, learned from every row that has at least its columns
(reduced models; Saar-Tsechansky and Provost 2007). Weights are not negative (Breiman 1996), and a modality of
noise gets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls
from scipy.special import expit

from chiasm.array_types import Floats
from chiasm.fuse.patterns import Pattern, rows_with
from chiasm.heads.folds import folds
from chiasm.heads.logistic import row_losses
from chiasm.heads.task import Task
from chiasm.numerics import softmax

SHARED_ROWS = 5_000
"""Rows, each once per pattern, from which the weights shared by all patterns are learned, at most about."""
PSEUDO = 10.0
"""Rows that a prior counts for: independence given the target, or weights shared by all patterns."""


def gaussian(S: Floats, y: Floats, weights: Floats) -> dict[str, Floats]:
    """Means and covariances of scores S (m, n, q), NaN where absent, with the target (n, q), from every pair
    of columns where both are.

    Pairs seen in few rows are shrunk to what independence given the target would make them. Returns `centre`
    and `target` (m, q), the means of scores and target in the rows of each column, `cross` (m, q) and
    `spread` (q, m, m).
    """
    m, _, q = S.shape
    here = np.isfinite(S).all(axis=2) * weights  # (m, n)
    filled = np.nan_to_num(S)
    mass = here.sum(axis=1)[:, None]
    centre = np.einsum("mn,mnq->mq", here, filled) / mass
    target = here @ y / mass
    own = np.where(here[:, :, None] > 0, filled - centre[:, None], 0.0)
    gap = y[None] - target[:, None]  # (m, n, q)
    variance = np.einsum("mn,mnq->mq", here, own**2) / mass + 1e-12
    cross = np.einsum("mn,mnq,mnq->mq", here, own, gap) / mass
    noise = np.einsum("mn,mnq->mq", here, gap**2) / mass + 1e-12
    spread = np.empty((q, m, m))
    for i in range(m):
        for k in range(m):
            both = (here[i] > 0) * here[k]
            seen = np.einsum("n,nq,nq->q", both, own[i], own[k])
            assumed = cross[i] * cross[k] / np.sqrt(noise[i] * noise[k])
            spread[:, i, k] = (seen + PSEUDO * assumed) / (both.sum() + PSEUDO) if i != k else variance[i]
    return {"centre": centre, "target": target, "cross": cross, "spread": spread}


def conditional(moments: dict[str, Floats], pattern: Pattern) -> tuple[Floats, Floats]:
    """Weights (m', q) and intercept (q,) of the mean of the target given the scores of a pattern."""
    p = list(pattern)
    centre, cross = moments["centre"][p], moments["cross"][p]
    weights = np.empty_like(centre)
    for j in range(centre.shape[1]):
        spread = moments["spread"][j][np.ix_(p, p)]
        values, vectors = np.linalg.eigh(spread)
        root = np.sqrt(np.maximum(values, 1e-6 * values[-1]))[:, None] * vectors.T  # spread = rootᵀ root
        weights[:, j] = nnls(root, np.linalg.solve(root.T, cross[:, j]))[0]
    return weights, moments["target"][p].mean(axis=0) - (weights * centre).sum(axis=0)


def logistic_stack(
    S: Floats, T: Floats, task: Task, base: Floats, weights: Floats, patterns: Sequence[Pattern]
) -> dict[Pattern, tuple[Floats, Floats]]:
    """Of every pattern, and of () for those not learned, weights (m',) and biases (q,): scores are
    base + bias + Σ weight_m (S_m - base).

    S : (m, n, q) NaN where absent.  T : (n, q) indicators.  Those of () come from up to `SHARED_ROWS` rows
    masked to all patterns; each pattern's own, from all its rows, are shrunk to them as by `PSEUDO` rows.
    """
    mask: NDArray[np.bool_] = np.asarray(np.isfinite(S).all(axis=2), bool)
    size = np.nan_to_num(S - base)  # (m, n, q)
    uses = [(p, np.flatnonzero(rows_with(mask, p))) for p in patterns]
    times = -(-len(T) // SHARED_ROWS)
    some = folds(T @ np.arange(T.shape[1]), None, times) == 0  # as many of every class as there are
    drawn = [(p, rows[some[rows]]) for p, rows in uses]
    masks = np.concatenate([_masked(mask, p, rows) for p, rows in drawn], axis=1)
    every = np.concatenate([rows for _, rows in drawn])
    share = times * weights[every] / len(uses)
    first = np.full(len(S), 1 / max(masks.sum(axis=0).mean(), 1)), np.zeros(T.shape[1])
    shared = _fit(size[:, every] * masks[:, :, None], T[every], task, base, share, first)
    learned: dict[Pattern, tuple[Floats, Floats]] = {(): shared}
    for p, rows in uses:
        prior = (shared[0][list(p)] if len(p) > 1 else np.ones(1)), np.zeros(T.shape[1])
        learned[p] = _fit(size[list(p)][:, rows], T[rows], task, base, weights[rows], prior)
    return learned


def _masked(mask: NDArray[np.bool_], pattern: Pattern, rows: NDArray[np.int64]) -> Floats:
    out = np.zeros((len(mask), len(rows)))
    out[list(pattern)] = 1.0
    return out


def _fit(
    size: Floats, T: Floats, task: Task, base: Floats, weights: Floats, prior: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Weights (m,) >= 0 and biases (q,) with the least loss of base + bias + Σ weight_m size_m."""
    m, _, q = size.shape
    unit = 0.25 * PSEUDO * np.maximum(np.square(size).mean(axis=(1, 2)) * q, 1e-9)
    labels = task.kind == "labels"

    def objective(flat: Floats) -> tuple[float, Floats]:
        a, b = flat[:m], flat[m:]
        scores = base + b + np.einsum("m,mnq->nq", a, size)
        fitted = expit(scores) if labels else softmax(scores)[0]
        gap = (fitted - T) * weights[:, None]
        away, bias = a - prior[0], b - prior[1]
        loss = weights @ row_losses(task, scores, T) + 0.5 * (unit @ away**2 + PSEUDO * 0.25 * bias @ bias)
        slope_a = np.einsum("mnq,nq->m", size, gap) + unit * away
        return float(loss), np.concatenate([slope_a, gap.sum(axis=0) + PSEUDO * 0.25 * bias])

    bounds: list[Any] = [(0, None)] * m + [(None, None)] * q
    found = minimize(objective, np.concatenate(prior), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x[:m]), np.asarray(found.x[m:])
