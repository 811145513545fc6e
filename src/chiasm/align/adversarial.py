"""Adversarial alignment: vectors moved to find their pairs and to fool a discriminator of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.kernel import RIDGES, SAFE, nearness
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.near_duplicates import near_duplicate_ids
from chiasm.checks import check_count, check_range
from chiasm.errors import require_extra
from chiasm.numerics import unit_rows
from chiasm.train.loop import Recipe

Vectors = NDArray[np.float32]
Net = Any


class Adversarial(Aligner):
    """The closed form's vectors z, moved: z + relu(z A + a) B at unit length, a column its own A, a and B.

    They learn, by InfoNCE, to lie near their pairs, and by reversed gradients to fool a discriminator that
    guesses the column of a vector (ACMR, Wang et al. 2017; Ganin & Lempitsky 2015, arXiv 1409.7495). The
    discriminator needs no pairs: it sees items drawn from all rows, those of one column among them. With
    held-out rows the best pass is kept, the start included.

    Where it loses: what is gained over the closed form is nearly all InfoNCE's (Flickr8k dev, captions that
    look for their photo, R@1: `CCA` 18.8, without a discriminator 20.6, with one 21.3, `KernelCCA` 21.8). The
    vectors fool their own discriminator, and an outside one tells the columns as well as before; unpaired
    rows bring nothing.

    dim, ridge, weight : of the `CCA` under it; ridge None takes the best of `RIDGES` for held-out rows.
    hidden : width of A.
    strength : of the discriminator's reversed gradient; 0 leaves the heads to InfoNCE alone.
    epochs, patience, stop_epoch, learning_rate, weight_decay, batch : as in `Learned`.
    seed : of everything random.

    epochs_ : passes that what is kept took.  ridge_ : of the closed form, whose maps are `maps_`.
    inner_ : {column: (k, hidden)} A;  bias_ : {column: (hidden,)} a;  outer_ : {column: (hidden, k)} B.

    Raises MissingExtra without torch and Lightning.
    """

    def __init__(
        self,
        dim: int = 256,
        ridge: float | None = None,
        weight: float = 1.0,
        hidden: int = 512,
        strength: float = 1.0,
        epochs: int = 10,
        patience: int = 3,
        stop_epoch: int | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        batch: int = 500,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.ridge = ridge
        self.weight = weight
        self.hidden = hidden
        self.strength = strength
        self.epochs = epochs
        self.patience = patience
        self.stop_epoch = stop_epoch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch = batch
        self.seed = seed

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        self._check()
        require_extra("torch", "neural")
        require_extra("lightning", "neural")
        self.ridge_ = self._chosen_ridge(moments, valid) if self.ridge is None else self.ridge
        closed = CCA(self.dim, self.ridge_, self.weight).fit_moments(moments)
        self.maps_ = {c: closed.scaled_map(c) for c in X}
        self._train(X, valid)

    def _check(self) -> None:
        least = {"hidden": 1, "epochs": 0, "patience": 1, "batch": 2}  # a pair alone has no strangers
        for name, low in least.items():
            check_count(getattr(self, name), name, low)
        if self.stop_epoch is not None:
            check_count(self.stop_epoch, "stop_epoch", 0)
        for name in ("strength", "learning_rate", "weight_decay"):
            check_range(getattr(self, name), name, 0)

    def _chosen_ridge(self, moments: Moments, valid: Columns | None) -> float:
        """The one of `RIDGES` that brings held-out rows nearest."""
        if valid is None:
            return SAFE
        fits = {r: CCA(self.dim, r, self.weight).fit_moments(moments) for r in RIDGES}
        return max(fits, key=lambda r: nearness(fits[r].transform(valid)))

    def _start(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column in the closed form's space."""
        return unit_rows(self.centred(name, values) @ self.maps_[name])

    def _train(self, X: Columns, valid: Columns | None) -> None:
        import torch

        from chiasm.align.nets import AdversarialLoss, residual_heads
        from chiasm.train.paired import train_paired
        from chiasm.train.pairs import Items, PairedRows

        items = {c: torch.from_numpy(self._start(c, f.values)) for c, f in X.items()}
        cells = {c: Items.of(x, torch.from_numpy(X[c].counts)) for c, x in items.items()}
        net = residual_heads(sorted(X), self.space_width, self.hidden, self.strength, self.seed)
        trained = train_paired(
            net,
            AdversarialLoss(items, self.batch),
            PairedRows(cells, torch.from_numpy(near_duplicate_ids(X)), self.batch, self.seed),
            Recipe.of(self),
            None if valid is None else self._score(valid),
            "adversarial",
            valid,
        )
        self.epochs_ = trained.epochs
        kept = {c: (f"inner.{i}", f"outer.{i}") for i, c in enumerate(net.columns)}
        self.inner_ = {c: trained.state[f"{a}.weight"].T.copy() for c, (a, _) in kept.items()}
        self.bias_ = {c: trained.state[f"{a}.bias"] for c, (a, _) in kept.items()}
        self.outer_ = {c: trained.state[f"{b}.weight"].T.copy() for c, (_, b) in kept.items()}

    def _score(self, valid: Columns) -> Any:
        """How near held-out pairs lie, of a net."""
        import torch

        items = {c: torch.from_numpy(self._start(c, f.values)) for c, f in valid.items()}

        def score(net: Net) -> float:
            with torch.no_grad():
                moved = {c: valid[c].with_values(net(c, x).numpy()) for c, x in items.items()}
            return nearness({c: unit_rows(f.dense()) for c, f in moved.items()})

        return score

    def selected_params(self) -> dict[str, Any]:
        """The passes that were best, of as many as were planned, and the closed form's ridge."""
        self.require_fitted("epochs_")
        return {"stop_epoch": self.epochs_, "ridge": self.ridge_}

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("maps_")
        return int(next(iter(self.maps_.values())).shape[1])

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        start = self._start(name, values)
        hidden = np.maximum(start @ self.inner_[name] + self.bias_[name], 0)
        return unit_rows(start + hidden @ self.outer_[name])
