"""Logistic regression in principal coordinates: softmax of classes or sigmoid of labels, L2-penalised.

In the coordinates of the singular vectors the Hessian is nearly diagonal, so that a quasi-Newton method
with that diagonal as its scale needs a dozen steps, from a warm start fewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from chiasm.array_types import Floats
from chiasm.heads.task import Task
from chiasm.numerics import softmax

MOST_STEPS, TOLERANCE = 100, 1e-5


def indicators(task: Task, y: NDArray[Any]) -> Floats:
    """(n, q) of coded targets: 0 and 1 of classes and labels, numbers as they are."""
    return np.eye(task.outputs)[y] if task.kind in ("classes", "order") else np.asarray(y, np.float64)


def row_losses(task: Task, scores: Floats, T: Floats) -> Floats:
    """(n,) the loss of scores (n, q) for indicators (n, q): cross-entropy, half the square of numbers."""
    if task.is_number:
        each = 0.5 * np.square(scores - T)
    elif task.kind == "labels":
        each = np.logaddexp(0, scores) - T * scores
    else:
        each = -T * log_softmax(scores, axis=1)
    return np.asarray(each.sum(axis=1))


def logistic(
    P: Floats, T: Floats, weights: Floats, ridge: float, labels: bool, start: Floats | None = None
) -> Floats:
    """(r + 1, q) coefficients of coordinates P (n, r), the intercepts last: the least weighted sum of
    losses plus ridge / 2 times the squared coefficients.

    T : (n, q) indicators.  labels : sigmoids, else a softmax.  start : (r + 1, q) of a nearby ridge.
    """
    q, r = T.shape[1], P.shape[1]
    slope = 0.25 if labels or q == 2 else 1.0 / q
    scale = np.append(slope * np.einsum("ij,ij,i->j", P, P, weights) + ridge, slope * weights.sum())
    scale = 1 / np.sqrt(np.maximum(scale, 1e-12))[:, None]
    first = np.zeros((r + 1, q)) if start is None else start

    def objective(flat: Floats) -> tuple[float, Floats]:
        W = flat.reshape(r + 1, q) * scale
        scores = P @ W[:-1] + W[-1]
        if labels:
            each, fitted = np.logaddexp(0, scores).sum(axis=1), expit(scores)
        else:
            fitted, each = softmax(scores)
        loss = weights @ (each - (T * scores).sum(axis=1)) + 0.5 * ridge * np.square(W[:-1]).sum()
        gap = (fitted - T) * weights[:, None]
        gradient = np.vstack([P.T @ gap + ridge * W[:-1], gap.sum(axis=0)])
        return float(loss / len(P)), (gradient * scale).ravel() / len(P)

    found = minimize(
        objective,
        (first / scale).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_STEPS, "gtol": TOLERANCE, "ftol": 1e-9},
    )
    return np.asarray(found.x.reshape(r + 1, q) * scale)
