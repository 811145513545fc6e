"""Losses of scores as `Task` reads them: pure functions of torch tensors, every row with its weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chiasm.checks import check_known

Tensor = Any
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(scores: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of -log softmax(scores)[y]: scores (n, q), y int64 (n,), weights (n,)."""
    from torch.nn import functional

    return mean(functional.cross_entropy(scores, y, reduction="none"), weights)


def binary(scores: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the binary cross entropies of q labels, summed: scores and y (n, q), weights (n,)."""
    from torch.nn import functional

    each = functional.binary_cross_entropy_with_logits(scores, y, reduction="none")
    return mean(each.sum(dim=1), weights)


def squared_error(scores: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the squared distances: scores and y (n, q), weights (n,)."""
    return mean(((scores - y) ** 2).sum(dim=1), weights)


def mean(each: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean of the rows' losses (n,); zero where all weights are."""
    return (each * weights).sum() / weights.sum().clamp(min=1e-12)


OF_KIND: dict[str, Loss] = {
    "classes": cross_entropy,
    "order": cross_entropy,
    "labels": binary,
    "number": squared_error,
    "numbers": squared_error,
}


def loss_of(kind: str) -> Loss:
    """The loss of a kind of target (`Task.kind`)."""
    check_known(kind, OF_KIND, "kind of target")
    return OF_KIND[kind]
