"""A contact sheet: each query on the left, what it found beside it, right and wrong marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from chiasm.errors import DataError
from chiasm.judge.fonts import clean, drawable, font_for, legible

SIDE, GAP, NOTE, MARGIN = (
    264,
    24,
    40,
    40,
)  # pixels: a tile, between tiles, the line below it, around the sheet
PAPER, TILE, INK, SOFT = "#ffffff", "#f2f4f7", "#1d2329", "#5d6670"
UNDRAWN = "(no font of this machine draws this text)"
RIGHT, WRONG, QUERY = "#16803c", "#c8341f", "#2f6fde"


@dataclass(frozen=True, eq=False)
class Shown:
    """One tile: a text, an image uint8 (h, w, 3) or a sound's samples float32 (t,), absent where None.

    right : whether it is a right answer; None where nothing is to be said, as of a query.
    note : a short line below it, such as its score.
    """

    value: str | NDArray[Any] | None
    right: bool | None = None
    note: str = ""


def contact_sheet(rows: Sequence[Sequence[Shown]], path: str | Path, title: str = "") -> None:
    """Draw rows of tiles, the query first, what it found after it, into a PNG."""
    if not rows or not all(rows):
        raise DataError("there is nothing to draw", where="contact sheet", hint="Give a query in each row.")
    widest = max(map(len, rows))
    head = 60 if title else 0
    width = 2 * MARGIN + widest * (SIDE + GAP) + GAP
    height = 2 * MARGIN + head + len(rows) * (SIDE + NOTE + GAP) - GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    if title:
        _line(sheet, (MARGIN, MARGIN - 6), title, 30, INK, width - 2 * MARGIN)
    for i, row in enumerate(rows):
        top = MARGIN + head + i * (SIDE + NOTE + GAP)
        for j, shown in enumerate(row):
            left = MARGIN + j * (SIDE + GAP) + (2 * GAP if j else 0)
            _place(sheet, (left, top), shown, QUERY if j == 0 else None)
        if len(row) > 1:
            _arrow(sheet, (MARGIN + SIDE + GAP // 2, top + SIDE // 2))
    sheet.save(path, "PNG")


def _place(sheet: Image.Image, at: tuple[int, int], shown: Shown, frame: str | None) -> None:
    """One tile with its frame, its mark and the line below it."""
    left, top = at
    sheet.paste(_tile(shown.value), at)
    if shown.right is not None:
        frame = RIGHT if shown.right else WRONG
    if frame is not None:
        box = (left - 4, top - 4, left + SIDE + 3, top + SIDE + 3)
        ImageDraw.Draw(sheet).rounded_rectangle(box, 8, outline=frame, width=4)
    if shown.right is not None:
        sheet.paste(*_mark(shown.right, (left + SIDE - 20, top - 16)))
    _line(sheet, (left, top + SIDE + 8), shown.note, 20, SOFT, SIDE)


def _tile(value: str | NDArray[Any] | None) -> Image.Image:
    """A square picture of a value."""
    if isinstance(value, str):
        return _written(value) if legible(clean(value)) else _written(UNDRAWN, SOFT)
    if value is None:
        return _written("(absent)", SOFT)
    if value.ndim == 1:
        return _waveform(value)
    tile = Image.new("RGB", (SIDE, SIDE), TILE)
    picture = Image.fromarray(value)
    # Small drawings, such as digits of 28 pixels, look right only with their pixels kept sharp.
    method = Image.Resampling.NEAREST if max(picture.size) <= 64 else Image.Resampling.LANCZOS
    picture = ImageOps.contain(picture, (SIDE, SIDE), method)
    tile.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return tile


def _written(text: str, ink: str = INK) -> Image.Image:
    """The text, wrapped, as large as fits; what does not fit at the smallest size ends in an ellipsis."""
    tile = Image.new("RGB", (SIDE, SIDE), TILE)
    words, room = drawable(clean(text)[:2000]), SIDE - 32
    for size in (34, 28, 24, 20):
        font, step = font_for(words, size), round(size * 1.3)
        lines = _wrapped(words, font, room)
        if len(lines) * step <= room:
            break
    if len(lines) * step > room:
        lines = [*lines[: room // step - 1], lines[room // step - 1].rstrip()[:-1] + "…"]
    draw, top = ImageDraw.Draw(tile), (SIDE - len(lines) * step) // 2
    for i, line in enumerate(lines):
        draw.text((16, top + i * step), line, ink, font)
    return tile


def _wrapped(text: str, font: Any, width: int) -> list[str]:
    """Lines no wider than `width`, broken at spaces or, where there are none, anywhere (Chinese)."""
    lines = [""]
    for word in text.split():
        if font.getlength(f"{lines[-1]} {word}".strip()) <= width:
            lines[-1] = f"{lines[-1]} {word}".strip()
            continue
        lines += [""] * bool(lines[-1])
        for character in word:
            if font.getlength(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def _waveform(samples: NDArray[Any]) -> Image.Image:
    """The envelope of a sound: lowest and highest sample of each stroke, scaled to the peak."""
    tile = Image.new("RGB", (SIDE, SIDE), TILE)
    draw, middle, columns = ImageDraw.Draw(tile), SIDE // 2, (SIDE - 32) // 3
    draw.line((16, middle, SIDE - 16, middle), "#c9d0d8", 1)
    peak = float(np.abs(samples).max(initial=0.0))
    if not peak > 0:
        return tile
    for i, part in enumerate(np.array_split(samples / peak, columns)):
        if part.size:
            high, low = (middle - round(float(v) * (middle - 40)) for v in (part.max(), part.min()))
            draw.line((16 + 3 * i, high, 16 + 3 * i, max(low, high + 1)), QUERY, 2)
    return tile


def _mark(right: bool, at: tuple[int, int]) -> tuple[Image.Image, tuple[int, int], Image.Image]:
    """A tick or a cross in a disc, drawn four times as large for smooth edges, with its place and mask."""
    size, scale = 36, 4
    disc = Image.new("RGB", (size * scale,) * 2, RIGHT if right else WRONG)
    mask = Image.new("L", disc.size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, size * scale - 1, size * scale - 1), 255)
    tick = [[(10, 19), (16, 25), (27, 12)]] if right else [[(12, 12), (24, 24)], [(24, 12), (12, 24)]]
    for stroke in tick:
        points = [(x * scale, y * scale) for x, y in stroke]
        ImageDraw.Draw(disc).line(points, "white", 4 * scale, joint="curve")
    small = (size, size)
    return disc.resize(small), at, mask.resize(small)


def _arrow(sheet: Image.Image, at: tuple[int, int]) -> None:
    """From the query to what it found."""
    x, y = at
    draw = ImageDraw.Draw(sheet)
    draw.line((x + 2, y, x + 42, y), SOFT, 3)
    draw.line([(x + 32, y - 9), (x + 42, y), (x + 32, y + 9)], SOFT, 3, joint="curve")


def _line(sheet: Image.Image, at: tuple[int, int], text: str, size: int, ink: str, room: int) -> None:
    """One line of text, cut where it would be wider than its room."""
    words = clean(text)
    font = font_for(words, size)
    if font.getlength(words) > room:
        while words and font.getlength(words + "…") > room:
            words = words[:-1]
        words += "…"
    ImageDraw.Draw(sheet).text(at, words, ink, font)
