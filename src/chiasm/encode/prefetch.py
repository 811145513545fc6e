"""Batches of cells prepared ahead of an encoder by threads, in order, within a bound of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import Broken
from chiasm.rows.media import Sound
from chiasm.rows.rows import Cell
from chiasm.rows.series import Series
from chiasm.rows.video import Video

WORKERS = 2
BATCH_CELLS = 64
"""Cells given to an encoder at a time, so that its own threads seldom wait for each other …"""
BATCH_BYTES = 64 * 2**20
"""… or as many as fill this many bytes when decoded."""
MOST_PREFETCHED = 12
"""Units prepared ahead, fewer where they would fill four times `BATCH_BYTES`."""


@dataclass
class Batch:
    """Loaded cells: their keys, what the cache had, and the others decoded, by key."""

    cells: list[Cell]
    keys: list[int | None] = field(default_factory=list)
    known: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    fresh: dict[int, Any] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of what was decoded."""
        return sum(_bytes(value) for value in self.fresh.values())

    def joined(self, other: Batch) -> Batch:
        """Both batches as one."""
        return Batch(
            self.cells + other.cells,
            self.keys + other.keys,
            self.known | other.known,
            self.fresh | other.fresh,
            self.broken + other.broken,
        )


def prefetch(prepare: Callable[[list[Cell]], Batch], units: Iterable[list[Cell]]) -> Iterator[Batch]:
    """Prepared units in order; the next ones are prepared by threads while one is used."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="chiasm-decode")
    waiting: deque[Future[Batch]] = deque()
    most = WORKERS
    try:
        for cells in units:
            waiting.append(pool.submit(prepare, cells))
            while len(waiting) > most:
                unit = waiting.popleft().result()
                most = max(1, min(MOST_PREFETCHED, 4 * BATCH_BYTES // max(unit.size, 1)))
                yield unit
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batched(units: Iterable[Batch]) -> Iterator[Batch]:
    """Units joined to batches of `BATCH_CELLS` cells or `BATCH_BYTES` bytes."""
    held: Batch | None = None
    for unit in units:
        held = unit if held is None else held.joined(unit)
        if len(held.cells) >= BATCH_CELLS or held.size >= BATCH_BYTES:
            yield held
            held = None
    if held is not None:
        yield held


def _bytes(value: Any) -> int:
    """Memory that a decoded cell takes, about."""
    match value:
        case np.ndarray():
            return value.nbytes
        case Sound():
            return value.samples.nbytes
        case Series():
            return value.values.nbytes
        case Video():
            return len(value.data)
    return len(value)
