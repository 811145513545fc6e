"""The share of each column in one prediction: Shapley values over what the row has, exact up to twelve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from math import comb, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.judge.occlude import Part

MOST = 12
"""Up to so many players all coalitions are looked at, 2^12; beyond, orders are drawn."""
BUDGET = 8192
"""About so many coalitions are looked at where orders are drawn."""
Masks = NDArray[np.bool_]
Value = Callable[[Masks], Floats]


@dataclass(frozen=True)
class Shares:
    """What each column adds to a score: base + sum of shares == score.

    base : the score of a row of which nothing is known;  score : with all that the row has.
    shares : {column: its share}, 0 where the row lacks it.
    exact : False where orders were drawn instead of looking at every coalition.
    """

    base: float
    score: float
    shares: dict[str, float]
    exact: bool = True


@dataclass(frozen=True)
class Explanation:
    """Why a row was predicted so.

    score : the label's probability, or for numbers the label itself, in its units.
    base : the same of a row of which nothing is known;  base + sum(shares.values()) == score.
    parts : {column: the pieces of its item, each with its effect on the score}.
    absent, broken : columns that the row lacks, and those whose cells could not be read; their share is 0.
    """

    target: str
    label: Any
    score: float
    base: float
    shares: dict[str, float]
    parts: dict[str, list[Part]] = field(default_factory=dict)
    exact: bool = True
    absent: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def shares(
    value: Value,
    columns: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> Shares:
    """The Shapley value (Shapley 1953; of predictions Lundberg & Lee 2017) of each column of one row.

    value : called once; masks (s, m), True where a column is shown → (s,) scores of the row. What it gives
        for nothing shown is the base. ShapeError, DataError where it gives anything but (s,) finite numbers.
    groups : {modality: its columns}: the columns of a group share out what the modality as a whole gets (the
        Owen value, Owen 1977); a column outside any group is a modality of its own.

    All coalitions are looked at where there are at most 2^12; else antithetic random orders are drawn by
    `seed` (Mitchell et al. 2022), whose shares still add up, and a modality's sum stays exact while there
    are at most twelve modalities.
    """
    plan = _plan(_modalities(columns, groups), seed)
    masks = plan.masks.copy()  # the plan is kept for the next row
    return _shares(plan, _checked(value(masks), len(masks)), columns)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which coalitions to look at, and what a column's joining each of them counts.

    masks (s, p): the first is empty, the last whole;  before, after (t,) places in it;  player (t,) who
    joins;  weight (t,).
    """

    masks: Masks
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    player: NDArray[np.int64]
    weight: Floats
    exact: bool


def _modalities(columns: Sequence[str], groups: Mapping[str, Sequence[str]] | None) -> tuple[int, ...]:
    """The modality of each column, counted from 0."""
    if len(set(columns)) != len(columns):
        raise UsageError(f"columns must differ, got {list(columns)}")
    owner: dict[str, tuple[str, str]] = {column: ("column", column) for column in columns}
    for name, members in (groups or {}).items():
        for column in members:
            if owner.get(column) != ("column", column):
                raise UsageError(f"{column!r} is no column, or in two groups", where=f"group {name!r}")
            owner[column] = ("group", name)
    order = {name: i for i, name in enumerate(dict.fromkeys(owner.values()))}
    return tuple(order[owner[column]] for column in columns)


@lru_cache(maxsize=256)
def _plan(modality: tuple[int, ...], seed: int) -> _Plan:
    """The coalitions of columns of these modalities: orders of modalities, and within each of its columns."""
    p, count = len(modality), max(modality, default=-1) + 1
    belongs = np.equal.outer(np.arange(count), np.array(modality, int))  # (modalities, p)
    outer, who, weight, exact = _steps(count, 1, seed)
    before, player, weights = [np.zeros((0, p), bool)], [np.zeros(0, int)], [np.zeros(0)]
    for k, own in enumerate(belongs):
        shown = outer[who == k] @ belongs  # (sets, p) the modalities that came earlier, whole
        inner, joins, inside, all_inside = _steps(int(own.sum()), len(shown), seed)
        within = np.zeros((len(inner), p), bool)
        within[:, own] = inner
        before.append((shown[:, None] | within[None]).reshape(-1, p))
        player.append(np.tile(np.flatnonzero(own)[joins], len(shown)))
        weights.append(np.outer(weight[who == k], inside).ravel())
        exact &= all_inside
    return _planned(np.concatenate(before), np.concatenate(player), np.concatenate(weights), exact)


def _planned(before: Masks, player: NDArray[np.int64], weight: Floats, exact: bool) -> _Plan:
    """Each coalition once: sets before, and the same with the player that joins."""
    p = before.shape[1]
    after = before.copy()
    after[np.arange(len(player)), player] = True
    ends = np.array([[False] * p, [True] * p])
    masks, place = np.unique(np.concatenate([ends, before, after]), axis=0, return_inverse=True)
    place = place.reshape(-1)[2:]
    return _Plan(masks, place[: len(player)], place[len(player) :], player, weight, exact)


def _steps(count: int, sets: int, seed: int) -> tuple[Masks, NDArray[np.int64], Floats, bool]:
    """Joinings of `count` players: those before (t, count), who joins (t,), its weight (t,), and whether
    these are all. `sets` : the coalitions outside, for each of which all of this is looked at."""
    if count + log2(sets) > MOST and count > 1:
        return (*_drawn(count, sets, seed), False)
    every = (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(bool)
    mask, player = np.nonzero(~every)
    by_size = np.array([1 / (count * comb(count - 1, size)) for size in range(count)])
    return every[mask], player, by_size[every.sum(axis=1)[mask]], True


def _drawn(count: int, sets: int, seed: int) -> tuple[Masks, NDArray[np.int64], Floats]:
    """Joinings along random orders, their rotations and the reverses of these, so that every player takes
    every place about equally often."""
    pairs = max(1, BUDGET // (2 * count * sets))
    drawn = np.tile(np.arange(count), (-(-pairs // count), 1))
    drawn = np.random.default_rng(seed).permuted(drawn, axis=1)
    turned = np.add.outer(np.arange(count), np.arange(count)) % count
    forward = drawn[:, turned].reshape(-1, count)[:pairs]
    orders = np.concatenate([forward, forward[:, ::-1]])  # (2 pairs, count)
    place = orders.argsort(axis=1)
    before = place[:, None, :] < np.arange(count)[None, :, None]  # (2 pairs, steps, count)
    return before.reshape(-1, count), orders.ravel(), np.full(orders.size, 1 / len(orders))


def _shares(plan: _Plan, scores: Floats, columns: Sequence[str]) -> Shares:
    """Shares from the scores (s,) of the plan's masks; what rounding leaves goes to the largest of them."""
    base, score = float(scores[0]), float(scores[-1])
    terms = plan.weight * (scores[plan.after] - scores[plan.before])
    own = np.bincount(plan.player, terms, minlength=len(columns))
    if len(own):
        own[np.abs(own).argmax()] += score - base - own.sum()
    return Shares(base, score, dict(zip(columns, own.tolist(), strict=True)), plan.exact)


def _checked(given: Any, count: int) -> Floats:
    """Scores (count,) as they should be."""
    scores: Floats = np.asarray(given, np.float64)
    if scores.shape != (count,):
        raise ShapeError(f"expected ({count},) scores, got {scores.shape}", where="value")
    if not np.isfinite(scores).all():
        hint = "With nothing shown the score is the base."
        raise DataError("a score is not finite", where="value", hint=hint)
    return scores
