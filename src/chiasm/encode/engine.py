"""The engine: the cells of a column through an encoder, decoding ahead in threads, each content only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.cache import Cache
from chiasm.encode.channels import part_others
from chiasm.encode.described import Described, checked
from chiasm.encode.encoder import Descriptions, Encoder, digest
from chiasm.encode.features import Features
from chiasm.encode.prefetch import Batch, batched, prefetch
from chiasm.errors import Broken, BrokenCell, EncoderError, UsageError
from chiasm.rows import media
from chiasm.rows.clean import cleaner
from chiasm.rows.modality import FILES
from chiasm.rows.rows import Cell, Rows

UNIT = {"text": 256, "category": 256}
MEDIA_UNIT = 8
"""Cells prepared by a thread at a time; decoded media are large, texts are small."""

Progress = Callable[[int, int, str], None]
Change = Callable[[Any, int], Any]


def encode_column(
    rows: Rows, column: str, encoder: Encoder, *, cache: Cache | None = None, progress: Progress | None = None
) -> Features:
    """Features of a column by a fitted encoder; what cannot be used is in `broken`, the rest goes on."""
    return describe_column(rows, column, encoder, cache=cache, progress=progress).features(encoder)


def describe_column(
    rows: Rows,
    column: str,
    encoder: Encoder,
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
    change: Change | None = None,
) -> Described:
    """Descriptions of a column; what the cache has is not decoded, what is new goes there batch by batch.

    Cells are cleaned as the schema says once they are decoded, and are kept in the cache as cleaned so.

    progress : called with (rows done, rows, column).
    change : makes another of a decoded cell, given its content key too, as `rows/augment.py` does; such
        copies are not cached. Vectors, numbers and categories stay as they are.
    """
    if encoder.parts:
        first, second = (
            describe_column(rows, column, one, cache=cache, progress=progress, change=change)
            for one in encoder.parts
        )
        return first.beside(second)
    modality = rows.schema[column].modality
    if modality != encoder.modality:
        raise UsageError(
            f"{type(encoder).__name__} takes {encoder.modality}, column {column!r} holds {modality}",
            hint="Name another encoder, or read it otherwise: "
            f"modalities={{{column!r}: {encoder.modality!r}}} (--as {column}={encoder.modality}).",
        )
    if modality in ("vector", "number", "date"):
        return _describe_numbers(rows, column, encoder)
    kept = cache if encoder.cached and change is None else None
    return _Pipeline(rows, column, encoder, kept, progress, change).run()


def identity(encoder: Encoder, steps: Sequence[str]) -> str:
    """What the cache keeps descriptions of cells cleaned by `steps` under."""
    return digest(encoder.identity(), list(steps)) if steps else encoder.identity()


def _describe_numbers(rows: Rows, column: str, encoder: Encoder) -> Described:
    values, row, broken = rows.array(column, encoder.cell_width)
    cells: Any = values  # a list would be a copy
    where = f"column {column!r}"
    described = checked(encoder.describe(cells), len(row), encoder, where) if len(row) else values
    item = np.zeros(len(row), np.int64)
    return Described(described, row, item, len(rows), tuple(broken), _row_keys(values))


def _row_keys(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n,) a 64-bit key of each row's bits: a random linear hash, equal for equal rows."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, size=bits.shape[1], dtype=np.uint64) | np.uint64(1)
    with np.errstate(over="ignore"):
        mixed = (bits * factors).sum(axis=1, dtype=np.uint64)
        mixed ^= mixed >> np.uint64(29)
        return np.asarray((mixed * np.uint64(0xBF58476D1CE4E5B9)).view(np.int64))


class _Pipeline:
    """One run over one column. Worker threads prepare batches ahead of the encoder, in order."""

    def __init__(
        self,
        rows: Rows,
        column: str,
        encoder: Encoder,
        cache: Cache | None,
        progress: Progress | None,
        change: Change | None,
    ) -> None:
        self.rows, self.column, self.encoder = rows, column, encoder
        self.cache, self.progress, self.change = cache, progress, change
        self.modality, steps = rows.schema[column].modality, rows.schema[column].clean
        self.clean = cleaner(self.modality, steps)
        self.identity = "" if cache is None else identity(encoder, steps)
        self.place: dict[int, int] = {}  # content key: place among the values
        self.chunks: list[Descriptions] = []
        self.kept: list[tuple[int, int, int]] = []  # row, item, key
        self.broken: list[Broken] = []

    def run(self) -> Described:
        cells = self._cells()
        units = iter(lambda: list(islice(cells, UNIT.get(self.modality, MEDIA_UNIT))), [])
        for batch in batched(prefetch(self._prepare, units)):
            self._encode(batch)
            self._note(batch)
        return self._gathered()

    def _cells(self) -> Iterator[Cell]:
        if self.modality != "category":
            return self.rows.cells(self.column)
        values = enumerate(self.rows.values(self.column))
        return (Cell(row, 0, value, "") for row, value in values if value is not None)

    def _prepare(self, cells: list[Cell]) -> Batch:
        batch = Batch(cells)
        loaded: dict[int, Any] = {}
        for cell in cells:
            try:
                value = self._loaded(cell)
                key = media.content_key("text" if self.modality == "category" else self.modality, value)
                loaded[key] = value
                batch.keys.append(key)
            except BrokenCell as problem:
                self._break(batch, cell, problem)
        if self.cache is not None:
            batch.known = self.cache.get(self.identity, list(loaded))
        self._decode(batch, {key: value for key, value in loaded.items() if key not in batch.known})
        return batch

    def _loaded(self, cell: Cell) -> Any:
        ready = self.modality not in FILES or isinstance(cell.value, np.ndarray)
        return cell.value if ready else media.load_bytes(cell.value)

    def _decode(self, batch: Batch, loaded: dict[int, Any]) -> None:
        failed: dict[int, BrokenCell] = {}
        for key, value in loaded.items():
            try:
                batch.fresh[key] = self._decoded(key, value)
            except BrokenCell as problem:
                failed[key] = problem
        self._fail(batch, failed)

    def _decoded(self, key: int, value: Any) -> Any:
        if self.modality == "category":
            return value
        cleaned = self.clean(media.decode(self.modality, value))
        return cleaned if self.change is None else self.change(cleaned, key)

    def _fail(self, batch: Batch, failed: dict[int, BrokenCell]) -> None:
        for i, (cell, place) in enumerate(zip(batch.cells, batch.keys, strict=True)):
            if place in failed:
                self._break(batch, cell, failed[place], i)

    def _break(self, batch: Batch, cell: Cell, problem: BrokenCell, place: int | None = None) -> None:
        batch.broken.append(Broken(cell.row, self.column, cell.item, cell.source, problem.what))
        if place is None:
            batch.keys.append(None)
        else:
            batch.keys[place] = None

    def _encode(self, batch: Batch) -> None:
        new = [key for key in batch.fresh if key not in self.place]
        try:
            self._take_in(batch, new)
        except BrokenCell:  # a video can turn out damaged as late as here
            for key in new:
                try:
                    self._take_in(batch, [key])
                except BrokenCell as problem:
                    self._fail(batch, {key: problem})
        for key, value in batch.known.items():
            if key not in self.place:
                self._keep([key], value[None])

    def _take_in(self, batch: Batch, new: list[int]) -> None:
        if not new:
            return
        values = self._described([batch.fresh[key] for key in new])
        self._keep(new, values)
        if self.cache is not None:
            self.cache.put(self.identity, new, np.asarray(values))

    def _described(self, cells: list[Any]) -> Descriptions:
        values = self.encoder.describe(cells)
        where = f"column {self.column!r}"
        if self.encoder.cached or not isinstance(values, list):
            return checked(values, len(cells), self.encoder, where)
        if len(values) != len(cells):
            problem = f"expected {len(cells)} descriptions, got {len(values)}"
            raise EncoderError(problem, where=f"{type(self.encoder).__name__}, {where}")
        return values

    def _keep(self, keys: list[int], values: Descriptions) -> None:
        for key in keys:
            self.place[key] = len(self.place)
        self.chunks.append(values)

    def _note(self, batch: Batch) -> None:
        self.broken += batch.broken
        for cell, key in zip(batch.cells, batch.keys, strict=True):
            if key is not None:
                self.kept.append((cell.row, cell.item, key))
        if self.progress is not None:
            self.progress(batch.cells[-1].row + 1, len(self.rows), self.column)

    def _drop_other_channels(self, unit: int) -> None:
        """Break series of other channels than the encoder was fitted on or, before that, than most have."""
        widths = [np.asarray(chunk).shape[1] for chunk in self.chunks for _ in chunk]
        channels = {key: width // unit for key, width in zip(self.place, widths, strict=True)}
        self.kept, others, expected = part_others(self.kept, channels, self.encoder.cell_width, self.column)
        self.broken = sorted([*self.broken, *others], key=lambda one: (one.row, one.item))
        self.chunks = [chunk for chunk in self.chunks if np.asarray(chunk).shape[1] == expected * unit]
        self.place = {key: i for i, key in enumerate(k for k in self.place if channels[k] == expected)}

    def _gathered(self) -> Described:
        if self.encoder.channel_width is not None and self.kept:
            self._drop_other_channels(self.encoder.channel_width)
        row, item, key = np.array(self.kept, np.int64).reshape(-1, 3).T
        order = [self.place[k] for k in key.tolist()]
        if self.progress is not None:
            self.progress(len(self.rows), len(self.rows), self.column)
        return Described(
            _stacked(self.chunks, order, self), row, item, len(self.rows), tuple(self.broken), key
        )


def _stacked(chunks: list[Descriptions], order: list[int], run: _Pipeline) -> Descriptions:
    if not chunks:
        return np.zeros((0, 0), np.float32)
    if isinstance(chunks[0], list):
        flat = [value for chunk in chunks for value in chunk]
        return [flat[i] for i in order]
    widths = {np.asarray(chunk).shape[1] for chunk in chunks}
    if len(widths) > 1:
        raise EncoderError(
            f"vectors of different widths {sorted(widths)}",
            where=f"{type(run.encoder).__name__} on column {run.column!r}",
            hint="Did the encoder change under one name? chiasm cache --clear empties the cache.",
        )
    values = np.concatenate(chunks)
    return values if order == list(range(len(values))) else values[order]
