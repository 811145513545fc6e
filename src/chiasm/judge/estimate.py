"""A measured value with what it could as well have been."""

from __future__ import annotations

from dataclasses import dataclass

FEW = 30
"""With fewer rows or queries than this an interval is called rough."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % bootstrap interval; NaN where nothing could be measured."""

    value: float
    low: float
    high: float
