"""Training by gradients, for what has no closed form; needs the extra `neural`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.train.contrastive import info_nce, sigmoid_loss
    from chiasm.train.loop import Recipe, train
    from chiasm.train.losses import loss_of
    from chiasm.train.tiled import tiled_info_nce
    from chiasm.train.watch import watching

__all__ = [
    "Recipe",
    "info_nce",
    "loss_of",
    "sigmoid_loss",
    "tiled_info_nce",
    "train",
    "watching",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "contrastive": (
            "info_nce",
            "sigmoid_loss",
        ),
        "loop": (
            "Recipe",
            "train",
        ),
        "losses": ("loss_of",),
        "tiled": ("tiled_info_nce",),
        "watch": ("watching",),
    },
)
