"""Imputation of absent values from the columns that a row has, by chained ridge regressions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from chiasm.array_types import Floats

Blocks = Sequence[tuple[int, int]]  # [start, stop) of the features of each column

ROUNDS = 4  # of imputing and learning from what was imputed
ROWS_LEARNED = 5_000  # spread evenly; more change little
RIDGE_ROWS = 20.0  # rows that the ridge counts for


def learn_expected(values: Floats, blocks: Blocks, absent: NDArray[np.bool_]) -> Floats:
    """(d, d) W that imputes rows (n, d), 0 where `blocks` are absent (absent (n, c)), as v W.

    Each block is regressed on all others, whose absent values are those imputed in the round before (chained
    equations: van Buuren and Groothuis-Oudshoorn 2011, by ridge and without drawing).
    """
    picked = np.unique(np.linspace(0, len(values) - 1, min(ROWS_LEARNED, len(values))).astype(np.int64))
    known, absent = values[picked], absent[picked]
    weights = np.zeros((values.shape[1],) * 2)
    for _ in range(ROUNDS):
        filled = fill(known, blocks, absent, weights)
        for (start, stop), gone in zip(blocks, absent.T, strict=True):
            if gone.any() and stop > start:
                weights[:, start:stop] = _regressed(filled[~gone], start, stop)
    return weights


def _regressed(filled: Floats, start: int, stop: int) -> Floats:
    """(d, stop - start) weights of the other features for those of one block."""
    wanted, others = filled[:, start:stop], filled.copy()
    others[:, start:stop] = 0
    gram = others.T @ others
    gram.flat[:: len(gram) + 1] += RIDGE_ROWS
    return np.asarray(linalg.solve(gram, others.T @ wanted, assume_a="pos"))


def fill(values: Floats, blocks: Blocks, absent: NDArray[np.bool_], weights: Floats) -> Floats:
    """Rows (n, d) with imputed values where a block is absent."""
    filled = values
    for _ in range(ROUNDS):
        expected = filled @ weights
        filled = values.copy()
        for (start, stop), gone in zip(blocks, absent.T, strict=True):
            filled[gone, start:stop] = expected[gone, start:stop]
    return filled
