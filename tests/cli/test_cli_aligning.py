"""The command line of aligning: what is trained is logged and resumed where asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from birds import make_birds
from terminal import run

import chiasm


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_birds(tmp_path_factory.mktemp("birds"), n=60)


def test_a_training_is_logged_and_kept(table: Path, tmp_path: Path) -> None:
    given = ("--align", "learned", "--log", tmp_path / "log", "--resume", tmp_path / "kept")
    run("fit", table, "-o", tmp_path / "m", *given)
    assert list((tmp_path / "log").rglob("events.out*"))
    assert list((tmp_path / "kept").iterdir())
    assert chiasm.load(tmp_path / "m").search({"caption": "a yellow bird"})


def test_auto_says_what_it_tried(table: Path, tmp_path: Path) -> None:
    told = run("fit", table, "-o", tmp_path / "m", "--align", "auto", "--json").json
    (note,) = (note for note in told["notes"] if note.startswith("Alignment: "))
    assert "anchors" in note
    assert "on held-out rows" in note
