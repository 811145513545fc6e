"""Parting rows into train and test: at random, by groups, stratified, or as a column names the parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import DataError, UsageError, did_you_mean
from chiasm.rows.folds import codes

if TYPE_CHECKING:
    from chiasm.rows.rows import Rows

ALIASES = {"training": "train", "testing": "test", "validation": "dev", "valid": "dev", "val": "dev"}


def split(
    rows: Rows,
    test: float = 0.2,
    by: str | None = None,
    stratify: str | None = None,
    column: str | None = None,
    seed: int = 0,
) -> tuple[Rows, Rows]:
    """(train, test), both in the order of `rows`; the same seed gives the same parts.

    test : a fraction in (0, 1), or a number of rows.
    by : a column of groups; no group is in both parts; a row without one is a group of its own.
    stratify : a column of classes; each gives its share of the test part, rounded so that the shares add up,
        and keeps one row at least to train on. So one of a single row gives none, and of many that are as
        small some, drawn at random, give one.
    column : a column that names the parts; rows of parts other than train and test are in neither.
    """
    if sum(choice is not None for choice in (by, stratify, column)) > 1:
        raise UsageError("give one of by, stratify and column", hint="A split by groups is never stratified.")
    if column is not None:
        return part(rows, column, "train"), part(rows, column, "test")
    wanted = _wanted(test, len(rows))
    rng = np.random.default_rng(seed)
    if by is not None:
        held = _by_group(codes(rows.values(by), own=True), wanted, rng)
        if held.all():
            raise DataError(f"column {by!r} holds one group: nothing is left to train on")
    elif stratify is not None:
        held = _stratified(codes(rows.values(stratify), own=False), wanted, rng)
        if not held.any():
            hint = "A class needs two rows to be in both parts."
            raise DataError(
                "every class has one row: none can be held out", where=f"column {stratify!r}", hint=hint
            )
    else:
        held = _marked(rng.permutation(len(rows))[:wanted], len(rows))
    return rows[~held], rows[held]


def part(rows: Rows, column: str, name: str) -> Rows:
    """The rows of one part of a ready-made split; "val" and "validation" are "dev"."""
    names = [_part_name(value) for value in rows.values(column)]
    wanted = _part_name(name)
    mask = np.array([found == wanted for found in names], bool)
    if not mask.any():
        known = {found for found in names if found is not None}
        raise DataError(
            f"no row of part {name!r}", where=f"column {column!r}", hint=did_you_mean(name, known)
        )
    return rows[mask]


def _part_name(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value).strip().lower()
    return ALIASES.get(text, text)


def _wanted(test: float, n: int) -> int:
    """How many rows the test part gets: one at least, and one at least is left."""
    if n < 2:
        raise DataError(f"{n} row cannot be split", hint="A split needs two rows or more.")
    whole = isinstance(test, int | np.integer) and not isinstance(test, bool)
    if not (1 <= test < n if whole else 0 < test < 1):
        raise UsageError(
            f"test must be a fraction between 0 and 1 or a number of rows below {n}, got {test!r}"
        )
    return int(test) if whole else min(max(round(test * n), 1), n - 1)


def _marked(places: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    mask = np.zeros(n, bool)
    mask[places] = True
    return mask


def _by_group(codes: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Groups in random order, as many as bring the test part nearest to its rows, one at least."""
    sizes = np.bincount(codes)
    order = rng.permutation(len(sizes))
    filled = np.cumsum(sizes[order])
    count = int(np.abs(filled - wanted).argmin()) + 1
    return np.isin(codes, order[: min(count, max(1, len(order) - 1))])


def _stratified(codes: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Each class gives its share, the largest remainders rounded up, equal ones in random order."""
    sizes = np.bincount(codes)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1])
    members = [rng.permutation(some) for some in members]
    exact = sizes * wanted / len(codes)
    shares = np.minimum(exact.astype(np.int64), sizes - 1)
    order = rng.permutation(len(sizes))
    while (rest := wanted - shares.sum()) and (shares < sizes - 1).any():
        room = order[(shares < sizes - 1)[order]]
        shares[room[np.argsort((shares - exact)[room], kind="stable")[:rest]]] += 1
    return _marked(np.concatenate([some[:n] for some, n in zip(members, shares, strict=True)]), len(codes))
