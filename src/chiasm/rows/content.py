"""The content of a media cell: its bytes, given or in a file, and the id that equal content shares."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell


def content_key(modality: str, value: bytes | str | NDArray[Any]) -> int:
    """A signed 64-bit id of the content (of the file's bytes for a path): equal content, equal key."""
    if isinstance(value, np.ndarray):
        value = _bytes_of(value)
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass") if modality == "text" else load_bytes(value)
    digest = hashlib.blake2b(value, digest_size=8, person=modality.encode()[:16]).digest()
    return int.from_bytes(digest, "little", signed=True)


def _bytes_of(array: NDArray[Any]) -> bytes:
    """Shape, type and content of an array."""
    content = (
        repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
    )
    return f"{array.shape} {array.dtype} ".encode() + content


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
