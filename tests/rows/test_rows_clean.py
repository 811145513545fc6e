"""Cleaning: what each step does to a cell whose fault is known, and what a wrong name says."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import BrokenCell, UsageError
from chiasm.rows.clean import STEPS, cleaner
from chiasm.rows.readers import read
from chiasm.rows.series import Series
from chiasm.rows.signals import loudness
from chiasm.rows.sound import Sound

RATE = 16000
RNG = np.random.default_rng(0)


def clean(modality: str, value: Any, *names: str) -> Any:
    return cleaner(modality, names)(value)


def tone(hertz: float, seconds: float = 1.0, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def series(*channels: Any, rate: float | None = None) -> Series:
    return Series(np.array(channels, np.float32).T, rate)


# Names


@pytest.mark.parametrize(
    ("modality", "name", "said"),
    [
        ("series", "detrnd", "no cleaning step of series called 'detrnd'.*Did you mean 'detrend'"),
        ("image", "trim", "'trim' cleans sound, not image"),
        ("series", "detrend:3", "takes no number"),
        ("series", "clip:x", "expected a number after a colon"),
        ("series", "clip:-1", "between 0.1"),
        ("series", "clip:nan", "a number after a colon"),
        ("series", "resample", "a number after a colon"),
        ("image", "median:1.5", "a whole number between 1 and 15"),
        ("vector", "lower", "'lower' cleans text.*Nothing cleans vector"),
    ],
)
def test_a_wrong_step_is_named(modality: str, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        cleaner(modality, [name])


def test_a_word_for_a_list_is_named() -> None:
    with pytest.raises(UsageError, match=r"Write \['lower'\]"):
        cleaner("text", "lower")


def test_steps_are_taken_in_their_order() -> None:
    assert clean("text", "&lt;B&gt; A", "html", "lower") == "<b> a"
    assert clean("number", 5.0, "log", "atmost:1") == 1
    assert clean("number", 5.0, "atmost:1", "log") == 0


# Text


def test_text() -> None:
    assert clean("text", "“ﬁne”\u200b – ｆｕｌｌ", "unicode") == '"fine" - full'
    assert (
        clean("text", "<p>Tom &amp; <b>Ann</b><!-- x --></p><p>1</p> < 2 > <i>0</i>", "html", "spaces")
        == "Tom & Ann 1 < 2 > 0"
    )
    assert clean("text", " a \n\t b ", "spaces") == "a b"
    assert clean("text", "ÄB", "lower") == "äb"


def test_text_with_nothing_left_is_broken() -> None:
    with pytest.raises(BrokenCell, match="no text is left"):
        clean("text", "<br>", "html")


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1))
def test_a_second_cleaning_changes_nothing(text: str) -> None:
    run = cleaner("text", ["unicode", "spaces", "lower", "unicode"])
    try:
        once = run(text)
    except BrokenCell:
        return
    assert run(once) == once


# Images


def test_contrast_uses_the_full_range() -> None:
    pixels = RNG.integers(100, 130, (20, 30, 3), dtype=np.uint8)
    out = clean("image", pixels, "contrast:0")
    assert out.min() < 20
    assert out.max() > 235


def test_median_takes_specks_and_keeps_an_edge() -> None:
    edge = np.zeros((20, 20, 3), np.uint8)
    edge[:, 10:] = 200
    specked = edge.copy()
    specked[5, 5], specked[12, 15] = 255, 0
    np.testing.assert_array_equal(clean("image", specked, "median"), edge)


def test_crop_leaves_what_is_inside_the_border() -> None:
    inside = RNG.integers(0, 200, (6, 9, 3), dtype=np.uint8)
    bordered = np.pad(inside, ((3, 4), (5, 0), (0, 0)), constant_values=255)
    np.testing.assert_array_equal(clean("image", bordered, "crop"), inside)
    flat = np.full((4, 5, 3), 7, np.uint8)
    np.testing.assert_array_equal(clean("image", flat, "crop"), flat)


def test_square_keeps_the_image_in_the_middle() -> None:
    pixels = RNG.integers(0, 255, (4, 10, 3), dtype=np.uint8)
    out = clean("image", pixels, "square")
    assert out.shape == (10, 10, 3)
    np.testing.assert_array_equal(out[3:7], pixels)


# Sound


def test_resample_keeps_the_seconds_and_the_tone() -> None:
    out = clean("sound", Sound(tone(440, rate=44100), 44100), "resample:8000")
    assert (out.rate, len(out.samples)) == (8000, 8000)
    assert np.abs(np.fft.rfft(out.samples)).argmax() == 440


def test_trim_takes_silence_at_the_ends_alone() -> None:
    quiet = np.zeros(RATE // 2, np.float32)
    sound = Sound(np.concatenate([quiet, tone(440), quiet, tone(440), quiet]), RATE)
    assert clean("sound", sound, "trim").seconds == pytest.approx(2.5, abs=0.05)
    silent = Sound(quiet, RATE)
    assert clean("sound", silent, "trim").seconds == silent.seconds


def test_loudness_is_that_of_the_standard() -> None:
    """997 Hz at full scale in one channel reads -3.01 (ITU-R BS.1770-4), silence in between is gated away."""
    full = tone(997, 3, 1.0, 48000)
    assert loudness(Sound(full, 48000)) == pytest.approx(-3.01, abs=0.02)
    gapped = np.concatenate([full, np.zeros(48000 * 5, np.float32)])
    assert loudness(Sound(gapped, 48000)) == pytest.approx(-3.01, abs=0.3)
    assert loudness(Sound(tone(997, 3, 1.0, RATE), RATE)) == pytest.approx(-3.01, abs=0.1)
    assert loudness(Sound(np.zeros(100, np.float32), RATE)) == -math.inf


@pytest.mark.parametrize("level", [0.001, 0.1, 0.9])
def test_sounds_of_any_level_become_equally_loud(level: float) -> None:
    out = clean("sound", Sound(tone(997, 2, level), RATE), "loudness:-23")
    assert loudness(out) == pytest.approx(-23, abs=0.01)
    loud = clean("sound", Sound(tone(997, 2, level), RATE), "loudness:0")
    assert np.abs(loud.samples).max() == pytest.approx(1, abs=1e-5)


def test_high_pass_takes_rumble_and_leaves_voice() -> None:
    out = clean("sound", Sound(tone(30) + tone(1000, level=0.2), RATE), "highpass:120")
    spectrum = np.abs(np.fft.rfft(out.samples[2000:-2000]))
    assert spectrum[: len(spectrum) // 100].max() < spectrum.max() / 50
    with pytest.raises(BrokenCell, match="nothing above 9000 Hz"):
        clean("sound", Sound(tone(30), RATE), "highpass:9000")


def test_denoising_brings_bursts_out_of_a_hiss() -> None:
    bursts = np.concatenate([np.zeros(4000, np.float32), tone(700, 0.25)] * 4)
    hiss = RNG.normal(0, 0.05, len(bursts)).astype(np.float32)
    out = clean("sound", Sound(bursts + hiss, RATE), "denoise:20").samples
    assert np.square(out - bursts).mean() < np.square(hiss).mean() / 10


@pytest.mark.parametrize("name", [*STEPS["sound"]])
@pytest.mark.parametrize("length", [1, 5, 100, 3000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_short_and_silent_sounds_go_through(name: str, length: int, level: float) -> None:
    out = clean("sound", Sound(np.full(length, level, np.float32), 8000), name)
    assert len(out.samples)
    assert out.samples.dtype == np.float32
    assert np.isfinite(out.samples).all()


# Series


def test_a_line_is_no_more_after_detrending() -> None:
    steps = np.arange(50)
    out = clean("series", series(3 + 2 * steps, np.sin(steps) - steps), "detrend").values
    assert np.abs(out[:, 0]).max() < 1e-3
    assert abs(np.polyfit(steps, out[:, 1], 1)[0]) < 1e-6


def test_resampling_keeps_a_slow_wave_and_its_ends() -> None:
    at = np.arange(100) / 100
    wave = 9.81 + np.sin(2 * np.pi * 3 * at)
    out = clean("series", series(wave), "rate:100", "resample:50")
    assert (out.rate, out.values.shape) == (50, (50, 1))
    np.testing.assert_allclose(out.values[:, 0], wave[::2], atol=0.12)
    with pytest.raises(BrokenCell, match="put rate:HZ before"):
        clean("series", series(wave), "resample:50")
    assert clean("series", series(wave, rate=20), "rate:100").rate == 20


def test_outliers_are_clipped_and_the_rest_is_left() -> None:
    values = RNG.normal(0, 1, 500).astype(np.float32)
    struck = values.copy()
    struck[[3, 77]] = 1000, -1000
    out = clean("series", series(struck), "clip:4").values[:, 0]
    assert np.abs(out).max() < 5
    kept = np.abs(values) < 3.5
    kept[[3, 77]] = False
    np.testing.assert_array_equal(out[kept], values[kept])
    spike = np.zeros(100)
    spike[4] = 9
    assert 0 < clean("series", series(spike), "clip").values.max() < 9


def test_smoothing_keeps_parabolas_and_weakens_noise() -> None:
    steps = np.linspace(-1, 1, 60)
    np.testing.assert_allclose(clean("series", series(steps**2), "smooth").values[:, 0], steps**2, atol=1e-6)
    noise = RNG.normal(0, 1, 500)
    assert clean("series", series(noise), "smooth:7").values.std() < 0.5


def test_standardised_channels() -> None:
    out = clean("series", series(RNG.normal(5, 3, 200), np.full(200, 7)), "standardise").values
    np.testing.assert_allclose([out[:, 0].mean(), out[:, 0].std()], [0, 1], atol=1e-5)
    assert (out[:, 1] == 0).all()


@pytest.mark.parametrize("name", ["detrend", "clip", "smooth", "standardise", "resample:7", "resample:1000"])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 50])
def test_short_series_go_through(name: str, length: int) -> None:
    out = clean("series", Series(RNG.normal(0, 1, (length, 2)).astype(np.float32), 50), name)
    assert out.values.dtype == np.float32
    assert len(out.values)
    assert np.isfinite(out.values).all()


# Numbers


def test_numbers() -> None:
    assert clean("number", -3.0, "atleast:0") == 0
    assert clean("number", math.e, "log") == pytest.approx(1)
    with pytest.raises(BrokenCell, match="-3 has no logarithm"):
        clean("number", -3.0, "log")


def test_no_step_changes_what_it_is_given() -> None:
    for modality, value in {
        "image": RNG.integers(0, 255, (9, 8, 3), dtype=np.uint8),
        "sound": Sound(tone(300, 0.2), RATE),
        "series": Series(RNG.normal(0, 1, (40, 2)).astype(np.float32), 50.0),
    }.items():
        array = getattr(value, "samples", getattr(value, "values", value))
        before = array.copy()
        for name in STEPS[modality]:
            clean(modality, value, name + ":20" * (name in ("rate", "resample") and modality == "series"))
        np.testing.assert_array_equal(array, before)


# In the schema


def test_numbers_are_cleaned_where_they_are_read() -> None:
    rows = read({"price": [100.0, -1.0, None, math.e]}, clean={"price": ["log", "atmost:2"]})
    found = rows.array("price")
    np.testing.assert_allclose(found.values[:, 0], [2, 1])
    assert found.row.tolist() == [0, 3]
    assert [(broken.row, broken.why) for broken in found.broken] == [(1, "-1 has no logarithm")]
    assert rows.values("price") == [100, -1, None, math.e]  # as the data says it
    again = read({"price": [100.0]}, schema=rows.schema)
    assert again.array("price").values.tolist() == [[2]]


def test_a_wrong_step_names_its_column() -> None:
    with pytest.raises(UsageError, match="column 'price': 'lower' cleans text, not number"):
        read({"price": [1.5, 2.5]}, clean={"price": ["lower"]})
    with pytest.raises(UsageError, match=r"no column called 'prize'.*Did you mean 'price'"):
        read({"price": [1.5, 2.5]}, clean={"prize": ["log"]})


def test_the_page_tells_every_step_with_its_default() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "cleaning.md").read_text("utf-8")
    told = re.findall(r"^\| `([a-z]+)(?::([^`]*))?` \|", page, re.MULTILINE)
    known = [(name, step.default) for steps in STEPS.values() for name, step in steps.items()]
    assert [name for name, _ in told] == [name for name, _ in known]
    for (_, shown), (_, default) in zip(told, known, strict=True):
        if default is None or math.isnan(default):
            assert shown in ("", "HZ", "X")
        else:
            assert float(shown) == default
