"""InfoNCE of big batches, exact, never holding all scores; imports torch, so import it only where it is used.

The scores (b, b) are made tile by tile, forward and once more backward (Inf-CL, Cheng et al. 2024, arXiv
2410.17243). What is kept between is the sum of exponentials of every row and every column.

Exponentials need a reference that keeps them within the range of their numbers. Every sum holds the score of
its own pair, so it is at least as large: where the scores of the pairs lie close enough together, one
reference bears all sums, and one power serves both the row and the column of its score. Where they do not (at
a scale of 100 scores can lie 200 apart), or where a stranger's score is too high, each row and column has its
own: the largest score so far, its sum moving along as larger ones come (Milakov & Gimelshein 2018, arXiv
1805.02867).

Scores are in bits, log2(e) times as large, for a library's powers of two take a third of the time of its
exponentials. Nine tenths of the time are matrix products, four where the plain loss has three; what is saved
is the memory that it has to fill and to read again.
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
from chiasm.train.processes import check_equal, first_row, gathered

Tensor = Any
Group = Any
HEADROOM, FOOTROOM = 100.0, 86.0
"""Bits above and below the reference at which a pair's score may lie. Single precision ends below 2^128; its
smallest normal number, 2^-126, is then 40 bits below every sum, where no term counts any more."""


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
    if group is not None:
        check_equal(left, group)
    scale = torch.as_tensor(scale, dtype=left.dtype, device=left.device)
    if scale.numel() != 1:
        raise ShapeError(f"expected one number, got {tuple(scale.shape)}", where="scale")
    start = 0 if group is None else first_row(left, group)
    own = slice(start, start + len(left))
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
        reference = _common_reference(_inner(_in_bits(left, scale), right[own]), group)
        rows, columns = _sums(left, right, scale, tile, reference, group)
        if reference is not None and not _most(torch.cat([rows.total, columns.total]), group).isfinite():
            reference = None
            rows, columns = _sums(left, right, scale, tile, reference, group)
        agreement = _inner(_in_bits(left, scale), _means(right, ids, ids[own], ids)).double() * math.log(2)
        mine = _added((rows.log() - 2 * agreement).sum(), group)
        ctx.save_for_backward(left, right, scale, ids, *rows, *columns)
        ctx.own, ctx.tile, ctx.reference, ctx.group = own, tile, reference, group
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
            p = _softmaxes(scores, rows.part(i), columns.part(j), ctx.reference, spare)
            to_left[i].addmm_(p, right[j])
            to_right[j].addmm_(p.T, left[i])
        to_right = _added(to_right, ctx.group)[ctx.own]
        each = gradient / (2 * len(left))  # of B in all, times the number of processes: their mean is taken
        to_scale = (each * _inner(left, to_left).sum()).reshape(scale.shape)
        return to_left.mul_(each * scale), to_right.mul_(each * scale), to_scale, None, None, None, None


class Sums(NamedTuple):
    """Σ 2^score of n rows or columns, held as total · 2^peak: their largest score, or one reference."""

    peak: Tensor
    total: Tensor

    @classmethod
    def none(cls, like: Tensor, peak: float) -> Sums:
        """Of no score yet, a sum for each row of `like` (n, d)."""
        return cls(like.new_full((len(like),), peak), like.new_zeros(len(like)))

    def part(self, places: slice) -> Sums:
        """Views of some of them."""
        return Sums(self.peak[places], self.total[places])

    def add_(self, peak: Tensor, total: Tensor) -> None:
        """Take in more sums, total · 2^peak."""
        larger = torch.maximum(self.peak, peak)
        self.raise_(larger)
        self.total.addcmul_(total, (peak - larger).exp2_())

    def raise_(self, peak: Tensor) -> None:
        """Take totals relative to a peak (n,) at least as high."""
        self.total.mul_((self.peak - peak).exp2_())
        self.peak.copy_(peak)

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


def _common_reference(own: Tensor, group: Group | None) -> float | None:
    """What bears every sum, 0 if it can be; `own` (n,) are the scores of pairs, which no sum is below."""
    low, high = -float(_most(-own, group)), float(_most(own, group))
    reference = max(high - HEADROOM, min(low + FOOTROOM, 0.0))
    return reference if low >= reference - FOOTROOM else None


def _sums(
    left: Tensor, right: Tensor, scale: Tensor, tile: int, reference: float | None, group: Group | None
) -> tuple[Sums, Sums]:
    """Of own rows and everyone's columns of the scores; infinite where one is too high for the reference."""
    peak = -math.inf if reference is None else reference
    rows, columns = Sums.none(left, peak), Sums.none(right, peak)
    for i, j, scores in _tiles(left, right, scale, tile):
        if reference is None:
            across, down = scores.amax(1), scores.amax(0)
            rows.part(i).add_(across, (scores - across[:, None]).exp2_().sum(1))
            columns.part(j).add_(down, scores.sub_(down).exp2_().sum(0))
        else:
            powers = _powers(scores, reference)
            rows.total[i] += powers.sum(1)
            columns.total[j] += powers.sum(0)
    return rows, _merged(columns, group)


def _powers(scores: Tensor, reference: float) -> Tensor:
    """2^(scores - reference), in place."""
    return (scores.sub_(reference) if reference else scores).exp2_()


def _softmaxes(scores: Tensor, rows: Sums, columns: Sums, reference: float | None, spare: _Buffer) -> Tensor:
    """P, the softmax of scores over their rows plus that over their columns, in place."""
    other = spare.shaped(*scores.shape)
    if reference is None:
        torch.sub(scores, rows.peak[:, None], out=other).exp2_().div_(rows.total[:, None])
        return scores.sub_(columns.peak).exp2_().div_(columns.total).add_(other)
    torch.add(1 / rows.total[:, None], 1 / columns.total, out=other)
    return _powers(scores, reference).mul_(other)


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
    return values if group is None else gathered(values, group)


def _added(values: Tensor, group: Group | None) -> Tensor:
    """Summed over the processes, in place."""
    if group is not None:
        distributed.all_reduce(values, group=group)
    return values


def _most(values: Tensor, group: Group | None) -> Tensor:
    """The largest of all processes' values."""
    largest = values.max()
    if group is not None:
        distributed.all_reduce(largest, distributed.ReduceOp.MAX, group=group)
    return largest


def _merged(sums: Sums, group: Group | None) -> Sums:
    """The sums of all processes."""
    if group is not None:
        peak = sums.peak.clone()
        distributed.all_reduce(peak, distributed.ReduceOp.MAX, group=group)
        sums.raise_(peak)
        _added(sums.total, group)
    return sums
