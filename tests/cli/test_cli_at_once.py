"""Two who change one model at once, and verbs that are stopped: nothing is lost, and what is said is true."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from birds import make_birds
from terminal import run, said

import chiasm
from chiasm import storage
from chiasm.model import drawing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = make_birds(tmp_path_factory.mktemp("birds"), n=60)
    return chiasm.fit(table, fuse="none").save(table.parent / "m")


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "m"))


def rows(model: Path) -> int:
    return len(chiasm.load(model).rows)


@pytest.fixture
def more(tmp_path: Path) -> Path:
    table = make_birds(tmp_path / "more", n=20, seed=3)
    table.write_text(table.read_text().replace("\nb0", "\nnew"))
    return table


def before(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, act: Callable[[], object]) -> None:
    """Do something just before a function is called for the first time."""
    called = getattr(place, name)

    def delayed(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        act()
        return called(*arguments, **options)

    monkeypatch.setattr(place, name, delayed)


@pytest.mark.parametrize("verb", ["add", "remove", "swap"])
def test_of_two_changes_at_once_one_is_refused_and_none_is_lost(
    model: Path, more: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"add": [more], "remove": ["b002", "b003"], "swap": ["clip=voice", "--overwrite"]}[verb]
    before(monkeypatch, storage, "write_manifest", lambda: run("remove", model, "b001"))
    said(
        run(verb, model, *arguments),
        1,
        str(model),
        "another process changed the model meanwhile. Run it again.",
    )
    assert rows(model) == 59
    assert run(verb, model, *arguments).code == 0
    assert rows(model) == 59 + {"add": 20, "remove": -2, "swap": 0}[verb]
    assert not list(model.parent.glob(".m.*"))


def test_a_link_to_a_model_stays_one(model: Path) -> None:
    link = model.parent / "link"
    link.symlink_to(model.name)
    assert run("remove", link, "b001").code == 0
    assert link.is_symlink()
    assert rows(model) == 59


SLOW = """
import time
from chiasm import storage
from chiasm.cli import main

def slow(*arguments):
    print("writing", flush=True)
    time.sleep(60)

storage.write_manifest = slow
main()
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_was_written_aside_is_cleared_away(model: Path, sent: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "remove", model, "b001"],
        stdout=-1,
        stderr=-1,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (code, "chiasm: interrupted")
    assert os.listdir(model.parent) == ["m"]
    assert rows(model) == 60


def stop() -> None:
    raise KeyboardInterrupt


def test_stopped_when_it_is_done_it_does_not_say_that_nothing_was_written(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = storage._replace

    def stopped(*arguments: Any) -> None:
        replace(*arguments)
        stop()

    monkeypatch.setattr(storage, "_replace", stopped)
    ran = run("remove", model, "b001")
    assert (ran.code, ran.err.strip()) == (130, "chiasm: interrupted")
    assert rows(model) == 59


def test_stopped_before_a_verb_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    before(monkeypatch, importlib, "import_module", stop)
    ran = run("cache")
    assert (ran.code, ran.err.strip()) == (130, "chiasm: interrupted")


def test_stopped_while_the_app_is_imported() -> None:
    code = (
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'chiasm.cli.app': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "from chiasm.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (130, "chiasm: interrupted\n")


def test_a_full_disk_is_named_and_leaves_no_half_page(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = model.parent / "map.html"

    def half(points: Any, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drawing, "map_html", half)
    said(run("map", model, "-o", page), 1, f"{page}: cannot write there: No space left on device")
    assert os.listdir(model.parent) == ["m"]


@pytest.mark.parametrize("verb", ["fit", "swap"])
def test_a_place_that_cannot_be_written_is_found_before_anything_is_read(tmp_path: Path, verb: str) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["nowhere", "clip=voice"] if verb == "swap" else ["nowhere.csv"]
    said(run(verb, *arguments, "-o", tmp_path / "file" / "m"), 1, "cannot write there")
