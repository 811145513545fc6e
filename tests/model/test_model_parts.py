"""Parts of rows: apart, whole groups together, nothing held out where too little would be left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.model.parts import LEAST, hold_out
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows


def rows_of(groups: list[Any]) -> Rows:
    n = len(groups)
    return read({"a": [[float(i)] for i in range(n)], "b": [[1.0]] * n, "group": groups})


def present(n: int, gaps: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {c: rng.random(n) >= gaps for c in ("a", "b")}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([None, "x", "y", "z", "u", "v", "w"]), min_size=1, max_size=120),
    st.booleans(),
    st.floats(0, 0.6),
    st.integers(0, 3),
)
def test_parts_are_apart_and_groups_whole(groups: list[Any], grouped: bool, gaps: float, seed: int) -> None:
    groups = [*groups, *"pq"]
    rows, has = rows_of(groups), present(len(groups), gaps, seed)
    parts = hold_out(rows, has, "group" if grouped else None, seed)
    places = [set(part.tolist()) for part in (parts.fit, parts.tune, parts.score)]
    assert sum(map(len, places)) == len(set.union(*places))
    both = has["a"] & has["b"]
    assert both[parts.tune].all()
    assert both[parts.score].all()
    assert bool(len(parts.tune)) == bool(len(parts.score))
    if not grouped:
        assert len(set.union(*places)) == len(groups)
    elif len(parts.score):
        names = [{groups[i] for i in part} - {None} for part in places]
        assert sum(map(len, names)) == len(set.union(*names))


@pytest.mark.parametrize(
    "groups",
    [
        ["one"] * 60,
        ["one"] * 58 + ["two", "three"],
        ["two", "three"] + ["one"] * 98,
        [["a", "b"], ["c"]] * 40,
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_uneven_groups_never_leave_too_little(groups: list[Any], seed: int) -> None:
    parts = hold_out(rows_of(groups), present(len(groups)), "group", seed)
    assert len(parts.fit) >= len(groups) / 2


def test_too_few_are_not_held_out() -> None:
    for n, held in ((LEAST - 1, 0), (LEAST, 6)):
        parts = hold_out(rows_of(["x"] * n), present(n), None, 0)
        assert len(parts.score) == len(parts.tune) == held


def test_places_count_in_these_rows_even_where_a_row_is_there_twice() -> None:
    rows = rows_of(["x"] * 50)[np.repeat(np.arange(25, 50), 4)]
    parts = hold_out(rows, present(100), None, 0)
    assert sorted(np.concatenate([parts.fit, parts.tune, parts.score])) == list(range(100))
    assert set(parts.numbers(rows)["score"]) <= set(range(25, 50))
