"""The correction for hubs: items that lie near many queries of one kind, and so answer too many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from chiasm.checks import Estimator, check_range
from chiasm.errors import ShapeError, UsageError
from chiasm.index.neighbours import Vectors, nearest, packed


class Hubness(Estimator):
    """A gallery item's penalty is `strength` times the mean of its `k` highest cosines to *training* queries.

    This is the gallery half of CSLS (Lample et al. 2018, Word translation without parallel data) with a bank
    of queries as in Bogolin et al. 2022 (Cross modal retrieval with querybank normalisation). No query that
    is answered or judged later may be in the bank.
    """

    def __init__(self, k: int = 10, strength: float = 0.0) -> None:
        self.k, self.strength = k, strength

    def fit(self, bank: Mapping[str, Vectors]) -> Self:
        """Keep the training queries (b, dim) of each query column as `bank_`."""
        check_range(self.k, "k", 1)
        check_range(self.strength, "strength", 0.0)
        self.forget()
        self.bank_ = {column: packed(bank[column]) for column in sorted(bank)}
        return self

    def penalties(self, vectors: Vectors, bank: Vectors) -> Vectors:
        """(N,) what each gallery vector (N, dim) loses to queries like those of the bank (b, dim)."""
        if self.strength == 0:
            return np.zeros(len(vectors), np.float32)
        return np.asarray(self.strength * neighbourhood(vectors, bank, [self.k])[self.k], np.float32)


def neighbourhood(gallery: Vectors, bank: Vectors, ks: Sequence[int]) -> dict[int, Vectors]:
    """For each k, (N,) the mean of the k highest cosines of each gallery vector (N, dim) to a bank (b, dim).

    A bank smaller than k is used whole. The work is N × b × dim products, done by tiles.
    """
    if not len(bank):
        raise UsageError("the bank of training queries is empty", hint="Set the hubness strength to 0.")
    if gallery.shape[1] != bank.shape[1]:
        raise ShapeError(f"expected (b, {gallery.shape[1]}), got {bank.shape}", where="bank")
    most = min(max(ks), len(bank))
    best, _ = nearest(packed(gallery), packed(bank), most)  # (N, most), highest first
    return {k: best[:, : min(k, most)].mean(axis=1) for k in ks}
