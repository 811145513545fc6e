"""Batches of paired rows: every pair of columns by itself, the same for a seed, pass and step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

from chiasm.errors import DataError
from chiasm.train.loop import generator

Tensor = Any


class Items(NamedTuple):
    """One column: vectors (items, d) in the order of their rows; of each row (n,) the first and how many."""

    values: Tensor
    first: Tensor
    count: Tensor

    @classmethod
    def of(cls, values: Tensor, count: Tensor) -> Items:
        """Vectors, and of each row how many are its own."""
        return cls(values, count.cumsum(0) - count, count)


class Pair(NamedTuple):
    """Rows of two columns: left (b, d), right (b, d'), and ids (b,), the same where rows belong together."""

    columns: tuple[str, str]
    left: Tensor
    right: Tensor
    ids: Tensor


class PairedRows:
    """Steps through the rows that have two columns, for every pair of columns that share two rows or more.

    A pass sees every row of the commonest pair once, but for fewer rows than it has steps; a rarer pair
    begins anew as often as need be, so that each step holds every pair.

    items : {column: Items}.
    ids : (n,) whole numbers, the same where rows belong together.
    batch : rows of a pair in a step, at most.
    """

    def __init__(self, items: Mapping[str, Items], ids: Tensor, batch: int, seed: int) -> None:
        self.items, self.ids, self.seed = items, ids, seed
        both = {
            (a, b): ((items[a].count > 0) & (items[b].count > 0)).nonzero()[:, 0]
            for a, b in combinations(sorted(items), 2)
        }
        self.rows = {pair: rows for pair, rows in both.items() if len(rows) > 1}
        if not self.rows:
            raise DataError("no two columns share two rows", where="paired rows")
        most = max(map(len, self.rows.values()))
        self.steps = math.ceil(most / batch)
        self.size = most // self.steps
        self._orders: tuple[int, dict[tuple[str, str], Tensor]] = (-1, {})

    def step(self, epoch: int, step: int, rank: int = 0, world: int = 1) -> list[Pair]:
        """What process `rank` of `world` learns from in a step of a pass."""
        if self._orders[0] != epoch:
            self._orders = epoch, {pair: self._order(pair, epoch) for pair in self.rows}
        out = []
        for pair, order in self._orders[1].items():
            share = self.share(pair, world)
            start = step * share * world + rank * share
            out.append(self._pair(pair, *order[:, start : start + share]))
        return out

    def share(self, pair: tuple[str, str], world: int = 1) -> int:
        """Rows of a pair that each of `world` processes takes in a step."""
        return max(min(self.size, len(self.rows[pair])) // world, 1)

    def _order(self, pair: tuple[str, str], epoch: int) -> Tensor:
        """(3, rows of the pass) the row, and which item of its left and of its right cell."""
        import torch

        own = generator(self.seed, f"{pair} {epoch}")
        rows = self.rows[pair]
        rounds = math.ceil((self.steps + 1) * self.size / len(rows))
        order = torch.cat([rows[torch.randperm(len(rows), generator=own)] for _ in range(rounds)])
        drawn = torch.rand((2, len(order)), generator=own, dtype=torch.float64)
        left, right = (
            self.items[c].first[order] + (u * self.items[c].count[order]).long()
            for c, u in zip(pair, drawn, strict=True)
        )
        return torch.stack([order, left, right])

    def _pair(self, pair: tuple[str, str], rows: Tensor, left: Tensor, right: Tensor) -> Pair:
        a, b = (self.items[c].values for c in pair)
        return Pair(pair, a[left], b[right], self.ids[rows])
