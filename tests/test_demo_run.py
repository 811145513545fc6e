"""The demo from the first line to the last: files in, searches and pictures out."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chiasm.demo import find_voices, run
from chiasm.demo.collection import build_collection
from chiasm.judge.scoreboard import Report
from chiasm.model import Model, load


def walk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, voices: list[Any]
) -> tuple[Model, list[str], list[Report]]:
    """Run the demo with these voices; what it made, said and measured."""
    said: list[str] = []
    tables: list[Report] = []
    monkeypatch.setattr(run, "build_collection", partial(build_collection, voices=voices))
    monkeypatch.chdir(folder.parent)
    shown = run.run_demo(folder, say=said.append, table=tables.append)
    assert [shown.report] == tables
    assert (shown.folder, shown.saved) == (folder, folder / "digits.chiasm")
    assert shown.table.is_file()
    assert shown.picture.is_file()
    return shown.model, said, tables


def check(folder: Path, model: Model, said: list[str], tables: list[Report], directions: int) -> None:
    text = "\n".join(said)
    assert sum(" → " in line for line in said) == directions
    assert len(tables[0].directions) == directions
    assert all(one.recall[10].low > one.chance[10] for one in tables[0].directions)
    assert "broken: row" in text
    near = [line for line in said if line.startswith("  broken: ")]
    assert all(f"({folder.relative_to(Path.cwd())}/collection/" in line for line in near)
    assert "What to try next" in text
    assert (folder / "found.png").stat().st_size > 10_000
    assert load(folder / "digits.chiasm").search({"text": "the number seven"}) == model.search(
        {"text": "the number seven"}
    )


def test_two_modalities_where_nothing_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said, tables = walk(tmp_path, monkeypatch, [])
    check(tmp_path, model, said, tables, directions=2)
    assert any("two modalities" in line for line in said)
    again, *_ = walk(tmp_path, monkeypatch, [])
    assert again.report == model.report


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("flite") is None, reason="no flite here")
def test_three_modalities_in_all_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, *walk(tmp_path, monkeypatch, list(find_voices())), directions=6)
