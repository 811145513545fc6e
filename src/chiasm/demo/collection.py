"""The demo's collection: digits handwritten, spoken and written about, with gaps and broken files."""

from __future__ import annotations

import csv
import shutil
import subprocess
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chiasm.errors import ChiasmError

if TYPE_CHECKING:
    import numpy as np

ROWS = 700
GAPS = 0.2  # share of the cells of image, sound and text that are absent
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMERALS = "〇一二三四五六七八九"

OPENINGS = (
    "the",
    "a handwritten",
    "a scribbled",
    "a drawn",
    "somebody's",
    "this is the",
    "photo of the",
    "scan of the",
)
NOUNS = ("{word}", "digit {word}", "number {word}", "figure {word}", "number {digit}", "digit {digit}")
ENDINGS = (
    "",
    " in ink",
    " by hand",
    " on grey paper",
    " from a form",
    " from an envelope",
    " in a small box",
)
CHINESE = (
    "数字{numeral}",
    "手写的{numeral}",
    "一个手写的数字{numeral}",
    "纸上的{numeral}",
    "图中是数字{digit}",
)
CHINESE_SHARE = 0.15


@dataclass(frozen=True)
class DemoCollection:
    """Where the table is, which of its columns make the space, and what a person should know about it."""

    csv: Path
    modalities: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Voice:
    """A synthesiser's command, in which {word}, {path}, {stretch}, {speed} and {pitch} are filled in.

    pitch : its usual pitch, Hz for flite and 0 … 99 for espeak-ng; 0 where the voice does not let it be set.
    """

    command: tuple[str, ...]
    pitch: int = 0

    def say(self, word: str, path: Path, stretch: float = 1.0, tune: float = 1.0) -> None:
        """Write `word` as the WAV file `path`, `stretch` times as long and `tune` times as high as usual."""
        filled = {
            "word": word,
            "path": path,
            "stretch": f"{stretch:.3f}",
            "speed": round(160 / stretch),  # words a minute
            "pitch": round(self.pitch * tune),
        }
        command = [part.format_map(filled) for part in self.command]
        try:
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            raise ChiasmError(
                f"the synthesiser failed: {error}",
                where=command[0],
                hint="Reinstall flite or espeak-ng, or remove it: the demo goes on without sound.",
            ) from error


def find_voices() -> list[Voice]:
    """The voices of the synthesiser that is installed: flite's, else espeak-ng's, else none."""
    if shutil.which("flite"):
        return [_flite("rms"), _flite("slt"), _flite("awb"), _flite("kal16", pitch=95)]
    if shutil.which("espeak-ng"):
        return [_espeak("en-us"), _espeak("en-gb"), _espeak("en-us+f3"), _espeak("en-gb+m4")]
    return []


def _flite(name: str, pitch: int = 0) -> Voice:
    tune = ("--setf", "int_f0_target_mean={pitch}") if pitch else ()
    style = ("-voice", name, "--setf", "duration_stretch={stretch}", *tune)
    return Voice(("flite", *style, "-t", "{word}", "-o", "{path}"), pitch)


def _espeak(name: str) -> Voice:
    return Voice(
        ("espeak-ng", "-v", name, "-s", "{speed}", "-p", "{pitch}", "-w", "{path}", "{word}"), pitch=50
    )


def build_collection(folder: Path, seed: int = 0, voices: Sequence[Voice] | None = None) -> DemoCollection:
    """Write digits.csv, its images and its sounds into `folder`; the same for the same seed and voices.

    voices : who speaks; None takes those of the installed synthesiser, an empty list leaves the sound out.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    voices = find_voices() if voices is None else voices
    modalities = ("image", "sound", "text") if voices else ("image", "text")
    data = load_digits()
    chosen = rng.permutation(len(data.target))[:ROWS]
    rows = [_row(i, int(digit), modalities, rng) for i, digit in enumerate(data.target[chosen])]
    _leave_gaps(rows, modalities, rng)
    _draw(folder, rows, data.images[chosen])
    if voices:
        _speak(folder, rows, voices, rng)
    broken = _damage(folder, rows, rng)
    table = folder / "digits.csv"
    _write(table, rows)
    notes = [f"{len(rows)} rows, a fifth of their cells removed, {broken} files broken on purpose"]
    if not voices:
        notes.append("no speech synthesiser (flite or espeak-ng) found: two modalities, images and texts")
    return DemoCollection(table, modalities, tuple(notes))


def _row(number: int, digit: int, columns: Sequence[str], rng: np.random.Generator) -> dict[str, str]:
    """One row without gaps; its files are yet to be written."""
    name = f"{number:04}"
    cells = {"image": f"images/{name}.png", "sound": f"sounds/{name}.wav", "text": _wording(digit, rng)}
    return {"id": f"d{name}", **{column: cells[column] for column in columns}, "digit": DIGITS[digit]}


def _wording(digit: int, rng: np.random.Generator) -> str:
    """The digit in one of some hundred wordings, now and then Chinese."""
    names = {"word": DIGITS[digit], "digit": digit, "numeral": NUMERALS[digit]}
    if rng.random() < CHINESE_SHARE:
        return str(rng.choice(CHINESE)).format_map(names)
    return f"{rng.choice(OPENINGS)} {rng.choice(NOUNS)}{rng.choice(ENDINGS)}".format_map(names)


def _leave_gaps(rows: list[dict[str, str]], columns: Sequence[str], rng: np.random.Generator) -> None:
    """Empty a fifth of the cells of `columns`; every row keeps at least one."""
    for row in rows:
        absent = rng.random(len(columns)) < GAPS
        absent[rng.integers(len(columns))] &= not absent.all()
        row.update({column: "" for column, gone in zip(columns, absent, strict=True) if gone})


def _draw(folder: Path, rows: list[dict[str, str]], images: np.ndarray) -> None:
    """Write each row's image (8, 8), ink 0 … 16, as a PNG of 32 x 32 pixels."""
    from PIL import Image

    (folder / "images").mkdir(parents=True, exist_ok=True)
    for row, image in zip(rows, images, strict=True):
        if row["image"]:
            small = Image.fromarray((image * (255 / 16)).astype("uint8"))
            small.resize((32, 32), Image.Resampling.BICUBIC).save(folder / row["image"])


def _speak(
    folder: Path, rows: list[dict[str, str]], voices: Sequence[Voice], rng: np.random.Generator
) -> None:
    """Write each row's sound in a voice, speed and pitch of its own: rows hardly ever share a recording."""
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        spoken = [
            pool.submit(
                voices[int(rng.integers(len(voices)))].say,
                row["digit"],
                folder / row["sound"],
                stretch=rng.uniform(0.85, 1.25),
                tune=rng.uniform(0.85, 1.2),
            )
            for row in rows
            if row.get("sound")
        ]
        for recording in spoken:
            recording.result()


def _damage(folder: Path, rows: list[dict[str, str]], rng: np.random.Generator) -> int:
    """Break a few files the way files break; return how many."""
    images = [folder / row["image"] for row in rows if row["image"]]
    truncated, text, missing = (images[i] for i in rng.choice(len(images), 3, replace=False))
    truncated.write_bytes(truncated.read_bytes()[:60])
    text.write_text("this is not a picture\n")
    missing.unlink()
    sounds = [folder / row["sound"] for row in rows if row.get("sound")]
    if not sounds:
        return 3
    with wave.open(str(sounds[rng.integers(len(sounds))]), "wb") as empty:
        empty.setnchannels(1)
        empty.setsampwidth(2)
        empty.setframerate(16_000)
    return 4


def _write(table: Path, rows: list[dict[str, str]]) -> None:
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
