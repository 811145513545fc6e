"""Augmentation: changed copies of training cells, which mean what the cell means; (value, rng) → value.

Text: words dropped or swapped (Wei and Zou 2019). Images: crop, colour, turn. Sounds: gain, noise, shift,
speed (Ko et al. 2015), pitch. Series: jitter, scale, warped time, a slice (Um et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from chiasm.array_types import Floats32
from chiasm.checks import check_known
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

Pixels = NDArray[np.uint8]

WORDS = 0.1  # share of the words that are dropped, or swapped with the next
WINDOW = 0.8  # least share of an image's sides that a crop keeps
COLOUR = 0.2  # share by which brightness, contrast and saturation change at most
DEGREES = 10.0
GAIN = 6.0  # dB
NOISE = (15.0, 30.0)  # dB of the sound over the noise
SHIFT = 0.1  # share of the length
SPEED = 0.1  # share
SEMITONES = 2.0
FRAME = 0.050  # seconds of a window when time is stretched
JITTER = 0.03  # standard deviations of a channel
SCALE = 0.1  # standard deviation of a channel's factor
WARP, KNOTS = 0.2, 4  # standard deviation of the pace of time at so many places
SLICE = 0.9  # share of the steps


def augment(modality: str, value: Any, rng: Generator, kinds: Sequence[str] | None = None) -> Any:
    """A changed copy of a decoded cell: each of `kinds` is done with probability 1/2, in their order.

    kinds : names in `KINDS[modality]`; None for all but `flip`, since a mirrored letter or heart is another.
        UsageError names one that there is not. Cells of other modalities stay as they are.
    """
    known = KINDS.get(modality, {})
    for kind in kinds or ():
        check_known(kind, known, f"change of {modality}")
    for kind in (k for k in known if k != "flip") if kinds is None else kinds:
        if rng.random() < 0.5:
            value = known[kind](value, rng)
    return value


def changer(modality: str, seed: int, kinds: Sequence[str] | None = None) -> Callable[[Any, int], Any]:
    """`augment` as `describe_column(change=)` takes it: what becomes of a cell depends on its content and
    `seed` alone, whatever the order in which threads come to it."""

    def change(value: Any, key: int) -> Any:
        return augment(modality, value, np.random.default_rng([seed, key % 2**64]), kinds)

    return change


# Text


def drop_words(text: str, rng: Generator) -> str:
    """Without a tenth of its words, at least one left."""
    words = text.split()
    kept = rng.random(len(words)) >= WORDS
    if not kept.any():
        return text
    return " ".join(word for word, keep in zip(words, kept, strict=True) if keep)


def swap_words(text: str, rng: Generator) -> str:
    """A tenth of its words in each other's place, neighbours by neighbours."""
    words = text.split()
    for place in np.flatnonzero(rng.random(max(len(words) - 1, 0)) < WORDS).tolist():
        words[place : place + 2] = words[place + 1], words[place]
    return " ".join(words)


# Images


def flip(pixels: Pixels, rng: Generator) -> Pixels:
    """Left and right exchanged."""
    return np.ascontiguousarray(pixels[:, ::-1])


def crop(pixels: Pixels, rng: Generator) -> Pixels:
    """A window of at least 80 % of either side."""
    sides = [max(round(side * rng.uniform(WINDOW, 1)), 1) for side in pixels.shape[:2]]
    top, left = (rng.integers(0, full - side + 1) for full, side in zip(pixels.shape, sides, strict=False))
    return np.ascontiguousarray(pixels[top : top + sides[0], left : left + sides[1]])


def recolour(pixels: Pixels, rng: Generator) -> Pixels:
    """Brightness, contrast and saturation each changed by up to a fifth."""
    from PIL import Image, ImageEnhance

    image = Image.fromarray(pixels)
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(rng.uniform(1 - COLOUR, 1 + COLOUR))
    return np.array(image, np.uint8)


def rotate(pixels: Pixels, rng: Generator) -> Pixels:
    """Turned by up to 10 degrees, the mean colour in the corners."""
    from PIL import Image

    mean = tuple(pixels.mean(axis=(0, 1)).round().astype(int).tolist())
    turned = Image.fromarray(pixels).rotate(
        rng.uniform(-DEGREES, DEGREES), Image.Resampling.BILINEAR, fillcolor=mean
    )
    return np.array(turned, np.uint8)


# Sound


def gain(sound: Sound, rng: Generator) -> Sound:
    """Up to 6 dB louder or quieter, without clipping."""
    peak = max(float(np.abs(sound.samples).max()), 1e-9)
    return _with(sound, sound.samples * min(10 ** (rng.uniform(-GAIN, GAIN) / 20), 1 / peak))


def noise(sound: Sound, rng: Generator) -> Sound:
    """White noise under it, 15 to 30 dB weaker."""
    level = np.sqrt(np.square(sound.samples).mean()) * 10 ** (-rng.uniform(*NOISE) / 20)
    return _with(sound, sound.samples + rng.normal(0, 1, len(sound.samples)) * level)


