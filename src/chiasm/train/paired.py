"""Learning from paired rows of frozen features by Lightning; imports torch, so import it where it is used.

On a CPU the same seed gives the same bits, whatever torch's global generator and threads are set to, and a
run that goes on after a kill ends where an uninterrupted one does: every random number comes from the seed,
the pass and a name. Under `torchrun` the processes share each step's rows. How a run is looked at and kept is
said by `train.watch`.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.progress import TextColumn
from torch.optim.lr_scheduler import LambdaLR

from chiasm.errors import require_extra
from chiasm.train.checkpoints import NEXT, PASS, HeldOut, checkpoint, name_of
from chiasm.train.loop import Recipe, State, generator, one_thread, state_of
from chiasm.train.pairs import Pair, PairedRows
from chiasm.train.watch import Watch, watch

Tensor = Any
Net = Any
PairedLoss = Callable[[Net, list[Pair]], Tensor]
Score = Callable[[Net], float]

TERMINATED = 128 + signal.SIGTERM
"""The exit code of what a SIGTERM ended."""
WARMUP = 10
"""Steps in which the learning rate rises; then it falls as a cosine, to zero after all planned passes."""


class Trained(NamedTuple):
    """state : {parameter: array} of the best pass.
    epochs : how many passes that took; 0 where none was better than the start.
    """

    state: State
    epochs: int


def train_paired(
    net: Net,
    loss: PairedLoss,
    rows: PairedRows,
    recipe: Recipe,
    score: Score | None = None,
    what: str = "",
    held_out: HeldOut | None = None,
) -> Trained:
    """Train a torch module in place by AdamW.

    loss : of the module and one step's pairs, a scalar.
    score : of the module as it is, the higher the better, before the first pass and after every one: the best
        pass is kept, and training stops `recipe.patience` passes after it. None: the last pass is kept.
    what, held_out : tell apart trainings that differ in the loss, or in the rows that `score` looks at,
        alone, when one goes on after a kill.
    """
    if not recipe.passes:
        return Trained(state_of(net), 0)
    asked = watch()
    folder = None if asked.resume is None else asked.resume / name_of(net, rows, recipe, what, held_out or {})
    best = Best(score, recipe.patience, folder)
    with one_thread(), torch.random.fork_rng(devices=[]), _quiet(), _interruptible():
        trainer = _trainer(recipe, best, asked, rows.steps)
        with redirect_stdout(sys.stderr):  # where Lightning's bar goes
            module = Paired(net, loss, rows, recipe)
            trainer.fit(module, range(rows.steps), ckpt_path=checkpoint(folder, net, best), weights_only=True)
        if trainer.received_sigterm:  # in the last step, after which Lightning no longer looks
            raise SIGTERMException
    if score is None:
        return Trained(state_of(net), recipe.passes)
    net.load_state_dict(best.parameters)
    return Trained(state_of(net), best.epochs)


class Paired(LightningModule):  # type: ignore[misc]
    """The module, its loss and its optimiser, as Lightning wants them. A batch is the number of a step."""

    def __init__(self, net: Net, loss: PairedLoss, rows: PairedRows, recipe: Recipe) -> None:
        super().__init__()
        self.net, self.loss, self.rows, self.recipe = net, loss, rows, recipe

    def on_train_epoch_start(self) -> None:
        """What varies a pass, dropout among it, is drawn anew from the seed."""
        own = generator(self.recipe.seed, f"pass {self.current_epoch} {self.global_rank}")
        torch.default_generator.manual_seed(own.initial_seed())

    def training_step(self, batch: Any, step: int) -> Tensor:
        """The loss of one step."""
        pairs = self.rows.step(self.current_epoch, step, self.global_rank, self.trainer.world_size)
        value = self.loss(self.net, pairs)
        self.log("loss", value.detach(), prog_bar=True)
        return value

    def configure_optimizers(self) -> Any:
        """AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) on matrices, without decay on the rest."""
        matrices = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": self.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        some = [group for group in groups if group["params"]]
        optimiser = torch.optim.AdamW(some, lr=self.recipe.learning_rate, fused=True)
        total = max(self.recipe.epochs * self.rows.steps, 1)

        def factor(step: int) -> float:
            return min((step + 1) / WARMUP, 1) * (1 + math.cos(math.pi * min(step / total, 1))) / 2

        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": LambdaLR(optimiser, factor), "interval": "step"},
        }


class Best(Callback):  # type: ignore[misc]
    """Keeps the parameters of the best pass, stops where none gets better, writes every pass to a folder."""

    def __init__(self, score: Score | None, patience: int, folder: Path | None) -> None:
        self.score, self.patience, self.folder = score, patience, folder
        self.value, self.epochs, self.passes = -math.inf, 0, 0
        self.parameters: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """The start is scored too, unless the run goes on."""
        if not self.passes:
            self._look(pl_module)
        trainer.should_stop = self._done

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Score, keep, stop."""
        self.passes += 1
        self._look(pl_module)
        if self.folder is not None:
            # a checkpoint may be made elsewhere and moved here, which over file systems is no rename
            trainer.save_checkpoint(self.folder / NEXT)
            if trainer.is_global_zero:
                (self.folder / NEXT).replace(self.folder / PASS)
        trainer.should_stop = self._done

    @property
    def _done(self) -> bool:
        return self.score is not None and self.passes - self.epochs >= self.patience

    def _look(self, module: Any) -> None:
        if self.score is None:
            return
        net = module.net.eval()
        with torch.no_grad():
            value = float(self.score(net))
        net.train()
        module.log("valid", value, prog_bar=True, rank_zero_only=True)
        if value > self.value or not self.parameters:
            self.value, self.epochs = value, self.passes
            self.parameters = {k: v.detach().clone() for k, v in net.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {name: getattr(self, name) for name in ("value", "epochs", "passes", "parameters")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.__dict__.update(state_dict)


class Bar(RichProgressBar):  # type: ignore[misc]
    """Lightning's bar, after the name of what is trained and without times, so that it fits in a line."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def configure_columns(self, trainer: Trainer) -> list[Any]:
        """Name, pass, bar and steps; Lightning adds loss and score."""
        own = [TextColumn(self.name, markup=False)] if self.name else []
        return [*own, *super().configure_columns(trainer)[:3]]


def _trainer(recipe: Recipe, best: Best, asked: Watch, steps: int) -> Trainer:
    world = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Trainer(
        accelerator="cpu",
        strategy="ddp" if torchrun() else "auto",
        devices=world,
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        max_epochs=recipe.passes,
        callbacks=[best, Bar(asked.name)] if asked.progress else [best],
        logger=False if asked.log is None else _logger(asked.log),
        log_every_n_steps=min(steps, 50),
        enable_checkpointing=False,
        enable_progress_bar=asked.progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=asked.resume or asked.log,
    )


def torchrun() -> bool:
    """Whether this is one of several processes of `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "TORCHELASTIC_RUN_ID" in os.environ


def _logger(folder: Path) -> TensorBoardLogger:
    require_extra("tensorboard", "track")
    return TensorBoardLogger(folder, name=None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's advice."""
    own = logging.getLogger("lightning.pytorch")
    before = own.level
    own.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        own.setLevel(before)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C as KeyboardInterrupt, SIGTERM as an exit with its code: Lightning makes of the one an exit that
    leaves the signal ignored, of the other an exit that looks like success."""
    main = threading.current_thread() is threading.main_thread()
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        if isinstance(stop, SIGTERMException):
            raise SystemExit(TERMINATED) from stop
        raise
    finally:
        for one, handler in before.items() if main else ():
            if handler is not None:  # one that Python did not set
                signal.signal(one, handler)
