"""What the processes of one training tell each other; imports torch, so import it only where it is used."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed

from chiasm.errors import ShapeError

Tensor = Any
Group = Any


def world() -> Group | None:
    """The group of all processes, None where there is one alone."""
    several = distributed.is_initialized() and distributed.get_world_size() > 1
    return distributed.group.WORLD if several else None


def gathered(values: Tensor, group: Group) -> Tensor:
    """The rows of all processes in their order; what each of them asks of a row goes back to its owner."""
    rows: Tensor = _Gathered.apply(values, group)
    return rows


def first_row(values: Tensor, group: Group) -> int:
    """The place of this process's first row among those of all."""
    return int(distributed.get_rank(group)) * len(values)


class _Gathered(torch.autograd.Function):  # type: ignore[misc]
    """Rows (b, …) of every process as (B, …); backward, the sum over the processes of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: Group) -> Tensor:
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size(group))]
        distributed.all_gather(parts, values.contiguous(), group=group)
        first = first_row(values, group)
        ctx.own, ctx.group = slice(first, first + len(values)), group
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient, group=ctx.group)
        return gradient[ctx.own], None


def averaged(loss: Tensor, group: Group) -> Tensor:
    """The mean of all processes' losses, with the gradient of the own one: DistributedDataParallel takes the
    mean of the gradients."""
    mean = loss.detach().clone()
    distributed.all_reduce(mean, group=group)
    return loss + (mean / distributed.get_world_size(group) - loss).detach()


def check_equal(left: Tensor, group: Group) -> None:
    """Raise, in every process, unless all have as many rows."""
    rows = gathered(torch.tensor([len(left)], device=left.device), group).tolist()
    if len(set(rows)) > 1:
        hint = "Drop the last, smaller batch."
        raise ShapeError(f"processes hold different numbers of rows: {rows}", where="left, right", hint=hint)
