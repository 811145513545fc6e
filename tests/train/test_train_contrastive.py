"""The plain contrastive losses against their formulas written as loops over pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_softmax
from torch import distributed

from chiasm.errors import ShapeError, UsageError
from chiasm.train.contrastive import info_nce, sigmoid_loss

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.standard_normal((2, 7, 4))
IDS = np.array([3, 5, 3, 9, 5, 3, 0])


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(one) for one in arrays]


@pytest.mark.parametrize("ids", [None, IDS])
def test_info_nce_is_its_formula(ids: np.ndarray | None) -> None:
    own = np.arange(7) if ids is None else ids
    scores = 3 * LEFT @ RIGHT.T
    each = []
    for logs in (log_softmax(scores, axis=1), log_softmax(scores.T, axis=1)):
        each += [-np.mean([logs[i, j] for j in range(7) if own[i] == own[j]]) for i in range(7)]
    found = info_nce(*tensors(LEFT, RIGHT), 3.0, None if ids is None else torch.tensor(ids))
    assert float(found) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("ids", [None, IDS])
def test_sigmoid_loss_is_its_formula(ids: np.ndarray | None) -> None:
    own = np.arange(7) if ids is None else ids
    scores = 3 * LEFT @ RIGHT.T - 2
    signs = [[1 if own[i] == own[j] else -1 for j in range(7)] for i in range(7)]
    found = sigmoid_loss(*tensors(LEFT, RIGHT), 3.0, -2.0, None if ids is None else torch.tensor(ids))
    assert float(found) == pytest.approx(-log_expit(np.multiply(signs, scores)).sum() / 7)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[object]:
    """A group of one process."""
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield distributed.group.WORLD
    distributed.destroy_process_group()


@pytest.mark.parametrize("ids", [None, IDS])
def test_one_process_is_a_group_too(world: object, ids: np.ndarray | None) -> None:
    """Several are in tests/align/test_align_nets.py."""
    found = []
    for group in (None, world):
        leaves = [one.requires_grad_() for one in tensors(LEFT, RIGHT, np.array(3.0), np.array(-2.0))]
        loss = sigmoid_loss(*leaves, None if ids is None else torch.tensor(ids), group=group)
        loss.backward()
        found.append([loss.detach(), *(leaf.grad for leaf in leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_duplicates_told_are_not_pushed_apart() -> None:
    """Two rows twice: perfect where told, at least log 2 where each copy is the other's negative."""
    eye = torch.eye(2, dtype=torch.float64).repeat(2, 1)
    assert float(sigmoid_loss(eye, eye, 200.0, -100.0, torch.tensor([0, 1, 0, 1]))) < 1e-9
    assert float(sigmoid_loss(eye, eye, 200.0, -100.0)) > 10
    left = eye.clone().requires_grad_()
    info_nce(left, eye, 50.0, torch.tensor([0, 1, 0, 1])).backward()
    assert float(left.grad.abs().max()) < 1e-9


def test_a_wrong_shape_or_type_is_named() -> None:
    left, right = tensors(LEFT, RIGHT)
    for loss in (lambda *a: info_nce(*a[:2], 1.0, *a[2:]), lambda *a: sigmoid_loss(*a[:2], 1.0, 0.0, *a[2:])):
        with pytest.raises(ShapeError, match=r"left, right.*\(7, 4\) and \(6, 4\)"):
            loss(left, right[:6])
        with pytest.raises(ShapeError, match="b > 0"):
            loss(left[:0], right[:0])
        with pytest.raises(UsageError, match=r"float64 and torch\.float32"):
            loss(left, right.float())
        with pytest.raises(ShapeError, match=r"positives.*\(7,\).*\(3,\)"):
            loss(left, right, torch.arange(3))
        with pytest.raises(ShapeError, match=r"positives.*float32"):
            loss(left, right, torch.ones(7))
