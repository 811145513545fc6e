"""Every verb's --json is one document of the schema in docs/json.md; errors are one line and an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from birds import make_birds
from json_documents import DOCUMENTS, PAGE, check, documented, schema
from pydantic import ValidationError

from chiasm.judge.scoreboard import Report


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with birds.csv, of which one photo is broken, and more.csv of one row."""
    folder = tmp_path_factory.mktemp("json") / "birds"
    table = make_birds(folder)
    next((folder / "photos").iterdir()).write_text("not a photo")
    header = table.read_text("utf-8").splitlines()[0]
    (folder / "more.csv").write_text(f"{header}\nn1,a grey bird,,,heron,marsh\n", "utf-8")
    return folder


def chiasm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "chiasm"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


CALLS = [
    ("inspect", "birds.csv"),
    ("fit", "birds.csv", "-o", "m", "--target", "species"),
    ("evaluate", "m", "birds.csv"),
    ("search", "m", "caption=a yellow bird", "photo=photos/b002.png", "-k", "3"),
    ("add", "m", "more.csv"),
    ("remove", "m", "n1"),
    ("map", "m", "-o", "m.html"),
    ("cache",),
]


def test_every_verb_gives_a_document_of_its_schema(birds: Path) -> None:
    assert {verb for verb, *_ in CALLS} == set(DOCUMENTS)
    found: dict[str, Any] = {}
    for verb, *rest in CALLS:
        done = chiasm(birds, verb, *rest, "--json")
        assert done.returncode == 0, done.stderr
        found[verb] = json.loads(done.stdout)
        check(verb, found[verb])
    assert [c["column"] for c in found["inspect"]["columns"] if c["broken"]] == ["photo"]
    assert len(found["fit"]["broken"]) == 1
    assert found["add"]["change"] == 1 == -found["remove"]["change"]
    for hit in found["search"]["hits"]:
        assert sum(hit["shares"].values()) == pytest.approx(hit["score"], abs=1e-6)


def test_a_report_with_nothing_measured_is_null(birds: Path) -> None:
    document = {"directions": [], "rows": 0, "relevance": "", "notes": []}
    check("evaluate", document)
    assert Report.from_json(document).directions == ()


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
def test_an_error_says_nothing_on_stdout(words: tuple[str, ...], code: int, birds: Path) -> None:
    done = chiasm(birds, *words, "--json")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip()
