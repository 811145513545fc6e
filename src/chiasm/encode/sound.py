"""Sounds without a download: statistics of the log-mel spectrogram over time, reduced by PCA."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Self

import numpy as np
from scipy import fft

from chiasm.array_types import Floats32
from chiasm.checks import check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells, digest
from chiasm.encode.reduce import block_pca, project
from chiasm.rows.media import Sound

WINDOW, HOP = 0.025, 0.010  # seconds
LOWEST_HZ = 50.0
POWER_FLOOR = 1e-9  # power under which nothing is heard, in units of a full-scale sound
RANGE_DB = 80.0  # below its loudest point within which a sound is described
SILENCE_DB = 40.0  # below its loudest frame at which a sound has not begun, or is over
CHUNK = 4096  # frames at a time, so that hours of sound fit in memory


class LogMel(Encoder):
    """The colour of a sound, how it moves, and its course over time, whatever its level and length.

    rate : Hz to which every sound is resampled.
    mels : bands of the spectrogram, evenly spaced on the mel scale.
    segments : equal parts in time, whose means keep the order of events.
    dim : largest width of the features; fewer where the training sounds have less variance.
    """

    modality: ClassVar[str] = "sound"

    mean_: Floats32
    projection_: Floats32

    def __init__(self, rate: int = 16000, mels: int = 40, segments: int = 8, dim: int = 256) -> None:
        self.rate = rate
        self.mels = mels
        self.segments = segments
        self.dim = dim

    def identity(self) -> str:
        """All that a description depends on, which `dim` is not."""
        return digest(self.kind, self.version, self.rate, self.mels, self.segments)

    def describe(self, cells: Sequence[Sound]) -> Floats32:
        """(n, (3 + segments) mels + 3) of sounds of any length above 0 and any rate."""
        check_range(self.rate, "rate", 1000)
        check_range(self.mels, "mels", 2)
        check_range(self.segments, "segments", 1)
        out = np.empty((len(cells), sum(self.widths)), np.float32)
        for line, sound in zip(out, cells, strict=True):
            line[:] = self._describe(sound)
        return out

    @property
    def widths(self) -> list[int]:
        """Mean, spread and movement of the bands, their course, loudness, its spread, length."""
        return [self.mels] * 3 + [self.segments * self.mels] + [1] * 3

    def _describe(self, sound: Sound) -> Floats32:
        """One sound's line (d0,)."""
        spectrogram = trimmed(log_mel(resampled(sound, self.rate), self.rate, self.mels))  # (t, mels) dB
        level = spectrogram.mean()
        shape = spectrogram - level
        moves = np.diff(shape, axis=0, append=shape[-1:])
        loudness = [level, spectrogram.mean(axis=1).std(), 10 * np.log2(len(shape))]
        blocks = [shape.mean(axis=0), shape.std(axis=0), moves.std(axis=0)]
        return np.concatenate([*blocks, *segment_means(shape, self.segments), loudness], dtype=np.float32)

    def fit(self, described: Descriptions) -> Self:
        """Learn the weights of the blocks and the principal components from descriptions (n, d0)."""
        check_cells(described, self)
        self.forget()
        self.mean_, self.projection_ = block_pca(described, self.widths, self.dim)
        self.width_ = self.projection_.shape[1]
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, k) of descriptions (n, d0)."""
        self.require_fitted("projection_")
        return project(described, self.mean_, self.projection_)


def resampled(sound: Sound, rate: int) -> Floats32:
    """Samples (t,) at `rate`, at least one window of them."""
    import soxr

    samples = sound.samples
    if sound.rate != rate:
        samples = soxr.resample(samples, sound.rate, rate)
    missing = round(WINDOW * rate) - len(samples)
    return np.pad(samples, (0, missing)) if missing > 0 else samples


def log_mel(samples: Floats32, rate: int, mels: int) -> Floats32:
    """The power (frames, mels) of samples (t,) in dB, no lower than `RANGE_DB` below the loudest point."""
    length, hop = round(WINDOW * rate), round(HOP * rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    size = fft.next_fast_len(length, real=True)
    window = np.hanning(length).astype(np.float32)
    bank = mel_bank(rate, size, mels)
    power = np.empty((len(frames), mels), np.float32)
    for start in range(0, len(frames), CHUNK):
        spectrum = fft.rfft(frames[start : start + CHUNK] * window, size) / window.sum()
        power[start : start + CHUNK] = (spectrum.real**2 + spectrum.imag**2) @ bank
    decibels = 10 * np.log10(np.maximum(power, POWER_FLOOR))
    return np.asarray(np.maximum(decibels, decibels.max() - RANGE_DB), np.float32)


@cache
def mel_bank(rate: int, size: int, mels: int) -> Floats32:
    """(size // 2 + 1, mels) triangles from `LOWEST_HZ` Hz to half the rate (Davis and Mermelstein 1980)."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, rate / 2))
    edges = 700 * (10 ** (np.linspace(lowest, highest, mels + 2) / 2595) - 1)
    bins = fft.rfftfreq(size, 1 / rate)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def trimmed(spectrogram: Floats32) -> Floats32:
    """The frames (t, mels) from the first to the last that is heard; all of them where it is silent."""
    return spectrogram[heard(spectrogram)]


def heard(spectrogram: Floats32) -> slice:
    """Where the frames (t, mels) from the first to the last that is heard lie."""
    loudness = spectrogram.max(axis=1)
    loud = np.flatnonzero(loudness > loudness.max() - SILENCE_DB)
    return slice(int(loud[0]), int(loud[-1]) + 1)


def segment_means(frames: Floats32, segments: int) -> Floats32:
    """(segments, mels): the means of equal parts of frames (t, mels); parts overlap where t is small."""
    edges = np.linspace(0, len(frames), segments + 1)
    starts, ends = np.floor(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    return np.stack([frames[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)])
