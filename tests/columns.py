"""Small columns with gaps that tell of each other, rubbish under their masks, and what agrees bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiasm.encode.features import Features

N = 80
WIDTHS = {"a": 6, "b": 5, "c": 4}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 3))
VALUES = {
    c: (LATENT @ RNG.standard_normal((3, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
MASKS = {c: RNG.random(N) < 0.75 for c in WIDTHS}
LABELS = [None if i % 10 == 9 else f"kind {int(x > 0)}{int(x > 1)}" for i, x in enumerate(LATENT[:, 0])]
EMPTY = {"0 empty": np.full((N, 7), np.nan, np.float32), "z empty": np.full((N, 2), np.nan)}


def gapped(
    masks: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray] = VALUES
) -> dict[str, np.ndarray]:
    """The columns that have a mask (n,), NaN where it is false."""
    return {c: np.where(mask[:, None], values[c], np.float32(np.nan)) for c, mask in masks.items()}


def under(masks: Mapping[str, np.ndarray], seed: int) -> dict[str, Features]:
    """The same with rubbish in every absent row."""
    rng = np.random.default_rng(seed)
    rubbish = {c: rng.choice([np.nan, np.inf, -1e30, 0.0, 7.0], VALUES[c].shape) for c in masks}
    mixed = {c: np.where(masks[c][:, None], VALUES[c], rubbish[c]).astype(np.float32) for c in masks}
    return {c: Features.of(mixed[c], masks[c]) for c in masks}


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts, lists, arrays and scalars that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other
