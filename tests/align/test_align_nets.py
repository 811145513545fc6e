"""The losses of aligners under torchrun: two processes with half of the rows each learn as one with all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.nn.functional import cross_entropy, normalize
from torch.nn.parallel import DistributedDataParallel

from chiasm.align.nets import AdversarialLoss, Objective, residual_heads
from chiasm.train.contrastive import info_nce, sigmoid_loss
from chiasm.train.pairs import Pair

ROWS, WIDTH = 12, 4
LOSSES = ("info_nce", "sigmoid", "adversarial")


class Net(torch.nn.Module):
    """A map for each of two columns, a scale and a bias, as the heads of `Learned` have them."""

    def __init__(self) -> None:
        super().__init__()
        own = torch.Generator().manual_seed(1)
        drawn = {c: torch.randn(WIDTH, 3, generator=own, dtype=torch.float64) for c in "ab"}
        self.maps = torch.nn.ParameterDict(drawn)
        self.scale = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
        self.bias = torch.nn.Parameter(torch.tensor(-3.0, dtype=torch.float64))

    def forward(self, column: str, values: torch.Tensor) -> torch.Tensor:
        """Unit rows."""
        return normalize(values @ self.maps[column], dim=1)


class Whole(AdversarialLoss):
    """The discriminator sees every item."""

    def _drawn(self, column: str) -> torch.Tensor:
        return self.items[column]


class Step(torch.nn.Module):
    """A net and its loss, as DistributedDataParallel takes them."""

    def __init__(self, loss: str) -> None:
        super().__init__()
        columns, left, right, _ = rows()
        if loss == "adversarial":  # whose gradient reaches the heads reversed and times 0
            self.net = residual_heads([*columns], WIDTH, 3, 0.0, seed=0).double()
            for outer in self.net.outer:  # which begin with zeros
                torch.nn.init.eye_(outer.weight)
            self.objective = Whole({"a": left, "b": right}, ROWS)
        else:
            self.net, self.objective = Net(), Objective(loss, ROWS)

    def forward(self, given: Pair) -> torch.Tensor:
        """The loss of a step."""
        return self.objective(self.net, [given])


def rows() -> Pair:
    """All rows; some of both halves belong together."""
    own = torch.Generator().manual_seed(0)
    left, right = normalize(torch.randn(2, ROWS, WIDTH, generator=own, dtype=torch.float64), dim=2)
    return Pair(("a", "b"), left, right, torch.arange(ROWS) % 7)


def plain(net: torch.nn.Module, loss: str) -> torch.Tensor:
    """The same of all rows in one process, by the losses that hold every score."""
    _, left, right, ids = rows()
    sides = net("a", left), net("b", right)
    if loss == "sigmoid":
        return sigmoid_loss(*sides, net.scale.exp(), net.bias, ids)
    near = info_nce(*sides, net.scale.exp(), ids)
    if loss == "info_nce":
        return near
    column = torch.arange(2).repeat_interleave(ROWS)
    return near + cross_entropy(net.discriminator(torch.cat(sides).detach()), column)


def gradients(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def process(out: str) -> None:
    """What one of two processes learns from its half of the rows."""
    distributed.init_process_group("gloo")
    rank, found = distributed.get_rank(), {}
    columns, *whole = rows()
    half = Pair(columns, *(x.chunk(2)[rank] for x in whole))
    for loss in LOSSES:
        step = Step(loss)
        parallel = DistributedDataParallel(step, find_unused_parameters=True)
        value = parallel(half)
        value.backward()
        found[loss] = {"loss": value.detach(), **gradients(step.net)}
    torch.save(found, f"{out}.{rank}")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_as_one(tmp_path: Path) -> None:
    spawn(tmp_path)
    for loss in LOSSES:
        net = Step(loss).net
        value = plain(net, loss)
        value.backward()
        expected = {"loss": value.detach(), **gradients(net)}
        for rank in range(2):
            found = torch.load(tmp_path / f"out.{rank}", weights_only=True)[loss]
            for name, numbers in expected.items():
                torch.testing.assert_close(found[name], numbers, rtol=1e-9, atol=1e-12)


def spawn(folder: Path) -> None:
    """Run `process` in two processes that find each other as under torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    script = f"import test_align_nets; test_align_nets.process({str(folder / 'out')!r})"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | world | {"RANK": str(rank), "PYTHONPATH": str(Path(__file__).parent)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for one in running:
        _, told = one.communicate(timeout=120)
        assert one.returncode == 0, told
