"""A gallery: the items of one column, searched from any column, filtered, saved, grown and shrunk."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Mask
from chiasm.checks import check_matrix, check_range
from chiasm.errors import FolderError, ShapeError, UsageError
from chiasm.index.neighbours import (
    Filter,
    Found,
    Vectors,
    inverted_file,
    nearest,
    packed,
    perturbed,
    read_index,
    visited,
)
from chiasm.numerics import blocks

Places = NDArray[np.int64]
Mix = Mapping[str, float]
FEW = 2_000
"""Up to so many allowed items are compared one by one, whatever the size of the gallery."""
ARRAYS = ("matrix", "row", "item", "background")


@dataclass(frozen=True, eq=False)
class Gallery:
    """Unit vectors with the penalties of hubs beside them, so that a corrected score is one inner product.

    matrix : (N, dim + c) float32, a unit vector followed by its penalties for c query columns; a query is
        extended by minus its mix of columns.
    row, item : (N,) int64, where each item belongs.
    columns : the c query columns, in the order of their coordinates.
    background : (m, dim + c) a sample of training items, against which scores are standardised.
    column : the column the items come from.
    exact_up_to : with more items than this an approximate index is tried.
    ivf : that index, a faiss IVF of the matrix; None where the search is exact.
    """

    matrix: Vectors
    row: Places
    item: Places
    columns: tuple[str, ...]
    background: Vectors
    column: str = ""
    exact_up_to: int = 50_000
    ivf: Any = None

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        row: Places,
        item: Places,
        *,
        column: str = "",
        penalties: Mapping[str, Vectors] | None = None,
        background: Vectors | None = None,
        exact_up_to: int = 50_000,
        seed: int = 0,
    ) -> Self:
        """A gallery of unit vectors (N, dim).

        penalties : for each query column, (N,) what each item loses; a column left out costs nothing.
        background : (m, dim + c) of the training gallery; None takes up to 1,000 of these items.
        """
        losses = dict(sorted((penalties or {}).items()))
        matrix = _augmented(vectors, row, item, losses)
        if background is None:
            background = matrix[np.sort(np.random.default_rng(seed).permutation(len(matrix))[:1000])]
        check_matrix(background, "background", matrix.shape[1])
        places = np.asarray(row, np.int64), np.asarray(item, np.int64)
        gallery = cls(matrix, *places, tuple(losses), packed(background), column, exact_up_to)
        return gallery._indexed(seed)

    @property
    def dim(self) -> int:
        """The width of the space."""
        return int(self.matrix.shape[1]) - len(self.columns)

    @property
    def vectors(self) -> Vectors:
        """(N, dim) the items in the space."""
        return self.matrix[:, : self.dim]

    @property
    def penalties(self) -> dict[str, Vectors]:
        """For each query column, (N,) what each item loses."""
        return {name: self.matrix[:, self.dim + i] for i, name in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self.matrix)

    def extend(self, queries: Vectors, mix: Mix | None) -> Vectors:
        """Queries (q, dim) with minus the weight of each query column behind them, (q, dim + c).

        mix : what the queries are made of, {"caption": 1.0}, or a weight for each column of a joint query;
            None leaves hubs uncorrected.
        """
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise ShapeError(f"expected (q, {self.dim}), got {queries.shape}", where="queries")
        asked = np.zeros((len(queries), self.matrix.shape[1]), np.float32)
        asked[:, : self.dim] = queries
        if mix:
            asked[:, self.dim :] = [-mix.get(name, 0.0) for name in self.columns]
        if not math.isfinite(np.vdot(asked, asked)):  # one number to look at, not q × dim
            raise ShapeError("a query holds NaN or infinity", where="queries", hint="Leave absent rows out.")
        return asked

    def filter(self, allowed: Mask) -> Filter:
        """The mask (N,) made ready, for many searches under one filter."""
        if allowed.dtype != np.bool_ or allowed.shape != (len(self),):
            what = f"expected a mask ({len(self)},), got {allowed.dtype} {allowed.shape}"
            raise ShapeError(what, where="allowed")
        return Filter.of(allowed, self.ivf)

    def search(
        self, queries: Vectors, k: int, mix: Mix | None = None, allowed: Mask | Filter | None = None
    ) -> Found:
        """The best items of each query (q, dim): scores (q, k'), highest first, and positions (q, k').

        allowed : (N,) True where an item may be found, or its `filter`. k' = min(k, allowed), never fewer.
        """
        check_range(k, "k", 1)
        asked = self.extend(queries, mix)
        chosen = self.filter(allowed) if isinstance(allowed, np.ndarray) else allowed
        count = len(self) if chosen is None else chosen.count
        k = min(k, count)
        if k == 0 or not len(asked):
            return np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64)
        if self.ivf is None or count <= FEW:
            return nearest(asked, self.matrix, k, chosen)
        scores, found = visited(self.ivf, asked, k, chosen)
        if found[:, -1].min() < 0:
            short = found[:, -1] < 0
            scores[short], found[short] = nearest(asked[short], self.matrix, k, chosen)
        return scores, found

    def scores(self, queries: Vectors, mix: Mix | None = None) -> Vectors:
        """(q, N) the corrected score of every item for every query."""
        return np.asarray(self.extend(queries, mix) @ self.matrix.T)

    def tiles(self, queries: Vectors, mix: Mix | None = None) -> Iterator[Vectors]:
        """`scores` as consecutive blocks of queries, so that the whole is never in memory."""
        asked = self.extend(queries, mix)
        for rows in blocks(len(asked), len(self)):
            yield np.asarray(asked[rows] @ self.matrix.T)

    def standardise(self, queries: Vectors, mix: Mix | None = None) -> tuple[Vectors, Vectors]:
        """(q,), (q,) mean and standard deviation of each query's scores against the background.

        Cosines of two pairs of columns are not on one scale; z = (score − mean) / deviation is. Within a
        column it is a rising line for each query, so the order stays.
        """
        scores = self.extend(queries, mix) @ self.background.T  # (q, m)
        if not scores.shape[1]:
            return np.zeros(len(scores), np.float32), np.ones(len(scores), np.float32)
        return scores.mean(axis=1), np.maximum(scores.std(axis=1), np.float32(1e-6))

    def append(
        self, vectors: Vectors, row: Places, item: Places, penalties: Mapping[str, Vectors] | None = None
    ) -> Self:
        """A new gallery with more items behind; it needs penalties for `columns`. The background stays."""
        given = penalties or {}
        if sorted(given) != list(self.columns):
            what = f"expected penalties for {list(self.columns)}, got {sorted(given)}"
            raise UsageError(what, where="append")
        check_matrix(vectors, "vectors", self.dim)
        more = _augmented(vectors, row, item, {name: given[name] for name in self.columns})
        rows, items = np.concatenate([self.row, row]), np.concatenate([self.item, item])
        return self._with(np.concatenate([self.matrix, more]), rows, items)

    def remove(self, rows: Sequence[int] | Places) -> Self:
        """A new gallery without the items of the given rows; the other rows keep their numbers."""
        keep = ~np.isin(self.row, np.asarray(rows, np.int64))
        return self._with(self.matrix[keep], self.row[keep], self.item[keep])

    def save(self, folder: str | Path) -> None:
        """Write the gallery into an existing folder."""
        path = Path(folder)
        for name in ARRAYS:
            np.save(path / f"{name}.npy", getattr(self, name), allow_pickle=False)
        if self.ivf is not None:
            faiss.write_index(self.ivf, str(path / "ivf.faiss"))
        about = {"column": self.column, "columns": self.columns, "exact_up_to": self.exact_up_to}
        about["approximate"] = self.ivf is not None
        (path / "gallery.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The gallery of a folder, mapped into memory: what is not searched is not read."""
        path = Path(folder)
        try:
            about = json.loads((path / "gallery.json").read_text("utf-8"))
            arrays = (np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS)
            matrix, row, item, background = arrays
            _check_arrays(matrix, row, item, background, len(about["columns"]))
            ivf = read_index(path / "ivf.faiss", matrix) if about["approximate"] else None
            columns, limit = tuple(map(str, about["columns"])), int(about["exact_up_to"])
            return cls(matrix, row, item, columns, background, str(about["column"]), limit, ivf)
        except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError) as error:
            raise FolderError(f"no readable gallery here ({error})", where=str(path)) from error

    def _with(self, matrix: Vectors, row: Places, item: Places) -> Self:
        return replace(self, matrix=matrix, row=row, item=item, ivf=None)._indexed(0)

    def _indexed(self, seed: int) -> Self:
        """The same gallery with an approximate index where it is large and the index pays."""
        if len(self) <= self.exact_up_to:
            return self
        asked = self.extend(perturbed(self.vectors, seed), None)
        return replace(self, ivf=inverted_file(self.matrix, asked, seed))


