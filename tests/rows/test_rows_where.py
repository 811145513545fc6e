"""Filters: what matches, what absence does, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm import read
from chiasm.errors import UsageError
from chiasm.rows.rows import Rows


def birds() -> Rows:
    return read(
        {
            "species": ["cat", "dog", None, "dog"],
            "age": [3, None, 5, 1],
            "any name": ["a b c d", "", "x y z u", "p q r s"],
            "wild": [True, False, None, True],
            "key": ["7", "8", "a/9", "b/9"],
            "tags": [["a"], ["a", "b"], None, []],
        },
        modalities={"species": "category"},
    )


@pytest.mark.parametrize(
    ("expr", "matches"),
    [
        ('species == "dog"', [1, 3]),
        ('species != "dog"', [0]),
        ('species in ("cat", "dog") and age > 1', [0]),
        ('species not in ["cat"]', [1, 3]),
        ('not (species == "dog") or age == 1', [0, 2, 3]),
        ("1 < age <= 5", [0, 2]),
        ("age > -1.5", [0, 2, 3]),
        ("species == None", [2]),
        ("None != age", [0, 2, 3]),
        ('col["any name"] == None', [1]),
        ('"q r" in col["any name"]', [3]),
        ('"b" in tags', [1]),
        ("wild == True", [0, 3]),
        ("wild == False", [1]),
        ("key in (7, 8)", [0, 1]),
        ('age < "cat"', []),
        ("age == age", [0, 2, 3]),
        (" age == 3 ", [0]),
    ],
)
def test_what_matches(expr: str, matches: list[int]) -> None:
    assert birds().where(expr).nonzero()[0].tolist() == matches


@pytest.mark.parametrize(
    "expr",
    [
        "len(species) > 2",
        "__import__('os').system('true')",
        "species",
        "age + 1 == 2",
        "age.real == 3",
        "species is None",
        "[x for x in age] == 3",
        "lambda: 1",
        "age == {1: 2}",
        "age in [[3]]",
        "age == b'3'",
        "age ==",
        "",
        "a = 1",
        "(" * 500,
        "species == 'x\0'",
    ],
)
def test_what_is_refused(expr: str) -> None:
    with pytest.raises(UsageError, match=r"filter|compares"):
        birds().where(expr)


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("age ==", "it ends too early"),
        ("", "it is empty, or not plain text"),
        ("a = 1", "it makes no sense from '= 1' on, character 3"),
        ("age == 1 adn age == 2", "it makes no sense from 'adn age == 2' on, character 10"),
        ("species == 'cat", 'a quotation mark stays open from "\'cat" on, character 12'),
        ("(age == 1", "a bracket stays open from '(age == 1' on, character 1"),
        ("import os", "it makes no sense from 'import os' on, character 1"),
    ],
)
def test_what_cannot_be_read_is_told_in_plain_words(expr: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        birds().where(expr)
    assert caught.value.what == f"not a filter: {says}"
    assert caught.value.where == repr(expr)
    assert 'species == "cat" and age > 3' in caught.value.hint


def test_an_unknown_column_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="Did you mean 'species'"):
        birds().where('specie == "cat"')


@given(st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1), st.integers(-9, 9))
def test_below_above_equal_and_absent_part_the_rows(cells: list[int | None], limit: int) -> None:
    rows = read({"n": cells}, modalities={"n": "number"})
    parts = [rows.where(f"n {op} {limit}") for op in ("<", "==", ">")] + [rows.where("n == None")]
    assert (sum(part.astype(int) for part in parts) == 1).all()


@pytest.mark.parametrize("expr", [3, None, ["a == 1"], b"a == 1"])
def test_a_filter_that_is_no_text_is_refused(expr: Any) -> None:
    with pytest.raises(UsageError, match=f"a filter is text, got {type(expr).__name__}"):
        read({"a": [1]}).where(expr)
