"""Voices without a download: statistics of the contours of pitch, loudness and timbre.

The recipe of computational paralinguistics (Schuller et al. 2009, Eyben et al. 2016): a few things that are
heard, one value per frame, then functionals of each. A description does not depend on other sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from chiasm.array_types import Floats32
from chiasm.checks import check_matrix, check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells
from chiasm.encode.pitch import pitch
from chiasm.encode.sound import HOP, LOWEST_HZ, heard, log_mel, resampled, segment_means
from chiasm.rows.media import Sound

Places = NDArray[np.intp]

MELS, CEPSTRA = 64, 20
COURSE = 6  # cepstra, the first ones, whose course over time is described
PERCENTILES = (5, 25, 50, 75, 95)
BALANCE_HZ = 1000.0  # between what counts as low and as high
VOICED_STRENGTH = 0.5  # least strength of a pitch
PITCH_DB, PAUSE_DB = 35.0, 30.0  # below the loudest frame: too faint for a pitch; a pause
REFERENCE_HZ = 100.0  # of 0 semitones
CONSTANT_SPREAD = 1e-6  # standard deviation of what does not vary but for rounding
LARGEST_DEVIATION = 4.0  # standard deviations; larger ones are cut to it


class Voice(Encoder):
    """How something is said: functionals of timbre, loudness, pitch and rhythm, each in standard units.

    rate : Hz to which every sound is resampled.
    segments : equal parts in time, whose means keep the order of events.

    A sound without voice has 0 in every functional of its pitch, and 0 as its voiced share.
    """

    modality: ClassVar[str] = "sound"

    mean_: Floats32
    scale_: Floats32

    def __init__(self, rate: int = 16000, segments: int = 6) -> None:
        self.rate = rate
        self.segments = segments

    def describe(self, cells: Sequence[Sound]) -> Floats32:
        """(n, 344 + 11 segments) of sounds of any length above 0 and any rate."""
        check_range(self.rate, "rate", 4000)
        check_range(self.segments, "segments", 1)
        out = np.empty((len(cells), 344 + 11 * self.segments), np.float32)
        for line, sound in zip(out, cells, strict=True):
            line[:] = described(contours(resampled(sound, self.rate), self.rate), self.segments)
        return out

    def fit(self, described: Descriptions) -> Self:
        """Learn the mean and spread of every value of descriptions (n, d0)."""
        check_cells(described, self)
        self.forget()
        values = check_matrix(described, type(self).__name__)
        self.mean_ = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = values.std(axis=0, dtype=np.float64)
        varies = spread > CONSTANT_SPREAD * (1 + np.abs(self.mean_))
        self.scale_ = np.divide(1, spread, out=np.zeros_like(spread), where=varies).astype(np.float32)
        self.width_ = len(self.mean_)
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, d0) in standard units, none beyond `LARGEST_DEVIATION`, of descriptions (n, d0)."""
        self.require_fitted("mean_")
        values = check_matrix(described, type(self).__name__, self.width_)
        units = (values - self.mean_) * self.scale_
        return np.asarray(np.clip(units, -LARGEST_DEVIATION, LARGEST_DEVIATION), np.float32)


class Contours(NamedTuple):
    """What is heard, frame by frame, from the first sound to the last.

    cepstra : (t, 20);  timbre : (t, 7) as `timbre` has it, and the strength of the pitch;
    semitones : (t,) above 100 Hz;  voiced : places of the frames whose pitch is one.
    """

    cepstra: Floats32
    timbre: Floats32
    semitones: Floats32
    voiced: Places


def contours(samples: Floats32, rate: int) -> Contours:
    """The contours of samples (t,) at `rate`."""
    whole = log_mel(samples, rate, MELS)
    hertz, strength = pitch(samples, rate, len(whole))
    part = heard(whole)
    spectrogram, strength = whole[part], strength[part]
    cepstra = fft.dct(spectrogram, axis=1, norm="ortho")[:, 1 : CEPSTRA + 1]
    shape = np.column_stack([timbre(spectrogram, rate), strength])
    voiced = np.flatnonzero((strength > VOICED_STRENGTH) & (shape[:, 0] > shape[:, 0].max() - PITCH_DB))
    return Contours(cepstra, shape, 12 * np.log2(hertz[part] / REFERENCE_HZ), voiced)


