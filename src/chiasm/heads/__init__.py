"""T: from the features of one modality to a class, labels, an order or numbers, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.heads.calibrate import Calibration
    from chiasm.heads.conformal import Conformal
    from chiasm.heads.forecast import Forecast
    from chiasm.heads.forest import Forest
    from chiasm.heads.head import Head
    from chiasm.heads.kernel import Kernel
    from chiasm.heads.linear import Linear
    from chiasm.heads.ordinal import Ordinal
    from chiasm.heads.patterns import pattern_names
    from chiasm.heads.task import Task

__all__ = [
    "Calibration",
    "Conformal",
    "Forecast",
    "Forest",
    "Head",
    "Kernel",
    "Linear",
    "Ordinal",
    "Task",
    "pattern_names",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "calibrate": ("Calibration",),
        "conformal": ("Conformal",),
        "forecast": ("Forecast",),
        "forest": ("Forest",),
        "head": ("Head",),
        "kernel": ("Kernel",),
        "linear": ("Linear",),
        "ordinal": ("Ordinal",),
        "patterns": ("pattern_names",),
        "task": ("Task",),
    },
)
