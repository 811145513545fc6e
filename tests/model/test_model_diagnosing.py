"""The doctor asked about rows: names, layers, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from birds import make_birds

import chiasm
from chiasm.align.doctor import Diagnosis
from chiasm.errors import DataError, UsageError

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((200, 3))


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Two vectors that share a latent, and words that tell nothing."""
    left = LATENT @ RNG.standard_normal((3, 8)) + 0.1 * RNG.standard_normal((200, 8))
    right = LATENT @ RNG.standard_normal((3, 6)) + 0.1 * RNG.standard_normal((200, 6))
    words = [f"thing {i} of {i % 7}" for i in RNG.permutation(200)]
    return pa.table({"left": list(left), "right": list(right), "words": words})


@pytest.fixture(scope="module")
def found(table: pa.Table) -> Diagnosis:
    return chiasm.diagnose(
        table, {"left": ["vector", lambda cells: np.array([[1.0, len(c)] for c in cells])]}
    )


def test_the_encoder_that_fits_is_recommended(found: Diagnosis) -> None:
    assert found.encoders == {"left": "vector", "right": "vector", "words": "lexical"}
    best = found.pairings[0]
    assert best.named == {"left": "vector", "right": "vector"}
    assert best.linear > 0.5
    assert best.best.recall_10 > 0.8


def test_every_encoder_of_a_column_is_compared(found: Diagnosis) -> None:
    assert {p.named["left"] for p in found.pairings if "left" in p.named} == {"vector", "function"}


def test_a_file_and_its_defaults(tmp_path: Path) -> None:
    found = chiasm.diagnose(make_birds(tmp_path))
    assert found.encoders == {"caption": "lexical", "clip": "logmel", "photo": "gradients"}


def test_what_cannot_be_compared_is_said(table: pa.Table) -> None:
    with pytest.raises(UsageError, match="named twice"):
        chiasm.diagnose(table, {"left": ["vector", "vector"]})
    with pytest.raises(UsageError, match="no column called 'lef'"):
        chiasm.diagnose(table, {"lef": "vector"})
    with pytest.raises(DataError, match="two columns"):
        chiasm.diagnose(table.select(["words"]))


def test_that_no_encoder_has_layers_is_said_once(table: pa.Table, found: Diagnosis) -> None:
    told = chiasm.diagnose(table.select(["left", "right"]), layers=True)
    assert [line for line in told.lines() if "hidden layers" in line] == list(told.notes)
    assert len(told.notes) == 1
    assert found.notes == ()
