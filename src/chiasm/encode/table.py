"""Tables: numbers by their distance from the mean, categories as indicators, a group of columns as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix, check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells
from chiasm.encode.expect import Blocks, fill, learn_expected
from chiasm.encode.recipes import Recipe, code, learn
from chiasm.errors import DataError

Cells = list[dict[str, Any]]


class OneHot(Encoder):
    """One column for each category of the training rows; a category not seen there gives a zero row."""

    modality: ClassVar[str] = "category"
    cached: ClassVar[bool] = False

    def describe(self, cells: Sequence[Any]) -> list[str]:
        """The categories as words."""
        return [str(cell) for cell in cells]

    def fit(self, described: Descriptions) -> Self:
        """Learn the categories, in sorted order."""
        check_cells(described, self)
        self.forget()
        self.categories_ = sorted(set(described))
        self.width_ = len(self.categories_)
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, categories) a single 1 in each row, none for a category not seen in training."""
        self.require_fitted("categories_")
        place = {name: index for index, name in enumerate(self.categories_)}
        found = np.array([place.get(name, -1) for name in described], np.int64)
        return np.asarray(found[:, None] == np.arange(self.width_), np.float32)


class Standard(Encoder):
    """Numbers as standard deviations from the mean of the training rows; zero where those do not vary."""

    modality: ClassVar[str] = "number"
    cached: ClassVar[bool] = False

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """The numbers as a column (n, 1)."""
        return np.asarray(cells, np.float32).reshape(len(cells), 1)

    def fit(self, described: Descriptions) -> Self:
        """Learn mean and standard deviation."""
        check_cells(described, self)
        self.forget()
        values = check_matrix(described, "Standard", 1)
        spread = values.std(dtype=np.float64)
        self.centre_ = float(values.mean(dtype=np.float64))
        self.scale_ = float(1 / spread) if spread > 0 else 0.0
        self.width_ = 1
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, 1)."""
        self.require_fitted("scale_")
        values = check_matrix(described, "Standard", 1)
        return np.asarray((values - self.centre_) * self.scale_, np.float32)


class Table(Encoder):
    """A group of columns as one modality: a cell is {column: value} of one row, with only what it has.

    A value is a number, a word (category; a boolean is one) or a date (`date`, `datetime`, `datetime64`).

    rare : categories of fewer training rows are taken together as one; 1 leaves each on its own.
    most : categories kept for one column, the commonest.
    robust : centre and scale numbers by median and quartiles, not by mean and standard deviation.
    expected : impute an absent value from the row's other columns, where values were absent in training
        too.

    An absent value is 0 in each of its column's features, the mean of the training rows, or imputed; one more
    feature is then 1, where values were absent in training too.
    """

    modality: ClassVar[str] = "table"
    cached: ClassVar[bool] = False

    columns_: dict[str, Recipe]  # the recipe of each column
    gaps_: list[str]  # columns with an indicator of absence, the last feature of their block
    blocks_: dict[str, list[int]]  # [start, stop] of each column's features
    weights_: NDArray[np.float64]  # (d, d) of the regressions that impute absent values

    def __init__(self, rare: int = 1, most: int = 1000, robust: bool = False, expected: bool = False) -> None:
        self.rare = rare
        self.most = most
        self.robust = robust
        self.expected = expected

    def describe(self, cells: Sequence[Mapping[str, Any]]) -> Cells:
        """The cells with float, str and datetime64 alone; DataError names what is none of them."""
        return [dict(_plain_cell(cell)) for cell in cells]

    def fit(self, described: Descriptions) -> Self:
        """Learn from cells how each column is coded; one of a single value gives nothing."""
        check_cells(described, self)
        check_range(self.rare, "rare", 1)
        check_range(self.most, "most", 1)
        self.forget()
        found = _by_column(described)
        self.columns_ = {
            c: learn(c, v, rare=self.rare, most=self.most, robust=self.robust)
            for c, (_, v) in sorted(found.items())
        }
        self.gaps_ = [c for c in self.columns_ if len(found[c][0]) < len(described)]
        widths = [recipe["width"] + (c in self.gaps_) for c, recipe in self.columns_.items()]
        edges = np.cumsum([0, *widths]).tolist()
        self.blocks_ = {c: [a, b] for c, a, b in zip(self.columns_, edges, edges[1:], strict=False)}
        self.width_ = max(1, edges[-1])  # where nothing varies, one feature that is 0
        if self.expected and self.gaps_:
            self.weights_ = learn_expected(*self._coded(described))
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """(n, d) of cells; columns that were not learned are ignored."""
        self.require_fitted("columns_")
        values, blocks, absent = self._coded(described)
        if hasattr(self, "weights_"):
            values = fill(values, blocks, absent, self.weights_)
        for column, gone in zip(self.columns_, absent.T, strict=True):
            if column in self.gaps_:
                values[:, self.blocks_[column][1] - 1] = gone
        return values.astype(np.float32)

    def _coded(self, described: Descriptions) -> tuple[NDArray[np.float64], Blocks, NDArray[np.bool_]]:
        """Values (n, d), 0 where absent, the blocks of values in them, and absent (n, columns)."""
        values = np.zeros((len(described), self.width_))
        absent = np.ones((len(described), len(self.columns_)), bool)
        found = _by_column(described)
        starts = [start for start, _ in self.blocks_.values()]
        blocks = [(a, a + r["width"]) for a, r in zip(starts, self.columns_.values(), strict=True)]
        for (column, recipe), (start, stop), gone in zip(
            self.columns_.items(), blocks, absent.T, strict=True
        ):
            row, cells = found.get(column, ([], []))
            values[row, start:stop] = code(column, recipe, cells)
            gone[row] = False
        return values, blocks, absent


def _plain_cell(cell: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """(column, value) of what is there; NaN, NaT and None are absent."""
    for column, value in cell.items():
        plain = _plain(column, value)
        if plain is not None and plain == plain:
            yield column, plain


def _plain(column: str, value: Any) -> Any:
    """float, str, datetime64 or None."""
    match value:
        case None:
            return None
        case str():
            return str(value)
        case bool() | np.bool_():
            return str(bool(value))
        case datetime() if value.tzinfo is not None:
            return np.datetime64(value.astimezone(UTC).replace(tzinfo=None), "s")
        case datetime() | date():
            return np.datetime64(value, "s")
        case np.datetime64():
            return value.astype("datetime64[s]")
        case int() | float() | np.number() if not np.isinf(value):
            return float(value)
    raise DataError(f"no number, word or date: {value!r:.40}", where=f"column {column!r}")


def _by_column(cells: Iterable[Mapping[str, Any]]) -> dict[str, tuple[list[int], list[Any]]]:
    """{column: (rows, values)} of described cells."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for row, cell in enumerate(cells):
        for column, value in cell.items():
            rows, values = found.setdefault(column, ([], []))
            rows.append(row)
            values.append(value)
    return found
