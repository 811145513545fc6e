"""Attention fusion: one token per modality, read through a few bottleneck tokens."""

from __future__ import annotations

from chiasm.checks import check_range
from chiasm.errors import UsageError
from chiasm.fuse.neural import Net, Neural


class Attention(Neural):
    """Bottleneck tokens (Nagrani et al. 2021, arXiv 2107.00135) attend to the tokens of the columns that a
    row has and go through a feed-forward layer, twice; attention is one way, as in Jaegle et al. 2021 (arXiv
    2103.03206).

    tokens : bottleneck tokens.
    heads : of attention; they divide the width.
    Others as `Neural`. A sequence is read where its rows are given as columns (`context.in_sequence`).
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
        tokens: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__(width, members, drop, corrupt, epochs, learning_rate, weight_decay, seed)
        self.tokens = tokens
        self.heads = heads

    def _check(self) -> None:
        super()._check()
        check_range(self.tokens, "tokens", 1)
        check_range(self.heads, "heads", 1)
        if self.width % self.heads:
            raise UsageError(f"{self.heads} heads do not divide a width of {self.width}")

    def _net(self) -> Net:
        from chiasm.fuse.nets import AttentionNet

        return AttentionNet(self._seen(), len(self.base_), self.width, self.tokens, self.heads)