def shift(sound: Sound, rng: Generator) -> Sound:
    """Up to a tenth of its length earlier or later, silence moving in."""
    length = len(sound.samples)
    by = round(length * rng.uniform(-SHIFT, SHIFT))
    out = np.zeros(length, np.float32)
    out[max(by, 0) : length + min(by, 0)] = sound.samples[max(-by, 0) : length - max(by, 0)]
    return _with(sound, out)


def speed(sound: Sound, rng: Generator) -> Sound:
    """Played up to a tenth faster or slower, its pitch with it."""
    return _with(sound, _played(sound.samples, rng.uniform(1 - SPEED, 1 + SPEED)))


def pitch(sound: Sound, rng: Generator) -> Sound:
    """Up to two semitones higher or lower, as long as before."""
    factor = 2 ** (rng.uniform(-SEMITONES, SEMITONES) / 12)
    out = _played(stretched(sound.samples, sound.rate, factor), factor)[: len(sound.samples)]
    return _with(sound, np.pad(out, (0, len(sound.samples) - len(out))))


def stretched(samples: Floats32, rate: int, factor: float) -> Floats32:
    """Samples (t,) `factor` times as long at their pitch: windows laid where they go on best from the last
    (WSOLA, Verhelst and Roelands 1993). Less than a window stays as it is.
    """
    from scipy.signal import correlate

    hop = round(FRAME * rate) // 2
    reach, wanted = hop // 2, round(len(samples) * factor)
    if len(samples) < 2 * hop or hop < 4:
        return samples
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)  # overlapping by half they sum to 1
    padded = np.pad(samples, (hop + reach, 5 * hop + reach))
    starts = reach + np.round(np.arange(0, wanted + hop, hop) / factor).astype(int)
    out = np.zeros((len(starts) + 1) * hop, np.float32)
    place = reach
    for k, start in enumerate(starts.tolist()):
        if k:
            near = padded[start - reach : start + reach + 2 * hop]
            following = padded[place + hop : place + 3 * hop]
            place = start - reach + int(correlate(near, following, "valid").argmax())
        out[k * hop : (k + 2) * hop] += window * padded[place : place + 2 * hop]
    return out[hop : hop + wanted]


def _played(samples: Floats32, factor: float) -> Floats32:
    """Samples (t,) resampled to t / factor."""
    import soxr

    out = soxr.resample(samples, 1000.0 * factor, 1000.0)
    return out if len(out) else samples


def _with(sound: Sound, samples: NDArray[Any]) -> Sound:
    return replace(sound, samples=np.clip(samples, -1, 1).astype(np.float32))


# Series


def jitter(series: Series, rng: Generator) -> Series:
    """Noise of 3 % of each channel's spread."""
    values = series.values
    return _of(series, values + rng.normal(0, JITTER, values.shape) * values.std(axis=0))


def scale(series: Series, rng: Generator) -> Series:
    """Each channel about its mean a tenth larger or smaller."""
    mean = series.values.mean(axis=0)
    return _of(series, mean + (series.values - mean) * rng.normal(1, SCALE, series.values.shape[1]))


def warp(series: Series, rng: Generator) -> Series:
    """As long, with time running faster here and slower there."""
    from scipy.interpolate import CubicSpline

    length = len(series.values)
    if length < 2:
        return series
    knots = np.linspace(0, length - 1, KNOTS)
    pace = CubicSpline(knots, np.maximum(rng.normal(1, WARP, KNOTS), 0.2))(np.arange(length))
    time = np.cumsum(np.maximum(pace, 0.1))
    time = (time - time[0]) / (time[-1] - time[0]) * (length - 1)
    return _of(series, _between(series.values, time))


def cut(series: Series, rng: Generator) -> Series:
    """Nine tenths of its steps in a row."""
    length = len(series.values)
    kept = max(round(length * SLICE), 1)
    start = int(rng.integers(0, length - kept + 1))
    return _of(series, series.values[start : start + kept])


def _between(values: Floats32, at: NDArray[np.float64]) -> NDArray[Any]:
    """Values (t, c) at fractional steps `at`, on the line between their neighbours."""
    before = np.clip(at.astype(int), 0, max(len(values) - 2, 0))
    part = (at - before)[:, None]
    return np.asarray(values[before] * (1 - part) + values[before + 1] * part)


def _of(series: Series, values: NDArray[Any]) -> Series:
    return replace(series, values=np.ascontiguousarray(values, np.float32))


KINDS: dict[str, dict[str, Callable[[Any, Generator], Any]]] = {
    "text": {"drop": drop_words, "swap": swap_words},
    "image": {"flip": flip, "crop": crop, "colour": recolour, "rotate": rotate},
    "sound": {"gain": gain, "noise": noise, "shift": shift, "speed": speed, "pitch": pitch},
    "series": {"jitter": jitter, "scale": scale, "warp": warp, "slice": cut},
}
"""By modality, the changes that leave the meaning of a cell as it is."""
