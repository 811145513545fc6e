"""The loss by tiles beside the plain one that holds every score: values, gradients, processes."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributed

from chiasm.errors import ShapeError, UsageError
from chiasm.train import tiled
from chiasm.train.contrastive import info_nce
from chiasm.train.tiled import FOOTROOM, HEADROOM, tiled_info_nce


def sides(b: int, d: int = 16, dtype: torch.dtype = torch.float64, noise: float = 0.5, seed: int = 0):
    """Unit rows (b, d), the right ones being the left ones with noise."""
    own = torch.Generator().manual_seed(seed)
    left = torch.randn(b, d, generator=own, dtype=dtype)
    right = left + noise * torch.randn(b, d, generator=own, dtype=dtype)
    return [torch.nn.functional.normalize(x, dim=1) for x in (left, right)]


def learned(loss, left, right, scale: float = 14.0, positives=None, **options) -> list[torch.Tensor]:
    """Loss and gradients in left, right and scale."""
    left, right = (x.clone().requires_grad_() for x in (left, right))
    scale = torch.tensor(scale, dtype=left.dtype, requires_grad=True)
    value = loss(left, right, scale, positives, **options)
    value.backward()
    return [value.detach(), left.grad, right.grad, scale.grad]


def assert_near(found: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float) -> None:
    """Within the tolerance of the largest number of each."""
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert float((one - other).abs().max()) <= tolerance * float(other.abs().max())


@settings(max_examples=40, deadline=None)
@given(
    b=st.integers(1, 40),
    tile=st.integers(1, 50),
    scale=st.floats(-5, 120),
    groups=st.one_of(st.none(), st.integers(1, 30)),
    seed=st.integers(0, 99),
)
def test_it_is_the_plain_loss(b: int, tile: int, scale: float, groups: int | None, seed: int) -> None:
    left, right = sides(b, seed=seed)
    own = torch.Generator().manual_seed(seed)
    ids = None if groups is None else torch.randint(groups, (b,), generator=own)
    found = learned(tiled_info_nce, left, right, scale, ids, tile=tile)
    expected = learned(info_nce, left, right, scale, ids)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("scale", [1.0, 14.0, 100.0])
def test_its_gradients_are_the_plain_ones(dtype: torch.dtype, tolerance: float, scale: float) -> None:
    left, right = sides(700, 64, dtype, noise=2.0)
    ids = torch.arange(700) // 3
    for positives in (None, ids):
        found = learned(tiled_info_nce, left, right, scale, positives, tile=128)
        assert_near(found, learned(info_nce, left, right, scale, positives), tolerance)


def test_finite_differences_agree() -> None:
    left, right = (x.requires_grad_() for x in sides(7, 3))
    for shape in ((), (1,)):
        scale = torch.full(shape, 4.0, dtype=torch.float64, requires_grad=True)
        for ids in (None, torch.tensor([4, 4, 9, 4, 1, 9, 0])):
            assert torch.autograd.gradcheck(
                lambda left, right, scale, ids=ids: tiled_info_nce(left, right, scale, ids, tile=3),
                (left, right, scale),
            )


def test_scores_far_apart_do_not_underflow() -> None:
    """Some rows have their best score at -100, others at +100: no one reference serves both."""
    left, right = sides(12, 8, torch.float32)
    left[:6], right[:] = -left[6:], left[6:].repeat(2, 1)
    right[0] = -right[1]
    found = learned(tiled_info_nce, left, right, 100.0, tile=5)
    expected = learned(info_nce, *(x.double() for x in (left, right)), 100.0)
    assert all(bool(x.isfinite().all()) for x in found)
    assert_near([x.double() for x in found], expected, 1e-5)


def diagonal(scores: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sides (n, n) whose pairs have these scores in bits at scale 1, strangers 0."""
    return torch.diag(torch.tensor(scores) * math.log(2)), torch.eye(len(scores))


