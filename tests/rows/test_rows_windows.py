"""Windows as rows: each holds what came before and what came next, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.rows.windows import windows

SERIES = np.stack([np.arange(10.0), 100 + np.arange(10.0)], axis=1)


def test_what_a_row_holds() -> None:
    rows = windows(SERIES, 3, 2, known=np.arange(10.0)[:, None])
    assert len(rows) == 6
    assert rows.values("time") == [3, 4, 5, 6, 7, 8]
    assert rows.values("future")[0] == [3, 103, 4, 104]
    assert rows.values("known")[0] == [3, 4]
    assert {c.name: c.modality for c in rows.schema.columns} == {
        "time": "number",
        "history": "series",
        "future": "vector",
        "known": "vector",
    }
    (cell,) = rows[0].cells("history")
    assert np.array_equal(cell.value, SERIES[:3])


def test_some_channels_and_wider_steps() -> None:
    rows = windows(SERIES, 3, 2, targets=[1], step=4)
    assert rows.values("time") == [3, 7]
    assert rows.values("future") == [[103, 104], [107, 108]]


def test_changes_count_from_the_last_reading() -> None:
    rows = windows(SERIES, 3, 2, change=True)
    assert rows.values("future") == [[1, 1, 2, 2]] * 6


def test_a_missing_reading_ahead_leaves_the_target_absent() -> None:
    series = SERIES.copy()
    series[4, 1] = np.nan
    assert [value is None for value in windows(series, 3, 1).values("future")] == [False, True] + [False] * 5


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match=r"10 steps hold no window of 9 \+ 2"):
        windows(SERIES, 9, 2)
    with pytest.raises(UsageError, match="targets must be channels between 0 and 1"):
        windows(SERIES, 3, 2, targets=[2])
    with pytest.raises(UsageError, match="step must lie"):
        windows(SERIES, 3, 2, step=0)
    with pytest.raises(ShapeError, match="expected a line a step, 10, got 3"):
        windows(SERIES, 3, 2, known=np.ones((3, 1)))
