"""Tensor fusion: every product of modalities has its weight, all of them in a low-rank tensor."""

from __future__ import annotations

from chiasm.fuse.neural import Net, Neural


class Tensor(Neural):
    """Low-rank multimodal fusion (Liu et al. 2018, arXiv 1806.00064): `width` rank-one terms, each a
    product of one factor per column; an absent column's factor is one, so that it changes nothing.
    Parameters as `Neural`."""

    def _net(self) -> Net:
        from chiasm.fuse.nets import TensorNet

        return TensorNet(self._seen(), len(self.base_), self.width)
