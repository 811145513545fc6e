"""The torch modules of aligners and their losses; imports torch, so it is imported when one is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from chiasm.train.adversary import discriminator_loss, new_discriminator
from chiasm.train.contrastive import info_nce, sigmoid_loss
from chiasm.train.loop import initialise
from chiasm.train.pairs import Pair
from chiasm.train.processes import world
from chiasm.train.tiled import tiled_info_nce

Tensor = Any

LARGEST = 100.0  # scale, as in CLIP
NEIGHBOURHOOD = 0.05  # temperature of the softmax over neighbours
SCALE = 20.0  # what cosines of moved vectors are multiplied by, to begin with
TILED = 2048  # rows a step from which scores are made by tiles


class Head(nn.Module):  # type: ignore[misc]
    """s + relu(x A + a) B, or s + x A without hidden units, at unit length, of [x, s] (b, width + dim)."""

    def __init__(self, width: int, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.widths, self.dropout = (width, dim), dropout
        self.inner = nn.Parameter(torch.empty(width, hidden or dim))
        self.bias = nn.Parameter(torch.empty(hidden)) if hidden else None
        self.outer = nn.Parameter(torch.empty(hidden, dim)) if hidden else None

    def forward(self, values: Tensor) -> Tensor:
        """To unit rows (b, dim)."""
        x, start = values.split(self.widths, dim=1)
        moved = x @ self.inner
        if self.outer is not None:
            active = functional.dropout(torch.relu(moved + self.bias), self.dropout, self.training)
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

    In several processes every row is told from those of all; neighbourhoods are of a process's own rows.

    loss : "info_nce" or "sigmoid".
    rows : how many there are; their ids are below it.
    alpha : of the Beta distribution of `mixup`; 0 for none.
    structure : weight of `neighbourhood_divergence`.
    """

    def __init__(self, loss: str, rows: int, alpha: float = 0.0, structure: float = 0.0) -> None:
        self.loss, self.rows, self.alpha, self.structure = loss, rows, alpha, structure

    def __call__(self, net: Heads, pairs: list[Pair]) -> Tensor:
        """The mean over the pairs of columns."""
        mixed = [mixup(pair, self.alpha, self.rows) for pair in pairs] if self.alpha else pairs
        return torch.stack([self._of(net, pair) for pair in mixed]).mean()

    def _of(self, net: Heads, pair: Pair) -> Tensor:
        left, right = net(pair.columns[0], pair.left), net(pair.columns[1], pair.right)
        if self.loss == "sigmoid":
            value = sigmoid_loss(left, right, clamped(net.scale), net.bias, pair.ids, group=world())
        else:
            value = contrast(left, right, net.scale, pair.ids)
        if self.structure:
            a, b = (net.features(c, x) for c, x in zip(pair.columns, (pair.left, pair.right), strict=True))
            changed = neighbourhood_divergence(a, left) + neighbourhood_divergence(b, right)
            value = value + self.structure * changed
        return value


def contrast(left: Tensor, right: Tensor, scale: Tensor, ids: Tensor) -> Tensor:
    """InfoNCE over the rows of all processes, by tiles where there are several or many rows; `scale` a
    logarithm."""
    group = world()
    if group is not None or len(left) >= TILED:
        return tiled_info_nce(left, right, clamped(scale), ids, group=group)
    return info_nce(left, right, clamped(scale), ids)


def clamped(scale: Tensor) -> Tensor:
    """exp(scale), at most `LARGEST`."""
    return scale.exp().clamp(max=LARGEST)


def mixup(pair: Pair, alpha: float, rows: int) -> Pair:
    """Rows mixed with others, both columns by the same shares (FuseMix, arXiv 2312.10144).

    Mixtures belong together where what was mixed does: their ids tell both, in every process alike, for all
    ids are below `rows`.
    """
    share = torch.distributions.Beta(alpha, alpha).sample((len(pair.ids), 1))
    other = torch.randperm(len(pair.ids))
    left, right = (share * x + (1 - share) * x[other] for x in (pair.left, pair.right))
    return Pair(pair.columns, left, right, pair.ids * rows + pair.ids[other])


def neighbourhood_divergence(given: Tensor, found: Tensor) -> Tensor:
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


class ResidualHeads(nn.Module):  # type: ignore[misc]
    """x + relu(x A + a) B at unit length, a column its own; and a discriminator that tells columns apart."""

    def __init__(self, columns: list[str], width: int, hidden: int, strength: float) -> None:
        super().__init__()
        self.columns = columns
        self.inner = nn.ModuleList([nn.Linear(width, hidden) for _ in columns])
        self.outer = nn.ModuleList([nn.Linear(hidden, width, bias=False) for _ in columns])
        self.discriminator = new_discriminator(width, len(columns))
        self.scale = nn.Parameter(torch.tensor(0.0))
        # beside the parameters, so that trainings of different strength are told apart
        self.register_buffer("strength", torch.tensor(strength))

    def forward(self, column: str, x: Tensor) -> Tensor:
        """Unit rows (b, k) of one column, moved."""
        i = self.columns.index(column)
        return functional.normalize(x + self.outer[i](torch.relu(self.inner[i](x))), dim=1)


def residual_heads(columns: list[str], width: int, hidden: int, strength: float, seed: int) -> ResidualHeads:
    """New ones, which move nothing yet."""
    net: ResidualHeads = initialise(ResidualHeads(columns, width, hidden, strength).to("meta"), seed)
    net.strength.fill_(strength)
    with torch.no_grad():
        net.scale.fill_(SCALE).log_()
        for outer in net.outer:
            outer.weight.zero_()
    return net


class AdversarialLoss:
    """InfoNCE of a step's pairs, and the discriminator's cross entropy of `batch` vectors of every column.

    items : {column: (items, k)} all of them, in pairs or not.
    """

    def __init__(self, items: Mapping[str, Tensor], batch: int) -> None:
        self.items, self.batch = items, batch

    def __call__(self, net: ResidualHeads, pairs: list[Pair]) -> Tensor:
        """The sum of both."""
        near = [
            contrast(net(p.columns[0], p.left), net(p.columns[1], p.right), net.scale, p.ids) for p in pairs
        ]
        vectors = [net(c, self._drawn(c)) for c in net.columns]
        column = torch.arange(len(vectors)).repeat_interleave(torch.tensor([len(v) for v in vectors]))
        told = discriminator_loss(net.discriminator, torch.cat(vectors), column, net.strength)
        return torch.stack(near).mean() + told

    def _drawn(self, column: str) -> Tensor:
        values = self.items[column]
        return values[torch.randint(len(values), (min(self.batch, len(values)),))]
