"""Decoding: every valid form comes out alike, everything else is a BrokenCell with its reason."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chiasm.errors import BrokenCell, UsageError
from chiasm.rows import media

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def sounded(samples: np.ndarray, kind: str = "WAV", **options: Any) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format=kind, **options)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))


# Bytes


def test_load_bytes_reads_a_file_or_passes_bytes_on(tmp_path: Path) -> None:
    odd = tmp_path / "naïve\n图.bin"
    odd.write_bytes(b"abc")
    assert media.load_bytes(str(odd)) == media.load_bytes(b"abc") == b"abc"


def test_load_bytes_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    cases = {
        "none.png": "no such file",
        ".": "is a folder",
        "empty": "0 bytes",
        "pipe": "not a regular file",
        "x" * 300: "not readable",
        "a\0b": "not readable",
    }
    for name, why in cases.items():
        with pytest.raises(BrokenCell, match=why):
            media.load_bytes(f"{tmp_path}/{name}")
    with pytest.raises(BrokenCell, match="web address"):
        media.load_bytes("https://example.org/x.png")


def test_content_key_is_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photo()))
    key = media.content_key("image", str(path))
    assert key == media.content_key("image", path.read_bytes())
    assert -(2**63) <= key < 2**63
    assert media.content_key("text", "dog") == media.content_key("text", b"dog")
    assert media.content_key("text", "dog") != media.content_key("text", "Dog")


def test_only_text_and_media_are_decoded() -> None:
    with pytest.raises(UsageError, match="vector"):
        media.decode("vector", b"")


# Text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  a dog\r\nbarks\r", "a dog\nbarks"),
        ("cafe\u0301", "café"),
        ("a\0b\x07c\td", "abc\td"),
        ("\ufeff狗在叫\u3000", "狗在叫"),
        (b"caf\xc3\xa9", "café"),
        ("👩‍🚀", "👩‍🚀"),
    ],
)
def test_text_is_cleaned(raw: str | bytes, clean: str) -> None:
    assert media.decode("text", raw) == clean


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = media.clean(text)
    assert media.clean(once) == once


def test_text_that_is_no_text_is_broken() -> None:
    with pytest.raises(BrokenCell, match="byte 1"):
        media.decode("text", b"a\xff")
    with pytest.raises(BrokenCell, match="40,000,000 characters"):
        media.decode("text", "x" * 40_000_000)


# Images


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_exactly(kind: str) -> None:
    image = photo()
    np.testing.assert_array_equal(media.decode("image", encoded(image, kind)), np.asarray(image))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = Image.new("RGB", (3, 2), (255, 0, 0)).convert(mode)
    pixels = media.decode_image(encoded(image, "TIFF"))
    assert pixels.shape == (2, 3, 3)
    assert pixels.dtype == np.uint8
    if mode not in ("1", "L", "LA"):
        assert (np.abs(pixels.astype(int) - [255, 0, 0]) < 5).all()


def test_transparent_parts_lie_over_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    assert media.decode_image(encoded(image)).tolist() == [[[255, 255, 255], [10, 20, 30]]]
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([9, 9, 9])
    assert media.decode_image(encoded(palette, transparency=0)).tolist() == [[[255, 255, 255]]]


def test_deep_grey_is_scaled_not_clipped() -> None:
    deep = np.array([[0, 32768, 65535]], np.uint16)
    assert media.decode_image(encoded(Image.fromarray(deep)))[0, :, 0].tolist() == [0, 128, 255]
    dark = np.array([[0, 1, 257]], np.uint16)
    assert media.decode_image(encoded(Image.fromarray(dark)))[0, :, 0].tolist() == [0, 0, 1]
    floats = np.array([[0, 0.5, 1]], np.float32)
    assert media.decode_image(encoded(Image.fromarray(floats), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


def test_orientation_is_applied() -> None:
    image = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert media.decode_image(encoded(image, "JPEG", exif=exif)).shape == (4, 2, 3)


def test_one_pixel_and_first_frame() -> None:
    assert media.decode_image(encoded(Image.new("L", (1, 1), 7))).tolist() == [[[7, 7, 7]]]
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert media.decode_image(animated)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_image_is_broken_never_grey(kind: str, share: float) -> None:
    data = encoded(photo(), kind)
    with pytest.raises(BrokenCell):
        media.decode_image(data[: int(share * len(data))])


def test_what_is_no_image_is_broken() -> None:
    for data in (b"just words", b"%!PS-Adobe-3.0 EPSF-3.0\n", sounded(TONE), b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(BrokenCell, match="image"):
            media.decode_image(data)


@pytest.mark.parametrize("size", [(10_000, 10_001), (50_000, 50_000)])
def test_a_bomb_is_told_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(BrokenCell, match="more than 100 megapixels"):
        media.decode_image(png_header(*size))


@given(st.data())
def test_damage_gives_pixels_or_broken(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF"]))
    raw = bytearray(encoded(Image.new("RGB", (8, 8), "teal"), kind))
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BrokenCell):
        assert media.decode_image(bytes(raw)).ndim == 3


# Sound


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_sounds_of_every_format(kind: str) -> None:
    sound = media.decode("sound", sounded(TONE, kind))
    assert sound.rate == RATE
    assert sound.samples.dtype == np.float32
    assert abs(sound.seconds - 1) < 0.2
    assert np.abs(sound.samples).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("webm", "libopus")])
def test_other_containers_go_through_av(container: str, codec: str) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        tone = np.tile(TONE, 6)[None]
        for start in range(0, tone.shape[1], 960):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(tone[:, start : start + 960]), "fltp", "mono"
            )
            frame.sample_rate, frame.pts = 48_000, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    sound = media.decode_sound(out.getvalue())
    assert sound.rate == 48_000
    assert sound.seconds == pytest.approx(1, abs=0.1)


def container(title: str) -> bytes:
    """A second of silence in an mp4 with a title."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        file.metadata["title"] = title
        stream = file.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def test_tags_that_are_no_utf8_do_not_break_a_sound() -> None:
    data = container("Voegel").replace(b"Voegel", b"V\xf6\xff\xe9el")
    assert b"\xff\xe9el" in data
    assert media.decode_sound(data).rate == 8000


