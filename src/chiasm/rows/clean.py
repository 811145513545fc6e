"""Cleaning: named steps that every cell of a column goes through once it is decoded, saved with the schema.

`Column("x", "series", clean=("rate:50", "detrend"))`. A step is a pure function of one cell, so that a query
is cleaned as the training rows were, and nothing of other rows enters it.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell, UsageError, did_you_mean
from chiasm.rows import signals

Pixels = NDArray[np.uint8]
Change = Callable[[Any], Any]

PLAIN = str.maketrans("‘’‚‛“”„‟«»‹›‐‑‒–—―−", "''''\"\"\"\"\"\"''-------")
UNSEEN = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
INLINE = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|mark|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?>", re.I
)
TAGS = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)


NEEDED = math.nan


class Step(NamedTuple):
    """A function of a decoded cell and perhaps one number, which is `default` where the name gives none.

    default : None where the step takes no number, `NEEDED` where the name must give it.
    low, high : what the number must lie between;  whole : whether it must be an integer.
    """

    run: Callable[..., Any]
    means: str
    default: float | None = None
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False


def cleaner(modality: str, names: Sequence[str], where: str = "cleaning") -> Change:
    """The steps of these names as one function of a decoded cell of `modality`.

    UsageError, at `where`, names a step that there is not, or not for `modality`, or a wrong number.
    The function raises `BrokenCell` where a cell has nothing left or a step cannot be done.
    """
    if isinstance(names, str):
        said = f"expected a list of cleaning steps, got {names!r}"
        raise UsageError(said, where=where, hint=f"Write [{names!r}].")
    steps = [_named(modality, name, where) for name in names]

    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        if isinstance(value, str) and not value:
            raise BrokenCell("no text is left after cleaning")
        return value

    return run


def _named(modality: str, name: str, where: str) -> Change:
    """The step called `name`, its number given."""
    word, colon, number = name.partition(":")
    known = STEPS.get(modality, {})
    if word not in known:
        others = [other for other, steps in STEPS.items() if word in steps]
        cleans = f"{word!r} cleans {' and '.join(others)}, not {modality}"
        why = cleans if others else f"no cleaning step of {modality} called {word!r}"
        hint = did_you_mean(word, known) if known else f"Nothing cleans {modality}."
        raise UsageError(why, where=where, hint=hint)
    step = known[word]
    if not colon and step.default is None:
        return step.run
    return partial(_with, step.run, _number(step, name, number if colon else None, where))


def _with(run: Callable[..., Any], number: float, value: Any) -> Any:
    return run(value, number)


def _number(step: Step, name: str, text: str | None, where: str) -> float:
    """The number after the colon, checked, or the default."""
    if step.default is None:
        raise UsageError(f"step {name!r} takes no number", where=where)
    try:
        number = float(step.default if text is None else text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise UsageError(f"step {name!r}: expected a number after a colon", where=where)
    if not step.low <= number <= step.high or (step.whole and not number.is_integer()):
        kind = "a whole number" if step.whole else "a number"
        between = f"expected {kind} between {step.low:g} and {step.high:g}"
        raise UsageError(f"step {name!r}: {between}", where=where)
    return number


# Text


def plain_characters(text: str) -> str:
    """Compatible forms joined (NFKC: ligatures, full width), plain quotes and dashes, nothing unseen."""
    return unicodedata.normalize("NFKC", UNSEEN.sub("", text)).translate(PLAIN)


def without_html(text: str) -> str:
    """Entities resolved, tags and comments dropped; those that part words leave a space."""
    return html.unescape(TAGS.sub(" ", INLINE.sub("", text))).strip()


def single_spaces(text: str) -> str:
    """Every run of white space, newlines too, as one space."""
    return " ".join(text.split())


# Images


def auto_contrast(pixels: Pixels, percent: float) -> Pixels:
    """The brightness stretched to the full range, `percent` of the pixels cut at either end; hues stay."""
    from PIL import Image, ImageOps

    return np.array(ImageOps.autocontrast(Image.fromarray(pixels), percent, preserve_tone=True), np.uint8)


def median(pixels: Pixels, radius: float) -> Pixels:
    """Each pixel the median of those around it, which takes single specks away and keeps edges."""
    from PIL import Image, ImageFilter

    return np.array(Image.fromarray(pixels).filter(ImageFilter.MedianFilter(2 * int(radius) + 1)), np.uint8)


def without_border(pixels: Pixels, tolerance: float) -> Pixels:
    """Without outer rows and columns that differ from the corners' colour by no more than `tolerance`."""
    colour = np.median(pixels[[0, 0, -1, -1], [0, -1, 0, -1]].astype(np.float32), axis=0)
    inside = np.abs(pixels - colour).max(axis=2) > tolerance
    if not inside.any():
        return pixels
    down, across = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return np.ascontiguousarray(pixels[down[0] : down[-1] + 1, across[0] : across[-1] + 1])


def padded_square(pixels: Pixels) -> Pixels:
    """As wide as high, the image in the middle, its mean colour around it."""
    height, width, _ = pixels.shape
    side = max(height, width)
    out = np.empty((side, side, 3), np.uint8)
    out[:] = pixels.mean(axis=(0, 1)).round()
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = pixels
    return out


# Numbers


def logarithm(number: float) -> float:
    """The natural logarithm; what is not above 0 has none."""
    if number <= 0:
        raise BrokenCell(f"{number:g} has no logarithm")
    return math.log(number)


STEPS: dict[str, dict[str, Step]] = {
    "text": {
        "unicode": Step(plain_characters, "NFKC, plain quotes and dashes, nothing unseen"),
        "html": Step(without_html, "entities resolved, tags dropped"),
        "spaces": Step(single_spaces, "one space for any run of white space"),
        "lower": Step(str.lower, "small letters"),
    },
    "image": {
        "contrast": Step(
            auto_contrast, "brightness over the full range, PERCENT cut at either end", 1, 0, 49
        ),
        "median": Step(median, "each pixel the median within RADIUS", 1, 1, 15, whole=True),
        "crop": Step(without_border, "no border of one colour, give or take TOLERANCE of 255", 16, 0, 254),
        "square": Step(padded_square, "padded to a square with its mean colour"),
    },
    "sound": {
        "resample": Step(signals.resample_sound, "at HZ", 16000, 1000, 768000, whole=True),
        "trim": Step(signals.trim_silence, "no silence, DECIBELS below the loudest, at its ends", 40, 1, 120),
        "loudness": Step(signals.set_loudness, "at so many LUFS (ITU-R BS.1770)", -23, -70, 0),
        "highpass": Step(signals.high_pass, "nothing below HZ", 80, 1, 100000),
        "denoise": Step(signals.reduce_noise, "steady noise DECIBELS quieter", 12, 0, 120),
    },
    "series": {
        "rate": Step(signals.state_rate, "at HZ where the source does not say", NEEDED, 1e-9, 1e9),
        "resample": Step(signals.resample_series, "at HZ", NEEDED, 1e-9, 1e9),
        "detrend": Step(signals.detrend, "without its straight line"),
        "clip": Step(signals.clip_outliers, "within so many robust deviations of its median", 3, 0.1, 1e6),
        "smooth": Step(
            signals.smooth, "a parabola through RADIUS steps either side", 3, 2, 10000, whole=True
        ),
        "standardise": Step(signals.standardise, "mean 0 and spread 1 in each channel"),
    },
    "number": {
        "atleast": Step(max, "no less than", NEEDED),
        "atmost": Step(min, "no more than", NEEDED),
        "log": Step(logarithm, "its natural logarithm"),
    },
}
"""By modality, what each step does; capitals name its number."""
