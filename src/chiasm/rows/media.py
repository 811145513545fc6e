"""One cell to what an encoder takes: clean text, RGB pixels, mono sound; or `BrokenCell` with the reason."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import threading
import unicodedata
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell, UsageError, did_you_mean

TEXT_LIMIT = 1_000_000  # characters
PIXEL_LIMIT = 100_000_000
HOURS_LIMIT = 4
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO")
SOUND_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,aac,mp3,flac,wav,aiff,asf,amr,caf"

# What Pillow's readers raise on hostile files: besides OSError, whatever their parsing ran into.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    Warning,
    struct.error,
    zlib.error,
)
# The same of PyAV, besides its own FFmpegError.
_AV_ERRORS = (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError)
_opening = threading.Lock()  # warning filters belong to the process, not to a thread


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono sound: `samples` (t,) float32 in [-1, 1] at `rate` Hz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate


def decode(modality: str, value: bytes | str) -> Any:
    """The decoded cell: `str`, uint8 (h, w, 3) or `Sound`; raises `BrokenCell`."""
    decoders: dict[str, Any] = {"text": decode_text, "image": decode_image, "sound": decode_sound}
    if modality not in decoders:
        raise UsageError(f"cells of {modality!r} are not decoded", hint=did_you_mean(modality, decoders))
    return decoders[modality](value)


def content_key(modality: str, value: bytes | str) -> int:
    """A signed 64-bit id of the content (of the file's bytes for a path): equal content, equal key."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass") if modality == "text" else load_bytes(value)
    digest = hashlib.blake2b(value, digest_size=8, person=modality.encode()[:16]).digest()
    return int.from_bytes(digest, "little", signed=True)


def load_bytes(value: bytes | str) -> bytes:
    """The bytes themselves, or those of the file at a path; never empty."""
    data = value if isinstance(value, bytes) else _read_file(value)
    if not data:
        raise BrokenCell("empty, 0 bytes", where=value if isinstance(value, str) else "")
    return data


def _read_file(path: str) -> bytes:
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise BrokenCell("is a folder, not a file", where=path)
        if not stat.S_ISREG(mode):  # a pipe or a device would never end
            raise BrokenCell("not a regular file", where=path)
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        why = "a web address: download it first" if "://" in path else "no such file"
        raise BrokenCell(why, where=path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BrokenCell(f"not readable: {reason}", where=path) from error


# Text


def decode_text(value: bytes | str) -> str:
    """Text in composed form (NFC) with plain newlines, without control characters and outer white space."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BrokenCell(f"not UTF-8 text (byte {error.start})") from error
    if len(value) > TEXT_LIMIT:
        raise BrokenCell(f"text of {len(value):,} characters, more than {TEXT_LIMIT:,}")
    return clean(value)


def clean(text: str) -> str:
    """NFC, CRLF to newline, no control characters but newline and tab, no outer white space."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept).strip("\ufeff \t\n\u3000").strip()


# Images


def decode_image(value: bytes | str) -> NDArray[np.uint8]:
    """RGB pixels (h, w, 3), upright, transparent parts over white; the first frame of an animation."""
    from PIL import Image, ImageOps

    data = load_bytes(value)
    try:
        with _open_image(data) as image:
            width, height = image.size
            if width * height > PIXEL_LIMIT:
                raise BrokenCell(f"image of {width} x {height} pixels, more than 100 megapixels")
            return _to_rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise BrokenCell(f"image of more than 100 megapixels: {error}") from error
    except BrokenCell:
        raise
    except _PILLOW_ERRORS as error:
        raise BrokenCell(_image_reason(data, error)) from error


def _open_image(data: bytes) -> Any:
    """Read the header alone; Pillow's warning of a bomb is silenced since the size is checked right after."""
    from PIL import Image

    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=_image_formats())


@cache
def _image_formats() -> tuple[str, ...]:
    """Raster formats that this Pillow reads; none of those that start a foreign program (EPS)."""
    from PIL import Image

    Image.init()
    return tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)


def _image_reason(data: bytes, error: BaseException) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"not an image: starts with {data[:12]!r}"
    return f"damaged image: {error}"


def _to_rgb(image: Any) -> NDArray[np.uint8]:
    """uint8 (h, w, 3) of a Pillow image of any mode."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        grey = _grey8(np.asarray(image))
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(white, seen)
    return np.array(image.convert("RGB"), np.uint8)


def _grey8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Deep grey (h, w) scaled to 8 bits by the smallest full range that holds it."""
    if not np.isfinite(values).all():
        raise BrokenCell("image holds NaN or infinite pixels")
    top = float(values.max())
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    full = next((limit for limit in ranges if top <= limit), top)
    return (np.clip(values / full, 0, 1) * 255).round().astype(np.uint8)


# Sound


def decode_sound(value: bytes | str) -> Sound:
    """Mono sound (the mean of the channels) of any common container; silence is valid, no samples is not."""
    import soundfile

    data = load_bytes(value)
    try:
        samples, rate = _read_soundfile(data)
    except soundfile.LibsndfileError:
        samples, rate = _read_av(data)
    if len(samples) == 0:
        raise BrokenCell("sound of 0 samples")
    mono = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise BrokenCell("sound holds NaN or infinite samples")
    return Sound(np.clip(mono, -1, 1), rate)


def _read_soundfile(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples (t, channels) and rate through libsndfile."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        _check_length(file.frames / file.samplerate)
        return file.read(dtype="float32", always_2d=True), int(file.samplerate)


def _read_av(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples (t, channels) and rate through FFmpeg, kept to containers that hold the sound themselves."""
    import av

    try:
        with av.open(
            io.BytesIO(data),
            options={"format_whitelist": SOUND_CONTAINERS},
            metadata_errors="replace",  # tags are no UTF-8 in many an old file
        ) as container:
            if not container.streams.audio:
                raise BrokenCell("no sound track in it")
            if container.duration is not None:
                _check_length(container.duration / av.time_base)
            return _frames(container)
    except BrokenCell:
        raise
    except (av.FFmpegError, *_AV_ERRORS) as error:
        raise BrokenCell(f"not a sound file that can be read: starts with {data[:12]!r}") from error


def _frames(container: Any) -> tuple[NDArray[np.float32], int]:
    import av

    stream = container.streams.audio[0]
    rate = int(stream.rate)
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
    blocks, total = [], 0
    for frame in container.decode(stream):
        for part in resampler.resample(frame):
            block = part.to_ndarray()  # (channels, t)
            total += block.shape[1]
            _check_length(total / rate)
            blocks.append(block.T)
    empty = np.zeros((0, 1), np.float32)
    return np.concatenate(blocks) if blocks else empty, rate


def _check_length(seconds: float) -> None:
    if seconds > HOURS_LIMIT * 3600:
        raise BrokenCell(f"sound of {seconds / 3600:.1f} hours, more than {HOURS_LIMIT}")
