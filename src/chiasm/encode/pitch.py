"""Pitch: the autocorrelation of short frames, corrected for their window (Boersma 1993)."""

from __future__ import annotations

import numpy as np
from scipy import fft

from chiasm.array_types import Floats32
from chiasm.encode.sound import HOP, WINDOW

LOWEST_PITCH, HIGHEST_PITCH = 60.0, 600.0  # Hz, of speech from low to shouted
FRAME_SECONDS = 0.050  # three periods of the lowest voice
OCTAVE_COST = 0.02  # what a candidate loses an octave below the highest, else halves of the pitch win
SILENT_ENERGY = 1e-10  # energy of a frame under which it has no period
CHUNK = 4096  # frames at a time


def pitch(samples: Floats32, rate: int, count: int) -> tuple[Floats32, Floats32]:
    """Hz (count,) and strength (count,) of samples (t,), one for each frame of the spectrogram of `log_mel`.

    Strength is the autocorrelation at the period: 1 for a periodic sound, about 0 for noise and silence,
    whose Hz mean nothing.
    """
    length, hop = round(FRAME_SECONDS * rate), round(HOP * rate)
    before = (length - round(WINDOW * rate)) // 2  # both frames have one centre
    padded = np.pad(samples, (before, length))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop][:count]
    window = np.hanning(length).astype(np.float32)
    own = _autocorrelation(window, rate)
    hertz, strength = np.empty(count, np.float32), np.empty(count, np.float32)
    for start in range(0, count, CHUNK):
        part = frames[start : start + CHUNK]
        lags = _autocorrelation((part - part.mean(axis=1, keepdims=True)) * window, rate)
        relative = lags / np.maximum(lags[:, :1], SILENT_ENERGY) / (own / own[0])
        period, height = _peaks(relative, rate)
        hertz[start : start + CHUNK] = rate / period
        strength[start : start + CHUNK] = np.clip(height, 0, 1)
    return hertz, strength


def _autocorrelation(frames: Floats32, rate: int) -> Floats32:
    """(..., lags) of frames (..., t), by the power spectrum."""
    length = frames.shape[-1]
    size = fft.next_fast_len(2 * length, real=True)
    spectrum = fft.rfft(frames, size)
    lags: Floats32 = fft.irfft(spectrum.real**2 + spectrum.imag**2, size)
    return lags[..., : round(rate / LOWEST_PITCH) + 2]


def _peaks(lags: Floats32, rate: int) -> tuple[Floats32, Floats32]:
    """Period in samples (t,), between lags by a parabola, and height (t,) of the best peak of lags (t, l)."""
    first = int(rate / HIGHEST_PITCH)
    middle = lags[:, first:-1]
    peak = (middle >= lags[:, first - 1 : -2]) & (middle >= lags[:, first + 1 :])
    cost = OCTAVE_COST * np.log2(np.arange(first, first + middle.shape[1]) / first)
    best = np.where(peak, middle - cost, -1).argmax(axis=1) + first
    frame = np.arange(len(lags))
    left, top, right = lags[frame, best - 1], lags[frame, best], lags[frame, best + 1]
    bend = left - 2 * top + right
    curved = np.abs(bend) > 1e-9
    shift = np.divide(0.5 * (left - right), bend, out=np.zeros_like(top), where=curved)
    return best + np.clip(shift, -0.5, 0.5), top
