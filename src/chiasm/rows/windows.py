"""Windows of one long series as rows: what was seen, and what came next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chiasm.checks import check_matrix, check_range
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows
from chiasm.rows.series import nested


def windows(
    series: NDArray[Any],
    past: int,
    ahead: int,
    *,
    targets: Sequence[int] | None = None,
    known: NDArray[Any] | None = None,
    step: int = 1,
    change: bool = False,
) -> Rows:
    """A row for every window of a series (t, c) in time order, to be learned with `target="future"`.

    Its columns: `time`, the number of the first step to be forecast; `history`, a series of the `past` steps
    before it; `future`, the numbers to be forecast, channels within steps, absent where one is missing;
    `known`, where given (t, k), what is known beforehand of those steps.

    targets : the channels to be forecast, by default all.
    change : `future` counts from the last reading of the history, which is easier to learn where the level
        wanders.
    step : steps from one window to the next; windows closer than past + ahead share readings, so split them
        by `time`, never at random.

    Raises DataError where no window fits in, ShapeError where `known` is not of the same steps.
    """
    for name, value in (("past", past), ("ahead", ahead), ("step", step)):
        check_range(value, name, 1)
    values = np.asarray(check_matrix(series, "series"), np.float32)
    if len(values) < past + ahead:
        raise DataError(f"{len(values)} steps hold no window of {past} + {ahead}", where="series")
    channels = _channels(targets, values.shape[1])
    starts = np.arange(past, len(values) - ahead + 1, step)
    steps = starts[:, None] + np.arange(ahead)
    origin = values[starts - 1][:, None, channels] if change else 0.0
    table = {
        "time": pa.array(starts),
        "history": nested([values[start - past : start] for start in starts.tolist()]),
        "future": _lists(values[steps][:, :, channels] - origin),
    }
    if known is not None:
        beforehand = np.asarray(check_matrix(known, "known"), np.float32)
        if len(beforehand) != len(values):
            raise ShapeError(f"expected a line a step, {len(values)}, got {len(beforehand)}", where="known")
        table["known"] = _lists(beforehand[steps])
    modalities = {"time": "number", "history": "series", "future": "vector", "known": "vector"}
    return read(pa.table(table), modalities={name: modalities[name] for name in table})


def _channels(targets: Sequence[int] | None, count: int) -> NDArray[np.int64]:
    chosen = np.arange(count) if targets is None else np.asarray(targets, np.int64)
    if not len(chosen) or (chosen < 0).any() or (chosen >= count).any():
        raise UsageError(f"targets must be channels between 0 and {count - 1}, got {list(chosen)}")
    return chosen


def _lists(parts: NDArray[np.float32]) -> pa.Array:
    """A list a row of (n, …) numbers, null where one of them is missing."""
    flat = parts.reshape(len(parts), -1)
    whole = np.asarray(np.isfinite(flat).all(axis=1)).tolist()
    return pa.array([line if ok else None for line, ok in zip(flat.tolist(), whole, strict=True)])
