"""What the trained fusions share: inputs standardised, a committee of nets, scores and gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_range
from chiasm.encode.features import Features
from chiasm.errors import require_extra
from chiasm.fuse.fusion import Columns, Fusion, means_of
from chiasm.numerics import fix_signs, leading_singular
from chiasm.train.loop import Recipe, State, dropout, initialise, load, one_thread, train, validation_rows
from chiasm.train.losses import loss_of

Net = Any
Tensor = Any
Ask = Callable[[Net, Mapping[str, Tensor]], Tensor]
LARGEST_DEVIATION = 10.0  # standard deviations; larger ones are cut to it
MOST_INPUTS = 128  # numbers of a column that the nets see; of wider ones the leading principal components
BLOCK = 4096  # rows scored at once, in float64, so that their number shows in no float32 digit


class Neural(Fusion):
    """Mean of `members` nets, each with early stopping on a sixth of the rows (or groups) held out from it.

    width : units of a code.
    members : nets of the committee.
    drop : how often a present column is dropped in training; at least as often as it has gaps.
    corrupt : how often an input number is set to its mean in training.
    epochs, learning_rate, weight_decay : of AdamW (`train.loop.Recipe`).
    seed : of everything random.

    Attributes
    ----------
    moments_ : {column: (2, d)} mean and standard deviation of the training rows.
    axes_ : {column: (d, 128)} principal axes of the wide columns' training rows.
    members_ : {parameter: array} a net.

    Raises MissingExtra without torch.
    """

    moments_: dict[str, NDArray[np.float32]]
    axes_: dict[str, NDArray[np.float32]]
    members_: list[State]

    def __init__(
        self,
        width: int = 64,
        members: int = 3,
        drop: float = 0.2,
        corrupt: float = 0.1,
        epochs: int = 100,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.members = members
        self.drop = drop
        self.corrupt = corrupt
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed

    @abstractmethod
    def _net(self) -> Net:
        """The untrained module, for `_seen()` and `base_`."""

    def _seen(self) -> dict[str, int]:
        """{column: how many numbers of it the nets see}."""
        return {c: self.axes_[c].shape[1] if c in self.axes_ else d for c, d in self.widths_.items()}

    def _loss(self, net: Net, x: Mapping[str, Tensor], y: Tensor, weights: Tensor) -> Tensor:
        """The training loss."""
        return loss_of(self.task.kind)(self._base() + net(x), y, weights)

    def _check(self) -> None:
        require_extra("torch", "neural")
        for name in ("width", "members", "epochs"):
            check_range(getattr(self, name), name, 1)
        for name in ("drop", "corrupt"):
            check_range(getattr(self, name), name, 0, 0.95)
        for name in ("learning_rate", "weight_decay"):
            check_range(getattr(self, name), name, 0)

    def _learn(
        self, columns: Columns, y: NDArray[Any], groups: NDArray[np.int64] | None, weights: Floats | None
    ) -> None:
        self._check()
        import torch

        self.moments_ = {c: _moments(f.values) for c, f in columns.items()}
        self.axes_ = {}
        wide = {c: torch.from_numpy(f.values) for c, f in columns.items() if f.width > MOST_INPUTS}
        self.axes_ = {c: _axes(self._standard(c, values).numpy()) for c, values in wide.items()}
        x = {c: self._standard(c, torch.from_numpy(f.dense())) for c, f in columns.items()}
        coded = torch.from_numpy(y if y.dtype == np.int64 else y.astype(np.float32))
        own = torch.ones(len(y)) if weights is None else torch.from_numpy(weights.astype(np.float32))
        vary = dropout({c: 1 - len(f.row) / f.n for c, f in columns.items()}, self.drop, self.corrupt)
        self.members_ = [
            train(
                initialise(self._empty_net(), seed),
                self._loss,
                x,
                coded,
                own,
                recipe=Recipe(
                    epochs=self.epochs,
                    learning_rate=self.learning_rate,
                    weight_decay=self.weight_decay,
                    seed=seed,
                ),
                validation=validation_rows(len(y), groups, part, self.seed),
                vary=vary,
            )
            for part, seed in enumerate(range(self.seed, self.seed + self.members))
        ]

    def _empty_net(self) -> Net:
        """The module without memory for its parameters, so that no global random number is drawn."""
        import torch

        with torch.device("meta"):
            return self._net()

    def _nets(self) -> list[Net]:
        """The trained nets in float64, built once for what was learned."""
        return self.made_of("members_", self._loaded)

    def _loaded(self, members: list[State]) -> list[Net]:
        require_extra("torch", "neural")
        return [load(self._empty_net(), state).double().eval() for state in members]

    def _base(self) -> Tensor:
        import torch

        return torch.from_numpy(self.base_.astype(np.float32))

    def _standard(self, column: str, values: Tensor) -> Tensor:
        """Features in units of the training rows' spread; of wide ones their principal components."""
        import torch

        centre, spread = torch.from_numpy(self.moments_[column]).to(values.dtype)
        units = ((values - centre) / spread).clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        if column not in self.axes_:
            return units
        return units @ torch.from_numpy(self.axes_[column]).to(values.dtype)

    def _mean(self, x: Mapping[str, Tensor], ask: Ask) -> Tensor:
        """The mean of the nets' answers (n, …) of raw columns."""
        import torch

        standard = {c: self._standard(c, values) for c, values in x.items()}
        return torch.stack([ask(net, standard) for net in self._nets()]).mean(dim=0)

    def _blocks(self, columns: Columns) -> Iterator[tuple[slice, dict[str, Tensor]]]:
        """Places of rows with all learned columns of them, a few at once."""
        import torch

        n = next(iter(columns.values())).n
        dense = {c: _dense(columns.get(c), n, width) for c, width in self.widths_.items()}
        for start in range(0, n, BLOCK):
            rows = slice(start, min(start + BLOCK, n))
            yield rows, {c: torch.from_numpy(x[rows]) for c, x in dense.items()}

    def _known(self, X: Mapping[str, Any]) -> dict[str, Features]:
        """The columns that were learned and hold something."""
        self.require_fitted("members_")
        return {c: f for c, f in means_of(X).items() if c in self.widths_}

    def _through(self, columns: Columns, ask: Ask, width: int) -> Floats:
        """(n, width) what the nets answer, on average, block by block."""
        import torch

        out = np.empty((next(iter(columns.values())).n, width))
        with one_thread(), torch.no_grad():
            for rows, x in self._blocks(columns):
                out[rows] = self._mean(x, ask).numpy()
        return out

    def _score(self, columns: Columns) -> Floats:
        return self.base_ + self._through(columns, _scores, len(self.base_))

    def pull(self, X: Mapping[str, Any], gradient: Floats) -> dict[str, Floats]:
        """{column: (n, d)}: a gradient by scores (n, q) carried back to the features, zero in absent rows."""
        import torch

        columns = self._known(X)
        out = {c: np.zeros((f.n, f.width)) for c, f in columns.items()}
        with one_thread():
            for rows, x in self._blocks(columns) if columns else ():
                given = [x[c].requires_grad_() for c in columns]
                carried = torch.from_numpy(np.asarray(gradient[rows], np.float64))
                pulled = torch.autograd.grad(self._mean(x, _scores), given, carried)
                for c, values in zip(columns, pulled, strict=True):
                    out[c][rows] = values.numpy()
        return {c: np.where(columns[c].present[:, None], values, 0.0) for c, values in out.items()}


def _scores(net: Net, x: Mapping[str, Tensor]) -> Tensor:
    return net(x)


def _moments(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(2, d) mean and standard deviation, one where it is none."""
    spread = values.std(axis=0, dtype=np.float64)
    tiny = spread <= 1e-6 * np.abs(values).max(axis=0)
    return np.array([values.mean(axis=0, dtype=np.float64), np.where(tiny, 1.0, spread)], np.float32)


def _axes(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """(d, at most 128) leading principal axes of rows (n, d), at such a length that components have on
    average the variance 1."""
    count = min(MOST_INPUTS, len(units))
    _, values, right = leading_singular(units.astype(np.float64), count)
    length = np.sqrt(np.mean(values**2) / len(units))
    return np.asarray(right * fix_signs(right) / (length if length > 0 else 1), np.float32)


def _dense(features: Features | None, n: int, width: int) -> Floats:
    """(n, d) float64, NaN rows absent."""
    return np.full((n, width), np.nan) if features is None else features.dense().astype(np.float64)
