"""The torch modules of the fusions; imports torch, so it is itself imported only when one is built.

All take {column: (n, d) standardised, NaN rows absent} with every learned column, and give scores (n, q).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from chiasm.train.adversary import discriminator_loss, new_discriminator

Tensor = Any
Inputs = Mapping[str, Tensor]


def key(column: str) -> str:
    """A column's name as torch allows it for a part of a module: without dots, unlike any method."""
    return "@" + column.replace("%", "%25").replace(".", "%2E")


class Maps(nn.Module):  # type: ignore[misc]
    """W_m: a linear map per column, zero where a row is absent."""

    def __init__(self, widths: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({key(c): nn.Linear(widths[c], width) for c in sorted(widths)})

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """Codes (n, m, width) and the mask (n, m) of what is present."""
        here = torch.stack([~x[c][:, 0].isnan() for c in sorted(x)], dim=1)
        codes = torch.stack([self.maps[key(c)](x[c].nan_to_num()) for c in sorted(x)], dim=1)
        return codes * here[:, :, None], here


class GatedNet(nn.Module):  # type: ignore[misc]
    """Σ w_m(X) tanh(W_m x_m): one gate per column, of all that is present, softmax over what is."""

    def __init__(self, widths: Mapping[str, int], outputs: int, width: int) -> None:
        super().__init__()
        self.maps, self.asked = Maps(widths, width), Maps(widths, width)
        self.gates = nn.ModuleDict({key(c): nn.Linear(width, 1) for c in sorted(widths)})
        self.head = nn.Linear(width, outputs)

    def weights(self, x: Inputs) -> Tensor:
        """(n, m) w_m(X) ≥ 0, zero where absent, a row's sum 1."""
        asked, here = self.asked(x)
        question = torch.tanh(asked.sum(dim=1))
        logits = torch.cat([gate(question) for gate in self.gates.values()], dim=1)
        return logits.masked_fill(~here, -torch.inf).softmax(dim=1)

    def forward(self, x: Inputs) -> Tensor:
        """Scores (n, q)."""
        codes, _ = self.maps(x)
        return self.head((self.weights(x)[:, :, None] * torch.tanh(codes)).sum(dim=1))


class TensorNet(nn.Module):  # type: ignore[misc]
    """H Π_m (1 + U_m tanh(W_m x_m)): the weights of the outer product of all [z_m; 1] as `width` rank-one
    terms; an absent column's factor is one."""

    def __init__(self, widths: Mapping[str, int], outputs: int, width: int) -> None:
        super().__init__()
        self.maps = Maps(widths, width)
        self.factors = nn.ModuleDict({key(c): nn.Linear(width, width) for c in sorted(widths)})
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Inputs) -> Tensor:
        """Scores (n, q)."""
        codes, here = self.maps(x)
        seen = torch.tanh(codes).unbind(dim=1)
        factors = [factor(z) for factor, z in zip(self.factors.values(), seen, strict=True)]
        return self.head((1 + torch.stack(factors, dim=1) * here[:, :, None]).prod(dim=1))


class Reading(nn.Module):  # type: ignore[misc]
    """Bottleneck tokens attend to the tokens that are present, then pass a feed-forward layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.thought = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, bottleneck: Tensor, tokens: Tensor, here: Tensor) -> Tensor:
        """(n, b, width) of bottleneck (n, b, width), tokens (n, m, width) and mask (n, m)."""
        query = normal(bottleneck)
        read, _ = self.attention(query, tokens, tokens, key_padding_mask=~here, need_weights=False)
        bottleneck = bottleneck + read
        return bottleneck + self.thought(normal(bottleneck))


class AttentionNet(nn.Module):  # type: ignore[misc]
    """One token per column, read through a few bottleneck tokens, twice."""

    def __init__(self, widths: Mapping[str, int], outputs: int, width: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.maps = Maps(widths, width)
        self.bottleneck = nn.Parameter(torch.empty(tokens, width))
        self.readings = nn.ModuleList([Reading(width, heads) for _ in range(2)])
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Inputs) -> Tensor:
        """Scores (n, q)."""
        codes, here = self.maps(x)
        tokens = normal(codes)
        bottleneck = self.bottleneck.expand(len(tokens), -1, -1)
        for reading in self.readings:
            bottleneck = reading(bottleneck, tokens, here)
        return self.head(normal(bottleneck).mean(dim=1))


class AdversarialNet(nn.Module):  # type: ignore[misc]
    """The mean of codes whose column a discriminator cannot tell, and a head."""

    def __init__(self, widths: Mapping[str, int], outputs: int, width: int) -> None:
        super().__init__()
        self.maps = Maps(widths, width)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))
        self.judge = new_discriminator(width, len(widths))

    def forward(self, x: Inputs) -> Tensor:
        """Scores (n, q)."""
        codes, here = self.maps(x)
        return self.head(torch.tanh(codes).sum(dim=1) / here.sum(dim=1, keepdim=True))

    def discriminator_loss(self, x: Inputs, strength: float) -> Tensor:
        """Cross entropy of the discriminator over the cells present; its gradient reaches the maps reversed
        and times `strength`."""
        codes, here = self.maps(x)
        cells = torch.tanh(codes)[here]
        column = here.nonzero()[:, 1]
        return discriminator_loss(self.judge, cells, column, strength)


def normal(values: Tensor) -> Tensor:
    """The last axis at mean 0 and variance 1."""
    return nn.functional.layer_norm(values, values.shape[-1:])
