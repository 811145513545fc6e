"""Training by gradients, for what has no closed form; needs the extra `neural`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.doors import door

if TYPE_CHECKING:
    from chiasm.train.loop import Recipe, train
    from chiasm.train.losses import loss_of

__all__ = [
    "Recipe",
    "loss_of",
    "train",
]

__getattr__, __dir__ = door(
    __name__,
    {
        "loop": ("Recipe", "train"),
        "losses": ("loss_of",),
    },
)
