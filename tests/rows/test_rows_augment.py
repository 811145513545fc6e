"""Augmentation: changed copies that are what they claim to be, the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import UsageError
from chiasm.rows import augment as changes
from chiasm.rows.augment import KINDS, augment, changer, stretched
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

RATE = 16000


def tone(hertz: float, seconds: float = 1.0) -> Sound:
    t = np.arange(round(seconds * RATE)) / RATE
    return Sound((0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32), RATE)


def main_hertz(sound: Sound) -> float:
    spectrum = np.abs(np.fft.rfft(sound.samples * np.hanning(len(sound.samples))))
    return float(spectrum.argmax() * sound.rate / len(sound.samples))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


VALUES: dict[str, Any] = {
    "text": " ".join(f"word{i}" for i in range(100)),
    "image": rng().integers(0, 256, (40, 50, 3), dtype=np.uint8),
    "sound": tone(440),
    "series": Series(rng().normal(0, 1, (200, 3)).astype(np.float32).cumsum(axis=0), 50.0),
}


def content(value: Any) -> Any:
    return getattr(value, "samples", getattr(value, "values", value))


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_equal_seeds_give_equal_copies_and_leave_the_value(modality: str, seed: int) -> None:
    value = VALUES[modality]
    before = content(value) if modality == "text" else content(value).copy()
    one, other = (augment(modality, value, rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(content(one), content(other))
    np.testing.assert_array_equal(content(value), before)
    assert type(one) is type(value)


@pytest.mark.parametrize(("modality", "kind"), [(m, k) for m in KINDS for k in KINDS[m]])
def test_every_change_changes(modality: str, kind: str) -> None:
    value = VALUES[modality]
    copy = KINDS[modality][kind](value, rng(3))
    assert not np.array_equal(content(copy), content(value))
    if modality != "text":
        assert content(copy).dtype == content(value).dtype


def test_a_copy_hangs_on_content_and_seed_alone() -> None:
    change = changer("text", 5)
    first = [change(VALUES["text"], key) for key in (-3, 7)]
    again = [change(VALUES["text"], key) for key in (7, -3)]
    assert first == again[::-1]
    assert changer("text", 6)(VALUES["text"], 7) != first[1]


def test_modalities_without_changes_stay_and_wrong_kinds_are_named() -> None:
    assert augment("number", 3.0, rng()) == 3.0
    with pytest.raises(UsageError, match=r"no change of image called 'flipp'.*Did you mean 'flip'"):
        augment("image", VALUES["image"], rng(), ["flipp"])


def test_words_are_dropped_and_swapped() -> None:
    words = VALUES["text"].split()
    dropped = changes.drop_words(VALUES["text"], rng()).split()
    assert 80 <= len(dropped) < 100
    assert dropped == [word for word in words if word in dropped]
    swapped = changes.swap_words(VALUES["text"], rng()).split()
    assert sorted(swapped) == sorted(words) != swapped
    assert all(changes.drop_words("one", rng(seed)) == "one" for seed in range(30))


def test_a_crop_is_part_of_the_image() -> None:
    pixels = np.arange(40 * 50, dtype=np.int64).reshape(40, 50)
    image = np.stack([pixels % 256, pixels // 256, pixels * 0], axis=2).astype(np.uint8)
    out = changes.crop(image, rng(1)).astype(int)
    numbers = out[..., 0] + 256 * out[..., 1]
    assert out.shape[0] >= 32
    assert out.shape[1] >= 40
    assert (np.diff(numbers, axis=1) == 1).all()
    assert (np.diff(numbers, axis=0) == 50).all()


def test_noise_lies_within_its_decibels() -> None:
    for seed in range(5):
        added = changes.noise(VALUES["sound"], rng(seed)).samples - VALUES["sound"].samples
        ratio = 10 * np.log10(np.square(VALUES["sound"].samples).mean() / np.square(added).mean())
        assert 14.5 < ratio < 30.5


@pytest.mark.parametrize("seed", range(5))
def test_speed_moves_pitch_and_length_together(seed: int) -> None:
    out = changes.speed(VALUES["sound"], rng(seed))
    assert main_hertz(out) * out.seconds == pytest.approx(440, rel=0.02)
    assert 0.9 <= out.seconds <= 1.12


@pytest.mark.parametrize("seed", range(5))
def test_pitch_moves_pitch_alone(seed: int) -> None:
    semitones = 12 * np.log2(main_hertz(changes.pitch(VALUES["sound"], rng(seed))) / 440)
    expected = rng(seed).uniform(-2, 2)
    assert semitones == pytest.approx(expected, abs=0.15)
    assert changes.pitch(VALUES["sound"], rng(seed)).seconds == 1


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_stretched_tone_keeps_its_pitch_and_level(factor: float) -> None:
    out = stretched(VALUES["sound"].samples, RATE, factor)
    assert len(out) == pytest.approx(RATE * factor, abs=1)
    assert main_hertz(Sound(out, RATE)) == pytest.approx(440, abs=3)
    assert np.square(out[2000:-2000]).mean() == pytest.approx(0.125, rel=0.02)


def test_warped_time_keeps_the_ends_and_the_order() -> None:
    ramp = Series(np.arange(100, dtype=np.float32)[:, None], None)
    out = changes.warp(ramp, rng(1)).values[:, 0]
    assert (out[0], out[-1]) == pytest.approx((0, 99), abs=1e-4)
    assert (np.diff(out) > 0).all()
    assert np.abs(out - np.arange(100)).max() > 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1500), st.integers(0, 1000), st.floats(0, 1, width=32))
def test_short_and_silent_cells_go_through(length: int, seed: int, level: float) -> None:
    sound = Sound(np.full(length, level, np.float32), RATE)
    series = Series(np.full((length, 2), level, np.float32), None)
    for modality, value in {"sound": sound, "series": series, "text": "a" * (length > 1)}.items():
        for kind in KINDS[modality].values():
            out = content(kind(value, rng(seed)))
            assert modality == "text" or (len(out) and np.isfinite(out).all())
    pixels = rng(seed).integers(0, 256, (1 + length % 7, 1 + length % 5, 3), dtype=np.uint8)
    for kind in KINDS["image"].values():
        assert kind(pixels, rng(seed)).size
