"""Learned heads on frozen features: contrastive, from where a closed form ends; the extra `neural`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.align.aligner import MEMBERS, Aligner, Columns
from chiasm.align.anchors import drawn_anchors
from chiasm.align.linear import LinearAligner
from chiasm.align.moments import Moments
from chiasm.align.near_duplicates import near_duplicate_ids
from chiasm.align.tune import BANK, FEW, Right, mrr_ties_last, sampled, tune
from chiasm.checks import check_count, check_known, check_range
from chiasm.encode.features import Features
from chiasm.errors import require_extra
from chiasm.named import Record
from chiasm.numerics import unit_rows
from chiasm.train.loop import Recipe, State, generator

Vectors = NDArray[np.float32]
Net = Any

STARTS = ("cca", "kernel")
LOSSES = {"info_nce": (20.0, None), "sigmoid": (10.0, -10.0)}
"""With the scale and the bias that they begin with."""
LENGTH = 4.0
"""About how long the start's vectors are beside what is learned: the longer, the less it moves them."""


class Learned(Aligner):
    """A head a column, s(x) + relu(x A + a) B at unit length, trained to tell pairs from strangers.

    `s` is an aligner in closed form and stays; what is learned begins at zero, so that before the first pass
    the space is the closed form's, and with held-out rows never a worse one is kept. Rows that are copies or
    near-duplicates of each other, in any column, are never each other's strangers. Several items of a row
    take turns. With more than two columns, or gaps, the loss is the mean over pairs of columns, each over
    rows that have both.

    Where it loses: to its start, with few pairs. The closed form then tells all training pairs apart, nothing
    is left to learn, and held-out rows keep it as it is: with 300 and 1,000 photos of Flickr8k not one pass
    was better. Without held-out rows nothing watches that. Heads without a start are worse there still.

    dim : width of the space, at most what the closed form allows.
    hidden : units of a head; 0 learns a linear map x A.
    start : "cca", "kernel", or None: no closed form, A and B random.
    settings : parameters of the closed form; None chooses them on the held-out rows, where there are any.
    loss : "info_nce" (`train.contrastive`; by `train.tiled` where the batch is large) or "sigmoid".
    mixup : α of the Beta distribution by which rows are mixed, both columns alike (FuseMix, arXiv
        2312.10144); 0 mixes nothing.
    structure : weight of a loss that keeps each column's neighbourhoods (STRUCTURE, arXiv 2506.16895, its
        first level).
    dropout : how often a hidden unit is left out of a step.
    epochs, learning_rate, weight_decay : of AdamW (`train.paired`).
    patience : passes without a better mean reciprocal rank of held-out pairs before it stops.
    stop_epoch : passes after which it stops anyway, with the learning rates of all `epochs`; None for none.
    batch : rows a step, at most; None takes a twelfth of the rows, 32 to 512.
    seed : of everything random.

    epochs_ : passes that what is kept took.
    start_ : the closed form's record {"name", "params", "state"}, None without;  length_ : its factor.
    inner_ : {column: (d, hidden)} A, (d, k) without hidden units;  bias_ : {column: (hidden,)} a;
    outer_ : {column: (hidden, k)} B.

    Raises MissingExtra without torch and Lightning.
    """

    start_: Record | None
    inner_: dict[str, Vectors]
    bias_: dict[str, Vectors]
    outer_: dict[str, Vectors]

    def __init__(
        self,
        dim: int = 256,
        hidden: int = 512,
        start: str | None = "cca",
        settings: Mapping[str, Any] | None = None,
        loss: str = "info_nce",
        mixup: float = 0.0,
        structure: float = 0.0,
        dropout: float = 0.8,
        epochs: int = 10,
        patience: int = 3,
        stop_epoch: int | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        batch: int | None = None,
        seed: int = 0,
    ) -> None:
        self.dim = dim
        self.hidden = hidden
        self.start = start
        self.settings = settings
        self.loss = loss
        self.mixup = mixup
        self.structure = structure
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.stop_epoch = stop_epoch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch = batch
        self.seed = seed

    def selected_params(self) -> dict[str, Any]:
        """The passes that were best, of as many as were planned, and the closed form's parameters."""
        self.require_fitted("epochs_")
        settings = None if self.start_ is None else self.start_["params"]
        return {"stop_epoch": self.epochs_, "settings": settings}

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        self._check()
        require_extra("torch", "neural")
        require_extra("lightning", "neural")
        self.scales_ = {c: _scale(self.centred(c, f.values)) for c, f in X.items()}
        self._begin(moments, X, valid)
        state, self.epochs_ = self._train(X, valid)
        self._keep(state)

    def _check(self) -> None:
        for name, least in (("dim", 1), ("patience", 1), ("hidden", 0), ("epochs", 0)):
            check_count(getattr(self, name), name, least)
        if self.batch is not None:
            check_count(self.batch, "batch", 2)
        if self.stop_epoch is not None:
            check_count(self.stop_epoch, "stop_epoch", 0)
        for name in ("learning_rate", "weight_decay", "mixup", "structure"):
            check_range(getattr(self, name), name, 0)
        check_range(self.dropout, "dropout", 0, 0.95)
        check_known(self.loss, LOSSES, "loss")
        if self.start is not None:
            check_known(self.start, STARTS, "start")

    def _begin(self, moments: Moments, X: Columns, valid: Columns | None) -> None:
        """Set the closed form and its factor, a power of two, which changes no digit."""
        self.start_, self.length_ = None, 1.0
        if self.start is None:
            return
        closed = closed_form(self.start, self.dim, self.settings, moments, X, valid, self.seed)
        self.start_ = MEMBERS.record(closed)
        few = {c: sampled(f, FEW, self.seed).values for c, f in X.items()}
        squares = [np.sum(self._started(c, x).astype(np.float64) ** 2, axis=1) for c, x in few.items()]
        length = float(np.mean([np.sqrt(x.mean()) for x in squares]))
        self.length_ = float(2.0 ** np.round(np.log2(LENGTH / length))) if length > 0 else 1.0

    def _started(self, column: str, values: NDArray[Any]) -> Vectors:
        """s(x) (items, k); of a linear one before it takes unit length, when it says less of what it knows
        less."""
        if self.start_ is None:
            width = self.space_width if hasattr(self, "inner_") else self.dim
            return np.zeros((len(values), width), np.float32)
        closed = self.made_of("start_", MEMBERS.revive)
        if isinstance(closed, LinearAligner):
            vectors = closed.centred(column, values) @ closed.scaled_map(column)
        else:
            vectors = closed.project(column, values)
        return np.asarray(vectors * np.float32(self.length_))

    def _train(self, X: Columns, valid: Columns | None) -> tuple[State, int]:
        import torch

        from chiasm.align.nets import Objective
        from chiasm.train.paired import train_paired
        from chiasm.train.pairs import PairedRows

        items = {c: self._items(c, f) for c, f in X.items()}
        most = max(int(f.present.sum()) for f in X.values())
        batch = int(np.clip(most // 12, 32, 512)) if self.batch is None else self.batch
        rows = PairedRows(items, torch.from_numpy(near_duplicate_ids(X)), batch, self.seed)
        recipe = Recipe.of(self, batch=batch)
        objective = Objective(self.loss, len(rows.ids), self.mixup, self.structure)
        score = None if valid is None else self._score(valid)
        what = f"{self.loss} {self.mixup} {self.structure} {self.dropout}"
        return train_paired(self._net(X), objective, rows, recipe, score, what, valid)

    def _items(self, column: str, features: Features) -> Any:
        """A column as it is trained on: centred, of variance 1 a number on average, and s(x) beside it."""
        import torch

        from chiasm.train.pairs import Items

        centred = self.centred(column, features.values) * np.float32(self.scales_[column])
        values = torch.from_numpy(np.hstack([centred, self._started(column, features.values)]))
        return Items.of(values, torch.from_numpy(features.counts))

    def _net(self, X: Columns) -> Net:
        """The heads at their start; a parameter's numbers depend on the seed and its column alone."""
        import torch

        from chiasm.align.nets import Head, Heads

        heads = {}
        for c, f in X.items():
            width = self._started(c, f.values[:1]).shape[1]
            heads[c] = head = Head(f.width, width, self.hidden, self.dropout)
            for name, values in head.named_parameters():
                last = name == "outer" or not self.hidden  # of zeros, so that the start is the closed form's
                spread = 0.0 if name == "bias" or (last and self.start) else len(values) ** -0.5
                with torch.no_grad():
                    values.normal_(0, 1, generator=generator(self.seed, f"{c} {name}")).mul_(spread)
        return Heads(heads, *LOSSES[self.loss])

    def _score(self, valid: Columns) -> Any:
        """The mean reciprocal rank of held-out pairs, both ways, over all pairs of columns."""
        import torch

        few = some_linked(valid, self.seed)
        items = {c: self._items(c, f).values for c, f in few.items()}
        right = partners(few)

        def score(net: Net) -> float:
            with torch.no_grad():
                vectors = {c: net(c, x).numpy() for c, x in items.items()}
            found = [mrr_ties_last(vectors[q] @ vectors[a].T, r) for (q, a), r in right.items()]
            return float(np.mean(found)) if found else 0.0

        return score

    def _keep(self, state: State) -> None:
        """The state of the heads as arrays, for features in their own units."""
        self.inner_, self.bias_, self.outer_ = {}, {}, {}
        for i, c in enumerate(sorted(self.scales_)):
            self.inner_[c] = state[f"heads.{i}.inner"] * np.float32(self.scales_[c])
            if self.hidden:
                self.bias_[c], self.outer_[c] = state[f"heads.{i}.bias"], state[f"heads.{i}.outer"]

    @property
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""
        self.require_fitted("inner_")
        return int(next(iter((self.outer_ or self.inner_).values())).shape[1])

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column into the space (items, k), at unit length."""
        moved = self.centred(name, values) @ self.inner_[name]
        if name in self.outer_:
            moved = np.maximum(moved + self.bias_[name], 0) @ self.outer_[name]
        return unit_rows(self._started(name, values) + moved)


def closed_form(
    name: str,
    dim: int,
    settings: Mapping[str, Any] | None,
    moments: Moments,
    X: Columns,
    valid: Columns | None,
    seed: int,
) -> Aligner:
    """An aligner as set; where nothing is, what it has to be chosen is chosen on held-out rows, if any."""
    closed = MEMBERS.made(name, settings or {}, {"dim": dim, "seed": seed})
    closed.fit_rows(moments, X, None, valid)
    if settings is None and valid is not None:
        tuning = tune(closed, moments, X, valid, partners(valid), seed=seed, bank={})
        closed.set_params(**tuning.params)
    return closed


def some_linked(part: Columns, seed: int) -> Columns:
    """At most `FEW` rows with two columns or more, of every pair of columns some, with all of their items;
    fewer where a column holds so many a row that they would be more than `BANK`."""
    most = max(len(f.row) / max(int(f.present.sum()), 1) for f in part.values())
    rows = drawn_anchors({c: f.present for c, f in part.items()}, min(FEW, int(BANK / most)), seed)
    return {c: f.take(rows) for c, f in part.items() if f.present[rows].any()}


def partners(part: Columns) -> Right:
    """{(column, other): (items, other items) sparse, true where the row is the same}."""
    place = {
        c: sparse.csr_matrix((np.ones(len(f.row), bool), (np.arange(len(f.row)), f.row)), (len(f.row), f.n))
        for c, f in part.items()
    }
    return {(q, a): sparse.csr_matrix(place[q] @ place[a].T) for q, a in permutations(sorted(part), 2)}


def _scale(centred: Vectors) -> float:
    """What makes numbers of variance 1 on average of centred vectors (items, d)."""
    mean = float(np.mean(centred.astype(np.float64) ** 2)) if centred.size else 0.0
    return mean**-0.5 if mean > 0 else 1.0
