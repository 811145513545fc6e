"""Judgement: how good the space and the predictions are, why an answer is given; printed, saved and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.judge.audit import Audit, Paired
    from chiasm.judge.bridge import Bridge
    from chiasm.judge.collect import Worth, worth_collecting
    from chiasm.judge.copies import Duplicate, Leak
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
    from chiasm.judge.explain import Explanation, Shares, shares
    from chiasm.judge.explained import explanation_html
    from chiasm.judge.giveaway import Giveaway
    from chiasm.judge.highlight import heat
    from chiasm.judge.occlude import Part, Piece, effects, pieces
    from chiasm.judge.outcome import Coverage, Gain, Line, Outcome, Pattern
    from chiasm.judge.pairing import Mispaired
    from chiasm.judge.predictions import Sets, judge_target, patterns_of
    from chiasm.judge.relevance import Relevance
    from chiasm.judge.scoreboard import Direction, Estimate, Report, render
    from chiasm.judge.stress import Stress
    from chiasm.judge.web import report_html

__all__ = [
    "Audit",
    "Bridge",
    "Coverage",
    "Direction",
    "Duplicate",
    "Estimate",
    "Explanation",
    "Gain",
    "Giveaway",
    "Layout",
    "Leak",
    "Line",
    "Mispaired",
    "Outcome",
    "Paired",
    "Part",
    "Pattern",
    "Piece",
    "Point",
    "Relevance",
    "Report",
    "Sets",
    "Shares",
    "Shown",
    "Stress",
    "Worth",
    "contact_sheet",
    "effects",
    "explanation_html",
    "heat",
    "judge_target",
    "map_html",
    "map_png",
    "map_points",
    "patterns_of",
    "pieces",
    "render",
    "report_html",
    "scoreboard_png",
    "shares",
    "worth_collecting",
]

# The functions `occlude`, `relevance` and `stress` stay in their modules: here the names are the modules'.
__getattr__, __dir__ = attach(
    __name__,
    {
        "audit": ("Audit", "Paired"),
        "bridge": ("Bridge",),
        "collect": ("Worth", "worth_collecting"),
        "copies": ("Duplicate", "Leak"),
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
        "explain": ("Explanation", "Shares", "shares"),
        "explained": ("explanation_html",),
        "giveaway": ("Giveaway",),
        "highlight": ("heat",),
        "occlude": ("Part", "Piece", "effects", "pieces"),
        "outcome": ("Coverage", "Gain", "Line", "Outcome", "Pattern"),
        "pairing": ("Mispaired",),
        "predictions": ("Sets", "judge_target", "patterns_of"),
        "relevance": ("Relevance",),
        "scoreboard": ("Direction", "Estimate", "Report", "render"),
        "stress": ("Stress",),
        "web": ("report_html",),
    },
)
