"""The contract of every aligner: columns with gaps → unit vectors of one space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.align.moments import TOGETHER, Moments, Table, check_table
from chiasm.checks import Estimator, check_known, check_matrix
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.named import Named
from chiasm.numerics import unit_rows

Matrix = NDArray[Any]
Columns = Mapping[str, Features]
HUGE = 1e33
"""Numbers up to here may be multiplied by a map's in single precision."""


class Aligner(Estimator, ABC):
    """A map a column into a space of unit vectors, in which what belongs together lies together.

    `fit` takes {column: array (n, d) or Features}; an absent row is NaN throughout, and every pair of
    columns learns from all rows that have both. A subclass writes `_learn` (or, where second moments are
    enough, is a `LinearAligner`), `project` and `space_width`.

    tunable : parameters that `tune` chooses on held-out rows.
    adjustable : those of them that may be changed after `fit`; others take another fit.
    ridge_by_column : whether `ridge` may be one number a column.
    from_rows : whether it learns from rows; else second moments are enough.

    means_ : {column: (d,)} the mean of every column it knows.
    """

    tunable: ClassVar[tuple[str, ...]] = ()
    adjustable: ClassVar[tuple[str, ...]] = ()
    ridge_by_column: ClassVar[bool] = False
    from_rows: ClassVar[bool] = True
    dim: int
    means_: dict[str, Matrix]

    def fit(self, X: Table | Iterable[Table], y: Any = None, valid: Table | None = None) -> Self:
        """Learn from rows.

        y : (n,) classes; only supervised aligners look at them.
        valid : rows held out, of the same columns; an aligner that learns in steps stops by them.
        """
        if not isinstance(X, Mapping):
            raise UsageError(f"{type(self).__name__} needs all rows at once, not a stream", where="X")
        return self.fit_rows(Moments.of(X), X, y, valid)

    def fit_rows(self, moments: Moments, X: Table, y: Any = None, valid: Table | None = None) -> Self:
        """`fit` where the moments of the same rows are at hand."""
        columns = self._begun(moments)
        held = None if valid is None else _together(valid, columns, "held-out column")
        if held is not None and not any(
            (a.present & b.present).any() for a, b in combinations(held.values(), 2)
        ):
            held = None  # rows without a pair judge nothing
        self._learn(moments, _together(X, columns, "column"), y, held)
        return self

    def _begun(self, moments: Moments) -> list[str]:
        """The columns of the moments, linked; what was learned before is forgotten, and `means_` is set."""
        columns = check_linked(moments)
        self.forget()
        self.means_ = {c: moments.center(c).astype(np.float32) for c in columns}
        return columns

    @abstractmethod
    def _learn(self, moments: Moments, X: Columns, y: Any, valid: Columns | None) -> None:
        """Set what `project` needs, from linked columns and the moments of the same rows; `means_` is set."""

    def selected_params(self) -> dict[str, Any]:
        """Parameters as `fit` with held-out rows chose them: to be set before a fit without any."""
        return {}

    @abstractmethod
    def project(self, name: str, values: Matrix) -> NDArray[np.float32]:
        """Items (items, d) of one column into the space (items, k), at unit length; row by row."""

    @property
    @abstractmethod
    def space_width(self) -> int:
        """k, the number of coordinates of the space."""

    @property
    def columns(self) -> list[str]:
        """The columns it was fitted with, sorted."""
        self.require_fitted("means_")
        return sorted(self.means_)

    def checked(self, name: str, values: Matrix) -> Matrix:
        """The values as a matrix of the width this column was fitted with."""
        check_known(name, self.columns, "column")
        return check_matrix(values, f"column {name!r}", width=len(self.means_[name]))

    def centred(self, name: str, values: Matrix) -> NDArray[np.float32]:
        """The values checked, less the column's mean."""
        values = self.checked(name, values)
        if np.abs(values).max(initial=0) < HUGE:
            return np.asarray(values - self.means_[name], np.float32)
        return np.asarray(shortened(values - self.means_[name].astype(np.float64), HUGE), np.float32)

    def transform(self, X: Mapping[str, Features | Matrix]) -> dict[str, NDArray[np.float32]]:
        """{column: (n, d)} to {column: (n, k)} unit rows; absent rows are NaN, only given columns appear."""
        check_table(X)
        return {name: self._rows(name, X[name]) for name in sorted(X)}

    def _rows(self, name: str, cells: Features | Matrix) -> NDArray[np.float32]:
        features = as_features(cells, name)
        if not len(features.row):  # maybe a column that was empty when this was fitted
            return np.full((features.n, self.space_width), np.nan, np.float32)
        # a row with several items is their mean, at unit length again
        return unit_rows(features.with_values(self.project(name, features.values)).dense())

    def fit_transform(
        self, X: Mapping[str, Features | Matrix], y: Any = None
    ) -> dict[str, NDArray[np.float32]]:
        """`fit` and `transform` of the same rows."""
        return self.fit(X, y).transform(X)


MEMBERS: Named[Aligner] = Named(
    "aligner that can be a member",
    {
        "anchors": "chiasm.align.anchors:Anchors",
        "cca": "chiasm.align.linear:CCA",
        "csa": "chiasm.align.csa:CSA",
        "kernel": "chiasm.align.kernel:KernelCCA",
        "learned": "chiasm.align.learned:Learned",
    },
)
"""What another aligner can keep in its own state."""


def _together(table: Table, columns: list[str], what: str) -> dict[str, Features]:
    """{column: Features} of these columns, of one number of rows; `what` is the word for one of them."""
    check_table(table)
    for c in columns:
        check_known(c, table, what)
    found = {c: as_features(table[c], c) for c in columns}
    lengths = {c: f.n for c, f in found.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"{what}s have different numbers of rows: {lengths}", where="alignment")
    return found


def shortened(values: Matrix, most: float) -> Matrix:
    """Rows (n, d) with a number above `most` made so much shorter: only their direction counts."""
    peaks = np.abs(values).max(axis=1, initial=0, keepdims=True)
    return values if peaks.max(initial=0) < most else values / np.maximum(peaks / most, 1)


def check_linked(moments: Moments) -> list[str]:
    """The columns of the moments, or an error unless each shares at least two rows with another."""
    columns = moments.columns
    if len(columns) < 2:
        raise DataError(
            f"alignment needs two columns with features, got {columns or 'none'}", hint="Name another column."
        )
    for c in columns:
        if all(moments.pairs(c, other) < TOGETHER for other in columns if other != c):
            raise DataError(
                f"column {c!r} shares fewer than two rows with every other column", where="alignment"
            )
    return columns
