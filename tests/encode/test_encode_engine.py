"""The engine and its cache on real files: gaps, broken and equal cells, a killed run, damaged cache files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chiasm.encode.cache import Cache
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.image import Gradients
from chiasm.encode.text import Lexical
from chiasm.encode.vector import Vector
from chiasm.errors import EncoderError, UsageError
from chiasm.rows import media
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows

KILLED = """
import sys
import numpy as np
from chiasm.encode.cache import Cache
from chiasm.encode.call import Function
from chiasm.encode.engine import describe_column
from chiasm.rows.readers import read

def pixels(cells):
    return np.stack([cell.ravel() for cell in cells])

def progress(done, total, column):
    print(done, flush=True)

encoder = Function(pixels, "image", name="pixels")
describe_column(read(sys.argv[1]), "photo", encoder, cache=Cache(sys.argv[2]), progress=progress)
"""

WRITER = """
import sys
import numpy as np
from chiasm.encode.cache import Cache

cache = Cache(sys.argv[1])
for i in range(60):
    cache.put("same", range(8 * i, 8 * i + 8), np.full((8, 4), i, np.float32))
    cache.get("same", range(8 * i))
"""


class Counting:
    """The pixels of images as they are, and how many were asked for."""

    def __init__(self) -> None:
        self.cells = 0

    def __call__(self, cells: list[Any]) -> np.ndarray:
        self.cells += len(cells)
        return np.stack([cell.ravel() for cell in cells])


@pytest.fixture
def counting() -> tuple[Counting, Function]:
    counted = Counting()
    return counted, Function(counted, "image", name="pixels")


def table(folder: Path, photos: list[str]) -> Rows:
    lines = [f'{photo},"row {i} says something"' for i, photo in enumerate(photos)]
    (folder / "rows.csv").write_text("\n".join(["photo,words", *lines]) + "\n")
    return read(folder / "rows.csv")


def draw(folder: Path, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return [f"{i}.png" for i in range(count)]


def test_absent_broken_and_equal_cells(tmp_path: Path, counting: tuple[Counting, Function]) -> None:
    draw(tmp_path, 2)
    (tmp_path / "bad.png").write_bytes(b"words, not pixels")
    (tmp_path / "same.png").write_bytes((tmp_path / "0.png").read_bytes())
    rows = table(tmp_path, ["0.png", "", "bad.png", "same.png", "1.png", "gone.png"])
    counted, encoder = counting
    found = describe_column(rows, "photo", encoder)
    assert found.row.tolist() == [0, 3, 4]
    assert found.n == 6
    broken = {b.row: b for b in found.broken}
    assert set(broken) == {2, 5}
    assert "bad.png" in str(broken[2])
    assert "not an image" in broken[2].why
    assert found.key is not None
    assert found.key[0] == found.key[1] != found.key[2]
    assert counted.cells == 2, "equal contents are encoded once"
    np.testing.assert_array_equal(found.values[2], media.decode_image(str(tmp_path / "1.png")).ravel())


def test_the_order_is_that_of_the_rows(tmp_path: Path, counting: tuple[Counting, Function]) -> None:
    names = draw(tmp_path, 90)
    shuffled = [names[i] for i in np.random.default_rng(1).permutation(90)]
    found = describe_column(table(tmp_path, shuffled), "photo", counting[1])
    expected = [media.decode_image(str(tmp_path / name)).ravel() for name in shuffled]
    np.testing.assert_array_equal(found.values, expected)


def test_what_the_cache_has_is_not_decoded(
    tmp_path: Path, counting: tuple[Counting, Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(tmp_path, draw(tmp_path, 40))
    counted, encoder = counting
    cache = Cache(tmp_path / "cache")
    first = describe_column(rows, "photo", encoder, cache=cache)
    monkeypatch.setattr(media, "decode", None)
    again = describe_column(rows, "photo", encoder, cache=cache)
    assert counted.cells == 40
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.key, again.key)


def test_a_killed_run_is_taken_up_where_it_was(tmp_path: Path, counting: tuple[Counting, Function]) -> None:
    rows = table(tmp_path, draw(tmp_path, 400))
    run = [sys.executable, "-c", KILLED, str(tmp_path / "rows.csv"), str(tmp_path / "cache")]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        done = next(int(line) for line in process.stdout if int(line) >= 240)
        process.send_signal(signal.SIGKILL)
    counted, encoder = counting
    found = describe_column(rows, "photo", encoder, cache=Cache(tmp_path / "cache"))
    assert len(found.row) == 400
    assert counted.cells <= 400 - done, "what was encoded before the kill is encoded again"


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: b"x" * 5000, lambda data: data[: len(data) // 2]]
)
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path, counting: tuple[Counting, Function], damage: Callable[[bytes], bytes]
) -> None:
    rows = table(tmp_path, draw(tmp_path, 40))
    expected = describe_column(rows, "photo", counting[1], cache=(cache := Cache(tmp_path / "cache"))).values
    cache.close()
    (file,) = cache.folder.glob("*.sqlite")
    file.write_bytes(damage(file.read_bytes()))
    for _ in range(2):
        found = describe_column(rows, "photo", counting[1], cache=Cache(tmp_path / "cache"))
        np.testing.assert_array_equal(found.values, expected)


def test_processes_share_a_cache(tmp_path: Path) -> None:
    run = [sys.executable, "-c", WRITER, str(tmp_path)]
    several = [subprocess.Popen(run) for _ in range(2)]
    assert [process.wait() for process in several] == [0, 0]
    found = Cache(tmp_path).get("same", range(480))
    assert {key: vector.tolist() for key, vector in found.items()} == {k: [k // 8] * 4 for k in range(480)}


def test_encoders_do_not_see_each_others_vectors(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("one", [1], np.ones((1, 3), np.float32))
    cache.put("two", [1], np.zeros((1, 5), np.float32))
    assert cache.get("one", [1, 2])[1].tolist() == [1, 1, 1]
    assert cache.get("two", [1])[1].tolist() == [0] * 5
    assert cache.size() > 0
    cache.clear()
    assert cache.size() == 0
    assert cache.get("one", [1]) == {}


class Brightness(Encoder):
    """The mean of all pixels, times a setting; as cacheable and identified as any encoder by default."""

    modality = "image"

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def describe(self, cells: Sequence[Any]) -> np.ndarray:
        return np.array([[self.gain * cell.mean()] for cell in cells], np.float32)


class Darkness(Brightness):
    def describe(self, cells: Sequence[Any]) -> np.ndarray:
        return -super().describe(cells)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Brightness(), Brightness(gain=2.0)),
        (Brightness(), Darkness()),
        (Gradients(), Gradients(size=32)),
    ],
)
def test_encoders_that_describe_otherwise_share_no_cache(
    tmp_path: Path, one: Encoder, other: Encoder
) -> None:
    """Over one cache each gives what it gives alone."""
    rows = table(tmp_path, draw(tmp_path, 5))
    cache = Cache(tmp_path / "cache")
    first, second = (describe_column(rows, "photo", encoder, cache=cache).values for encoder in (one, other))
    np.testing.assert_array_equal(first, describe_column(rows, "photo", one).values)
    np.testing.assert_array_equal(second, describe_column(rows, "photo", other).values)
    assert not np.array_equal(first, second)


def test_identities_hang_on_settings_class_and_version_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Brightness().identity()
    assert Brightness().fit(np.ones((3, 1), np.float32)).identity() == told
    assert told not in (Brightness(gain=2.0).identity(), Darkness().identity())
    monkeypatch.setattr(Brightness, "version", 2)
    assert Brightness().identity() != told


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda cells: np.zeros((len(cells) + 1, 2)), r"column 'photo'.*expected \(3, d\), got \(4, 2\)"),
        (lambda cells: np.full((len(cells), 2), np.nan), r"column 'photo'.*NaN"),
    ],
)
def test_a_wrong_answer_of_an_encoder_is_named(tmp_path: Path, answer: Any, said: str) -> None:
    rows = table(tmp_path, draw(tmp_path, 3))
    with pytest.raises(EncoderError, match=said):
        encode_column(rows, "photo", Function(answer, "image", name="wrong"))


def test_an_encoder_of_another_modality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Lexical takes text, column 'photo' holds image"):
        encode_column(table(tmp_path, draw(tmp_path, 2)), "photo", Lexical())


def test_a_column_that_is_absent_throughout_has_no_items(tmp_path: Path) -> None:
    rows = table(tmp_path, [*draw(tmp_path, 3), ""])
    encoder = Gradients().fit(describe_column(rows, "photo", Gradients()).values)
    found = encode_column(rows[[3]], "photo", encoder)
    assert len(found.values) == 0
    assert found.n == 1
    assert not found.present.any()


def test_vectors_keep_their_gaps_and_equal_ones_share_a_key(tmp_path: Path) -> None:
    lines = ['{"v": [1, 2, 3]}', '{"v": null}', '{"v": [4, 5, 6]}', '{"v": [1, 2, 3]}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    found = describe_column(read(tmp_path / "rows.jsonl"), "v", Vector())
    assert found.row.tolist() == [0, 2, 3]
    assert np.asarray(found.values).tolist() == [[1, 2, 3], [4, 5, 6], [1, 2, 3]]
    assert found.key is not None
    assert found.key[0] == found.key[2] != found.key[1]


def test_described_rows_can_be_taken(tmp_path: Path) -> None:
    rows = table(tmp_path, [*draw(tmp_path, 3), "gone.png"])
    whole = describe_column(rows, "photo", Gradients())
    part = whole.take(np.array([1, 3]))
    assert part.n == 2
    assert part.row.tolist() == [0]
    assert [b.row for b in part.broken] == [1]
    np.testing.assert_array_equal(part.values, whole.values[[1]])


def test_progress_ends_at_the_last_row(tmp_path: Path, counting: tuple[Counting, Function]) -> None:
    seen: list[tuple[int, int, str]] = []
    rows = table(tmp_path, draw(tmp_path, 40))
    describe_column(rows, "photo", counting[1], progress=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1] == (40, 40, "photo")
