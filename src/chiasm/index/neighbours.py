"""The k highest inner products by faiss: exact, filtered, and over a tuned inverted file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from chiasm.errors import FolderError

Vectors = NDArray[np.float32]
Found = tuple[Vectors, NDArray[np.int64]]
TARGET = 0.99
"""Recall@10 to be reached by the cells that an inverted file visits."""
BATCH = 20
"""From so many queries on, a matrix product beats inner products one by one."""


def packed(values: NDArray[Any]) -> Vectors:
    """The same numbers as faiss wants them: float32, row after row; no copy where they are so already."""
    return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True, eq=False)
class Filter:
    """A mask (N,) made ready for faiss, once for many searches.

    allowed : the mask;  count : how many it allows;  bits : the same, eight rows a byte.
    selector : what faiss asks, pointing into `bits`;  params : of an inverted file, None without one.
    """

    allowed: NDArray[np.bool_]
    count: int
    bits: NDArray[np.uint8]
    selector: Any
    params: Any

    @classmethod
    def of(cls, allowed: NDArray[np.bool_], ivf: Any = None) -> Filter:
        """The filter of a mask, which must not change afterwards.

        An inverted file visits more cells the fewer rows are allowed: in proportion, as many must be seen,
        and thrice that, as those that are left lie farther away. So a filter does not cost recall.
        """
        count = int(np.count_nonzero(allowed))
        bits = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits))
        if ivf is None or not count:
            return cls(allowed, count, bits, selector, None)
        cells = min(ivf.nlist, -(-3 * ivf.nprobe * len(allowed) // count))
        return cls(allowed, count, bits, selector, faiss.SearchParametersIVF(nprobe=cells, sel=selector))


def nearest(queries: Vectors, matrix: Vectors, k: int, chosen: Filter | None = None) -> Found:
    """Exact: scores (q, k), highest first, and positions (q, k) among the rows of matrix (N, d).

    chosen : the rows that may be found, at least k.
    """
    if chosen is None:
        scores, found = faiss.knn(queries, matrix, k, metric=faiss.METRIC_INNER_PRODUCT)
        return scores, found
    if len(queries) < BATCH and chosen.count > len(matrix) // 8:
        return _selected(queries, matrix, k, chosen)
    positions = np.flatnonzero(chosen.allowed)
    scores, found = faiss.knn(queries, packed(matrix[positions]), k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, positions[found]


def _selected(queries: Vectors, matrix: Vectors, k: int, chosen: Filter) -> Found:
    """Exact over a selection too large to be copied for a few queries."""
    scores = np.empty((len(queries), k), np.float32)
    found = np.empty((len(queries), k), np.int64)
    pointers = [faiss.swig_ptr(array) for array in (queries, matrix, scores, found)]
    sizes = (matrix.shape[1], len(queries), len(matrix), k)
    faiss.knn_inner_product(*pointers[:2], *sizes, *pointers[2:], chosen.selector)
    return scores, found


def visited(ivf: Any, queries: Vectors, k: int, chosen: Filter | None = None) -> Found:
    """Approximate; where the visited cells hold fewer than k allowed rows, positions end in -1."""
    scores, found = ivf.search(queries, k, params=None if chosen is None else chosen.params)
    return scores, found


def inverted_file(matrix: Vectors, samples: Vectors, seed: int) -> Any | None:
    """An IVF index of matrix (N, d) that finds the samples' (s, d) ten nearest with recall `TARGET`.

    About 4·√N cells; as few visited as reach the target, four at least. None where a quarter of the cells
    would not do, as in data without clusters: there the exact product is the better search.
    """
    cells = 1 << round(np.log2(4 * np.sqrt(len(matrix))))
    width = int(matrix.shape[1])
    quantizer = faiss.IndexFlatIP(width)
    ivf = faiss.IndexIVFFlat(quantizer, width, cells, faiss.METRIC_INNER_PRODUCT)
    ivf.cp.seed = seed
    learned = np.sort(np.random.default_rng(seed).permutation(len(matrix))[: 50 * cells])
    ivf.train(packed(matrix[learned]))
    ivf.add(matrix)
    _, truth = nearest(samples, matrix, 10)
    for doubling in range(2, int(np.log2(cells)) - 1):
        ivf.nprobe = 1 << doubling
        if recall(ivf.search(samples, 10)[1], truth) >= TARGET:
            return ivf
    return None


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """The share of the true neighbours (q, k) that were found (q, k)."""
    return float((found[:, :, None] == truth[:, None, :]).any(axis=1).mean())


def perturbed(vectors: Vectors, seed: int, count: int = 256) -> Vectors:
    """(count, d) unit vectors at a cosine of about 0.7 to some of the given (N, d), as queries are."""
    rng = np.random.default_rng(seed)
    some = vectors[rng.integers(len(vectors), size=count)]
    noise = rng.standard_normal(some.shape) * (1.0 / np.sqrt(some.shape[1]))
    return packed((some + noise) / np.linalg.norm(some + noise, axis=1, keepdims=True))


def read_index(path: Path, matrix: Vectors) -> Any:
    """The index that belongs to matrix (N, d), mapped from its file."""
    ivf = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    if not isinstance(ivf, faiss.IndexIVFFlat) or (ivf.ntotal, ivf.d) != matrix.shape:
        raise FolderError("the approximate index does not belong to these vectors", where=str(path))
    return ivf
