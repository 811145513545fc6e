"""Every verb's --json is one document of the schema in docs/json.md; errors are one line and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from birds import make_birds
from json_documents import DOCUMENTS, PAGE, check, documented, schema
from pydantic import ValidationError

from chiasm.cli import main
from chiasm.demo import collection
from chiasm.judge.scoreboard import Report

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with birds.csv, of which one photo is broken, and more.csv of one row; the present folder."""
    folder = tmp_path / "birds"
    table = make_birds(folder)
    next((folder / "photos").iterdir()).write_text("not a photo")
    header = table.read_text("utf-8").splitlines()[0]
    (folder / "more.csv").write_text(f"{header}\nn1,a grey bird,,,heron,marsh\n", "utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["chiasm", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


CALLS = [
    ("inspect", "birds.csv"),
    ("diagnose", "birds.csv"),
    ("fit", "birds.csv", "-o", "m", "--target", "species", "--fuse", "late", "--folds", "2"),
    ("predict", "m", "birds.csv"),
    ("explain", "m", "birds.csv", "--row", "b002"),
    ("collect", "m", "more.csv", "--row", "n1"),
    ("evaluate", "m", "birds.csv", "--stress"),
    ("search", "m", "caption=a yellow bird", "photo=photos/b002.png", "-k", "3"),
    ("add", "m", "more.csv"),
    ("remove", "m", "n1"),
    ("swap", "m", "photo=gradients", "--overwrite"),
    ("map", "m", "-o", "m.html"),
    ("cache",),
    ("demo", "d"),
]


def test_every_verb_gives_a_document_of_its_schema(
    birds: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "find_voices", list)  # without sound, and small, the demo is quick
    monkeypatch.setattr(collection, "ROWS", 150)
    assert {verb for verb, *_ in CALLS} == set(DOCUMENTS)
    found: dict[str, Any] = {}
    for verb, *rest in CALLS:
        code, out, err = run(verb, *rest, "--json")
        assert code == 0, err
        found[verb] = json.loads(out)
        check(verb, found[verb])
    assert [c["column"] for c in found["inspect"]["columns"] if c["broken"]] == ["photo"]
    assert found["fit"]["broken"] == [b for c in found["inspect"]["columns"] for b in c["broken"]]
    assert Path(found["demo"]["picture"]).is_file()
    assert found["add"]["change"] == 1 == -found["remove"]["change"]
    for hit in found["search"]["hits"]:
        assert sum(hit["shares"].values()) == pytest.approx(hit["score"], abs=1e-6)
    assert len(found["predict"]["predictions"]) == 60
    said = found["explain"]
    assert said["base"] + sum(said["shares"].values()) == pytest.approx(said["score"], abs=1e-6)
    assert {one["column"] for one in found["collect"]["missing"]} == {"photo", "clip"}
    for report in (found["fit"]["report"], found["evaluate"]):
        assert [one["target"] for one in report["outcomes"]] == ["species"]
    assert found["fit"]["report"]["stresses"] == []
    assert {one["kind"] for one in found["evaluate"]["stresses"][0]["curves"]} >= {"noise", "missing"}


def test_the_schema_of_evaluate_is_that_of_a_report() -> None:
    document = {"directions": [], "rows": 0, "relevance": "", "notes": [], "outcomes": [], "stresses": [],
                "bridges": []}  # fmt: skip
    check("evaluate", document)
    assert Report.from_json(document).to_json() == document


@pytest.mark.parametrize("verb", DOCUMENTS)
def test_the_page_has_the_schema_as_it_is(verb: str) -> None:
    assert documented(verb, PAGE.read_text("utf-8")) == schema(verb), "run: python tests/json_documents.py"


@pytest.mark.parametrize(
    "document",
    [
        {"rows": 1},
        {"rows": 1, "change": 1, "more": 1},
        {"rows": "1", "change": 1},
        {"rows": None, "change": 1},
    ],
)
def test_the_check_sees_a_wrong_document(document: Any) -> None:
    check("add", {"rows": 1, "change": 1})
    with pytest.raises(ValidationError):
        check("add", document)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("search", "none", "caption=a"), 1),
        (("inspect", "none.csv"), 1),
        (("inspect",), 2),
        (("cache", "-k"), 2),
    ],
)
def test_an_error_says_nothing_on_stdout(words: tuple[str, ...], code: int, birds: Path, run: Run) -> None:
    found, out, err = run(*words, "--json")
    assert (found, out) == (code, "")
    assert err.strip()
