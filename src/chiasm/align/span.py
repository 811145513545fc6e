"""Wide columns of few rows: the same solution in the coordinates of what the rows span, many times faster."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.align.moments import Axes, orthonormal
from chiasm.encode.features import Features


def spans(table: Mapping[str, Features]) -> Axes:
    """{column: (d, r) orthonormal} coordinates of what the items span, where they are fewer than features."""
    return {c: orthonormal(f.values) for c, f in table.items() if 0 < len(f.values) < f.width}


def turned(table: Mapping[str, Features], axes: Axes) -> dict[str, Features]:
    """Features in these coordinates."""
    return {c: f.with_values(f.values @ axes[c]) if c in axes else f for c, f in table.items()}
