"""Sounds and series made clean: another rate, no silence, trend, outlier or hiss, one loudness."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

FRAME, HOP = 0.025, 0.010  # seconds, of what counts as silent
FLOOR = 1e-10  # power of a full-scale sound under which nothing is heard
BLOCK, OVERLAP = 0.400, 4  # seconds; blocks a block's length (ITU-R BS.1770-4)
SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)  # Hz, dB, Q: a head in the sound's way
RUMBLE = (38.13547087602444, 0.5003270373238773)  # Hz, Q: what is too low to be loud
NOISE_SHARE = 0.1  # share of a band's frames, its weakest, that are taken for noise
NOISE_DB = 9.0  # over that noise, which is less than its mean, up to which a band counts as noise
NORMAL = 1.4826  # standard deviations of a normal distribution a median absolute deviation
MEAN = 1.2533  # the same a mean absolute deviation


# Sound


def resample_sound(sound: Sound, rate: float) -> Sound:
    """The sound at `rate` Hz."""
    import soxr

    if sound.rate == rate:
        return sound
    samples = soxr.resample(sound.samples, sound.rate, rate)
    return Sound(samples if len(samples) else np.zeros(1, np.float32), int(rate))


def trim_silence(sound: Sound, decibels: float) -> Sound:
    """Without what at its ends lies more than `decibels` below its loudest frame; silence as it is."""
    length, hop = max(round(FRAME * sound.rate), 1), max(round(HOP * sound.rate), 1)
    padded = np.pad(sound.samples, (0, max(length - len(sound.samples), 0)))
    total = np.r_[0, np.cumsum(np.square(padded, dtype=np.float64))]
    starts = np.arange(0, len(padded) - length + 1, hop)
    power = (total[starts + length] - total[starts]) / length
    heard = np.flatnonzero(power > max(power.max() * 10 ** (-decibels / 10), FLOOR))
    if not len(heard):
        return sound
    return replace(sound, samples=sound.samples[starts[heard[0]] : starts[heard[-1]] + length + hop])


def set_loudness(sound: Sound, target: float) -> Sound:
    """At `target` LUFS, or as loud as goes without clipping; silence as it is."""
    now = loudness(sound)
    peak = float(np.abs(sound.samples).max())
    if not np.isfinite(now):
        return sound
    gain = min(10 ** ((target - now) / 20), 1 / peak)
    return replace(sound, samples=np.asarray(sound.samples * gain, np.float32))


def loudness(sound: Sound) -> float:
    """LUFS, gated, by ITU-R BS.1770-4; minus infinity where no block is louder than -70."""
    from scipy.signal import sosfilt

    weighted = sosfilt(_k_weighting(sound.rate), sound.samples.astype(np.float64))
    length = min(round(BLOCK * sound.rate), len(weighted))
    total = np.r_[0, np.cumsum(np.square(weighted))]
    starts = np.arange(0, len(weighted) - length + 1, max(length // OVERLAP, 1))
    power = np.maximum((total[starts + length] - total[starts]) / length, 1e-30)
    level = -0.691 + 10 * np.log10(power)
    if not (level > -70).any():
        return -np.inf
    relative = -0.691 + 10 * np.log10(power[level > -70].mean()) - 10
    return float(-0.691 + 10 * np.log10(power[level > max(relative, -70)].mean()))


def _k_weighting(rate: int) -> NDArray[np.float64]:
    """(2, 6) second-order sections: the standard's two filters at any rate."""
    hertz, decibels, q = SHELF
    k, gain = _warped(hertz, rate), 10 ** (decibels / 20)
    middle = gain**0.4996667741545416
    a = 1 + k / q + k * k
    rise = [gain + middle * k / q + k * k, 2 * (k * k - gain), gain - middle * k / q + k * k]
    shelf = [*(b / a for b in rise), 1, 2 * (k * k - 1) / a, (1 - k / q + k * k) / a]
    hertz, q = RUMBLE
    k = _warped(hertz, rate)
    a = 1 + k / q + k * k
    return np.array([shelf, [1, -2, 1, 1, 2 * (k * k - 1) / a, (1 - k / q + k * k) / a]])


def _warped(hertz: float, rate: int) -> float:
    """What the bilinear transform makes of a frequency, kept below half the rate."""
    return float(np.tan(np.pi * min(hertz / rate, 0.49)))


