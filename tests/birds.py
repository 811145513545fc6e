"""A small collection made by code whose columns tell of each other: birds seen, heard and written down.

Each species has a colour and a shape (photo), a pitch and a rhythm (clip) and words (caption); about a fifth
of those cells are absent, and every row keeps at least one.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw

RATE = 8_000
SIZE = 48
MEDIA = ("caption", "photo", "clip")
SITES = ("marsh", "harbour", "old orchard")


@dataclass(frozen=True)
class Species:
    name: str
    colour: tuple[int, int, int]
    shape: str  # of PIL.ImageDraw: ellipse, rectangle or polygon
    pitch: float  # Hz
    notes: int  # in half a second
    words: tuple[str, ...]


SPECIES = (
    Species(
        "robin", (205, 75, 45), "ellipse", 2400.0, 2, ("a small bird with a red breast", "a redbreast sings")
    ),
    Species("heron", (120, 130, 150), "polygon", 350.0, 1, ("a tall grey bird wades", "a heron croaks")),
    Species(
        "canary", (240, 215, 60), "ellipse", 3300.0, 6, ("a yellow bird trills", "a bright yellow singer")
    ),
    Species("crow", (35, 35, 40), "rectangle", 600.0, 3, ("a black bird caws", "a big black bird watches")),
    Species(
        "parakeet", (60, 170, 80), "polygon", 1500.0, 4, ("a green bird with a long tail", "noisy green bird")
    ),
)
WHERE = ("on a branch", "by the water", "on the roof", "in the rain", "at dawn", "near the gate", "")


def photo(species: Species, rng: np.random.Generator) -> Image.Image:
    """The species' shape in its colour, somewhere on a sky of some blue."""
    sky = (150 + int(rng.integers(40)), 190 + int(rng.integers(30)), 225 + int(rng.integers(30)))
    image = Image.new("RGB", (SIZE, SIZE), sky)
    draw = ImageDraw.Draw(image)
    left, top = (int(v) for v in rng.integers(4, 14, 2))
    right, bottom = (int(v) for v in rng.integers(32, 44, 2))
    colour = tuple(int(np.clip(c + rng.integers(-20, 21), 0, 255)) for c in species.colour)
    if species.shape == "polygon":
        draw.polygon([(left, bottom), ((left + right) // 2, top), (right, bottom)], fill=colour)
    else:
        getattr(draw, species.shape)((left, top, right, bottom), fill=colour)
    return image


def clip(species: Species, rng: np.random.Generator) -> np.ndarray:
    """Half a second (4000,) of the species' notes over a little noise."""
    t = np.arange(RATE // 2) / RATE
    pitch = species.pitch * rng.uniform(0.95, 1.05)
    beats = np.clip(np.sin(2 * np.pi * species.notes * 2 * t), 0, None)
    return (0.5 * beats * np.sin(2 * np.pi * pitch * t) + 0.01 * rng.standard_normal(len(t))).astype(
        np.float32
    )


def caption(species: Species, rng: np.random.Generator) -> str:
    return f"{rng.choice(species.words)} {rng.choice(WHERE)}".strip()


def gaps(n: int, rng: np.random.Generator, share: float = 0.2) -> np.ndarray:
    """(n, 3) True where a cell is absent; every row keeps at least one."""
    absent = rng.random((n, len(MEDIA))) < share
    absent[np.flatnonzero(absent.all(axis=1)), 0] = False
    return absent


def make_birds(folder: Path, n: int = 60, seed: int = 0) -> Path:
    """Write birds.csv with its photos and clips, the same for the same seed; return the table's path."""
    rng = np.random.default_rng(seed)
    for name in ("photos", "clips"):
        (folder / name).mkdir(parents=True)
    rows = []
    for i, absent in enumerate(gaps(n, rng)):
        species = SPECIES[i % len(SPECIES)]
        row = {"id": f"b{i:03}", "species": species.name, "site": SITES[i // len(SPECIES) % len(SITES)]}
        cells = (caption(species, rng), f"photos/b{i:03}.png", f"clips/b{i:03}.wav")
        row |= {name: "" if gone else cell for name, cell, gone in zip(MEDIA, cells, absent, strict=True)}
        if row["photo"]:
            photo(species, rng).save(folder / row["photo"])
        if row["clip"]:
            soundfile.write(folder / row["clip"], clip(species, rng), RATE)
        rows.append(row)
    table = folder / "birds.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "caption", "photo", "clip", "species", "site"])
        writer.writeheader()
        writer.writerows(rows)
    return table
