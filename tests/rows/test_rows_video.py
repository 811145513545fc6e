"""Videos: any container opens alike, frames come from where they are asked for, damage is named."""

from __future__ import annotations

import contextlib
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videos import fading, moving, sound_only, tone, video

from chiasm.errors import BrokenCell, UsageError
from chiasm.rows import video as module
from chiasm.rows.video import Video, decode_video

KINDS = [
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("matroska", "ffv1"),
    ("webm", "libvpx"),
    ("avi", "mpeg4"),
    ("mpegts", "libx264"),
]


def brightness(clip: Video, count: int) -> np.ndarray:
    return np.asarray(clip.frames(count).mean(axis=(1, 2, 3)) / 255)


@pytest.mark.parametrize(("container", "codec"), KINDS)
def test_every_container_gives_the_same_frames(container: str, codec: str) -> None:
    clip = decode_video(video(fading(30), container=container, codec=codec))
    assert (clip.size, clip.length) == ((48, 64), 30)
    assert (clip.seconds, clip.rate) == (pytest.approx(3, abs=0.05), pytest.approx(10, abs=0.1))
    assert clip.frames(5).shape == (5, 48, 64, 3)
    np.testing.assert_allclose(brightness(clip, 5), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.03)
    assert clip.sound() is None


def test_frames_lie_evenly_in_time_after_leaps_too() -> None:
    clip = decode_video(video(fading(2000), rate=25))
    assert clip.seconds == pytest.approx(80, abs=0.1)
    np.testing.assert_allclose(brightness(clip, 8), (np.arange(8) + 0.5) / 8, atol=0.01)


def test_no_frame_is_given_twice() -> None:
    clip = decode_video(video(fading(3)))
    assert clip.frames(16).shape[0] == 3
    np.testing.assert_allclose(brightness(clip, 16), [0, 0.5, 1], atol=0.03)
    assert decode_video(video(fading(1))).frames(4).shape[0] == 1


def test_large_frames_are_reduced_and_small_ones_kept() -> None:
    clip = decode_video(video(fading(4, (96, 200))))
    assert clip.frames(2, side=100).shape == (2, 48, 100, 3)
    assert clip.frames(2, side=400).shape == (2, 96, 200, 3)


def test_a_path_does_as_well_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a clip.mp4"
    path.write_bytes(video(fading(4)))
    np.testing.assert_array_equal(
        decode_video(str(path)).frames(4), decode_video(path.read_bytes()).frames(4)
    )
    with pytest.raises(BrokenCell, match="no such file"):
        decode_video(str(tmp_path / "none.mp4"))


def test_the_sound_track_is_a_sound() -> None:
    sound = decode_video(video(fading(20), sound=tone(440, 2))).sound()
    assert sound is not None
    assert (sound.rate, sound.seconds) == (16_000, pytest.approx(2, abs=0.15))
    assert np.abs(sound.samples).max() == pytest.approx(0.5, abs=0.05)
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert spectrum.argmax() * sound.rate / len(sound.samples) == pytest.approx(440, abs=2)


def test_a_silent_track_is_a_sound_and_none_is_none() -> None:
    silent = decode_video(video(fading(20), sound=np.zeros(32_000, np.float32))).sound()
    assert silent is not None
    assert not silent.samples.any()
    assert decode_video(video(fading(20))).sound() is None


def test_a_film_held_upright_comes_out_upright() -> None:
    top_is_bright = np.concatenate([np.full((24, 64, 3), 250, np.uint8), np.zeros((24, 64, 3), np.uint8)])
    data = video([top_is_bright] * 5)
    plain, turned = (
        struct.pack(">9i", *m, 1 << 30)
        for m in (
            (65536, 0, 0, 0, 65536, 0, 0, 0),
            (0, 65536, 0, -65536, 0, 0, 48 << 16, 0),  # a quarter to the right, as phones write it
        )
    )
    track = data.index(b"tkhd")
    clip = decode_video(data[:track] + data[track:].replace(plain, turned, 1))
    frame = clip.frames(1)[0]
    assert clip.size == frame.shape[:2] == (64, 48)
    assert frame[:, :20].mean() < 10
    assert frame[:, -20:].mean() > 240


def test_what_is_no_video_is_broken() -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n"
    for data in (b"just words", playlist, b"\0\0\0\x18ftypmp42", b"RIFF\0\0\0\0AVI "):
        with pytest.raises(BrokenCell, match="not a video"):
            decode_video(data)
    with pytest.raises(BrokenCell, match="0 bytes"):
        decode_video(b"")


def test_sound_without_pictures_says_how_to_read_it() -> None:
    with pytest.raises(BrokenCell, match="--as COL=sound"):
        decode_video(sound_only(tone(440)))


@pytest.mark.parametrize(("container", "codec"), [k for k in KINDS if k[0] != "mpegts"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_what_was_cut_off_is_broken(container: str, codec: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
    data = video(list(noise), container=container, codec=codec)
    with pytest.raises(BrokenCell, match=r"cut off|not a video|0 frames"):
        decode_video(data[: int(share * len(data))])


def test_too_many_pixels_or_hours_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    data = video(fading(20))
    monkeypatch.setattr(module, "PIXEL_LIMIT", 48 * 64 - 1)
    with pytest.raises(BrokenCell, match="64 x 48 pixels"):
        decode_video(data)
    monkeypatch.undo()
    monkeypatch.setattr("chiasm.rows.sound.HOURS_LIMIT", 1 / 3600)
    with pytest.raises(BrokenCell, match="hours"):
        decode_video(data)


def test_no_frames_at_all_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="count"):
        decode_video(video(fading(4))).frames(0)


@cache
def sample(container: str, codec: str) -> bytes:
    return video(
        moving(20), container=container, codec=codec, sound=tone(300, 2) if container == "mp4" else None
    )


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_gives_frames_or_broken(data: st.DataObject) -> None:
    raw = bytearray(sample(*data.draw(st.sampled_from(KINDS))))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BrokenCell):
        clip = decode_video(bytes(raw))
        assert clip.frames(4, 32).ndim == 4
        clip.sound()
