"""The audit of rows: mispaired ones, near-duplicates, leaks between parts, columns that tell a target."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.near_duplicates import NEAR
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.judge.copies import Duplicate, Leak, duplicates, few_values, leaks
from chiasm.judge.estimate import Estimate
from chiasm.judge.giveaway import Giveaway, giveaways
from chiasm.judge.pairing import Mispaired, Pairing, Ridge, pairing

NAMED = 10
"""Findings of a kind told one by one; the rest are counted."""

Cells = Mapping[str, "Features | NDArray[Any]"]
Values = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Paired:
    """Two columns that were judged: how many of their rows are mispaired, and whether that can be told."""

    columns: tuple[str, str]
    rows: int
    count: Estimate
    reliable: bool

    def __str__(self) -> str:
        both = " and ".join(map(repr, self.columns))
        if not self.reliable:
            return f"{both} tell too little of each other to see which of {self.rows:,} rows are mispaired"
        number = f"about {self.count.value:,.0f}" if self.count.value else "none"
        sure = f"95 % interval {self.count.low:,.0f} to {self.count.high:,.0f}"
        return f"{both}: {number} of {self.rows:,} rows look mispaired ({sure})"


@dataclass(frozen=True)
class Audit:
    """What is wrong with some rows, each kind with the most certain first, by the numbers of their source.

    paired : every two columns that were judged;  mispaired : rows that are so more likely than not.
    notes : what could not be looked at.
    by : the column that names the parts, "" where none does;  ids : {number: id} of the rows that are named
        here, where they have ids.
    """

    rows: int
    paired: tuple[Paired, ...] = ()
    mispaired: tuple[Mispaired, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    leaks: tuple[Leak, ...] = ()
    giveaways: tuple[Giveaway, ...] = ()
    notes: tuple[str, ...] = ()
    by: str = ""
    ids: dict[int, str] = field(default_factory=dict)

    def lines(self, most: int = NAMED, names: Mapping[int, str] | None = None) -> list[str]:
        """What was found, one line each, at most so many of a kind; what several columns hold is said once,
        and copies that leak only as leaks.

        names : {row: what it is called}, by default its id; of others the number.
        """
        called = self.ids if names is None else names

        def name(row: int) -> str:
            return called.get(row, str(row))

        leaking = {(k.column, tuple(sorted(itertools.chain(*k.parts.values())))) for k in self.leaks}
        copies = [d for d in self.duplicates if (d.column, d.rows) not in leaking]
        kinds = {
            "mispaired row:mispaired rows": [m.said(name) for m in self.mispaired],
            "group of near-duplicates:groups of near-duplicates": _by_column(
                (d.column, d.said(name)) for d in copies
            ),
            "leak:leaks": _by_column((k.column, k.said(name, self.by)) for k in self.leaks),
            "column that gives a target away:columns that give a target away": list(map(str, self.giveaways)),
        }
        told = list(map(str, self.paired))
        for kind, found in kinds.items():
            rest = len(found) - most
            told += found[:most]
            told += [f"{rest:,} more {kind.split(':')[rest > 1]} (all with --json)"] if rest > 0 else []
        return [*told, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """One JSON document."""
        return asdict(self)


def audit(
    X: Cells,
    *,
    parts: Sequence[Any] | None = None,
    values: Values | None = None,
    targets: Values | None = None,
    numbers: Sequence[int] | NDArray[np.int64] | None = None,
    ridge: Ridge | None = None,
    rounds: int = 2,
    alike: float = NEAR,
    seed: int = 0,
) -> Audit:
    """Look at {column: (n, d) or Features} for what spoils learning; absent rows are NaN.

    parts : (n,) the part of each row, such as train and test, or a group that is held out whole.
    values : {column: (n,)} texts, categories, numbers;  targets : {column: (n,)} what those must not tell.
    numbers : (n,) what rows are called;  ridge : of the maps, as in `pairing`, where it is known already.
    alike : cosine from which two items are near-duplicates.
    """
    features = {str(c): as_features(cells, str(c)) for c, cells in X.items()}
    n = _rows(features, parts, values, targets, numbers)
    called = None if numbers is None else _whole(numbers)
    notes = [f"column {c!r} holds nothing" for c, f in features.items() if n and not len(f.row)]
    features = {c: f for c, f in features.items() if len(f.row)}
    pairs = list(_pairings(features, ridge, rounds, seed, notes))
    copies = [one for c, f in features.items() for one in _copies(c, f, alike, notes)]
    spread = leaks(copies, parts) if parts is not None else ()
    away = [
        one
        for target, y in (targets or {}).items()
        for one in giveaways({c: v for c, v in (values or {}).items() if c != target}, target, y)
    ]
    mispaired = sorted((m for p in pairs for m in p.mispaired), key=lambda m: -m.chance)
    found = Audit(
        n,
        tuple(Paired(p.columns, len(p.rows), p.count, p.reliable) for p in pairs),
        tuple(mispaired), tuple(copies), spread, tuple(away), tuple(notes),
    )  # fmt: skip
    return found if called is None else _called(found, called)


def _rows(features: Mapping[str, Features], *others: Any) -> int:
    lengths = {c: f.n for c, f in features.items()}
    for name, given in zip(("parts", "values", "targets", "numbers"), others, strict=True):
        if isinstance(given, Mapping):
            lengths |= {f"{name} of {c}": len(v) for c, v in given.items()}
        elif given is not None:
            lengths[name] = len(given)
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"expected as many rows everywhere, got {lengths}", where="audit")
    return next(iter(lengths.values()), 0)


def _pairings(
    features: Mapping[str, Features], ridge: Ridge | None, rounds: int, seed: int, notes: list[str]
) -> Iterable[Pairing]:
    for a, b in itertools.combinations(sorted(features), 2):
        try:
            yield pairing({a: features[a], b: features[b]}, ridge, rounds, seed)
        except DataError as error:  # too few rows: the others can be looked at all the same
            notes.append(str(error))


def _copies(column: str, f: Features, alike: float, notes: list[str]) -> tuple[Duplicate, ...]:
    found, share = duplicates(column, f, alike)
    if not few_values(found, share):
        return found
    notes.append(f"column {column!r}: {share:.0%} of its rows are like another, so copies are no news there")
    return ()


def _whole(numbers: Any) -> NDArray[np.int64]:
    found = np.asarray(numbers)
    if len(found) and not np.issubdtype(found.dtype, np.integer):
        raise UsageError(
            f"rows are called by whole numbers, got {found.dtype}", where="numbers",
            hint="Give texts to Audit.lines as names={number: text}.",
        )  # fmt: skip
    return found.astype(np.int64)


def _by_column(found: Iterable[tuple[str, str]]) -> list[str]:
    """One line for what the same rows hold in several columns, of (column, what is said)."""
    columns: dict[str, list[str]] = {}
    for column, said in found:
        columns.setdefault(said, []).append(repr(column))
    return [
        f"column{'s' if len(some) > 1 else ''} {', '.join(some)}: {said}" for said, some in columns.items()
    ]


def _called(found: Audit, numbers: NDArray[Any]) -> Audit:
    """The same findings, rows called by their numbers."""

    def name(row: int) -> int:
        return int(numbers[row]) if row >= 0 else -1

    def names(rows: Iterable[int]) -> tuple[int, ...]:
        return tuple(map(name, rows))

    return replace(
        found,
        mispaired=tuple(
            replace(m, row=name(m.row), fits=(name(m.fits[0]), name(m.fits[1]))) for m in found.mispaired
        ),
        duplicates=tuple(replace(d, rows=names(d.rows)) for d in found.duplicates),
        leaks=tuple(replace(k, parts={p: names(r) for p, r in k.parts.items()}) for k in found.leaks),
    )
