"""Folds for cross-validation: plain, grouped, stratified, one group at a time, or ordered in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import DataError, ShapeError, UsageError

Places = NDArray[np.int64]


def folds(
    n: int,
    k: int | None = 5,
    *,
    groups: Sequence[Any] | None = None,
    stratify: Sequence[Any] | None = None,
    times: Sequence[Any] | None = None,
    seed: int = 0,
) -> list[tuple[Places, Places]]:
    """(train, test) places of each fold, both ascending; every row is tested once (`times`: at most once).

    k : folds; as many as there are groups, or rows, where those are fewer. None with `groups`: one per group.
    groups : (n,) rows of one group are on one side; a row whose group is None is a group of its own.
    stratify : (n,) classes whose shares each fold keeps; None is a class, and those with fewer rows than
        there are folds count as one.
    times : (n,) numbers or dates that sort: fold i trains on what is older than what it tests, rows of one
        time stay together, and the oldest part is never tested. Alone, without groups or classes.
    """
    _check(n, k, groups=groups, stratify=stratify, times=times)
    if times is not None:
        return _in_time(times, k or 0)
    if groups is not None:
        return _grouped(codes(groups, own=True), k, stratify, seed)
    count = min(k or 0, n)
    if stratify is not None:
        from sklearn.model_selection import StratifiedKFold

        parts = StratifiedKFold(count, shuffle=True, random_state=seed)
        return list(parts.split(np.zeros(n), _strata(stratify, count)))
    from sklearn.model_selection import KFold

    return list(KFold(count, shuffle=True, random_state=seed).split(np.zeros(n)))


def _check(n: int, k: int | None, **given: Sequence[Any] | None) -> None:
    if n < 2:
        raise DataError(f"{n} rows make no folds", hint="Cross-validation needs two rows or more.")
    if k is None and given["groups"] is None:
        raise UsageError("k is needed", hint="Without it every group is a fold: give groups.")
    if k is not None and k < 2:
        raise UsageError(f"k must be 2 or more, got {k}")
    if given["times"] is not None and (given["groups"] is not None or given["stratify"] is not None):
        raise UsageError("folds in time are neither grouped nor stratified", hint="Give times alone.")
    for name, values in given.items():
        if values is not None and len(values) != n:
            raise ShapeError(f"expected one per row, {n}, got {len(values)}", where=name)


def _grouped(
    group: Places, k: int | None, stratify: Sequence[Any] | None, seed: int
) -> list[tuple[Places, Places]]:
    """Whole groups a fold; `seed` decides which groups share one."""
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold

    count = int(group.max()) + 1
    if count < 2:
        raise DataError("one group only: nothing is left to train on", where="groups")
    rows, several = np.zeros(len(group)), min(k or count, count)
    if k is None:
        return list(LeaveOneGroupOut().split(rows, groups=group))
    if stratify is None:
        shuffled = np.random.default_rng(seed).permutation(count)[group]
        return list(GroupKFold(several).split(rows, groups=shuffled))
    strata = _strata(stratify, several)
    parts = StratifiedGroupKFold(several, shuffle=True, random_state=seed).split(rows, strata, group)
    held = list(parts)
    # few large groups can leave a fold without any
    return held if all(len(test) for _, test in held) else _grouped(group, several, None, seed)


def _in_time(times: Sequence[Any], k: int) -> list[tuple[Places, Places]]:
    """Expanding windows: the distinct times in k + 1 parts, each but the first tested once."""
    if any(time is None or time != time for time in times):
        raise DataError("a row has no time", where="times", hint="Leave such rows out.")
    moments, place = np.unique(np.asarray(times), return_inverse=True)
    if len(moments) < 2:
        raise DataError("one time only: nothing is older than what would be tested", where="times")
    parts = np.array_split(np.arange(len(moments)), min(k + 1, len(moments)))
    return [
        (np.flatnonzero(place < part[0]), np.flatnonzero((place >= part[0]) & (place <= part[-1])))
        for part in parts[1:]
    ]


def _strata(values: Sequence[Any], k: int) -> Places:
    """(n,) classes as numbers, the rare ones together, with the commonest where even so they are rare."""
    coded = codes(values, own=False)
    sizes = np.bincount(coded)
    rare = sizes < k
    together = len(sizes) if sizes[rare].sum() >= k else int(sizes.argmax())
    return np.asarray(np.where(rare[coded], together, coded))


def codes(values: Sequence[Any], own: bool) -> Places:
    """(n,) an integer for each distinct value, from 0 in order of appearance.

    own : whether each None is a value of its own, or all of them are one.
    """
    seen: dict[Any, int] = {}
    keys = ((None, i if own else 0) if value is None else (repr(value), 0) for i, value in enumerate(values))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.int64)