@pytest.mark.parametrize("apart", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("high", [0.0, 90.0, 130.0])
def test_one_reference_bears_as_much_as_one_for_each_row(high: float, apart: float) -> None:
    """A pair's score lies so far below another's: within and beyond what one reference bears."""
    left, right = diagonal([high, high, high - apart * (HEADROOM + FOOTROOM), 3.0, 4.0])
    left += 0.5 * right.roll(1, 0)  # some score of strangers
    for tile in (2, 5):
        found = learned(tiled_info_nce, left, right, 1.0, tile=tile)
        expected = learned(info_nce, *(x.double() for x in (left, right)), 1.0)
        assert_near([x.double() for x in found], expected, 1e-5)
        for side in (1, 2):
            assert_near(list(found[side].double()), list(expected[side]), 1e-4)


@pytest.mark.parametrize(
    ("scores", "reference"),
    [
        ([0.0, 5.0], 0.0),
        ([-FOOTROOM, HEADROOM], 0.0),
        ([60.0, 130.0], 130 - HEADROOM),
        ([-200.0, -90.0], -200 + FOOTROOM),
        ([-100.0, 86.0], -100 + FOOTROOM),
        ([-100.0, 87.0], None),
        ([math.nan, 0.0], None),
    ],
)
def test_the_reference_lies_within_reach_of_every_pair(scores: list[float], reference: float | None) -> None:
    assert tiled._common_reference(torch.tensor(scores), None) == reference


def test_a_stranger_beyond_the_reference_is_no_infinity() -> None:
    """Pairs at 0 and 10 bits; one pair of strangers at 150, whose power single precision does not hold."""
    left, right = diagonal([0.0, 10.0, 5.0])
    left[0, 2] = 150 * math.log(2)
    for tile in (1, 3):
        found = learned(tiled_info_nce, left, right, 1.0, tile=tile)
        expected = learned(info_nce, *(x.double() for x in (left, right)), 1.0)
        assert_near([x.double() for x in found], expected, 1e-5)


def test_a_perfect_batch_loses_nothing_at_scale_100() -> None:
    eye = torch.eye(9)
    value, to_left, _, _ = learned(tiled_info_nce, eye, eye, 100.0, tile=4)
    assert float(value) == 0
    assert float(to_left.abs().max()) < 1e-40


def test_the_order_of_the_rows_has_no_say() -> None:
    left, right = sides(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    one = learned(tiled_info_nce, left, right, tile=7)
    other = learned(tiled_info_nce, left[order], right[order], tile=7)
    assert_near(other, [one[0], one[1][order], one[2][order], one[3]], 1e-12)


def test_it_never_holds_all_scores() -> None:
    """The largest tensor that autograd keeps is as large as a side."""
    kept = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept.append(x.numel())
        return x

    left, right = (x.requires_grad_() for x in sides(300, 4))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        tiled_info_nce(left, right, 14.0, tile=50).backward()
    assert max(kept) == 1200


def test_wrong_use_is_named() -> None:
    left, right = sides(4)
    with pytest.raises(UsageError, match="tile must lie"):
        tiled_info_nce(left, right, 1.0, tile=0)
    with pytest.raises(UsageError, match=r"float16.*\.float\(\)"):
        tiled_info_nce(left.half(), right.half(), 1.0)
    with pytest.raises(ShapeError, match="scale"):
        tiled_info_nce(left, right, torch.ones(4))
    with pytest.raises(ShapeError, match="left, right"):
        tiled_info_nce(left, right[:3], 1.0)


def test_one_process_is_a_group_too(tmp_path: Path) -> None:
    left, right = sides(9)
    ids = torch.tensor([0, 0, 1, 2, 3, 4, 1, 5, 6])
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        found = learned(tiled_info_nce, left, right, positives=ids, tile=4, group=distributed.group.WORLD)
    finally:
        distributed.destroy_process_group()
    assert_near(found, learned(tiled_info_nce, left, right, positives=ids, tile=4), 0)


PROCESS = """
import sys, torch
from torch import distributed
from chiasm.errors import ShapeError
from chiasm.train.tiled import tiled_info_nce

given, out = torch.load(sys.argv[1], weights_only=True), sys.argv[2]
distributed.init_process_group("gloo")
rank, group = distributed.get_rank(), distributed.group.WORLD
left, right, ids = (x.chunk(2)[rank] for x in (given["left"], given["right"], given["ids"]))
module = torch.nn.ParameterDict({
    "left": given["left_map"], "right": given["right_map"], "scale": torch.tensor(9.0, dtype=torch.float64),
})


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = module

    def forward(self, ids):
        sides = left @ self.maps["left"], right @ self.maps["right"]
        return tiled_info_nce(*sides, self.maps["scale"], ids, tile=4, group=group)


found = {}
for name, own in (("alone", None), ("groups", ids)):
    net = torch.nn.parallel.DistributedDataParallel(Net())
    net.zero_grad()
    loss = net(own)
    loss.backward()
    found[name] = [loss.detach(), *(module[k].grad.clone() for k in ("left", "right", "scale"))]
try:
    tiled_info_nce(left[: 5 - rank], right[: 5 - rank], 1.0, group=group)
except ShapeError as error:
    found["unequal"] = str(error)
torch.save(found, f"{out}.{rank}")
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_learn_as_one(tmp_path: Path) -> None:
    """Under DistributedDataParallel: maps and scale are parameters, groups span both processes."""
    own = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 18, 6, generator=own, dtype=torch.float64)
    maps = torch.randn(2, 6, 5, generator=own, dtype=torch.float64) / 3
    ids = torch.randint(8, (18,), generator=own)
    given = {"left": left, "right": right, "ids": ids, "left_map": maps[0], "right_map": maps[1]}
    torch.save(given, tmp_path / "given")
    spawn(tmp_path)
    for name, positives in (("alone", None), ("groups", ids)):
        leaves = [maps[0].clone(), maps[1].clone(), torch.tensor(9.0, dtype=torch.float64)]
        for leaf in leaves:
            leaf.requires_grad_()
        loss = info_nce(left @ leaves[0], right @ leaves[1], leaves[2], positives)
        loss.backward()
        for rank in range(2):
            found = torch.load(tmp_path / f"out.{rank}", weights_only=True)
            assert_near(found[name], [loss.detach(), *(leaf.grad for leaf in leaves)], 1e-10)
            assert "[5, 4]" in found["unequal"]


def spawn(folder: Path) -> None:
    """Run PROCESS in two processes that find each other as under torchrun."""
    (folder / "process.py").write_text(PROCESS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(folder / "process.py"), str(folder / "given"), str(folder / "out")]
    running = [
        subprocess.Popen(
            command, env=os.environ | world | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for one in running:
        _, told = one.communicate(timeout=120)
        assert one.returncode == 0, told
