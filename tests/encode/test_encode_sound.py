"""LogMel: any sound has a finite line of its own, whatever its rate, level and silence around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from chiasm.encode.sound import (
    CHUNK,
    POWER_FLOOR,
    RANGE_DB,
    LogMel,
    log_mel,
    mel_bank,
    segment_means,
    trimmed,
)
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.rows.media import Sound, decode_sound
from chiasm.storage import read_tree, write_tree


def tone(hertz: float, seconds: float = 0.5, rate: int = 16000, level: float = 0.5) -> Sound:
    t = np.arange(round(seconds * rate)) / rate
    return Sound((level * np.sin(2 * np.pi * hertz * t)).astype(np.float32), rate)


def described(*sounds: Sound) -> np.ndarray:
    return LogMel().describe(list(sounds))


def test_a_tone_is_loudest_in_its_own_band() -> None:
    centres = (
        700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([50, 8000]) / 700)), 42) / 2595) - 1)[1:-1]
    )
    for hertz in (300, 1000, 4000):
        mean = described(tone(hertz))[0, :40]
        assert abs(mean.argmax() - np.abs(centres - hertz).argmin()) <= 1


def test_mel_bank_covers_every_frequency_once() -> None:
    bank = mel_bank(16000, 4000, 40)  # fine enough to see the triangles
    inner = slice(np.flatnonzero(bank[:, 1])[0], np.flatnonzero(bank[:, -2])[-1])
    np.testing.assert_allclose(bank.sum(axis=1)[inner], 1, atol=1e-5)
    assert (mel_bank(16000, 400, 40).sum(axis=0) > 0).all()


def test_a_full_scale_tone_is_near_zero_decibels() -> None:
    loudest = log_mel(tone(1000, level=1.0).samples, 16000, 40).max()
    assert -12 < loudest < 0


def test_level_is_one_feature_and_moves_nothing_else() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 8000).astype(np.float32)
    loud, quiet = described(Sound(noise, 16000), Sound(noise / 10, 16000))
    assert loud[-3] - quiet[-3] == pytest.approx(20, abs=0.01)
    np.testing.assert_allclose(np.delete(loud, -3), np.delete(quiet, -3), atol=0.01)


def test_order_in_time_matters() -> None:
    low, high = tone(300).samples, tone(3000).samples
    rising, falling = described(Sound(np.r_[low, high], 16000), Sound(np.r_[high, low], 16000))
    overall, course = slice(0, 120), slice(120, 440)
    np.testing.assert_allclose(rising[overall], falling[overall], atol=2)
    assert np.abs(rising[course] - falling[course]).max() > 20


def test_silence_around_a_sound_does_not_matter() -> None:
    sound, silence = tone(500), np.zeros(8000, np.float32)
    bare, padded = described(sound, Sound(np.r_[silence, sound.samples, silence], 16000))
    assert np.abs(bare - padded)[:40].mean() < 3
    assert np.abs(bare - padded)[-1] < 2  # 10 log2 of its length


def test_the_rate_of_the_file_hardly_matters() -> None:
    a, b = described(tone(700, rate=16000), tone(700, rate=44100))
    assert np.corrcoef(a[:40], b[:40])[0, 1] > 0.95


def test_long_sounds_are_cut_into_chunks_without_a_seam() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (CHUNK + 50) * 160).astype(np.float32)
    whole, tail = log_mel(samples, 16000, 40), log_mel(samples[(CHUNK - 10) * 160 :], 16000, 40)
    np.testing.assert_allclose(whole[CHUNK - 10 :], tail, atol=1e-3)


def test_segments_of_few_frames_overlap() -> None:
    frames = np.arange(3, dtype=np.float32)[:, None]
    assert segment_means(frames, 3).ravel().tolist() == [0, 1, 2]
    assert segment_means(frames, 2).ravel().tolist() == [0.5, 1.5]
    assert segment_means(frames[:1], 4).ravel().tolist() == [0] * 4


def test_trimming_keeps_pauses_and_whole_silence() -> None:
    loud, quiet = np.full((2, 4), -10.0), np.full((3, 4), -70.0)
    assert len(trimmed(np.concatenate([quiet, loud, quiet, loud, quiet]))) == 7
    assert len(trimmed(quiet)) == 3


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 192000])
@pytest.mark.parametrize("length", [1, 7, 400, 5000])
def test_silent_and_very_short_sounds_are_valid(length: int, rate: int) -> None:
    lines = described(
        Sound(np.zeros(length, np.float32), rate), Sound(np.full(length, 0.1, np.float32), rate)
    )
    assert np.isfinite(lines).all()
    assert lines[0, -3] == pytest.approx(10 * np.log10(POWER_FLOOR), abs=1e-3)
    assert np.abs(lines[:, :440]).max() <= RANGE_DB


def test_one_row_can_be_fitted() -> None:
    lines = described(tone(500))
    assert LogMel().fit(lines).transform(lines).tolist() == [[0.0]]


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    lines = described(*(tone(hertz) for hertz in (200, 500, 900, 2000)))
    encoder = LogMel(dim=2).fit(lines)
    write_tree(tmp_path, "sound", encoder.state())
    restored = LogMel(dim=2).restore(read_tree(tmp_path, "sound"))
    assert (restored.transform(lines) == encoder.transform(lines)).all()
    assert encoder.transform(lines).shape == (4, encoder.width_) == (4, 2)


def test_identity_is_that_of_the_description() -> None:
    assert LogMel().identity() == LogMel(dim=3).identity() != LogMel(mels=20).identity()


def test_wrong_use_is_named() -> None:
    with pytest.raises(DataError, match="no cell"):
        LogMel().fit(LogMel().describe([]))
    with pytest.raises(NotFitted, match="LogMel"):
        LogMel().transform(described(tone(500)))
    with pytest.raises(UsageError, match="segments"):
        LogMel(segments=0).describe([])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4000), st.sampled_from([8000, 16000, 22050]), st.floats(0, 1, width=32))
def test_a_line_depends_on_its_sound_alone(length: int, rate: int, level: float) -> None:
    noise = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    sound = Sound(noise * np.float32(level), rate)
    alone, among = described(sound), described(tone(400), sound)
    np.testing.assert_array_equal(alone[0], among[1])
    assert np.isfinite(alone).all()


def test_spoken_digits_are_told_apart(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "fsdd/fsdd_flac.parquet", columns=["digit", "split", "audio"])
    split = np.array(table["split"].to_pylist())
    train = np.random.default_rng(0).permutation(np.flatnonzero(split == "train"))[:900]
    test = np.flatnonzero(split == "test")
    lines, y = {}, {}
    for name, rows in {"train": train, "test": test}.items():
        part = table.take(rows)
        lines[name] = described(*map(decode_sound, part["audio"].to_pylist()))
        y[name] = part["digit"].to_pylist()
    encoder = LogMel().fit(lines["train"])
    classifier = LogisticRegression(max_iter=300).fit(encoder.transform(lines["train"]), y["train"])
    assert classifier.score(encoder.transform(lines["test"]), y["test"]) > 0.92
