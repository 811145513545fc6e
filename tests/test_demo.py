"""The demo's collection: real files, a fifth of the cells absent, four files broken, all by seed."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image, UnidentifiedImageError

from chiasm.demo import Voice, build_collection, find_voices
from chiasm.demo.collection import DIGITS, ROWS
from chiasm.errors import ChiasmError

# Stands in for a synthesiser: copies its own program text to where the sound should be.
MUTE = Voice(("cp", __file__, "{path}"))


def read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def opens(path: Path) -> bool:
    """Whether the picture is there and decodes to the end."""
    try:
        with Image.open(path) as image:
            image.load()
            return image.size == (32, 32)
    except (FileNotFoundError, UnidentifiedImageError, OSError):
        return False


def test_it_has_the_gaps_and_the_damage_it_names(tmp_path: Path) -> None:
    built = build_collection(tmp_path, voices=[MUTE])
    rows = read(built.csv)
    assert built.modalities == ("image", "sound", "text")
    assert list(rows[0]) == ["id", "image", "sound", "text", "digit"]
    assert len(rows) == len({row["id"] for row in rows}) == ROWS
    cells = np.array([[row[name] for name in built.modalities] for row in rows])
    assert 0.17 < (cells == "").mean() < 0.22
    assert (cells != "").any(axis=1).all()
    assert sum(not opens(tmp_path / row["image"]) for row in rows if row["image"]) == 3
    empty = [row["sound"] for row in rows if row["sound"] and (tmp_path / row["sound"]).stat().st_size < 100]
    assert len(empty) == 1
    assert soundfile.info(tmp_path / empty[0]).frames == 0
    assert "4 files broken" in built.notes[0]


def test_its_texts_read_as_text_and_not_as_labels(tmp_path: Path) -> None:
    rows = read(build_collection(tmp_path, voices=[]).csv)
    texts = Counter(row["text"] for row in rows if row["text"])
    assert len(texts) > 0.7 * sum(texts.values())
    assert any("数字" in text or "手写" in text for text in texts)
    assert {row["digit"] for row in rows} == set(DIGITS)


def test_without_a_synthesiser_there_are_two_modalities_and_a_note(tmp_path: Path) -> None:
    built = build_collection(tmp_path, voices=[])
    assert built.modalities == ("image", "text")
    assert list(read(built.csv)[0]) == ["id", "image", "text", "digit"]
    assert not (tmp_path / "sounds").exists()
    assert "two modalities" in built.notes[1]


def test_a_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_collection(tmp_path / name, seed=seed, voices=[])
    a, b, c = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    )
    assert a == b
    assert a != c


@pytest.mark.parametrize("command", [("false",), ("no-such-synthesiser", "{word}")])
def test_a_failing_synthesiser_is_named(command: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ChiasmError, match=f"{command[0]}: the synthesiser failed"):
        Voice(command).say("one", tmp_path / "one.wav")


@pytest.mark.skipif(not find_voices(), reason="no flite or espeak-ng here")
def test_every_voice_says_each_digit_its_own_way(tmp_path: Path) -> None:
    spoken = set()
    for i, voice in enumerate(find_voices()):
        for word in DIGITS[:3]:
            path = tmp_path / f"{i}-{word}.wav"
            voice.say(word, path)
            samples, rate = soundfile.read(path)
            assert 0.2 < len(samples) / rate < 2
            assert np.sqrt(np.mean(samples**2)) > 0.005
            spoken.add(path.read_bytes())
    assert len(spoken) == 3 * len(find_voices())


@pytest.mark.skipif(shutil.which("flite") is None, reason="no flite here")
def test_a_stretched_word_lasts_longer(tmp_path: Path) -> None:
    voice, paths = find_voices()[0], (tmp_path / "short.wav", tmp_path / "long.wav")
    for path, stretch in zip(paths, (0.85, 1.25), strict=True):
        voice.say("seven", path, stretch=stretch)
    short, long = (soundfile.info(path).duration for path in paths)
    assert long / short == pytest.approx(1.25 / 0.85, rel=0.1)
