"""Moved vectors, a judge of their columns, and their loss; imports torch, so it is imported when built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from chiasm.train.adversary import judge_of, told_apart
from chiasm.train.loop import initialise
from chiasm.train.pairs import Pair
from chiasm.train.tiled import tiled_info_nce

Tensor = Any
SCALE = 20.0
"""What cosines are multiplied by, to begin with."""


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