def high_pass(sound: Sound, hertz: float) -> Sound:
    """Without what lies below `hertz` (Butterworth, 24 dB an octave, forth and back)."""
    from scipy.signal import butter, sosfiltfilt

    if hertz >= sound.rate / 2:
        raise BrokenCell(f"a sound at {sound.rate} Hz holds nothing above {hertz:g} Hz")
    sections = butter(2, hertz, "highpass", fs=sound.rate, output="sos")
    padding = min(len(sound.samples) - 1, sound.rate // 10)
    return _limited(sosfiltfilt(sections, sound.samples, padlen=padding), sound.rate)


def reduce_noise(sound: Sound, decibels: float) -> Sound:
    """Bands that are no louder than a steady noise made quieter by `decibels` (spectral gating).

    The noise of a band is the mean power of its quietest tenth of frames.
    """
    from scipy.ndimage import uniform_filter
    from scipy.signal import istft, stft

    size = min(1024, len(sound.samples))
    if size < 8:
        return sound
    spectrum = stft(sound.samples, sound.rate, nperseg=size, noverlap=size // 4 * 3)[2]  # (bins, t)
    power = uniform_filter(np.square(np.abs(spectrum)), (3, 5))
    count = max(round(NOISE_SHARE * power.shape[1]), 1)
    noise = np.sort(power, axis=1)[:, :count].mean(axis=1, keepdims=True)
    kept = uniform_filter((power > noise * 10 ** (NOISE_DB / 10)).astype(np.float32), (3, 3))
    floor = 10 ** (-decibels / 20)
    cleaned = istft(spectrum * (floor + (1 - floor) * kept), sound.rate, nperseg=size, noverlap=size // 4 * 3)
    return _limited(cleaned[1][: len(sound.samples)], sound.rate)


def _limited(samples: NDArray[np.floating], rate: int) -> Sound:
    return Sound(np.clip(samples, -1, 1).astype(np.float32), rate)


# Series


def state_rate(series: Series, rate: float) -> Series:
    """The series said to be at `rate` Hz where its source does not say."""
    return series if series.rate is not None else replace(series, rate=rate)


def resample_series(series: Series, rate: float) -> Series:
    """The series at `rate` Hz, without aliases; its ends are continued along their line."""
    from scipy.signal import resample_poly

    if series.rate is None:
        raise BrokenCell("a series without a rate cannot be resampled: put rate:HZ before")
    share = Fraction(rate / series.rate).limit_denominator(1000)
    if share == 1 or len(series.values) < 2:
        return replace(series, rate=rate)
    values = resample_poly(series.values, share.numerator, share.denominator, padtype="line")
    return replace(series, values=np.asarray(values, np.float32), rate=rate)


def detrend(series: Series) -> Series:
    """Without the line that fits each channel best."""
    from scipy import signal

    return replace(series, values=np.asarray(signal.detrend(series.values, axis=0), np.float32))


def clip_outliers(series: Series, deviations: float) -> Series:
    """No value further than `deviations` from its channel's median, in robust standard deviations.

    By the median absolute deviation, the mean one where that is 0 (Iglewicz and Hoaglin 1993).
    """
    middle = np.median(series.values, axis=0)
    away = np.abs(series.values - middle)
    by_median = NORMAL * np.median(away, axis=0)
    spread = np.where(by_median > 0, by_median, MEAN * away.mean(axis=0))
    kept = np.clip(series.values, middle - deviations * spread, middle + deviations * spread)
    return replace(series, values=np.asarray(kept, np.float32))


def smooth(series: Series, radius: float) -> Series:
    """A parabola through `radius` steps on either side of each (Savitzky and Golay 1964)."""
    from scipy.signal import savgol_filter

    length = min(2 * int(radius) + 1, len(series.values))
    if length < 4:
        return series
    return replace(
        series, values=np.asarray(savgol_filter(series.values, length, 2, axis=0, mode="interp"), np.float32)
    )


def standardise(series: Series) -> Series:
    """Mean 0 and spread 1 in each channel; 0 where it is constant."""
    centred = series.values - series.values.mean(axis=0, dtype=np.float64)
    spread = centred.std(axis=0)
    varies = spread > 1e-6 * (1 + np.abs(series.values).max(axis=0))
    scaled = np.divide(centred, spread, out=np.zeros_like(centred), where=varies)
    return replace(series, values=scaled.astype(np.float32))
