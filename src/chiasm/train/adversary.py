"""A discriminator and what learns to fool it, in one loss: gradients come back from it reversed."""

from __future__ import annotations

from typing import Any

Tensor = Any
Module = Any


def discriminator_loss(discriminator: Module, codes: Tensor, column: Tensor, strength: float) -> Tensor:
    """Cross entropy of a discriminator that tells the column (n,) of codes (n, k), a scalar.

    Its gradient reaches the discriminator as it is, and the codes reversed and times `strength` (Ganin &
    Lempitsky 2015, arXiv 1409.7495).
    """
    from torch.nn.functional import cross_entropy

    return cross_entropy(discriminator(reverse(codes, strength)), column)


def reverse(values: Tensor, strength: float) -> Tensor:
    """The values as they are, with a gradient of -`strength`."""
    return values.detach() * (1 + strength) - values * strength


def new_discriminator(width: int, columns: int) -> Module:
    """An untrained one: codes (n, width) to scores (n, columns)."""
    from torch import nn

    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, columns))
