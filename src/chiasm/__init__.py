"""Chiasm: one searchable space from rows of text, images, sound and vectors, gaps included.

`import chiasm` loads nothing heavy: names are looked up when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chiasm.model import Model as Model
    from chiasm.model import fit as fit
    from chiasm.model import load as load
    from chiasm.rows.readers import read as read

__version__ = "0.1.0"

_NAMES = {
    "read": "chiasm.rows.readers",
    "fit": "chiasm.model",
    "load": "chiasm.model",
    "Model": "chiasm.model",
}
_ROOMS = ("align", "encode", "errors", "fuse", "index", "judge", "metrics", "plugins", "rows")

__all__ = ["Model", "fit", "load", "read"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"chiasm.{name}")
    raise AttributeError(f"module 'chiasm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES, *_ROOMS])
