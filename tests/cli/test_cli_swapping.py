"""The verb `swap` as a person meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from birds import make_birds
from terminal import run, said

import chiasm

QUERY = {"caption": "a yellow bird trills"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = make_birds(tmp_path_factory.mktemp("birds"), n=60)
    return chiasm.fit(table, target="species", fuse="none").save(table.parent / "birds.chiasm")


def test_a_swapped_model_is_what_python_makes_of_it(model: Path, tmp_path: Path) -> None:
    made = chiasm.load(model).swap("photo", "gradients")
    found = run("swap", model, "photo=gradients", "-o", tmp_path / "m", "--json").json
    assert found["model"] == str(tmp_path / "m")
    assert found["notes"] == list(made.notes)
    assert made.report is not None
    assert found["report"] == made.report.to_json()
    hits = chiasm.load(tmp_path / "m").search(QUERY, "photo")
    assert [hit.to_json() for hit in hits] == [hit.to_json() for hit in made.search(QUERY, "photo")]
    assert chiasm.load(model).facts.get("swapped") is None
    out = run("swap", tmp_path / "m", "photo=gradients", "--overwrite").out
    assert "'photo' was given the encoder it had, gradients" in out
    assert chiasm.load(tmp_path / "m").facts["swapped"].keys() == {"photo"}


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["swap", "{model}", "photo=gradients"], 1, ["the output exists", "--overwrite"]),
        (["swap", "{model}", "foto=gradients", "-o", "{new}"], 2, ["Did you mean 'photo'"]),
        (["swap", "{model}", "photo=gradient", "-o", "{new}"], 2, ["Did you mean 'gradients'"]),
        (["swap", "{model}", "photo=logmel", "-o", "{new}"], 2, ["takes sound"]),
        (["swap", "{model}", "photo", "-o", "{new}"], 2, ["expected COL=VALUE"]),
        (["swap", "nowhere", "photo=gradients", "-o", "{new}"], 1, ["no such model folder"]),
        (["swap", "{model}", "photo=", "-o", "{new}"], 2, ["no encoder is named"]),
        (["swap", "{model}", "caption=", "-o", "{new}"], 2, ["no encoder is named"]),
        (["swap", "{model}", "photo=gradients", "clip=logmel", "-o", "{new}"], 2, ["one column at a time"]),
        (["swap", "{model}"], 2, []),
    ],
)
def test_wrong_usage_gets_one_clear_line(
    model: Path, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    said(run(*[text.format(model=model, new=tmp_path / "new") for text in arguments]), code, *parts)
    assert not (tmp_path / "new").exists()
