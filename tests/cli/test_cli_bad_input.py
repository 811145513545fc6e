"""Bad input end to end: one clear line, or a counted and named broken cell, the rest of the rows kept."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from birds import make_birds
from PIL import Image
from terminal import run

BIG = 40 * 2**20


def bomb(path: Path) -> None:
    """A PNG of a few hundred bytes that says it is 60,000 × 60,000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def spoil(folder: Path) -> dict[str, tuple[str, str, str]]:
    """Write bad media; {name: (column, cell, what is said of it)}, '' where it is usable."""
    Image.new("RGB", (64, 64), "red").save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:-200])
    (folder / "text.png").write_text("this is no picture")
    Image.new("RGB", (1, 1), "red").save(folder / "pixel.png")
    Image.new("RGB", (48, 48), "red").save(folder / "rote\nVögel 鸟.png")
    soundfile.write(folder / "nothing.wav", np.zeros(0), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(4000), 8000)
    bomb(folder / "bomb.png")
    return {
        "missing": ("photo", "gone.png", "no such file"),
        "truncated": ("photo", "cut.jpg", "cut.jpg"),
        "text as png": ("photo", "text.png", "text.png"),
        "pixel": ("photo", "pixel.png", ""),
        "odd name": ("photo", "rote\nVögel 鸟.png", ""),
        "bomb": ("photo", "bomb.png", "bomb.png"),
        "nothing": ("clip", "nothing.wav", "nothing.wav"),
        "silent": ("clip", "silent.wav", ""),
        "a text called wav": ("clip", "text.png", "text.png"),
        "40 MB": ("caption", "word " * (BIG // 5), "characters"),
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Birds, and one more row for each kind of bad cell, its other cells whole."""
    path = make_birds(tmp_path_factory.mktemp("bad"), n=60)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = next(row for row in rows if all(row[c] for c in ("caption", "photo", "clip")))
    for name, (column, cell, _) in spoil(path.parent).items():
        rows.append({**whole, "id": name, column: cell})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def broken_lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("broken: ")]


def test_broken_cells_are_named_and_the_rest_is_kept(table: Path, tmp_path: Path) -> None:
    bad = {name: kind for name, kind in spoil(table.parent).items() if kind[2]}
    inspected = run("inspect", table, "--json")
    assert inspected.code == 0, inspected.err
    columns = {c["column"]: c for c in json.loads(inspected.out)["columns"]}
    for column in ("photo", "clip", "caption"):
        named = [name for name, kind in bad.items() if kind[0] == column]
        assert len(columns[column]["broken"]) == len(named), columns[column]["broken"]
    assert columns["clip"]["zero"] == 1

    fitted = run("fit", table, "-o", tmp_path / "m", "--target", "species", "--fuse", "none")
    assert fitted.code == 0, fitted.err
    assert "Traceback" not in fitted.err
    lines = broken_lines(fitted.err)
    assert len(lines) == len(bad)
    for column, _, what in bad.values():
        assert any(f"column {column!r}" in line and what in line for line in lines), what
    assert "70 rows indexed" in fitted.out

    found = run("search", tmp_path / "m", "caption=a yellow bird", "-k", "1000", "--json")
    hits = json.loads(found.out)["hits"]
    kept = {(hit["row"], hit["column"]) for hit in hits}
    for name, (column, _, what) in spoil(table.parent).items():
        assert ((name, column) in kept) is (what == ""), name
        assert all((name, other) in kept for other in {"photo", "clip", "caption"} - {column})
    assert all(len(hit["cell"]) < 500 for hit in hits)

    for column, cell, what in bad.values():
        if column != "caption":
            asked = run("search", tmp_path / "m", f"{column}={table.parent / cell}")
            assert asked.code == 1
            assert "Traceback" not in asked.err
            assert len(asked.err.splitlines()) == 1
            assert what in asked.err


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("duplicated.csv", "a,a\nx,y\n", "'a'"),
        ("empty.csv", "", "empty"),
        ("header.csv", "a,b\n", "no rows"),
        ("one.csv", "caption,note\na few words here,some other words\n", "two"),
        ("absent.csv", "caption,photo\n" + "some words of my own,\n" * 50, "two columns"),
        ("ragged.csv", "a,b\n1,2,3\n", "ragged.csv"),
        ("noise.parquet", "PAR1 no parquet", "noise.parquet"),
        ("noise.xyz", "what", "noise.xyz"),
    ],
)
def test_a_bad_table_gets_one_clear_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = write_csv(tmp_path / name, text)
    ran = run("fit", path, "-o", tmp_path / "m")
    assert ran.code in (1, 2), ran.out
    assert "Traceback" not in ran.err
    assert says in ran.err.splitlines()[-1]
    assert not (tmp_path / "m").exists()
    inspected = run("inspect", path)
    assert inspected.code in (0, 1)
    assert "Traceback" not in inspected.err


def test_bad_vectors_are_broken_and_the_rest_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((60, 3))
    a: list[Any] = (hidden @ rng.standard_normal((3, 5))).tolist()
    b: list[Any] = (hidden @ rng.standard_normal((3, 4))).tolist()
    a[3], a[4], a[5] = [float("nan")] * 5, [1.0, float("inf"), 0.0, 0.0, 0.0], [1.0, 2.0]
    b[6], b[7] = [], None
    pq.write_table(pa.table({"a": a, "b": b}), tmp_path / "v.parquet")
    fitted = run("fit", tmp_path / "v.parquet", "-o", tmp_path / "m")
    assert fitted.code == 0, fitted.err
    lines = broken_lines(fitted.err)
    assert [line[:23] for line in lines] == [f"broken: row {i}, column 'a'"[:23] for i in (3, 4, 5)]
    assert "60 rows indexed" in fitted.out
    inspected = json.loads(run("inspect", tmp_path / "v.parquet", "--json").out)
    assert [len(c["broken"]) for c in inspected["columns"]] == [3, 0]
    for value in ("[1, 2]", "[1, NaN, 0, 0, 0]", "[1, 2, 3, 4", "five"):
        asked = run("search", tmp_path / "m", f"a={value}")
        assert asked.code in (1, 2), (value, asked.out)
        assert len(asked.err.splitlines()) == 1
    assert run("search", tmp_path / "m", "a=[1, 2, 3, 4, 5]").code == 0


def test_a_terminal_of_few_signs_and_the_home_of_nobody(table: Path, tmp_path: Path) -> None:
    for argv in (["inspect", table, "--quick"], ["fit", table, "-o", "~nobody-here/m"]):
        ran = subprocess.run(
            [sys.executable, "-c", "from chiasm.cli import main; main()", *map(str, argv)],
            capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr


def test_a_closed_output_is_no_traceback(table: Path) -> None:
    command = f"exec {sys.executable} -c 'from chiasm.cli import main; main()' inspect '{table}' --quick >&-"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_rows_without_any_column_of_the_model_are_not_added(tmp_path: Path) -> None:
    model = tmp_path / "m"
    assert run("fit", make_birds(tmp_path, n=30), "-o", model, "--fuse", "none").code == 0
    for text in ("id,note\nx1,some words\n", "id,caption,note\nx1,,some words\n"):
        ran = run("add", model, write_csv(tmp_path / "other.csv", text))
        assert (ran.code, len(ran.err.splitlines())) == (1, 1)
        assert (
            "none of the model's columns: caption, clip, photo. Name its columns as the model does."
            in ran.err
        )
    assert run("add", model, write_csv(tmp_path / "other.csv", "id,caption\nx1,a bird\n")).code == 0
