"""What comes in: tables of text, media, series, vectors, categories, numbers and dates, any cell missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.rows.augment import changer
    from chiasm.rows.clean import cleaner
    from chiasm.rows.inspect import Inspected, Inspection
    from chiasm.rows.media import Sound
    from chiasm.rows.readers import read
    from chiasm.rows.rows import Cell, Rows
    from chiasm.rows.schema import Column, Schema
    from chiasm.rows.series import Series
    from chiasm.rows.video import Video

__all__ = [
    "Cell",
    "Column",
    "Inspected",
    "Inspection",
    "Rows",
    "Schema",
    "Series",
    "Sound",
    "Video",
    "changer",
    "cleaner",
    "read",
]

# The functions `augment`, `folds` and `windows` stay in their modules: here the names are the modules'.
__getattr__, __dir__ = attach(
    __name__,
    {
        "augment": ("changer",),
        "clean": ("cleaner",),
        "inspect": ("Inspected", "Inspection"),
        "media": ("Sound",),
        "readers": ("read",),
        "rows": ("Cell", "Rows"),
        "schema": ("Column", "Schema"),
        "series": ("Series",),
        "video": ("Video",),
    },
)
