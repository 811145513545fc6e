"""Context: a row's neighbours in its sequence as further columns, with gaps at the ends.

Any fusion can then use a sequence, and a row's scores depend on no other rows than those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import ShapeError


def in_sequence(
    X: Mapping[str, Any], groups: Sequence[Any], order: Sequence[Any] | None = None, reach: int = 1
) -> dict[str, Features]:
    """The columns, and of each `c[-1]`, `c[+1]` … up to `reach`, the rows before and after, and `c[all]`, the
    mean of all other rows of the sequence; absent where there is none, or where it lacks the column.

    X : {column: Features or (n, d) array, absent rows NaN}.
    groups : (n,) the sequence of each row.
    order : (n,) their order within it; as they stand where None.
    """
    check_range(reach, "reach", 0)
    columns = {c: as_features(cells) for c, cells in X.items()}
    for name, values in (("groups", groups), ("order", order)):
        if values is not None and any(f.n != len(values) for f in columns.values()):
            raise ShapeError(f"expected one value per row, got {len(values)}", where=name)
    codes = np.unique([str(g) for g in groups], return_inverse=True)[1]
    line = np.lexsort((np.arange(len(codes)) if order is None else np.asarray(order), codes))
    out = dict(columns)
    for column, features in columns.items():
        dense = features.dense()
        for step in (s for k in range(1, reach + 1) for s in (-k, k)):
            out[f"{column}[{step:+d}]"] = Features.of(_shifted(dense, line, codes, step))
        out[f"{column}[all]"] = Features.of(_others(dense, codes))
    return out


def _shifted(
    dense: NDArray[np.float32], line: NDArray[np.int64], codes: NDArray[np.int64], step: int
) -> NDArray[np.float32]:
    """(n, d) the row `step` places further in the same sequence, NaN where there is none."""
    out = np.full_like(dense, np.nan)
    here, there = (line[:-step], line[step:]) if step > 0 else (line[-step:], line[:step])
    same = codes[here] == codes[there]
    out[here[same]] = dense[there[same]]
    return out


def _others(dense: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, d) the mean of the other rows of the same sequence that are present, NaN where there is none."""
    here: NDArray[np.bool_] = np.asarray(~np.isnan(dense).all(axis=1))
    filled = np.where(here[:, None], dense, 0).astype(np.float64)
    sums = np.zeros((int(codes.max(initial=-1)) + 1, dense.shape[1]))
    np.add.at(sums, codes, filled)
    counts = np.bincount(codes, here)[codes] - here
    means = (sums[codes] - filled) / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, np.nan).astype(np.float32)
