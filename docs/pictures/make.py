"""The before/after pictures of docs/cleaning.md, of things made here: `python docs/pictures/make.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw

from chiasm.encode.sound import log_mel
from chiasm.rows.augment import KINDS
from chiasm.rows.clean import cleaner
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

HERE = Path(__file__).parent
RATE = 16000
BEFORE, AFTER = "#9aa3ad", "#2f6fde"
WIDTH, DPI, COLOURS = 9.0, 90, 32  # inches; a palette keeps the files small

Shown = tuple[str, Any]
Draw = Callable[[Axes, Any, str], None]


def main() -> None:
    for modality, (make, draw, rows) in MODALITIES.items():
        value = make()
        steps = STEPS[modality]
        cleaned = [("before", value), *((" ".join(s), cleaner(modality, s)(value)) for s in steps)]
        picture(f"clean-{modality}", cleaned, draw, rows)
        picture(f"change-{modality}", copies(modality, cleaned[-1][1]), draw, rows)
    picture("clean-number", numbers(), draw_numbers, 1)


def copies(modality: str, value: Any) -> list[Shown]:
    """The value and a copy by each kind of change."""
    made = ((kind, run(value, np.random.default_rng(7))) for kind, run in KINDS[modality].items())
    return [("before", value), *made]


def picture(name: str, shown: Sequence[Shown], draw: Draw, rows: int) -> None:
    """A panel for each of `shown`, in `rows` rows of panels, as a PNG."""
    figure = Figure((WIDTH, HEIGHTS.get(draw, 1.75) * rows + 0.1), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, -(-len(shown) // rows), squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    for place, (title, value) in zip(axes, shown, strict=False):
        draw(place, value, BEFORE if title == "before" else AFTER)
        place.set_title(title, fontsize=9, loc="left", family="monospace")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(COLOURS).save(HERE / f"{name}.png", optimize=True)


# Things with faults


def a_text() -> str:
    return "<p>The “<b>ﬁrst</b>” bird &amp; its\u200b  nest:\n\n a  wren² – built of moss in May</p>"


def an_image() -> np.ndarray:
    """A house under a sun, pale and specked, with a white border."""
    scene = Image.new("RGB", (150, 100), "#a9c4d6")
    draw = ImageDraw.Draw(scene)
    draw.rectangle((0, 70, 150, 100), fill="#8aa67c")
    draw.ellipse((108, 10, 130, 32), fill="#d8c98a")
    draw.rectangle((35, 45, 75, 85), fill="#b08a78")
    draw.polygon([(28, 45), (55, 22), (82, 45)], fill="#8f6a62")
    draw.rectangle((48, 62, 60, 85), fill="#77615c")
    rng = np.random.default_rng(0)
    pixels = np.array(scene)
    specks = rng.random(pixels.shape[:2]) < 0.03
    pixels[specks] = rng.choice([60, 235], size=(specks.sum(), 1))
    return np.pad(pixels, ((14, 14), (20, 20), (0, 0)), constant_values=255)


def a_sound() -> Sound:
    """Five rising hums between silences, with rumble and hiss."""
    rng = np.random.default_rng(0)
    time = np.arange(round(0.22 * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * k * (180 * time + 200 * time**2)) / k for k in range(1, 9))
    word = np.r_[hum * np.hanning(len(time)), np.zeros(RATE // 12)]
    samples = np.concatenate([np.zeros(RATE // 2), np.tile(0.12 * word, 5), np.zeros(RATE // 2)])
    samples += rng.normal(0, 0.003, len(samples))
    samples[RATE // 2 : -RATE // 2] += 0.03 * np.sin(2 * np.pi * 50 * np.arange(len(samples) - RATE) / RATE)
    return Sound(samples.astype(np.float32), RATE)


def a_series() -> Series:
    """Steps walked, with drift, jitter and three knocks."""
    rng = np.random.default_rng(1)
    time = np.arange(300) / 50
    walked = np.sin(2 * np.pi * 1.1 * time) + 0.4 * np.sin(2 * np.pi * 2.2 * time + 1)
    values = 3 + 0.7 * time + walked + rng.normal(0, 0.15, 300)
    values[[60, 150, 231]] += (9, -8, 10)
    return Series(values.astype(np.float32)[:, None], 50.0)


def numbers() -> list[Shown]:
    """Prices as they are, capped, and as logarithms."""
    price = np.random.default_rng(0).lognormal(12, 0.8, 2000)
    steps = (["atmost:500000"], ["log"])
    after = [(" ".join(s), np.array([cleaner("number", s)(float(x)) for x in price])) for s in steps]
    return [("before", price), *after]


# How they are drawn


def draw_text(axes: Axes, text: str, colour: str) -> None:
    shown = fill(repr(text)[1:-1], 34)
    axes.text(0, 0.95, shown, fontsize=8.5, family="monospace", va="top", color=colour)


def draw_image(axes: Axes, pixels: np.ndarray, colour: str) -> None:
    axes.imshow(pixels)
    sides = ((-0.5, -0.5), pixels.shape[1], pixels.shape[0])
    axes.add_patch(Rectangle(*sides, fill=False, edgecolor=colour, linewidth=1.5))


def draw_sound(axes: Axes, sound: Sound, colour: str) -> None:
    """The wave over the log-mel spectrogram."""
    bands = log_mel(sound.samples, sound.rate, 48).T
    end = sound.seconds
    axes.imshow(
        bands, aspect="auto", origin="lower", extent=(0, end, -1, 0), cmap="Greys", vmin=-85, vmax=-20
    )
    wave = sound.samples[: len(sound.samples) // 40 * 40].reshape(-1, 40)
    time = np.linspace(0, end, len(wave))
    axes.fill_between(time, 0.5 + wave.min(axis=1), 0.5 + wave.max(axis=1), color=colour, linewidth=0.3)
    axes.set(xlim=(0, 2.7), ylim=(-1, 1))


def draw_series(axes: Axes, series: Series, colour: str) -> None:
    time = np.arange(len(series.values)) / (series.rate or 1)
    axes.plot(time, series.values[:, 0], color=colour, linewidth=1)
    low, high = axes.get_ylim()
    axes.text(0, low, f"{low:.0f} … {high:.0f}", fontsize=7, color="#57606a", va="bottom")


def draw_numbers(axes: Axes, values: np.ndarray, colour: str) -> None:
    axes.hist(values, 40, color=colour)
    axes.text(values.min(), 0, f"{values.min():,.0f}", fontsize=7, color="#57606a", va="top")
    axes.text(values.max(), 0, f"{values.max():,.0f}", fontsize=7, color="#57606a", va="top", ha="right")


STEPS: dict[str, list[list[str]]] = {
    "text": [["html"], ["unicode"], ["spaces"], ["lower"], ["html", "unicode", "spaces"]],
    "image": [["median"], ["contrast"], ["square"], ["crop"], ["crop", "median"]],
    "sound": [
        ["trim:25"],
        ["highpass:120"],
        ["denoise:20"],
        ["loudness:-20"],
        ["highpass:120", "denoise:20"],
    ],
    "series": [["detrend"], ["clip:3"], ["smooth:5"], ["resample:10"], ["detrend", "clip:3"]],
}
"""What is shown of each modality; the last is what its changed copies are made of."""
MODALITIES: dict[str, tuple[Callable[[], Any], Draw, int]] = {
    "text": (a_text, draw_text, 2),
    "image": (an_image, draw_image, 1),
    "sound": (a_sound, draw_sound, 2),
    "series": (a_series, draw_series, 2),
}

HEIGHTS = {draw_text: 1.0}

if __name__ == "__main__":
    main()
