"""Coordinates of what rows span, where they are fewer than features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.features import Features

Axes = Mapping[str, NDArray[np.float32]]


def projected(table: Mapping[str, Features], axes: Axes) -> dict[str, Features]:
    """Features in these coordinates."""
    return {c: f.with_values(f.values @ axes[c]) if c in axes else f for c, f in table.items()}


def orthonormal(rows: NDArray[Any]) -> NDArray[np.float32]:
    """(d, n) an orthonormal basis of what rows (n, d), n <= d, span."""
    return np.linalg.qr(rows.T.astype(np.float64))[0].astype(np.float32)
