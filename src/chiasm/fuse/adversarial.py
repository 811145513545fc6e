"""Adversarial fusion: the mean of codes that do not show which modality they come from."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.checks import check_range
from chiasm.fuse.neural import Net, Neural, Tensor


class Adversarial(Neural):
    """A discriminator guesses the column of every code and the maps learn to fool it, by gradient reversal
    (Ganin & Lempitsky 2015, arXiv 1409.7495); then the mean of what a row has, and a head.

    strength : of the reversed gradient; 0 leaves the maps to the target alone.
    Others as `Neural`.
    """

    def __init__(
        self,
        width: int = 64,
        members: int = 3,
        drop: float = 0.2,
        corrupt: float = 0.1,
        epochs: int = 100,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.1,
        seed: int = 0,
        strength: float = 0.1,
    ) -> None:
        super().__init__(width, members, drop, corrupt, epochs, learning_rate, weight_decay, seed)
        self.strength = strength

    def _check(self) -> None:
        super()._check()
        check_range(self.strength, "strength", 0)

    def _net(self) -> Net:
        from chiasm.fuse.nets import AdversarialNet

        return AdversarialNet(self._seen(), len(self.base_), self.width)

    def _loss(self, net: Net, x: Mapping[str, Tensor], y: Tensor, weights: Tensor) -> Tensor:
        loss = super()._loss(net, x, y, weights)
        return loss + net.discriminator_loss(x, self.strength) if net.training else loss
