"""A font of this machine for a text in any script."""

from __future__ import annotations

import os
import sys
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from PIL import ImageFont

FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
PLAIN = ("DejaVuSans", "NotoSans-Regular", "LiberationSans-Regular", "Arial", "Helvetica", "segoeui")
KINDS = (".ttf", ".otf", ".ttc")
MOST = 300
"""Font files looked at, so that a machine with thousands does not stall."""


def clean(text: str) -> str:
    """The text without what cannot be drawn: control characters, halves of surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in whole)


def drawable(text: str) -> str:
    """The text with what no font of this machine has spelled as code points: better than boxes."""
    missing = _missing(text)
    return "".join(f" U+{ord(c):X} " if c in missing else c for c in text)


def legible(text: str) -> bool:
    """Whether a font of this machine has more than half of the text's characters."""
    missing, visible = _missing(text), [c for c in text if not c.isspace()]
    return not visible or 2 * sum(c in missing for c in visible) < len(visible)


def _missing(text: str) -> set[str]:
    """The characters that the best font for a text lacks."""
    file = _best(frozenset(text))
    return {c for c in set(text) if not c.isspace() and not _has(file, c)}


def font_for(text: str, size: int) -> Any:
    """The font that has most of the text's characters: a plain one if it has all, else the best found."""
    return _opened(_best(frozenset(text)), size)


@lru_cache(maxsize=1024)
def _best(characters: frozenset[str]) -> str | None:
    """The file of the font that lacks fewest of the characters; None for the one Pillow carries."""
    wanted = sorted(c for c in characters if not c.isspace())[:40]
    files = _files()
    lacking = dict.fromkeys(files, len(wanted) + 1)
    for file in files:
        lacking[file] = sum(not _has(file, c) for c in wanted)
        if not lacking[file]:
            return file
    return min(files, key=lambda file: lacking[file], default=None)


@cache
def _files() -> tuple[str, ...]:
    """Font files of this machine, plain faces first."""
    found = []
    for folder in FOLDERS:
        for base, _, names in os.walk(Path(folder).expanduser()):
            found += [Path(base, name) for name in names if name.lower().endswith(KINDS)]
    rank = {name: place for place, name in enumerate(PLAIN)}
    found.sort(key=lambda file: (rank.get(file.stem, len(rank)), "Regular" not in file.stem, file.name))
    return tuple(str(file) for file in found[:MOST] if _opened(str(file), 16) is not None)


@lru_cache(maxsize=4096)
def _has(file: str | None, character: str) -> bool:
    """Whether the font draws the character as something else than its box for unknown ones."""
    font = _opened(file, 16)
    mask, unknown = font.getmask(character), font.getmask(chr(sys.maxunicode))
    return mask.size != unknown.size or bytes(mask) != bytes(unknown)


@lru_cache(maxsize=64)
def _opened(file: str | None, size: int) -> Any:
    """The font of a file, None where the file is no font; without a file the one that Pillow carries."""
    if file is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(file, size)
    except OSError:
        return None
