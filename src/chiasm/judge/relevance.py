"""Which answer items are right for which queries: same row, same content, same label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError


@dataclass(frozen=True, eq=False)
class Relevance:
    """A boolean matrix (q, g) that is never held: slices of its rows are made when asked for.

    Contents, not items, are related: a content stands in groups (rows, labels), and two contents that share a
    group are relevant to each other.

    query : (q,) the content of each query;  answer : (g,) the content of each answer item.
    left : (query contents, groups) and right : (groups, answer contents), sparse.
    """

    query: NDArray[np.int64]
    answer: NDArray[np.int64]
    left: Any
    right: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(q, g)."""
        return len(self.query), len(self.answer)

    def __getitem__(self, rows: slice) -> Any:
        """The given rows as a sparse CSR matrix of bools (t, g)."""
        contents, place = np.unique(self.query[rows], return_inverse=True)
        pairs = (self.left[contents] @ self.right).astype(bool)  # (contents here, answer contents)
        expanded = pairs @ _incidence(self.answer, self.right.shape[1]).T
        return sparse.csr_array(expanded)[place]

    def tocsr(self) -> Any:
        """The whole matrix as sparse CSR: for small ones and for tests."""
        return self[0 : len(self.query)]


def relevance(query: Features, answer: Features, labels: Sequence[Any] | None = None) -> Relevance:
    """The right answers to each query item.

    Right are the items of the same row; with `labels` (one a row, None where unlabelled) also those of rows
    of equal label. Two queries of equal content share their right answers, and what has the content of a
    right answer is right: five captions of one photo all count, and so does a photo that is there twice.
    """
    if query.n != answer.n:
        raise ShapeError(
            f"expected features of the same rows, got {query.n} and {answer.n}", where="relevance"
        )
    groups = _groups(query.n, labels)  # (n, groups)
    asked, given = _contents(query), _contents(answer)
    left = _incidence(asked, None).T @ groups[query.row]
    right = groups[answer.row].T @ _incidence(given, None)
    return Relevance(asked, given, sparse.csr_array(left), sparse.csr_array(right))


def _groups(n: int, labels: Sequence[Any] | None) -> Any:
    """(n, groups) each row in a group of its own, and in the group of its label where it has one."""
    rows = _incidence(np.arange(n), n)
    if labels is None:
        return rows
    if len(labels) != n:
        raise DataError(f"expected one label a row, {n}, got {len(labels)}", where="labels")
    codes: dict[Any, int] = {}
    marks = np.array([-1 if label is None else codes.setdefault(label, len(codes)) for label in labels], int)
    known = np.flatnonzero(marks >= 0)
    ones = np.ones(len(known), np.int32)
    classes = sparse.csr_array((ones, (known, marks[known])), shape=(n, max(1, len(codes))))
    return sparse.hstack([rows, classes], format="csr")


def _contents(features: Features) -> NDArray[np.int64]:
    """(items,) contents counted from 0, equal for items of equal content."""
    if features.key is None:
        return np.arange(len(features.row))
    return np.unique(features.key, return_inverse=True)[1].astype(np.int64)


def _incidence(codes: NDArray[np.int64], count: int | None) -> Any:
    """(len(codes), count) one 1 a line, at its code."""
    width = int(codes.max(initial=-1)) + 1 if count is None else count
    return sparse.csr_array(
        (np.ones(len(codes), np.int32), codes, np.arange(len(codes) + 1)), shape=(len(codes), width)
    )
