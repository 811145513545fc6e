"""What comes in: tables whose cells are text, media, vectors, categories or numbers, any of them missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.doors import door

if TYPE_CHECKING:
    from chiasm.rows.inspect import Inspected, Inspection
    from chiasm.rows.media import Sound
    from chiasm.rows.readers import read
    from chiasm.rows.rows import Cell, Rows
    from chiasm.rows.schema import Column, Schema

__all__ = ["Cell", "Column", "Inspected", "Inspection", "Rows", "Schema", "Sound", "read"]

__getattr__, __dir__ = door(
    __name__,
    {
        "inspect": ("Inspected", "Inspection"),
        "media": ("Sound",),
        "readers": ("read",),
        "rows": ("Cell", "Rows"),
        "schema": ("Column", "Schema"),
    },
)
