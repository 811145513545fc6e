"""The single modalities of a fusion: for every column the head with the best held-out scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.features import Features
from chiasm.fuse.fusion import Columns, Floats
from chiasm.heads.folds import folds
from chiasm.heads.names import Record, head_class, record, revive
from chiasm.heads.task import Task

HEADS = ("linear", "kernel", "forest")
"""Heads tried, the simpler first."""
KERNEL_ROWS, FOREST_WIDTH = 1_000, 100
"""What a kernel and a forest are tried for: few rows, narrow features."""


def learn_singles(
    columns: Columns,
    y: NDArray[Any],
    task: Task,
    heads: Sequence[str],
    count: int,
    seed: int,
    groups: NDArray[np.int64] | None,
    weights: Floats | None,
) -> tuple[dict[str, Record], Floats]:
    """{column: its head} and the scores (m, n, q) that each present row gets from a head that did not learn
    from its fold; NaN where absent. `count` folds, the same for every column.

    Of several heads the one with the least held-out loss is kept, the first of equals.
    """
    fold = folds(y, groups, count, seed)
    kept: dict[str, Record] = {}
    scores = np.full((len(columns), len(y), task.outputs), np.nan)
    for out, (c, f) in zip(scores, columns.items(), strict=True):
        own = None if weights is None else weights[f.row]
        inner = None if groups is None else groups[f.row]
        least = np.inf
        for name in usable(heads, f, task):
            head = head_class(name)(seed=seed)
            found = head.cross_fit(f.values, y[f.row], task, fold[f.row], own, inner)
            loss = float(np.average(task.losses(found, y[f.row]), weights=own))
            if loss < least:
                least, kept[c], out[f.row] = loss, record(head), found
    return kept, scores


def usable(heads: Sequence[str], f: Features, task: Task) -> list[str]:
    """Those heads, the first among them, that a column is neither too long nor too wide for."""
    small = {
        "kernel": len(f.row) <= KERNEL_ROWS,
        "forest": f.width <= FOREST_WIDTH and task.outputs <= FOREST_WIDTH,
    }
    return [name for name in heads if small.get(name, True)] or [heads[0]]


def single_scores(kept: dict[str, Record], columns: Columns) -> dict[str, Floats]:
    """{column: (n, q)} of the heads kept; NaN where a row is absent."""
    out = {}
    for c, f in columns.items():
        found = revive(kept[c]).scores(f.values)
        out[c] = np.full((f.n, found.shape[1]), np.nan)
        out[c][f.row] = found
    return out


def pulled(kept: dict[str, Record], columns: Columns, gradients: dict[str, Floats]) -> dict[str, Floats]:
    """{column: (n, d)} of gradients by the columns' scores (n, q); zero where a row is absent."""
    out = {}
    for c, f in columns.items():
        out[c] = np.zeros((f.n, f.width))
        out[c][f.row] = revive(kept[c]).pull(f.values, gradients[c][f.row])
    return out
