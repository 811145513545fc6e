"""What every encoder promises, through the engine: absent and broken cells change nothing, bit for bit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from columns import VALUES, assert_same
from contracts import Case, cases
from PIL import Image

from chiasm import read
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.features import Features
from chiasm.errors import NotFitted
from chiasm.model import records
from chiasm.storage import read_tree, write_tree


def png(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wav(seed: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(seed).uniform(-1, 1, 2000), 8000, format="WAV")
    return file.getvalue()


CELLS: dict[str, Any] = {
    "text": lambda i: f"the dog number {i} barks at {i % 3} cats",
    "image": png,
    "sound": wav,
    "vector": lambda i: [float(i), i % 3 + 0.5, -1.0],
    "number": lambda i: i * 1.5,
    "category": lambda i: f"kind {i % 3}",
    "series": lambda i: np.sin(np.arange(60 + i) * (0.1 + 0.02 * i)).tolist(),
}
"""Videos and tables, whose cells are made otherwise, are held to the same in tests/encode."""
BROKEN: dict[str, tuple[Any, Any]] = {
    "image": (png(1)[:60], b"no picture at all"),
    "sound": (wav(1)[:10], b"no sound at all"),
    "vector": ([np.nan, 1.0, 2.0], [1.0, np.inf]),
    "number": (np.inf, -np.inf),
}
OFFLINE = [case for case in cases("encode") if not case.needed and case.made().modality in CELLS]


@pytest.mark.parametrize("case", cases("encode"), ids=str)
def test_an_unfitted_encoder_says_so(case: Case) -> None:
    with pytest.raises(NotFitted, match="Call fit first"):
        case.made().transform(VALUES["a"])


def encoded(encoder: Encoder, cells: list[Any]) -> Features:
    rows = read({"x": cells, "id": list(range(len(cells)))}, modalities={"x": encoder.modality})
    described = describe_column(rows, "x", encoder)
    return described.features(encoder.fit(described.values))


@pytest.mark.parametrize("case", OFFLINE, ids=str)
def test_absent_rows_have_no_say(case: Case) -> None:
    encoder, other = case.made(), case.made()
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    plain = encoded(encoder, cells)
    gaps = encoded(other, [None, *cells[:5], None, None, *cells[5:], None])
    assert_same(other.state(), encoder.state())
    assert_same(gaps.values, plain.values)
    assert gaps.row.tolist() == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14]
    assert not gaps.broken


@pytest.mark.parametrize("case", [case for case in OFFLINE if case.made().modality in BROKEN], ids=str)
def test_broken_cells_have_no_say(case: Case) -> None:
    encoder = case.made()
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    plain = encoded(encoder, cells)
    for bad in BROKEN[encoder.modality]:
        found = encoded(other := case.made(), [*cells[:4], bad, *cells[4:]])
        assert [b.row for b in found.broken] == [4]
        assert_same(other.state(), encoder.state())
        assert_same(found.values, plain.values)
        assert found.row.tolist() == [0, 1, 2, 3, *range(5, 13)]


@pytest.mark.parametrize("case", OFFLINE, ids=str)
def test_a_column_without_content_has_no_items(case: Case) -> None:
    encoder = case.made()
    encoded(encoder, [CELLS[encoder.modality](i) for i in range(12)])
    rows = read({"x": [None] * 4, "id": list(range(4))}, modalities={"x": encoder.modality})
    found = encode_column(rows, "x", encoder)
    assert len(found.row) == 0
    assert found.n == 4
    assert not found.broken


@pytest.mark.parametrize("case", OFFLINE, ids=str)
def test_an_encoder_comes_back_from_disk_to_the_bit(case: Case, tmp_path: Path) -> None:
    encoder = case.made()
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    rows = read({"x": cells, "id": list(range(12))}, modalities={"x": encoder.modality})
    described = describe_column(rows, "x", encoder)
    expected = described.features(encoder.fit(described.values)).values
    write_tree(tmp_path, "kept", records.of_encoder(encoder))
    again = records.encoder("x", read_tree(tmp_path, "kept"), case.made())
    assert_same(described.features(again).values, expected)


def test_a_function_is_among_them() -> None:
    assert any(isinstance(case.made(), Function) for case in OFFLINE)
