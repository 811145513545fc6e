"""Cleaning and changed copies in the engine: after decoding, before describing, told apart in the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chiasm.encode.cache import Cache
from chiasm.encode.call import Function
from chiasm.encode.engine import describe_column
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows
from chiasm.rows.schema import Schema

TEXTS = ["Loud <b>WORDS</b>", "<br>", "other", "Loud <b>WORDS</b>"]


def letters(cells: list[str]) -> np.ndarray:
    return np.array([[len(cell), sum(map(str.isupper, cell))] for cell in cells], np.float32)


def counted(cells: list[str]) -> Function:
    """`letters`, which notes the cells that it was asked for."""

    def run(asked: list[Any]) -> np.ndarray:
        cells.extend(asked)
        return letters(asked)

    return Function(run, "text", name="letters")


def rows_of(*steps: str) -> Rows:
    rows = read({"words": TEXTS}, modalities={"words": "text"})
    columns = tuple(replace(column, clean=steps) for column in rows.schema.columns)
    return replace(rows, schema=Schema(columns))


def test_cells_are_cleaned_before_they_are_described() -> None:
    asked: list[str] = []
    described = describe_column(rows_of("html", "lower"), "words", counted(asked))
    assert asked == ["loud words", "other"]
    assert described.row.tolist() == [0, 2, 3]
    assert [broken.row for broken in described.broken] == [1]
    assert "no text is left" in described.broken[0].why


def test_the_cache_tells_cleaned_cells_from_others(tmp_path: Path) -> None:
    asked: list[str] = []
    for steps in ((), ("lower",), ("lower",), ()):
        values = describe_column(rows_of(*steps), "words", counted(asked), cache=Cache(tmp_path)).values
        assert values[0][1] == (0 if steps else 6)
    assert len(asked) == 6  # three texts, cleaned and not


def test_changed_copies_are_not_kept(tmp_path: Path) -> None:
    asked: list[str] = []
    cache = Cache(tmp_path)
    changed = describe_column(
        rows_of("lower"), "words", counted(asked), cache=cache, change=lambda text, key: text + "!"
    )
    assert all(text.endswith("!") for text in asked)
    assert len(asked) == 3  # equal texts are changed alike
    plain = describe_column(rows_of("lower"), "words", counted(asked), cache=cache)
    np.testing.assert_array_equal(changed.values[:, 0], plain.values[:, 0] + 1)
    np.testing.assert_array_equal(changed.key, plain.key)


@pytest.mark.parametrize("steps", [(), ("spaces", "lower")])
def test_a_schema_keeps_its_steps(steps: tuple[str, ...]) -> None:
    schema = rows_of(*steps).schema
    assert Schema.from_json(schema.to_json()) == schema
    assert schema["words"].clean == steps