def test_a_header_of_zero_bits_is_broken() -> None:
    raw = bytearray(sounded(TONE))
    raw[34:36] = b"\0\0"
    with pytest.raises(BrokenCell, match="not a sound file"):
        media.decode_sound(bytes(raw))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_container_gives_samples_or_broken(data: st.DataObject) -> None:
    raw = bytearray(container("a title"))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BrokenCell):
        assert media.decode_sound(bytes(raw)).samples.ndim == 1


def test_channels_are_averaged_and_peaks_kept_in_range() -> None:
    two = np.stack([np.full(10, 1.0), np.full(10, 0.5)], axis=1)
    np.testing.assert_allclose(media.decode_sound(sounded(two, subtype="FLOAT")).samples, 0.75)
    assert media.decode_sound(sounded(np.full(10, 3.0), subtype="FLOAT")).samples.max() == 1


def test_silence_is_valid_nothing_is_not() -> None:
    assert not media.decode_sound(sounded(np.zeros(100))).samples.any()
    with pytest.raises(BrokenCell, match="0 samples"):
        media.decode_sound(sounded(np.zeros(0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_broken(bad: float) -> None:
    with pytest.raises(BrokenCell, match="NaN or infinite"):
        media.decode_sound(sounded(np.array([0.1, bad]), subtype="FLOAT"))


def test_too_long_is_told_before_decoding() -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(5 * 3600 * 10, np.int16), 10, format="WAV", subtype="PCM_U8")
    with pytest.raises(BrokenCell, match=r"5\.0 hours"):
        media.decode_sound(out.getvalue())


def test_what_is_no_sound_is_broken() -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n"
    for data in (b"just words", playlist, encoded(photo()), sounded(TONE, "FLAC")[:60], b"RIFF\0\0\0\0WAVE"):
        with pytest.raises(BrokenCell):
            media.decode_sound(data)
