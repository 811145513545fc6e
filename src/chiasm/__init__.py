"""Chiasm: one searchable space from rows of text, images, sound and vectors, gaps included.

`import chiasm` loads nothing heavy: names are looked up when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.doors import door

if TYPE_CHECKING:
    from chiasm.model import Model, fit, load
    from chiasm.rows.readers import read

__version__ = "0.1.0"
__all__ = ["Model", "fit", "load", "read"]

__getattr__, __dir__ = door(
    __name__,
    {"model": ("Model", "fit", "load"), "rows.readers": ("read",)},
    rooms=("align", "encode", "errors", "fuse", "index", "judge", "metrics", "plugins", "rows"),
)
