"""Σ: what a row has, joined into one vector of the space or into the scores of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.fuse.adversarial import Adversarial
    from chiasm.fuse.attention import Attention
    from chiasm.fuse.concat import Concat
    from chiasm.fuse.context import in_sequence
    from chiasm.fuse.experts import Experts
    from chiasm.fuse.fusion import Fusion
    from chiasm.fuse.gated import Gated
    from chiasm.fuse.late import Late
    from chiasm.fuse.mean import Mean
    from chiasm.fuse.tensor import Tensor
    from chiasm.fuse.weighted import Weighted

__all__ = [
    "Adversarial",
    "Attention",
    "Concat",
    "Experts",
    "Fusion",
    "Gated",
    "Late",
    "Mean",
    "Tensor",
    "Weighted",
    "in_sequence",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "adversarial": ("Adversarial",),
        "attention": ("Attention",),
        "concat": ("Concat",),
        "context": ("in_sequence",),
        "experts": ("Experts",),
        "fusion": ("Fusion",),
        "gated": ("Gated",),
        "late": ("Late",),
        "mean": ("Mean",),
        "tensor": ("Tensor",),
        "weighted": ("Weighted",),
    },
)
