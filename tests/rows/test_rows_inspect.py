"""Inspection tells absent, broken and zero apart, and finds exact repetitions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from chiasm import read
from chiasm.rows.inspect import Inspection, inspect
from chiasm.rows.rows import Rows


def png(colour: str, size: int = 4) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(out, "PNG")
    return out.getvalue()


def wav(samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, 8000, format="WAV")
    return out.getvalue()


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Two sound rows, then one row for every trouble."""
    (tmp_path / "red.png").write_bytes(png("red"))
    tone = wav(np.full(800, 0.5))
    return read(
        {
            "photo": [
                png("red"),
                png("blue"),
                None,
                png("blue", 40)[:60],
                png("black"),
                tmp_path / "red.png",
                "no.png",
            ],
            "clip": [tone, tone, wav(np.zeros(80)), wav(np.zeros(0)), b"", b"text, no sound", None],
            "words": [["a dog"], ["a cat", "a dog"], [], None, ["  "], ["x" * 1_000_001], ["fine"]],
            "vec": [[1.0, 2.0], [1.0, 2.0], None, [float("nan"), 1.0], [0.0, 0.0], [1.0], [3.0, 4.0]],
            "label": ["a", "a", "b", "b", None, "a", "b"],
        },
        root=tmp_path,
    )


def test_everything_is_counted_once(rows: Rows) -> None:
    found = rows.inspect()
    table = {
        c.column: (c.present, c.absent, c.items, [b.row for b in c.broken], c.zero, c.duplicates)
        for c in found.columns
    }
    assert table == {
        "photo": (6, 1, 6, [3, 6], 1, 1),
        "clip": (5, 2, 5, [3, 5], 1, 1),
        "words": (4, 3, 5, [5], 0, 1),
        "vec": (6, 1, 6, [3, 5], 1, 1),
        "label": (6, 1, 6, [], 0, 0),
    }
    assert found["photo"].repeated == ((0, 5),)
    assert found["photo"].broken[1].why == "no such file"
    assert found["photo"].broken[1].source.endswith("no.png")


def test_rows_are_named_as_in_the_source(rows: Rows) -> None:
    found = rows[3:].inspect()
    assert [b.row for b in found["photo"].broken] == [3, 6]
    assert [b.row for b in found["vec"].broken] == [3, 5]


def test_without_decoding_nothing_is_opened(rows: Rows) -> None:
    found = rows.inspect(decode=False)
    assert found["photo"].broken == ()
    assert (found["photo"].present, found["photo"].absent) == (6, 1)


def test_progress_and_json(rows: Rows) -> None:
    seen: list[tuple[str, int]] = []
    found = inspect(rows, progress=lambda column, done: seen.append((column, done)))
    assert seen[:2] == [("photo", 1), ("photo", 2)]
    assert isinstance(found, Inspection)
    document = json.loads(json.dumps(found.to_json()))
    assert document["rows"] == 7
    assert document["columns"][0]["broken"][0]["row"] == 3
