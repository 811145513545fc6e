"""Contrastive losses of paired rows, written plainly: pure functions of torch tensors that hold every score.

Row i of `left` belongs to row i of `right`; every row is there and of unit length. `positives` are whole
numbers (b,), the same for all rows that belong together: duplicates, several captions of a photo; None: each
row to its partner alone. `scale` is 1 / temperature, a number or a tensor of one. Memory grows with b²; with
`tiled` it does not.
"""

from __future__ import annotations

from typing import Any

from chiasm.errors import ShapeError, UsageError

Tensor = Any
Group = Any


def info_nce(left: Tensor, right: Tensor, scale: Tensor | float, positives: Tensor | None = None) -> Tensor:
    """Mean cross entropy of finding the partner, in both directions: left and right (b, d), a scalar.

    InfoNCE (van den Oord et al. 2018, arXiv 1807.03748), both ways as in CLIP (Radford et al. 2021, arXiv
    2103.00020). Several positives share the target evenly (L_out of Khosla et al. 2020, arXiv 2004.11362).
    """
    import torch
    from torch.nn.functional import cross_entropy

    check_pairs(left, right, positives)
    scores = (scale * left) @ right.T  # (b, b)
    target = torch.arange(len(left), device=left.device)
    if positives is not None:
        target = (positives[:, None] == positives).to(scores.dtype)
        target = target / target.sum(dim=1, keepdim=True)
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


def sigmoid_loss(
    left: Tensor,
    right: Tensor,
    scale: Tensor | float,
    bias: Tensor | float,
    positives: Tensor | None = None,
    *,
    group: Group | None = None,
) -> Tensor:
    """Cross entropy of 'these two belong together', the mean of the rows' sums over b pairs, a scalar.

    SigLIP (Zhai et al. 2023, arXiv 2303.15343), which starts from scale 10 and bias -10.

    group : torch.distributed processes that each hold b rows of one batch, as in `tiled_info_nce`: each gets
        the loss of the whole batch, and gradients whose mean over the processes is that loss's. A process
        holds the scores of its own rows against everyone's.
    """
    check_pairs(left, right, positives)
    if group is None:
        ids = row_ids(left, positives)
        return _sigmoid(left, right, scale, bias, ids, ids)
    from chiasm.train.processes import averaged, check_equal, first_row, gathered

    check_equal(left, group)
    ids = row_ids(left, positives, first_row(left, group))
    own = _sigmoid(left, gathered(right, group), scale, bias, ids, gathered(ids, group))
    return averaged(own, group)


def _sigmoid(
    left: Tensor, right: Tensor, scale: Tensor | float, bias: Tensor | float, ids: Tensor, others: Tensor
) -> Tensor:
    """Of rows left (b, d) with ids (b,) against right (B, d) with others (B,)."""
    from torch.nn.functional import logsigmoid

    scores = (scale * left) @ right.T + bias  # (b, B)
    sign = 2 * (ids[:, None] == others).to(scores.dtype) - 1
    return -logsigmoid(sign * scores).sum() / len(left)


def row_ids(left: Tensor, positives: Tensor | None, first: int = 0) -> Tensor:
    """(b,) the positives; where there are none, a number of its own for every row, from `first` on."""
    import torch

    return torch.arange(first, first + len(left), device=left.device) if positives is None else positives


def check_pairs(left: Tensor, right: Tensor, positives: Tensor | None) -> None:
    """Raise unless left and right are (b, d) of one floating type, b > 0, positives whole numbers (b,)."""
    if left.ndim != 2 or left.shape != right.shape or not len(left):
        got = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise ShapeError(f"expected two sides (b, d) of one shape, b > 0, got {got}", where="left, right")
    if left.dtype != right.dtype or not left.is_floating_point():
        raise UsageError(
            f"expected one floating type, got {left.dtype} and {right.dtype}", where="left, right"
        )
    if positives is None:
        return
    if positives.shape != left.shape[:1] or positives.is_floating_point():
        got = f"{positives.dtype} {tuple(positives.shape)}"
        raise ShapeError(f"expected whole numbers ({len(left)},), got {got}", where="positives")
