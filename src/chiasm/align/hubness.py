"""Hubness correction: an item that lies near many training queries of one kind loses that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import Estimator, check_known, check_range
from chiasm.numerics import blocks

Vectors = NDArray[np.float32]


class Hubness(Estimator):
    """What each gallery item loses against queries of each column.

    The loss is `strength` times the mean of the item's `k` highest cosines to a bank of *training* queries:
    the gallery half of CSLS (Lample et al. 2018) with a bank as in Bogolin et al. 2022 (querybank
    normalisation).
    No query that is asked later enters it.

    bank_ : {query column: (b, dim) training queries in the space}
    settings_ : {query column: {answer column: [k, strength]}}; a direction that is not there is not
    corrected.
    """

    def fit(self, bank: Mapping[str, Vectors], settings: Mapping[str, Mapping[str, Sequence[float]]]) -> Self:
        """Keep the bank and, for each direction, its k and strength.

        Raises UsageError where a direction's query column has no bank, or its numbers are out of range.
        """
        self.forget()
        self.bank_ = {column: np.ascontiguousarray(bank[column], np.float32) for column in sorted(bank)}
        self.settings_ = {
            q: {a: list(pair) for a, pair in answers.items()} for q, answers in settings.items()
        }
        for query, answers in self.settings_.items():
            check_known(query, self.bank_, "query column in the bank")
            for k, strength in answers.values():
                check_range(k, "k", 1)
                check_range(strength, "strength", 0)
        return self

    def penalties(self, answer: str, vectors: Vectors) -> dict[str, Vectors]:
        """{query column: (N,)} what each gallery vector (N, dim) of the answer column loses."""
        self.require_fitted("bank_")
        out = {}
        for query, answers in self.settings_.items():
            k, strength = answers.get(answer, (1, 0.0))
            if strength > 0 and len(self.bank_[query]):
                near = neighbourhood(vectors, self.bank_[query], [int(k)])[int(k)]
                out[query] = np.asarray(strength * near, np.float32)
        return out


def neighbourhood(gallery: Vectors, bank: Vectors, ks: Sequence[int]) -> dict[int, Vectors]:
    """For each k, (N,) the mean of the k highest cosines of each gallery vector (N, dim) to the bank (b,
    dim).

    A bank smaller than k is used whole. The N × b products are made and dropped by tiles.
    """
    most = min(max(ks), len(bank))
    means = {k: np.empty(len(gallery), np.float32) for k in ks}
    for rows in blocks(len(gallery), len(bank)):
        cosines = gallery[rows] @ bank.T
        cosines.partition(len(bank) - most, axis=1)
        nearest = np.sort(cosines[:, len(bank) - most :], axis=1)[:, ::-1]
        for k in ks:
            means[k][rows] = nearest[:, :k].mean(axis=1)
    return means
