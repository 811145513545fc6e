"""The torch modules of aligners and their losses; imports torch, so it is imported when one is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import distributed, nn
from torch.nn import functional

from chiasm.train.adversary import judge_of, told_apart
from chiasm.train.contrastive import info_nce, sigmoid_loss
from chiasm.train.loop import initialise
from chiasm.train.pairs import Pair
from chiasm.train.tiled import tiled_info_nce

Tensor = Any

LARGEST = 100.0  # scale, as in CLIP
NEIGHBOURHOOD = 0.05  # temperature of the softmax over neighbours
SCALE = 20.0  # what cosines of moved vectors are multiplied by, to begin with


class Head(nn.Module):  # type: ignore[misc]
    """s + relu(x A + a) B, or s + x A without hidden units, at unit length, of [x, s] (b, width + dim)."""

    def __init__(self, width: int, dim: int, hidden: int, drop: float) -> None:
        super().__init__()
        self.widths, self.drop = (width, dim), drop
        self.inner = nn.Parameter(torch.empty(width, hidden or dim))
        self.bias = nn.Parameter(torch.empty(hidden)) if hidden else None
        self.outer = nn.Parameter(torch.empty(hidden, dim)) if hidden else None

    def forward(self, values: Tensor) -> Tensor:
        """To unit rows (b, dim)."""
        x, start = values.split(self.widths, dim=1)
        moved = x @ self.inner
        if self.outer is not None:
            active = functional.dropout(torch.relu(moved + self.bias), self.drop, self.training)
            moved = active @ self.outer
        return functional.normalize(start + moved, dim=1)


class Heads(nn.Module):  # type: ignore[misc]
    """A head a column, and what turns cosines into logits: exp(scale), and a bias for the sigmoid loss."""

    def __init__(self, heads: Mapping[str, Head], scale: float, bias: float | None) -> None:
        super().__init__()
        self.columns = sorted(heads)
        self.heads = nn.ModuleList([heads[c] for c in self.columns])
        self.scale = nn.Parameter(torch.tensor(scale).log())
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))

    def forward(self, column: str, values: Tensor) -> Tensor:
        """Items [x, s] of one column to unit rows (b, k)."""
        return self.heads[self.columns.index(column)](values)

    def features(self, column: str, values: Tensor) -> Tensor:
        """x of items [x, s] of one column."""
        return values[:, : self.heads[self.columns.index(column)].widths[0]]


class Objective:
    """The loss of one step's pairs: contrastive, of mixed rows if asked, with neighbourhoods if asked.

    loss : "info_nce" or "sigmoid".
    mixup : α of Beta(α, α); 0 for none.
    structure : weight of `unlike`.
    tiled : rows from which InfoNCE is computed by tiles; in several processes it always is, over all of them,
        where the sigmoid loss knows its own rows only.
    """

    def __init__(self, loss: str, mixup: float, structure: float, tiled: int) -> None:
        self.loss, self.mixup, self.structure, self.tiled = loss, mixup, structure, tiled

    def __call__(self, net: Heads, pairs: list[Pair]) -> Tensor:
        """The mean over the pairs of columns."""
        return torch.stack([self._of(net, mixed(pair, self.mixup)) for pair in pairs]).mean()

    def _of(self, net: Heads, pair: Pair) -> Tensor:
        left, right = net(pair.columns[0], pair.left), net(pair.columns[1], pair.right)
        scale = net.scale.exp().clamp(max=LARGEST)
        value = self._contrast(left, right, scale, net.bias, pair.ids)
        if self.structure:
            a, b = (net.features(c, x) for c, x in zip(pair.columns, (pair.left, pair.right), strict=True))
            value = value + self.structure * (unlike(a, left) + unlike(b, right))
        return value

    def _contrast(
        self, left: Tensor, right: Tensor, scale: Tensor, bias: Tensor | None, ids: Tensor
    ) -> Tensor:
        if bias is not None:
            return sigmoid_loss(left, right, scale, bias, ids)
        several = distributed.is_initialized() and distributed.get_world_size() > 1
        if several or len(left) >= self.tiled:
            group = distributed.group.WORLD if several else None
            return tiled_info_nce(left, right, scale, ids, group=group)
        return info_nce(left, right, scale, ids)


def mixed(pair: Pair, alpha: float) -> Pair:
    """Rows mixed with others, both columns by the same shares (FuseMix, arXiv 2312.10144).

    Mixtures belong together where what was mixed does.
    """
    if not alpha:
        return pair
    share = torch.distributions.Beta(alpha, alpha).sample((len(pair.ids), 1))
    other = torch.randperm(len(pair.ids))
    left, right = (share * x + (1 - share) * x[other] for x in (pair.left, pair.right))
    return Pair(pair.columns, left, right, pair.ids * (int(pair.ids.max()) + 1) + pair.ids[other])


def unlike(given: Tensor, found: Tensor) -> Tensor:
    """How far the neighbourhoods of a batch have changed: given (b, d), found (b, k) unit rows, a scalar.

    The mean Jensen–Shannon divergence between each row's softmax of cosines before and after (STRUCTURE,
    arXiv 2506.16895, its first level), features less the batch's mean.
    """
    before, after = (
        functional.log_softmax(x @ x.T / NEIGHBOURHOOD, dim=1)
        for x in (functional.normalize(given - given.mean(dim=0), dim=1), found)
    )
    middle = torch.logaddexp(before, after) - math.log(2)
    both = [functional.kl_div(middle, p, reduction="batchmean", log_target=True) for p in (before, after)]
    return sum(both) / 2


class Mover(nn.Module):  # type: ignore[misc]
    """x + relu(x A + a) B at unit length, a column its own; and a judge who tells columns apart."""

    def __init__(self, columns: list[str], width: int, hidden: int, strength: float) -> None:
        super().__init__()
        self.columns = columns
        self.inner = nn.ModuleList([nn.Linear(width, hidden) for _ in columns])
        self.outer = nn.ModuleList([nn.Linear(hidden, width, bias=False) for _ in columns])
        self.judge = judge_of(width, len(columns))
        self.scale = nn.Parameter(torch.tensor(0.0))
        # beside the parameters, so that trainings of different strength are told apart
        self.register_buffer("strength", torch.tensor(strength))

    def forward(self, column: str, x: Tensor) -> Tensor:
        """Unit rows (b, k) of one column, moved."""
        i = self.columns.index(column)
        return functional.normalize(x + self.outer[i](torch.relu(self.inner[i](x))), dim=1)


def mover(columns: list[str], width: int, hidden: int, strength: float, seed: int) -> Mover:
    """A new one, which moves nothing yet."""
    net: Mover = initialise(Mover(columns, width, hidden, strength).to("meta"), seed)
    net.strength.fill_(strength)
    with torch.no_grad():
        net.scale.fill_(SCALE).log_()
        for outer in net.outer:
            outer.weight.zero_()
    return net


class Fooling:
    """InfoNCE of a step's pairs, and the cross entropy of the judge over `batch` vectors of every column.

    items : {column: (items, k)} all of them, in pairs or not.
    """

    def __init__(self, items: Mapping[str, Tensor], batch: int) -> None:
        self.items, self.batch = items, batch

    def __call__(self, net: Mover, pairs: list[Pair]) -> Tensor:
        """The sum of both."""
        near = [
            tiled_info_nce(net(p.columns[0], p.left), net(p.columns[1], p.right), net.scale.exp(), p.ids)
            for p in pairs
        ]
        vectors = [net(c, self._drawn(c)) for c in net.columns]
        column = torch.arange(len(vectors)).repeat_interleave(torch.tensor([len(v) for v in vectors]))
        return torch.stack(near).mean() + told_apart(net.judge, torch.cat(vectors), column, net.strength)

    def _drawn(self, column: str) -> Tensor:
        values = self.items[column]
        return values[torch.randint(len(values), (min(self.batch, len(values)),))]
