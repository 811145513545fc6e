"""Chiasm: one space from rows of text, images, sound, video, series, tables and vectors, gaps included.

In it a model searches, predicts, explains and judges itself. `import chiasm` loads nothing heavy: names are
looked up when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.model import Model, Prediction, diagnose, fit, load
    from chiasm.rows.readers import read

__version__ = "0.1.0"
__all__ = ["Model", "Prediction", "diagnose", "fit", "load", "read"]

__getattr__, __dir__ = attach(
    __name__,
    {"model": ("Model", "Prediction", "diagnose", "fit", "load"), "rows.readers": ("read",)},
    rooms=(
        "align",
        "encode",
        "errors",
        "fuse",
        "heads",
        "index",
        "judge",
        "measures",
        "metrics",
        "plugins",
        "rows",
        "train",
    ),
)
