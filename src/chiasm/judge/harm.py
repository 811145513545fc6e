"""What can befall features: noise, gaps, and the push that raises the loss most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.fuse.fusion import Fusion
from chiasm.heads.task import Task

Arrays = dict[str, NDArray[np.float32]]


def noisy(columns: Arrays, spreads: Arrays, some: Iterable[str], level: float, seed: int = 0) -> Arrays:
    """The columns (n, d), Gaussian noise of `level` spreads (d,) a feature on some; the draw hangs on the
    seed and the column alone, so that a curve over levels is one draw growing."""
    out = dict(columns)
    for column in some:
        values = columns[column]
        noise = _chance(columns, column, seed).standard_normal(values.shape, np.float32)
        out[column] = (values + level * spreads[column] * noise).astype(np.float32)
    return out


def gapped(columns: Arrays, some: Iterable[str], rate: float, seed: int = 0) -> Arrays:
    """The columns with this share of the cells of some absent; a higher rate takes those of a lower too."""
    out = dict(columns)
    for column in some:
        gone = _chance(columns, column, seed).random(len(columns[column])) < rate
        out[column] = np.where(gone[:, None], np.float32(np.nan), columns[column])
    return out


def attacked(
    fusion: Fusion, y: NDArray[Any], columns: Arrays, reach: Arrays, steps: int, seed: int = 0
) -> Arrays:
    """The columns pushed along the sign of the loss gradient, no feature further than its reach (d,).

    One step is FGSM (arXiv 1412.6572); more are PGD (arXiv 1706.06083), which starts anywhere within reach.
    y : coded targets of the rows.
    """
    now = dict(columns)
    for column in reach if steps > 1 else ():
        start = _chance(columns, column, seed).uniform(-1, 1, columns[column].shape)
        now[column] = (columns[column] + reach[column] * start).astype(np.float32)
    stride = 1.0 if steps == 1 else 2.5 / steps
    for _ in range(steps):
        gradient = fusion.pull(now, loss_gradient(fusion.task, fusion.scores(now), y))
        for column, far in reach.items():
            pushed = now[column] + stride * far * np.sign(gradient[column])
            whole = columns[column]
            now[column] = np.clip(pushed, whole - far, whole + far).astype(np.float32)
    return now


def smooth(fusion: Fusion, y: NDArray[Any], columns: Arrays) -> set[str]:
    """The columns whose features move the loss of any row at all."""
    gradient = fusion.pull(columns, loss_gradient(fusion.task, fusion.scores(columns), y))
    return {column for column in columns if column in gradient and np.any(gradient[column])}


def loss_gradient(task: Task, scores: Floats, y: NDArray[Any]) -> Floats:
    """(n, q) the gradient by scores of the log loss, or of half the squared error; zero in NaN rows."""
    if task.is_number:
        found = scores - y
    else:
        truth = y if task.kind == "labels" else np.eye(task.outputs)[y]
        found = task.probabilities(scores) - truth
    return np.asarray(np.where(np.isfinite(found), found, 0.0))


def _chance(columns: Arrays, column: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, sorted(columns).index(column)])
