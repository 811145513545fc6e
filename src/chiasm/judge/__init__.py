"""Judgement: how good the space is, printed, saved and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.doors import door

if TYPE_CHECKING:
    from chiasm.judge.draw import (
        Layout,
        Point,
        Shown,
        contact_sheet,
        map_html,
        map_png,
        map_points,
        scoreboard_png,
    )
    from chiasm.judge.relevance import Relevance
    from chiasm.judge.scoreboard import Direction, Estimate, Report, render

__all__ = [
    "Direction",
    "Estimate",
    "Layout",
    "Point",
    "Relevance",
    "Report",
    "Shown",
    "contact_sheet",
    "map_html",
    "map_png",
    "map_points",
    "render",
    "scoreboard_png",
]

# The function `relevance` stays in its module: here the name is the module's.
__getattr__, __dir__ = door(
    __name__,
    {
        "draw": (
            "Layout",
            "Point",
            "Shown",
            "contact_sheet",
            "map_html",
            "map_png",
            "map_points",
            "scoreboard_png",
        ),
        "relevance": ("Relevance",),
        "scoreboard": ("Direction", "Estimate", "Report", "render"),
    },
)
