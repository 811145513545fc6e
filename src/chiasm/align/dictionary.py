"""Coupled dictionaries: one sparse code for all columns of a row, a dictionary of its own for each column."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from chiasm.align.aligner import Aligner, Columns
from chiasm.align.anchors import drawn_anchors
from chiasm.align.moments import Moments
from chiasm.checks import check_count, check_range
from chiasm.numerics import unit_rows

Vectors = NDArray[np.float32]
Doubles = NDArray[np.float64]
SLACK = 1e-3
"""Of the dictionaries' ridge, in units of how much an atom is used on average."""


class Dictionary(Aligner):
    """Sparse codes as the space: a row's columns share one code, and every column has its own atoms for it.

    Codes and atoms are found in turn. A row's code is the lasso of the columns it has, at unit length and
    side by side, on their atoms; the atoms of a column are then the least squares of the rows that have it
    (coupled dictionaries: Yang et al. 2010; the step of the atoms: MOD, Engan et al. 1999). So a row with
    gaps teaches the columns it has. An item is coded by its own column's atoms alone, at unit length.

    Where it loses: a code of one column is not the code of both, and what it is good for, to rebuild what a
    column shows, is not what two columns share. On Flickr8k's test part R@10 is 34 where `CCA` has 60
    (captions that look for their photo).

    The last atoms stay as their regression leaves them, some 1.2 long, so that new items are coded under that
    much less penalty than rows were. Balanced once more they find less (Flickr8k dev, R@10 of captions and of
    photos 35.1 and 34.6 for 36.0 and 35.5).

    dim : atoms, the width of the space; no more than rows of two columns.
    penalty : of a code's absolute sum beside half its squared error: the larger, the sparser.
    passes : turns of codes and atoms.
    seed : of the rows that are the first atoms.

    atoms_ : {column: (k, d)};  errors_ : (passes,) mean squared error of a row's columns, of length 1.
    """

    def __init__(self, dim: int = 256, penalty: float = 0.02, passes: int = 6, seed: int = 0) -> None:
        self.dim = dim
        self.penalty = penalty
        self.passes = passes
        self.seed = seed

    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        check_count(self.dim, "dim")
        check_range(self.penalty, "penalty", 1e-6)
        check_count(self.passes, "passes")
        present = {c: f.present for c, f in X.items()}
        shown = {c: np.zeros((f.n, f.width)) for c, f in X.items()}
        for c, f in X.items():
            shown[c][f.present] = unit_rows(self.centred(c, f.means))
        first = drawn_anchors(present, self.dim, self.seed)
        self.atoms_ = {c: values[first] for c, values in shown.items()}
        errors = []
        for _ in range(self.passes):
            self._balance()
            codes = self._codes(shown, present)
            self._renew(shown, present, codes)
            errors.append(self._error(shown, present, codes))
        self.atoms_ = {c: np.asarray(atoms, np.float32) for c, atoms in self.atoms_.items()}
        self.errors_ = np.array(errors)

    def _balance(self) -> None:
        """Every atom's blocks at a mean squared length of 1; an atom that no code used stays zero."""
        squares = np.mean([np.einsum("ij,ij->i", d, d) for d in self.atoms_.values()], axis=0)
        lengths = np.sqrt(np.where(squares > 0, squares, 1))[:, None]
        self.atoms_ = {c: atoms / lengths for c, atoms in self.atoms_.items()}

    def _codes(self, shown: dict[str, Doubles], present: dict[str, NDArray[np.bool_]]) -> Doubles:
        """(n, k) codes of rows by what they have; zero where that is nothing."""
        columns = sorted(shown)
        codes = np.zeros((len(shown[columns[0]]), len(self.atoms_[columns[0]])))
        for has, rows in _patterns([present[c] for c in columns]):
            here = [c for c, there in zip(columns, has, strict=True) if there]
            side_by_side = np.hstack([shown[c][rows] for c in here])
            atoms = np.hstack([self.atoms_[c] for c in here])
            codes[rows] = coded(side_by_side, atoms, self.penalty * len(here))
        return codes

    def _renew(
        self, shown: dict[str, Doubles], present: dict[str, NDArray[np.bool_]], codes: Doubles
    ) -> None:
        """The atoms of every column as the ridge regression of its rows on their codes."""
        for c, values in shown.items():
            own = codes[present[c]]
            gram = own.T @ own
            gram.flat[:: len(gram) + 1] += max(SLACK * np.trace(gram) / len(gram), 1e-12)
            self.atoms_[c] = linalg.solve(gram, own.T @ values[present[c]], assume_a="pos")

    def _error(
        self, shown: dict[str, Doubles], present: dict[str, NDArray[np.bool_]], codes: Doubles
    ) -> float:
        missed = [((codes[h] @ self.atoms_[c] - shown[c][h]) ** 2).sum() for c, h in present.items()]
        return float(sum(missed) / sum(h.sum() for h in present.values()))

    @property
    def space_width(self) -> int:
        """k, the number of atoms."""
        self.require_fitted("atoms_")
        return len(next(iter(self.atoms_.values())))

    def project(self, name: str, values: NDArray[Any]) -> Vectors:
        """Items (items, d) of one column to sparse codes (items, k), at unit length."""
        items = unit_rows(self.centred(name, values)).astype(np.float64)
        return unit_rows(coded(items, self.atoms_[name].astype(np.float64), self.penalty))


def coded(items: Doubles, atoms: Doubles, penalty: float) -> Doubles:
    """(n, k) the lasso of items (n, d) on atoms (k, d): half the squared error, `penalty` times the sum."""
    from sklearn.decomposition import sparse_encode
    from sklearn.exceptions import ConvergenceWarning

    if not len(items):
        return np.zeros((0, len(atoms)))
    with warnings.catch_warnings():  # a code near the best is a code
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(sparse_encode(items, atoms, algorithm="lasso_cd", alpha=penalty, max_iter=200))


def _patterns(
    present: Sequence[NDArray[np.bool_]],
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Every pattern of columns that rows have, but nothing at all, with those rows."""
    patterns, which = np.unique(np.column_stack(present), axis=0, return_inverse=True)
    for i, has in enumerate(patterns):
        if has.any():
            yield has, np.flatnonzero(which.ravel() == i)
