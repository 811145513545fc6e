"""Voice: what it says of tones, pauses and whispers whose pitch, level and rhythm are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.encode.pitch import pitch
from chiasm.encode.voice import LARGEST_DEVIATION, Voice, contours, functionals, rhythm
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.rows.media import Sound, decode_sound
from chiasm.storage import read_tree, write_tree

RATE = 16000


def hum(hertz: float, seconds: float = 0.5, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    """A voice-like tone: ten harmonics, each weaker than the one below it."""
    t = np.arange(round(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 11)]
    return (level * sum(tones) / 2).astype(np.float32)


def hiss(seconds: float = 0.5, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, round(seconds * RATE)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.mark.parametrize("hertz", [80, 123.4, 220, 350, 500])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_pitch_of_a_tone_is_its_own(hertz: float, rate: int) -> None:
    found, strength = pitch(hum(hertz, rate=rate), rate, 40)
    assert np.abs(12 * np.log2(found[5:-5] / hertz)).max() < 0.5  # semitones
    assert strength[5:-5].min() > 0.8


def test_noise_and_silence_have_no_pitch() -> None:
    assert np.median(pitch(hiss(), RATE, 40)[1]) < 0.4
    assert pitch(silence(0.5), RATE, 40)[1].max() == 0


def test_pitch_in_chunks_has_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pitch(hum(150), RATE, 40)
    monkeypatch.setattr("chiasm.encode.pitch.CHUNK", 7)
    np.testing.assert_allclose(pitch(hum(150), RATE, 40), whole, rtol=1e-5)


def test_functionals_of_a_ramp() -> None:
    mean, spread, p5, p25, p50, p75, p95, slope, steps, size = functionals(np.linspace(0, 10, 101)[:, None])
    assert (mean, p5, p25, p50, p75, p95) == pytest.approx((5, 0.5, 2.5, 5, 7.5, 9.5))
    assert slope == pytest.approx(10)  # over the whole
    assert spread == pytest.approx(10 / np.sqrt(12), rel=0.02)
    assert (steps, size) == pytest.approx((0, 0.1), abs=1e-6)


def test_rhythm_counts_runs_and_pauses() -> None:
    beats = np.concatenate([part for _ in range(4) for part in (hum(200, 0.25), silence(0.25))])
    voiced, runs, _, length, *_, pauses = rhythm(contours(beats, RATE))
    seconds = np.exp(length) / 100
    assert seconds == pytest.approx(1.75, abs=0.1)  # from the first beat to the last
    assert runs * seconds == pytest.approx(4, abs=0.1)
    assert voiced == pytest.approx(4 * 0.25 / 1.75, abs=0.1)
    assert pauses == pytest.approx(3 * 0.25 / 1.75, abs=0.12)


def test_a_rising_voice_is_told_from_a_falling_one() -> None:
    rising = np.concatenate([hum(hertz, 0.1) for hertz in (110, 130, 155, 185, 220)])
    slopes = [
        functionals(found.semitones[found.voiced, None])[7]
        for found in (contours(rising, RATE), contours(rising[::-1].copy(), RATE))
    ]
    assert slopes[0] == pytest.approx(14, abs=2.5)  # an octave in five steps; the line is steeper
    assert slopes[1] == pytest.approx(-slopes[0], abs=1)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 192000])
@pytest.mark.parametrize("length", [1, 7, 400, 5000])
def test_silent_and_very_short_sounds_are_valid(length: int, rate: int) -> None:
    sounds = [Sound(np.full(length, level, np.float32), rate) for level in (0.0, 0.1)]
    assert np.isfinite(Voice().describe(sounds)).all()


def test_no_value_is_beyond_the_clip_and_constants_are_nothing() -> None:
    lines = Voice().describe([Sound(hum(hertz), RATE) for hertz in (100, 150, 200)])
    lines[:, 0] = 7
    encoder = Voice().fit(lines)
    z = encoder.transform(np.concatenate([lines, lines[:1] + 1000]))
    assert np.abs(z).max() == LARGEST_DEVIATION
    assert (z[:3, 0] == 0).all()
    np.testing.assert_allclose(z[:3, 20].std(), 1, rtol=1e-3)


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    lines = Voice().describe([Sound(hum(hertz), RATE) for hertz in (100, 150, 200)])
    encoder = Voice().fit(lines)
    write_tree(tmp_path, "voice", encoder.state())
    restored = Voice().restore(read_tree(tmp_path, "voice"))
    assert (restored.transform(lines) == encoder.transform(lines)).all()


def test_wrong_use_is_named() -> None:
    with pytest.raises(DataError, match="no cell"):
        Voice().fit(Voice().describe([]))
    with pytest.raises(NotFitted, match="Voice"):
        Voice().transform(np.zeros((1, 410), np.float32))
    with pytest.raises(UsageError, match="segments"):
        Voice(segments=0).describe([])
    with pytest.raises(UsageError, match="rate"):
        Voice(rate=100).describe([])


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4000), st.sampled_from([8000, 16000, 22050]), st.floats(0, 1, width=32))
def test_a_line_depends_on_its_sound_alone(length: int, rate: int, level: float) -> None:
    noise = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    sound = Sound(noise * np.float32(level), rate)
    alone, among = Voice().describe([sound]), Voice().describe([Sound(hum(200), RATE), sound])
    np.testing.assert_array_equal(alone[0], among[1])
    assert np.isfinite(alone).all()


def test_women_speak_higher_than_men(shared_data: Path) -> None:
    path = shared_data / "ravdess/ravdess_speech_16k_ogg.parquet"
    table = pq.read_table(path, columns=["sex", "emotion", "audio"]).filter(pc.field("emotion") == "neutral")
    sex = np.array(table["sex"].to_pylist())
    found = [contours(decode_sound(data).samples, RATE) for data in table["audio"].to_pylist()]
    middle = np.array([np.median(one.semitones[one.voiced]) for one in found])
    assert np.median(middle[sex == "female"]) - np.median(middle[sex == "male"]) == pytest.approx(9, abs=4)
