"""InfoNCE of big batches, exact, never holding all scores; imports torch, so import it only where it is used.

The scores (b, b) are made tile by tile, forward and once more backward (Inf-CL, Cheng et al. 2024, arXiv
2410.17243). What is kept between is, of every row and column, the largest score so far and the sum of the
exponentials relative to it, which moves as larger ones come (Milakov & Gimelshein 2018, arXiv 1805.02867): at
a scale of 100 scores lie 200 apart, more than one fixed reference bears. Within a tile one mostly does: then
one power serves both the row and the column of its score. Nine tenths of the time are matrix products, four
where the plain loss has three; what is saved is the memory that it has to fill and to read again.

Scores are in bits, log2(e) times as large, for a library's powers of two take a third of the time of its
exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import distributed

from chiasm.checks import check_range
from chiasm.errors import ShapeError, UsageError
from chiasm.train.contrastive import check_pairs

Tensor = Any
Group = Any
BORNE = 86.0
"""Powers of two that far below a reference, and 40 more, still count in single precision."""


def tiled_info_nce(
    left: Tensor,
    right: Tensor,
    scale: Tensor | float,
    positives: Tensor | None = None,
    *,
    tile: int = 1024,
    group: Group | None = None,
) -> Tensor:
    """`contrastive.info_nce` of left and right (b, d), in the memory of their gradients and a few tiles.

    Differentiable once, in left, right and scale.

    positives : whole numbers (b,), the same for rows that belong together; None: each to its partner alone.
    tile : rows and columns of scores held at a time.
    group : torch.distributed processes (under torchrun `torch.distributed.group.WORLD`) that each hold b rows
        of one batch. Each gets the loss of the whole batch, and gradients whose mean over the processes, as
        DistributedDataParallel takes it, is that loss's. Numbers in `positives` count across processes.
    """
    check_pairs(left, right, positives)
    check_range(tile, "tile", 1)
    if left.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"sums of {left.dtype} lose too much", where="left, right", hint="Call .float() first."
        )
    _check_equal(left, group)
    scale = torch.as_tensor(scale, dtype=left.dtype, device=left.device)
    if scale.numel() != 1:
        raise ShapeError(f"expected one number, got {tuple(scale.shape)}", where="scale")
    rank, b = 0 if group is None else distributed.get_rank(group), len(left)
    own = slice(rank * b, rank * b + b)
    ids = torch.arange(own.start, own.stop, device=left.device) if positives is None else positives
    ids = _gathered(ids, group).unique(return_inverse=True)[1]
    loss: Tensor = _TiledInfoNCE.apply(left, right, scale, ids, own, tile, group)
    return loss


class _TiledInfoNCE(torch.autograd.Function):  # type: ignore[misc]
    """Own rows `left` (b, d) against everyone's `right` (B, d); b = B in one process.

    S = scale · left rightᵀ are the scores (tiles hold S log₂e), P their softmax over each row plus that over
    each column, T (b, B) the target: 1 / size of the group where two rows belong together. The loss is
    (Σ log Σ exp S of rows + Σ log Σ exp S of columns − 2 Σ T S) / 2B, its gradient in S (P − 2 T) / 2B.
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: Tensor,
        right: Tensor,
        scale: Tensor,
        ids: Tensor,
        own: slice,
        tile: int,
        group: Group | None,
    ) -> Tensor:
        right = _gathered(right, group)
        rows, columns = _sums(left, right, scale, tile)
        columns = _merged(columns, group)
        agreement = _inner(_in_bits(left, scale), _means(right, ids, ids[own], ids)).double() * math.log(2)
        mine = _added((rows.log() - 2 * agreement).sum(), group)
        ctx.save_for_backward(left, right, scale, ids, *rows, *columns)
        ctx.own, ctx.tile, ctx.group = own, tile, group
        return ((mine + columns.log().sum()) / (2 * len(right))).to(left.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        left, right, scale, ids, *kept = ctx.saved_tensors
        rows, columns = Sums(*kept[:2]), Sums(*kept[2:])
        to_left = _means(right, ids, ids[ctx.own], ids).mul_(-2)
        to_right = _means(left, ids[ctx.own], ids, ids).mul_(-2)
        spare = _Buffer(left, ctx.tile)
        for i, j, scores in _tiles(left, right, scale, ctx.tile):
            p = _shares(scores, rows.part(i), columns.part(j), spare)
            to_left[i].addmm_(p, right[j])
            to_right[j].addmm_(p.T, left[i])
        to_right = _added(to_right, ctx.group)[ctx.own]
        each = gradient / (2 * len(left))  # of B in all, times the number of processes: their mean is taken
        to_scale = (each * _inner(left, to_left).sum()).reshape(scale.shape)
        return to_left.mul_(each * scale), to_right.mul_(each * scale), to_scale, None, None, None, None


class Sums(NamedTuple):
    """Σ 2^score of n rows or columns, held as total · 2^peak, the largest score the peak."""

    peak: Tensor
    total: Tensor

    @classmethod
    def none(cls, like: Tensor) -> Sums:
        """Of no score yet, a sum for each row of `like` (n, d)."""
        return cls(like.new_full((len(like),), -torch.inf), like.new_zeros(len(like)))

    def part(self, places: slice) -> Sums:
        """Views of some of them."""
        return Sums(self.peak[places], self.total[places])

    def add_(self, peak: Tensor, reference: Tensor, total: Tensor) -> None:
        """Take in more sums, total · 2^reference, of scores whose largest are `peak`."""
        self.raise_(torch.maximum(self.peak, peak))
        self.total.addcmul_(total, (reference - self.peak).exp2_())

    def raise_(self, peak: Tensor) -> None:
        """Take totals relative to a peak (n,) at least as high."""
        self.total.mul_((self.peak - peak).exp2_())
        self.peak.copy_(peak)

    def weights(self, reference: Tensor) -> Tensor:
        """2^reference as shares of the sums."""
        return (reference - self.peak).exp2_().div_(self.total)

    def log(self) -> Tensor:
        """Natural logarithms, in float64, in which the peak does not swallow the rest."""
        return (self.peak.double() + self.total.double().log2()) * math.log(2)


class _Buffer:
    """Memory of one tile that is used again and again: to have it made anew takes longer than to fill it."""

    def __init__(self, like: Tensor, tile: int) -> None:
        self.memory = like.new_empty(tile * tile)

    def shaped(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) of it."""
        return self.memory[: rows * columns].view(rows, columns)


def _tiles(left: Tensor, right: Tensor, scale: Tensor, tile: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Places in left, places in right, their scores in bits (≤ tile, ≤ tile), gone with the next."""
    memory = _Buffer(left, min(tile, len(right)))
    for i in range(0, len(left), tile):
        scaled = _in_bits(left[i : i + tile], scale)
        for j in range(0, len(right), tile):
            other = right[j : j + tile]
            scores = torch.mm(scaled, other.T, out=memory.shaped(len(scaled), len(other)))
            yield slice(i, i + tile), slice(j, j + tile), scores


def _in_bits(left: Tensor, scale: Tensor) -> Tensor:
    """Rows (n, d) whose inner products are scores in bits; rounded once, so that equal scores stay equal."""
    return left * (scale / math.log(2))


def _sums(left: Tensor, right: Tensor, scale: Tensor, tile: int) -> tuple[Sums, Sums]:
    """Of every row and of every column of the scores."""
    rows, columns = Sums.none(left), Sums.none(right)
    for i, j, scores in _tiles(left, right, scale, tile):
        across, down = scores.amax(1), scores.amax(0)
        top = across.max()
        if top - torch.minimum(across.min(), down.min()) <= BORNE:
            scores.sub_(top).exp2_()
            rows.part(i).add_(across, top, scores.sum(1))
            columns.part(j).add_(down, top, scores.sum(0))
        else:
            rows.part(i).add_(across, across, (scores - across[:, None]).exp2_().sum(1))
            columns.part(j).add_(down, down, scores.sub_(down).exp2_().sum(0))
    return rows, columns


def _shares(scores: Tensor, rows: Sums, columns: Sums, spare: _Buffer) -> Tensor:
    """P, 2^scores as shares of the sums of their rows plus shares of those of their columns, in place."""
    top = torch.minimum(rows.peak.max(), columns.peak.max())  # no score is higher
    other = spare.shaped(*scores.shape)
    if top - torch.minimum(rows.peak.min(), columns.peak.min()) <= BORNE:
        torch.add(rows.weights(top)[:, None], columns.weights(top), out=other)
        return scores.sub_(top).exp2_().mul_(other)
    torch.sub(scores, rows.peak[:, None], out=other).exp2_().div_(rows.total[:, None])
    return scores.sub_(columns.peak).exp2_().div_(columns.total).add_(other)


def _means(values: Tensor, ids: Tensor, asked: Tensor, all_ids: Tensor) -> Tensor:
    """T applied: Σ of the values (n, d) with the id asked for (q,), over the size of its group; (q, d)."""
    sizes = all_ids.bincount()
    sums = values.new_zeros(len(sizes), values.shape[1]).index_add_(0, ids, values)
    return sums.div_(sizes[:, None])[asked]


def _inner(left: Tensor, right: Tensor) -> Tensor:
    """(n,) inner products of rows (n, d), which are never multiplied as a whole."""
    return torch.bmm(left[:, None, :], right[:, :, None]).flatten()


def _gathered(values: Tensor, group: Group | None) -> Tensor:
    """The rows of all processes in their order."""
    if group is None:
        return values
    parts = [torch.empty_like(values) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(parts, values.contiguous(), group=group)
    return torch.cat(parts)


def _added(values: Tensor, group: Group | None) -> Tensor:
    """Summed over the processes, in place."""
    if group is not None:
        distributed.all_reduce(values, group=group)
    return values


def _merged(sums: Sums, group: Group | None) -> Sums:
    """The sums of all processes."""
    if group is not None:
        peak = sums.peak.clone()
        distributed.all_reduce(peak, distributed.ReduceOp.MAX, group=group)
        sums.raise_(peak)
        _added(sums.total, group)
    return sums


def _check_equal(left: Tensor, group: Group | None) -> None:
    """Raise, in every process, unless all have as many rows."""
    rows = _gathered(torch.tensor([len(left)], device=left.device), group).tolist()
    if len(set(rows)) > 1:
        hint = "Drop the last, smaller batch."
        raise ShapeError(f"processes hold different numbers of rows: {rows}", where="left, right", hint=hint)
