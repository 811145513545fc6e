"""Learned heads on frozen features: contrastive, from where the closed form ends; the extra `neural`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.alike import alike
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.tune import FEW, Right, mean_reciprocal_rank, sampled, tune
from chiasm.checks import check_known, check_range
from chiasm.encode.features import Features
from chiasm.errors import need
from chiasm.numerics import unit_rows
from chiasm.train.loop import Recipe, State, generator

Vectors = NDArray[np.float32]
Tensor = Any
Net = Any

START = {"info_nce": (20.0, None), "sigmoid": (10.0, -10.0)}
"""Scale and bias that a loss begins with."""
LENGTH = 4.0
"""About how long the closed form's vectors are beside what is learned: the longer, the less it moves them."""
TILED = 2048
"""Rows a step from which scores are made by tiles."""


class Learned(Aligner):
    """A head a column, x W + relu(x A + a) B at unit length, trained to tell pairs from strangers.

    `W` is the closed form (`CCA`) and stays; what is learned begins at zero, so that before the first pass
    the space is the closed form's to the bit, and with held-out rows never a worse one is kept. Rows that
    are copies or near-copies of each other, in any column, are never each other's strangers (`alike`).
    Several items of a row take turns. With more than two columns, or gaps, the loss is the mean over pairs
    of columns, each over rows that have both.

    dim : width of the space, at most what the closed form allows.
    hidden : units of a head; 0 learns a linear map.
    warm : whether to begin with the closed form; else with random numbers and no `W`.
    ridge, weight : of the closed form; where ridge is None, both are chosen on the held-out rows, if any.
    loss : "info_nce" (`train.contrastive`; by `train.tiled` where the batch is large) or "sigmoid".
    mixup : α of the Beta distribution by which rows are mixed, both columns alike (FuseMix, arXiv
        2312.10144); 0 mixes nothing.
    structure : weight of a loss that keeps each column's neighbourhoods (STRUCTURE, arXiv 2506.16895, its
        first level), for few pairs.
    drop : how often a hidden unit is left out of a step.
    epochs, rate, decay, batch : of AdamW (`train.paired`).
    patience : passes without a better mean reciprocal rank of held-out pairs before it stops.
    seed : of everything random.

    epochs_ : passes that what is kept took.  ridge_, weight_ : of the closed form.
    maps_ : {column: (d, k)} W;  inner_ : {column: (d, hidden)} A (d, k without hidden units);
    bias_ : {column: (hidden,)} a;  outer_ : {column: (hidden, k)} B.

    Raises MissingExtra without torch and Lightning.
    """

    from_rows: ClassVar[bool] = True
    maps_: dict[str, Vectors]
    inner_: dict[str, Vectors]
    bias_: dict[str, Vectors]
    outer_: dict[str, Vectors]

    def __init__(
        self,
        dim: int = 256,
        hidden: int = 512,
        warm: bool = True,
        ridge: float | Mapping[str, float] | None = None,
        weight: float = 1.0,
        loss: str = "info_nce",
        mixup: float = 0.0,
        structure: float = 0.0,
        drop: float = 0.8,
        epochs: int = 10,
        patience: int = 3,
        rate: float = 1e-3,
        decay: float = 0.01,
        batch: int = 500,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.hidden = hidden
        self.warm = warm
        self.ridge = ridge
        self.weight = weight
        self.loss = loss
        self.mixup = mixup
        self.structure = structure
        self.drop = drop
        self.epochs = epochs
        self.patience = patience
        self.rate = rate
        self.decay = decay
        self.batch = batch
        self.seed = seed

    def settled(self) -> dict[str, Any]:
        """The passes that were best, and the closed form's parameters."""
        self.require_fitted("epochs_")
        closed = {"ridge": self.ridge_, "weight": self.weight_} if self.warm else {}
        return {"epochs": self.epochs_, **closed}

    def _learn(self, X: Columns, y: Any, valid: Columns | None) -> None:
        self._check()
        need("torch", "neural")
        need("lightning", "neural")
        self._begin(X, valid)
        state, self.epochs_ = self._train(X, valid)
        self._keep(state)

    def _check(self) -> None:
        for name in ("dim", "batch", "patience"):
            check_range(getattr(self, name), name, 1)
        for name in ("hidden", "epochs", "rate", "decay", "mixup", "structure"):
            check_range(getattr(self, name), name, 0)
        check_range(self.drop, "drop", 0, 0.95)
        check_known(self.loss, START, "loss")

    def _begin(self, X: Columns, valid: Columns | None) -> None:
        """Set the linear path and the features' scales."""
        self.scales_ = {c: _scale(self.centred(c, f.values)) for c, f in X.items()}
        if not self.warm:
            self.maps_ = {c: np.zeros((f.width, self.dim), np.float32) for c, f in X.items()}
            return
        closed = closed_form(self.dim, self.ridge, self.weight, X, valid, self.seed)
        self.ridge_, self.weight_ = closed.ridge, closed.weight
        self.maps_ = {c: closed.scaled_map(c) for c in X}
        lengths = [np.linalg.norm(self.centred(c, f.values) @ self.maps_[c], axis=1) for c, f in X.items()]
        mean = float(np.mean([np.sqrt(np.mean(x.astype(np.float64) ** 2)) for x in lengths]))
        # a power of two changes no digit
        factor = np.float32(2.0 ** np.round(np.log2(LENGTH / mean))) if mean > 0 else np.float32(1)
        self.maps_ = {c: w * factor for c, w in self.maps_.items()}

    def _train(self, X: Columns, valid: Columns | None) -> tuple[State, int]:
        import torch

        from chiasm.train.paired import train_paired
        from chiasm.train.pairs import PairedRows

        items = {c: self._items(c, f) for c, f in X.items()}
        rows = PairedRows(items, torch.from_numpy(alike(X)), self.batch, self.seed)
        recipe = Recipe(self.epochs, self.patience, self.rate, self.decay, self.batch, self.seed)
        score = None if valid is None else self._score(valid)
        what = f"{self.loss} {self.mixup} {self.structure} {self.drop}"
        return train_paired(self._net(), self._objective(items), rows, recipe, score, what)

    def _items(self, column: str, features: Features) -> Any:
        """A column as it is trained on: centred, every number on average of variance 1."""
        import torch

        from chiasm.train.pairs import Items

        values = torch.from_numpy(self.centred(column, features.values) * self.scales_[column])
        count = torch.from_numpy(features.counts)
        return Items(values, count.cumsum(0) - count, count)

    def _net(self) -> Net:
        """The heads at their start; a parameter's numbers depend on the seed and its column alone."""
        import torch

        from chiasm.align.nets import Head, Heads

        heads = {}
        for c, w in self.maps_.items():
            head = Head(torch.from_numpy(w / self.scales_[c]), self.hidden, self.drop)
            for name, values in head.named_parameters():
                last = name == "outer" or not self.hidden  # of zeros, so that the start is the closed form's
                spread = 0.0 if name == "bias" or (last and self.warm) else len(values) ** -0.5
                with torch.no_grad():
                    values.normal_(0, 1, generator=generator(self.seed, f"{c} {name}")).mul_(spread)
            heads[c] = head
        return Heads(heads, *START[self.loss])

    def _objective(self, items: Mapping[str, Any]) -> Any:
        """What is made small, of the module and a step's pairs; `items` are all that is learned from."""
        from chiasm.align.nets import Objective

        return Objective(self.loss, self.mixup, self.structure, TILED)

    def _score(self, valid: Columns) -> Any:
        """The mean reciprocal rank of held-out pairs, both ways, over all pairs of columns."""
        import torch

        few = {c: sampled(f, FEW, self.seed) for c, f in valid.items()}
        items = {c: self._items(c, f).values for c, f in few.items() if len(f.row)}
        right = partners({c: few[c] for c in items})

        def score(net: Net) -> float:
            with torch.no_grad():
                vectors = {c: net(c, x).numpy() for c, x in items.items()}
            found = [mean_reciprocal_rank(vectors[q] @ vectors[a].T, r) for (q, a), r in right.items()]
            return float(np.mean(found)) if found else 0.0

        return score

    def _keep(self, state: State) -> None:
        """The state of the heads as arrays for features in their own units."""
        self.inner_, self.bias_, self.outer_ = {}, {}, {}
        for i, c in enumerate(sorted(self.maps_)):
            self.inner_[c] = state[f"heads.{i}.inner"] * self.scales_[c]
            if self.hidden:
                self.bias_[c], self.outer_[c] = state[f"heads.{i}.bias"], state[f"heads.{i}.outer"]

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("inner_")
        return int(next(iter(self.maps_.values())).shape[1])

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        centred = self.centred(name, values)
        moved = centred @ self.inner_[name]
        if name in self.outer_:
            moved = np.maximum(moved + self.bias_[name], 0) @ self.outer_[name]
        return unit_rows(centred @ self.maps_[name] + moved)


def closed_form(
    dim: int,
    ridge: float | Mapping[str, float] | None,
    weight: float,
    X: Columns,
    valid: Columns | None,
    seed: int,
) -> CCA:
    """CCA as given; where ridge is None, ridge and weight are chosen on held-out rows, if there are any."""
    moments = Moments.of(X)
    closed = CCA(dim, weight=weight) if ridge is None else CCA(dim, ridge, weight)
    closed.fit_moments(moments)
    if ridge is None and valid is not None:
        closed.set_params(**tune(closed, moments, valid, {}, partners(valid), seed).params)
    return closed


def partners(part: Columns) -> Right:
    """{(column, other): (items, other items) sparse, true where the row is the same}."""
    place = {
        c: sparse.csr_matrix((np.ones(len(f.row), bool), (np.arange(len(f.row)), f.row)), (len(f.row), f.n))
        for c, f in part.items()
    }
    return {(q, a): sparse.csr_matrix(place[q] @ place[a].T) for q, a in permutations(sorted(part), 2)}


def _scale(centred: Vectors) -> np.float32:
    """What makes numbers of variance 1 on average of centred vectors (items, d)."""
    mean = float(np.mean(centred.astype(np.float64) ** 2)) if centred.size else 0.0
    return np.float32(mean**-0.5 if mean > 0 else 1)
