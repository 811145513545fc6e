"""The one training loop: mini-batches, AdamW, early stopping, every random number from a seed of its own.

On a CPU the same seed gives the same bits, whatever torch's global generator and threads are set to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = Any
Module = Any
Inputs = Mapping[str, Tensor]
State = dict[str, NDArray[Any]]
ModuleLoss = Callable[[Module, Inputs, Tensor, Tensor], Tensor]
Vary = Callable[[Inputs, Any], Inputs]

VALIDATION = 6
"""One group in this many is held out for early stopping."""


@dataclass(frozen=True)
class Recipe:
    """How a module is trained.

    epochs : passes over the rows that are planned for.
    patience : passes without a better loss on the validation rows before it stops.
    learning_rate, weight_decay : of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101).
    batch : rows a step; None takes a tenth of the rows, 16 to 512.
    seed : of the order of the rows and of whatever varies them.
    stop_epoch : passes after which it stops anyway, with the learning rates of all `epochs`; None for none.
    """

    epochs: int = 100
    patience: int = 10
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    batch: int | None = None
    seed: int = 0
    stop_epoch: int | None = None

    @classmethod
    def of(cls, estimator: Any, **given: Any) -> Recipe:
        """From an estimator's parameters of the same names, and others."""
        own = [one.name for one in fields(cls) if one.name not in given]
        return cls(**{name: getattr(estimator, name) for name in own}, **given)

    @property
    def passes(self) -> int:
        """Over the rows, at most."""
        return self.epochs if self.stop_epoch is None else min(self.epochs, self.stop_epoch)


def train(
    module: Module,
    loss: ModuleLoss,
    inputs: Inputs,
    y: Tensor,
    weights: Tensor,
    *,
    recipe: Recipe,
    validation: NDArray[np.int64] | None = None,
    vary: Vary | None = None,
) -> State:
    """Train a torch module in place; its best state as arrays.

    inputs : {name: (n, …)}, with y (n, …) and weights (n,).
    loss : of (module, inputs, y, weights) of some rows, a scalar.
    validation : rows not learned from, on whose loss the best pass is chosen; None or empty takes all rows.
    vary : changes a batch before it is learned from, given a torch.Generator.
    """
    rows = np.arange(len(y)) if validation is None else np.setdiff1d(np.arange(len(y)), validation)
    seen = rows if validation is None or not len(validation) else validation
    with one_thread():
        return _best(module, _Steps(module, loss, (inputs, y, weights), rows, recipe, vary), seen, recipe)


class _Steps:
    """Passes over the rows that are learned from, and the loss of others."""

    def __init__(
        self,
        module: Module,
        loss: ModuleLoss,
        data: tuple[Inputs, Tensor, Tensor],
        rows: NDArray[np.int64],
        recipe: Recipe,
        vary: Vary | None,
    ) -> None:
        import torch

        self.module, self.loss, self.data, self.vary = module, loss, data, vary
        self.rows = torch.from_numpy(rows)
        self.size = recipe.batch or int(np.clip(len(rows) // 10, 16, 512))
        self.generator = generator(recipe.seed, "order")
        self.optimiser = torch.optim.AdamW(
            module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )

    def learn(self) -> None:
        """One pass in a new order."""
        import torch

        self.module.train()
        order = torch.randperm(len(self.rows), generator=self.generator)
        for places in order.split(self.size):
            inputs, y, weights = self._take(self.rows[places])
            inputs = self.vary(inputs, self.generator) if self.vary else inputs
            self.optimiser.zero_grad()
            self.loss(self.module, inputs, y, weights).backward()
            self.optimiser.step()

    def measure(self, rows: NDArray[np.int64]) -> float:
        """The loss of some rows as they are."""
        import torch

        self.module.eval()
        with torch.no_grad():
            return float(self.loss(self.module, *self._take(torch.from_numpy(rows))))

    def _take(self, rows: Tensor) -> tuple[Inputs, Tensor, Tensor]:
        inputs, y, weights = self.data
        return {name: values[rows] for name, values in inputs.items()}, y[rows], weights[rows]


def _best(module: Module, steps: _Steps, seen: NDArray[np.int64], recipe: Recipe) -> State:
    """The state of the best pass, which the module is left with."""
    best, least, since = state_of(module), np.inf, 0
    for _ in range(recipe.passes):
        steps.learn()
        now = steps.measure(seen)
        since = 0 if now < least else since + 1
        if now < least:
            best, least = state_of(module), now
        if since >= recipe.patience:
            break
    load(module, best)
    return best


def state_of(module: Module) -> State:
    """A copy of a module's parameters and buffers as arrays."""
    return {name: values.detach().cpu().numpy().copy() for name, values in module.state_dict().items()}


def load(module: Module, state: State) -> Module:
    """The module with the parameters and buffers of `state_of`."""
    import torch

    module.load_state_dict({name: torch.tensor(values) for name, values in state.items()}, assign=True)
    return module


def initialise(module: Module, seed: int) -> Module:
    """Fresh parameters: biases zero, of others each row normal with variance 1 / its length.

    A parameter's numbers depend on the seed, its own name and its shape alone, neither on other parameters
    nor on torch's global generator. The module may have been made on the device "meta".
    """
    import torch

    module.to_empty(device="cpu")
    with torch.no_grad():
        for name, values in module.named_parameters():
            if values.ndim < 2:
                values.zero_()
            else:
                values.normal_(0, values.shape[-1] ** -0.5, generator=generator(seed, name))
    return module


def generator(seed: int, name: str) -> Any:
    """A torch.Generator of a seed and a name."""
    import torch

    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))


def validation_rows(n: int, groups: NDArray[np.int64] | None, part: int, seed: int) -> NDArray[np.int64]:
    """The rows of one part in `VALIDATION` of all groups (or rows, where None); empty where that is none."""
    codes = np.arange(n) if groups is None else groups
    known = np.unique(codes)
    if len(known) < VALIDATION:
        return np.zeros(0, np.int64)
    order = np.random.default_rng(seed).permutation(known)
    return np.flatnonzero(np.isin(codes, order[part % VALIDATION :: VALIDATION]))


def dropout(gaps: Mapping[str, float], drop: float, corrupt: float = 0.0) -> Vary:
    """What varies columns {name: (n, d), NaN rows absent}.

    A present column is dropped as often as `drop` and at least as often as it has `gaps` (its share of absent
    rows), but never all of a row; of what stays every number is set to 0, its mean, as often as `corrupt`.
    """

    def varied(inputs: Inputs, own: Any) -> Inputs:
        import torch

        here = {c: ~x[:, :1].isnan() for c, x in inputs.items()}
        kept = {c: h & (torch.rand(h.shape, generator=own) >= max(drop, gaps[c])) for c, h in here.items()}
        empty = ~torch.stack(list(kept.values())).any(dim=0)
        out = {}
        for c, x in inputs.items():
            x = torch.where(torch.rand(x.shape, generator=own) < corrupt, x * 0, x) if corrupt else x
            out[c] = torch.where(kept[c] | empty, x, torch.nan)
        return out

    return varied


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread: sums are then always taken in the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
