"""Splits are partitions, keep groups whole, keep shares, and repeat with their seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm import read
from chiasm.errors import DataError, UsageError
from chiasm.rows.rows import Rows


def numbered(**columns: Any) -> Rows:
    n = len(next(iter(columns.values())))
    return read({"n": list(range(n)), **columns}, modalities=dict.fromkeys(columns, "category"))


labels = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=40)


@given(labels, st.floats(0.01, 0.99), st.sampled_from([None, "by", "stratify"]), st.integers(0, 5))
def test_a_split_is_a_partition(values: list[str | None], test: float, how: str | None, seed: int) -> None:
    rows = numbered(x=values)
    kind = {how: "x"} if how else {}
    if how == "by" and None not in values and len(set(values)) == 1:
        with pytest.raises(DataError, match="one group"):
            rows.split(test, seed=seed, **kind)
        return
    if how == "stratify" and len(set(values)) == len(values):
        with pytest.raises(DataError, match="every class has one row: none can be held out"):
            rows.split(test, seed=seed, **kind)
        return
    train, held = rows.split(test, seed=seed, **kind)
    assert sorted(train.values("n") + held.values("n")) == list(range(len(values)))
    assert train.values("n") == sorted(train.values("n"))
    assert len(train) >= 1
    again = rows.split(test, seed=seed, **kind)
    assert again[1].values("n") == held.values("n")
    if how == "by":
        assert not set(filter(None, train.values("x"))) & set(filter(None, held.values("x")))
    if how == "stratify":
        assert set(train.values("x")) == set(values)
        wanted = min(max(round(test * len(values)), 1), len(values) - 1)
        assert len(held) == min(wanted, len(values) - len(set(values)))


def test_shares() -> None:
    rows = numbered(x=["a"] * 80 + ["b"] * 20)
    assert len(rows.split(0.2)[1]) == 20
    assert len(rows.split(7)[1]) == 7
    assert Counter(rows.split(0.25, stratify="x")[1].values("x")) == {"a": 20, "b": 5}
    assert rows.split(seed=1)[1].values("n") != rows.split(seed=2)[1].values("n")


def test_classes_of_few_rows_do_not_swell_the_test_part() -> None:
    train, test = numbered(x=[str(i % 30) for i in range(60)]).split(0.2, stratify="x")
    assert (len(train), len(test)) == (48, 12)
    classes = set(test.values("x"))
    assert len(classes) == 12
    other = numbered(x=[str(i % 30) for i in range(60)]).split(0.2, stratify="x", seed=1)[1]
    assert set(other.values("x")) != classes
    train, test = numbered(x=["a"] * 3 + list("bcdefgh")).split(0.5, stratify="x")
    assert Counter(test.values("x")) == {"a": 2}  # all that can be held out


def test_groups_come_near_the_share() -> None:
    rows = numbered(x=[str(i % 25) for i in range(100)])
    train, test = rows.split(0.2, by="x")
    assert len(test) == 20
    assert not set(train.values("x")) & set(test.values("x"))


def test_a_row_without_group_is_its_own() -> None:
    train, test = numbered(x=[None] * 10).split(0.3, by="x")
    assert (len(train), len(test)) == (7, 3)


def test_a_column_may_name_the_parts() -> None:
    rows = numbered(x=["Training", "test", "val", None, "train", "dev", "odd"])
    train, test = rows.split(column="x")
    assert (train.values("n"), test.values("n")) == ([0, 4], [1])
    assert rows.part("x", "dev").values("n") == rows.part("x", "validation").values("n") == [2, 5]
    assert rows.part("x", "odd").values("n") == [6]
    with pytest.raises(DataError, match=r"no row of part 'test'.*Known here: dev, train"):
        numbered(x=["train", "dev"]).split(column="x")


def test_wrong_calls() -> None:
    rows = numbered(x=["a", "b", "a"])
    for test in (0, 1.0, -0.1, 3, 1.5, True, float("nan")):
        with pytest.raises(UsageError, match="test must be a fraction"):
            rows.split(test)
    with pytest.raises(UsageError, match="one of by, stratify and column"):
        rows.split(by="x", stratify="x")
    with pytest.raises(UsageError, match="no column called 'y'"):
        rows.split(by="y")
    with pytest.raises(DataError, match="1 row cannot be split"):
        rows[0].split()