def _augmented(vectors: Vectors, row: Places, item: Places, losses: Mapping[str, Vectors]) -> Vectors:
    """(N, dim + c) the vectors with their penalties beside them."""
    check_matrix(vectors, "vectors")
    expected = (len(vectors),)
    for name, shape in {
        "row": row.shape,
        "item": item.shape,
        **{k: v.shape for k, v in losses.items()},
    }.items():
        if shape != expected:
            raise ShapeError(f"expected {expected}, got {shape}", where=name)
    matrix = np.column_stack([vectors, *losses.values()]).astype(np.float32, copy=False)
    if not np.isfinite(matrix).all():
        raise ShapeError("an item holds NaN or infinity", where="vectors", hint="Leave absent rows out.")
    return packed(matrix)


def _check_arrays(matrix: Any, row: Any, item: Any, background: Any, columns: int) -> None:
    """Raise `ValueError` unless what was read from a folder can be a gallery."""
    fits = matrix.ndim == background.ndim == 2 and matrix.shape[1] == background.shape[1] > columns
    fits &= matrix.dtype == background.dtype == np.float32 and matrix.flags.c_contiguous
    fits &= row.shape == item.shape == (len(matrix),) and row.dtype == item.dtype == np.int64
    if not fits:
        raise ValueError("its arrays do not fit together")
    if not all(math.isfinite(np.vdot(values, values)) for values in (matrix, background)):
        raise ValueError("its vectors are not finite")
