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
        target = together(left, positives).to(scores.dtype)
        target = target / target.sum(dim=1, keepdim=True)
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


def sigmoid_loss(
    left: Tensor, right: Tensor, scale: Tensor | float, bias: Tensor | float, positives: Tensor | None = None
) -> Tensor:
    """Cross entropy of 'these two belong together', the mean of the rows' sums over b pairs, a scalar.

    SigLIP (Zhai et al. 2023, arXiv 2303.15343), which starts from scale 10 and bias -10.
    """
    from torch.nn.functional import logsigmoid

    check_pairs(left, right, positives)
    scores = (scale * left) @ right.T + bias  # (b, b)
    sign = 2 * together(left, positives).to(scores.dtype) - 1
    return -logsigmoid(sign * scores).sum() / len(left)


def together(left: Tensor, positives: Tensor | None) -> Tensor:
    """(b, b) whether two rows belong together."""
    import torch

    ids = torch.arange(len(left), device=left.device) if positives is None else positives
    return ids[:, None] == ids


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
