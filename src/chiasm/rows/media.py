"""One cell to what an encoder takes: clean text, RGB pixels, mono sound; or `BrokenCell` with the reason."""

from __future__ import annotations

import io
import struct
import threading
import unicodedata
import warnings
import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell, UsageError, did_you_mean
from chiasm.rows.content import content_key, load_bytes
from chiasm.rows.series import Series, decode_series
from chiasm.rows.sound import Sound, decode_sound

__all__ = [
    "Series",
    "Sound",
    "clean",
    "content_key",
    "decode",
    "decode_image",
    "decode_sound",
    "decode_text",
    "load_bytes",
]

TEXT_LIMIT = 1_000_000  # characters
PIXEL_LIMIT = 100_000_000
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO")

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
_opening = threading.Lock()  # warning filters belong to the process, not to a thread


def decode(modality: str, value: bytes | str) -> Any:
    """The decoded cell: `str`, uint8 (h, w, 3) or `Sound`; raises `BrokenCell`."""
    decoders: dict[str, Any] = {
        "text": decode_text,
        "image": decode_image,
        "sound": decode_sound,
        "series": decode_series,
        "video": _decode_video,
    }
    if modality not in decoders:
        raise UsageError(f"cells of {modality!r} are not decoded", hint=did_you_mean(modality, decoders))
    return decoders[modality](value)


def _decode_video(value: bytes | str) -> Any:
    """`video.decode_video`, imported when first needed."""
    from chiasm.rows.video import decode_video

    return decode_video(value)


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