def timbre(spectrogram: Floats32, rate: int) -> Floats32:
    """(t, 6) of frames (t, mels) in dB: level, centre and width in bands, change from frame to frame, low
    over high in dB, flatness in dB."""
    power = 10 ** (spectrogram / 10)
    total = power.sum(axis=1)
    band = np.arange(MELS, dtype=np.float32)
    centre = power @ band / total
    width = np.sqrt(np.maximum(power @ band**2 / total - centre**2, 0))
    level = 10 * np.log10(total)
    mean = spectrogram.mean(axis=1)
    change = np.abs(np.diff(spectrogram - mean[:, None], axis=0, prepend=0)).mean(axis=1)
    change[0] = 0
    split = _band_of(BALANCE_HZ, rate)
    balance = 10 * np.log10(power[:, :split].sum(axis=1) / power[:, split:].sum(axis=1))
    return np.column_stack([level, centre, width, change, balance, mean - level])


def _band_of(hertz: float, rate: int) -> int:
    """The first mel band whose centre lies above `hertz`."""
    lowest, there, highest = (np.log10(1 + f / 700) for f in (LOWEST_HZ, hertz, rate / 2))
    return int(np.ceil((there - lowest) / (highest - lowest) * (MELS + 1) - 1))


def described(found: Contours, segments: int) -> Floats32:
    """(344 + 11 segments,) of contours."""
    both = np.hstack([found.cepstra, found.timbre])
    spoken = both[found.voiced] if len(found.voiced) > 1 else both
    blocks = [
        functionals(both),
        functionals(found.semitones[found.voiced, None]),
        rhythm(found),
        spoken.mean(axis=0),
        spoken.std(axis=0),
        segment_means(course(found), segments).ravel(),
    ]
    return np.concatenate(blocks, dtype=np.float32)


def functionals(values: Floats32) -> Floats32:
    """(10 k,) of contours (t, k): mean, spread, five percentiles, slope over the whole, spread and size of
    steps; 0 where there are not two frames."""
    if len(values) < 2:
        return np.zeros(10 * values.shape[1], np.float32)
    time = np.linspace(-0.5, 0.5, len(values), dtype=np.float32)
    steps = np.diff(values, axis=0)
    lines = [
        values.mean(axis=0),
        values.std(axis=0),
        *np.percentile(values, PERCENTILES, axis=0),
        time @ values / (time @ time),
        steps.std(axis=0),
        np.abs(steps).mean(axis=0),
    ]
    return np.concatenate(lines, dtype=np.float32)


def rhythm(found: Contours) -> Floats32:
    """(10,): voiced share, voiced runs per second, log of their length, log of the whole; median and mean
    step of pitch and of level from one voiced frame to the next; strength of the pitch, share of pauses."""
    level, strength, voiced = found.timbre[:, 0], found.timbre[:, -1], found.voiced
    count = len(level)
    pauses = (level < level.max() - PAUSE_DB).mean()
    if len(voiced) < 2:
        return np.array([len(voiced) / count, 0, 0, np.log(count), 0, 0, 0, 0, 0, pauses], np.float32)
    runs = 1 + int((np.diff(voiced) > 1).sum())
    next_ = voiced[:-1][np.diff(voiced) == 1] + 1
    turns, jumps = (
        np.abs(track[next_] - track[next_ - 1]) if len(next_) else np.zeros(1)
        for track in (found.semitones, level)
    )
    shares = [len(voiced) / count, runs / (count * HOP), np.log(len(voiced) / runs), np.log(count)]
    steps = [np.median(turns), turns.mean(), np.median(jumps), jumps.mean()]
    return np.array([*shares, *steps, strength[voiced].mean(), pauses], np.float32)


def course(found: Contours) -> Floats32:
    """(t, 11): level, pitch carried over what is not voiced, centre, balance, strength, broad cepstra."""
    frames = np.arange(len(found.semitones))
    voiced = found.voiced
    carried = np.interp(frames, voiced, found.semitones[voiced]) if len(voiced) else np.zeros(len(frames))
    level, centre, _, _, balance, _, strength = found.timbre.T
    return np.column_stack([level, carried, centre, balance, strength, found.cepstra[:, :COURSE]])
