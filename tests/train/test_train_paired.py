"""Learning from paired rows: batches, the same bits by seed, going on after a kill, the best pass, silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from chiasm.encode.features import Features
from chiasm.errors import DataError, FolderError, UsageError
from chiasm.train.checkpoints import PASS
from chiasm.train.contrastive import info_nce
from chiasm.train.loop import Recipe
from chiasm.train.paired import Best, train_paired
from chiasm.train.pairs import Items, PairedRows
from chiasm.train.watch import naming, watch, watching

N = 60
RECIPE = Recipe(epochs=6, patience=2, learning_rate=1e-2, weight_decay=0.01, batch=16, seed=3)


def items(seed: int, count: np.ndarray, width: int = 5) -> Items:
    """Vectors of which the first number is their row."""
    own = np.random.default_rng(seed)
    values = own.standard_normal((count.sum(), width)).astype(np.float32)
    values[:, 0] = np.repeat(np.arange(len(count)), count)
    counts = torch.from_numpy(count)
    return Items(torch.from_numpy(values), counts.cumsum(0) - counts, counts)


def rows(batch: int = 16, n: int = N) -> PairedRows:
    columns = {"a": items(0, np.ones(n, int)), "b": items(1, np.arange(n) % 3)}
    return PairedRows(columns, torch.arange(n), batch, seed=5)


class Net(torch.nn.Module):
    """A linear head with dropout for each of two columns."""

    def __init__(self) -> None:
        super().__init__()
        own = torch.Generator().manual_seed(0)
        self.heads = torch.nn.ParameterDict({c: torch.randn(5, 4, generator=own) for c in "ab"})

    def forward(self, column: str, x: torch.Tensor) -> torch.Tensor:
        dropped = torch.nn.functional.dropout(x, 0.3, self.training)
        return torch.nn.functional.normalize(dropped @ self.heads[column], dim=1)


def loss(net: Net, pairs: list[Any]) -> torch.Tensor:
    return sum(info_nce(net("a", p.left), net("b", p.right), 5.0, p.ids) for p in pairs)


def run(score: Any = None, recipe: Recipe = RECIPE) -> Any:
    return train_paired(Net(), loss, rows(), recipe, score)


def assert_same(one: Any, other: Any) -> None:
    assert one.epochs == other.epochs
    assert one.state.keys() == other.state.keys()
    for name, values in one.state.items():
        np.testing.assert_array_equal(values, other.state[name])


# Batches


def test_a_pass_sees_every_pair_once_and_an_item_of_each() -> None:
    source = rows(batch=7)
    seen = []
    for step in range(source.steps):
        (pair,) = source.step(4, step)
        assert pair.columns == ("a", "b")
        np.testing.assert_array_equal(pair.left[:, 0], pair.ids)
        np.testing.assert_array_equal(pair.right[:, 0], pair.ids)
        seen += pair.ids.tolist()
    assert len(seen) == len(set(seen)) > 40 - source.steps  # rows that no step of equal size takes
    assert all(row % 3 for row in seen)
    assert source.step(4, 0)[0].ids.tolist() != source.step(5, 0)[0].ids.tolist()


def test_processes_share_a_step_and_a_rare_pair_is_in_every_one() -> None:
    count = {"a": np.ones(N, int), "b": np.ones(N, int), "c": (np.arange(N) < 6).astype(int)}
    source = PairedRows({c: items(i, x) for i, (c, x) in enumerate(count.items())}, torch.arange(N), 20, 0)
    whole = source.step(0, 1)
    assert [pair.columns for pair in whole] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [len(pair.ids) for pair in whole] == [20, 6, 6]
    parts = [source.step(0, 1, rank, world=2) for rank in range(2)]
    for i, pair in enumerate(whole):
        np.testing.assert_array_equal(torch.cat([part[i].ids for part in parts]), pair.ids)


def test_no_shared_rows_are_an_error() -> None:
    with pytest.raises(DataError, match="no two columns share two rows"):
        PairedRows({"a": items(0, np.array([1, 1, 0])), "b": items(1, np.array([0, 1, 1]))}, None, 4, 0)


# The same bits


def test_the_seed_alone_decides() -> None:
    first = run()
    threads = torch.get_num_threads()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    torch.set_num_threads(2)
    second = run()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert_same(first, second)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)
    other = run(recipe=Recipe(epochs=6, batch=16, learning_rate=1e-2, seed=4))
    assert any((other.state[name] != values).any() for name, values in first.state.items())


def test_it_learns_and_the_best_pass_is_kept() -> None:
    def scored(values: list[float]) -> Any:
        left = iter(values)
        states = []

        def score(net: Net) -> float:
            states.append({k: v.numpy().copy() for k, v in net.state_dict().items()})
            return next(left)

        return score, states

    score, states = scored([0.1, 0.2, 0.4, 0.4, 0.3])
    found = run(score)  # stops two passes after the second
    assert found.epochs == 2
    assert len(states) == 5
    for name, values in found.state.items():
        np.testing.assert_array_equal(values, states[2][name])
    score, states = scored([0.5, 0.2, 0.4])
    start = run(score)
    assert start.epochs == 0
    for name, values in Net().state_dict().items():
        np.testing.assert_array_equal(start.state[name], values)
    assert_same(run(recipe=Recipe(epochs=0)), start)


# After a kill


class Killed(RuntimeError):
    """What stands for a kill."""


@pytest.mark.parametrize("scored", [False, True])
def test_a_run_goes_on_after_a_kill_to_the_same_bits(scored: bool, tmp_path: Path) -> None:
    def score(net: Net) -> float:  # the further the better
        return float((net.heads["a"] - Net().heads["a"]).abs().sum())

    def killed(net: Net, pairs: list[Any]) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 3 * rows().steps + 1:
            raise Killed
        return loss(net, pairs)

    calls: list[int] = []
    whole = run(score if scored else None)
    with watching(resume=tmp_path):
        with pytest.raises(Killed):
            train_paired(Net(), killed, rows(), RECIPE, score if scored else None)
        assert len(list(tmp_path.rglob("*.ckpt"))) == 1
        assert_same(run(score if scored else None), whole)
        assert_same(run(score if scored else None), whole)  # of what is finished nothing is done again
        other = train_paired(Net(), loss, rows(batch=30), RECIPE)
        assert len(list(tmp_path.rglob("*.ckpt"))) == 2  # another training has a place of its own
    assert any((other.state[name] != values).any() for name, values in whole.state.items())


def test_a_damaged_pass_is_named(tmp_path: Path) -> None:
    with watching(resume=tmp_path):
        run()
        (kept,) = tmp_path.rglob("*.ckpt")
        kept.write_bytes(b"no checkpoint")
        with pytest.raises(FolderError, match="Remove it to begin anew"):
            run()


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def damage(path: Path) -> None:
        kept = torch.load(path, weights_only=True)
        change(kept)
        torch.save(kept, path)

    return damage


def zipped(*names: str) -> Callable[[Path], Any]:
    def damage(path: Path) -> None:
        with ZipFile(path, "w") as parts:
            for name in names:
                parts.writestr(name, "")

    return damage


def shrunk(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: values[:1] for name, values in tensors.items()}


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "an empty zip": zipped(),
    "another zip": zipped("a"),
    "another dict": lambda path: torch.save({"a": 1}, path),
    "a list": lambda path: torch.save([1], path),
    "no callbacks": changed(lambda kept: kept.update(callbacks={})),
    "empty callbacks": changed(lambda kept: kept["callbacks"].update({k: {} for k in kept["callbacks"]})),
    "callbacks as text": changed(
        lambda kept: kept["callbacks"].update(
            {k: {**v, "parameters": "x"} for k, v in kept["callbacks"].items()}
        )
    ),
    "best parameters of other shapes": changed(
        lambda kept: [v.update(parameters=shrunk(v["parameters"])) for v in kept["callbacks"].values()]
    ),
    "other passes": changed(lambda kept: [v.update(passes=1) for v in kept["callbacks"].values()]),
    "other shapes": changed(lambda kept: kept.update(state_dict=shrunk(kept["state_dict"]))),
    "other moments": changed(
        lambda kept: [
            m.update(shrunk(m)) for m in kept["optimizer_states"][0]["state"].values() if m.pop("step") > 0
        ]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_whole_but_no_pass_is_named(damage: str, tmp_path: Path) -> None:
    with watching(resume=tmp_path):
        run(lambda net: 0.5)
        (kept,) = tmp_path.rglob("*.ckpt")
        DAMAGES[damage](kept)
        with pytest.raises(FolderError, match="no pass of a training can be read from it"):
            run(lambda net: 0.5)


def test_other_held_out_rows_are_another_training(tmp_path: Path) -> None:
    held_out = {"a": Features.of(np.eye(3)), "b": Features.of(np.eye(3))}
    other = {**held_out, "b": Features.of(np.eye(3)[::-1])}
    with watching(resume=tmp_path):
        for count, rows_ in enumerate((None, held_out, other), start=1):
            for _ in range(2):
                train_paired(Net(), loss, rows(), RECIPE, lambda net: 0.5, held_out=rows_)
            assert len(list(tmp_path.rglob("*.ckpt"))) == count


@pytest.mark.parametrize("named", ["log", "resume"])
def test_a_file_is_no_folder_to_watch_in(named: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{named}: .*is a file"), watching(**{named: tmp_path / "file"}):
        pass


# Silence, and what is asked for


def test_nothing_is_written_or_said_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_progress_is_on_stderr_and_losses_in_tensorboard(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    with watching(progress=True, log=tmp_path) as asked:
        assert watch() is asked
        with naming("net 2 of 4"):
            run(lambda net: 0.5)
        assert watch() is asked
    out, err = capfd.readouterr()
    assert out == ""
    assert "valid" in err
    assert "net 2 of 4" in err
    assert err.count("\n") < 10, "a bar floods the log"
    assert list(tmp_path.rglob("events.out.tfevents.*"))
    assert not watch().progress


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_pressed_again() -> None:
    own = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        _press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, own)


def _press_ctrl_c() -> None:
    def pressed(net: Net, pairs: list[Any]) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return loss(net, pairs)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_paired(Net(), pressed, rows(), RECIPE)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("last", [False, True])
def test_sigterm_is_no_success_and_leaves_its_handler(last: bool) -> None:
    def ended(net: Net, pairs: list[Any]) -> torch.Tensor:
        steps.append(1)
        if len(steps) == (RECIPE.epochs * rows().steps if last else 1):
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(net, pairs)

    steps: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        train_paired(Net(), ended, rows(), RECIPE)
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


TORCHRUN = """
import sys
import numpy as np, torch
sys.path.insert(0, {folder!r})
from test_train_paired import Net, RECIPE, rows
from chiasm.train.paired import Best, train_paired
from chiasm.train.tiled import tiled_info_nce

def loss(net, pairs):
    group = torch.distributed.group.WORLD
    return sum(tiled_info_nce(net("a", p.left), net("b", p.right), 5.0, p.ids, group=group) for p in pairs)

found = train_paired(Net(), loss, rows(), RECIPE, lambda net: float(net.heads["a"].abs().sum()))
np.savez(f"{out}/{{torch.distributed.get_rank()}}.npz", **found.state)
"""


@pytest.mark.slow
def test_processes_of_torchrun_learn_the_same(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(TORCHRUN.format(folder=str(Path(__file__).parent), out=tmp_path))
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, other = (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name])
        assert (one[name] != Net().state_dict()[name].numpy()).any()


def test_a_pass_half_written_leaves_the_last_one(tmp_path: Path) -> None:
    """Killed while a pass is written, or moved from another file system: the one before is still whole."""

    class Killed:
        is_global_zero = True

        def save_checkpoint(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise KeyboardInterrupt

    (tmp_path / PASS).write_bytes(b"whole")
    with pytest.raises(KeyboardInterrupt):
        Best(None, 1, tmp_path).on_train_epoch_end(Killed(), Net())
    assert (tmp_path / PASS).read_bytes() == b"whole"
