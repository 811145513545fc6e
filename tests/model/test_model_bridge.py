"""Photos and songs that no row has together find each other over captions, and the model says how well."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from birds import SPECIES, make_birds

import chiasm
from chiasm.cli import show
from chiasm.errors import UsageError
from chiasm.model import Model

NAMES = [species.name for species in SPECIES]


def parted(folder: Path, n: int, seed: int) -> list[dict[str, str]]:
    """Birds with every row's photo or clip taken away, the species with them."""
    table = make_birds(folder, n, seed)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row["photo" if i // len(SPECIES) % 2 else "clip"] = ""
        for column in ("photo", "clip"):
            row[column] = str(folder / row[column]) if row[column] else ""
    return rows


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    return parted(tmp_path_factory.mktemp("birds"), 400, 0)


@pytest.fixture(scope="module")
def model(birds: list[dict[str, str]]) -> Model:
    return chiasm.fit([{c: row[c] for c in ("id", "caption", "photo", "clip")} for row in birds], dim=16)


def precision(model: Model, rows: list[dict[str, str]], query: str, answer: str) -> float:
    """The share of the first ten that are of the query's species."""
    species = {row["id"]: row["species"] for row in rows}
    right = [
        species[hit.row] == row["species"]
        for row in rows[:40]
        if row[query]
        for hit in model.search({query: row[query]}, find=answer, k=10)
    ]
    return float(np.mean(right))


def test_the_estimate_is_what_a_search_gives(model: Model, birds: list[dict[str, str]]) -> None:
    assert model.report is not None
    found = {(one.query, one.answer): one for one in model.report.bridges}
    assert found.keys() == {("photo", "clip"), ("clip", "photo")}
    assert not {(one.query, one.answer) for one in model.report.directions} & found.keys()
    for (query, answer), one in found.items():
        assert one.via == "caption"
        assert one.precision.value == pytest.approx(precision(model, birds, query, answer), abs=0.1)
        assert one.precision.low > 2 * one.chance
    assert set(model.facts["hubness"]["photo"]) == {"caption", "clip"}


def test_it_is_shown_and_kept(model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert model.report is not None
    show.report(model.report)
    said = capsys.readouterr().out
    assert "Never seen together" in said
    assert "clip → photo" in said
    model.save(tmp_path / "model")
    again = chiasm.load(tmp_path / "model")
    assert again.report is not None
    assert str(again.report.bridges) == str(model.report.bridges)  # NaN equals nothing


def test_other_rows_are_estimated_too_and_pairs_are_measured(model: Model, tmp_path: Path) -> None:
    others = parted(tmp_path / "others", 120, 1)
    asked = [{c: row[c] for c in ("id", "caption", "photo", "clip")} for row in others]
    report = model.evaluate(asked)
    assert {one.first for one in report.bridges} == {10}
    assert all(one.precision.low > one.chance for one in report.bridges)
    whole = make_birds(tmp_path / "whole", 60, 2)
    measured = model.evaluate(whole)
    assert measured.bridges == ()
    assert ("photo", "clip") in {(one.query, one.answer) for one in measured.directions}


def test_without_a_bridge_there_is_none(model: Model) -> None:
    with pytest.raises(UsageError, match="not in the space"):
        model.search({"species": "robin"})
    assert model.baselines.unseen == {("clip", "photo"): ["caption"]}


def test_a_swap_estimates_as_the_fit_did(model: Model) -> None:
    swapped = model.swap("photo", "gradients").report
    assert swapped is not None
    assert model.report is not None
    assert [one.first for one in swapped.bridges] == [one.first for one in model.report.bridges]
    assert all(one.precision.low > one.chance for one in swapped.bridges)
