"""What `Table` learns of one of its columns, and how it codes values: numbers, categories, dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.errors import DataError

Recipe = dict[str, Any]
"""What was learned of a column: `kind`, `width` and what the kind needs."""

LARGEST_DEVIATION = (
    10.0  # standard deviations; larger ones are cut to it, since a typing error could dominate
)
LOG_SKEWNESS = 1.0  # skewness from which the logarithm of positive numbers is tried
CYCLES = {"month": 12, "weekday": 7, "hour": 24}


_KINDS = {float: "number", str: "category", np.datetime64: "date"}


def learn(column: str, values: Sequence[Any], *, rare: int, most: int, robust: bool) -> Recipe:
    """The recipe of a column's values, float, str or datetime64, at least one; parameters as of `Table`.

    DataError where they are not of one kind.
    """
    kind = _kind(column, values)
    if kind == "number":
        return _learn_number(values, robust)
    return _learn_category(values, rare, most) if kind == "category" else _learn_date(values)


def code(column: str, recipe: Recipe, values: Sequence[Any]) -> Floats:
    """(n, width) of values; DataError where they are of another kind than those learned from."""
    if not len(values):
        return np.zeros((0, recipe["width"]))
    kind = _kind(column, values)
    if kind != recipe["kind"]:
        raise DataError(f"learned as {recipe['kind']}, given as {kind}", where=f"column {column!r}")
    if kind == "number":
        return _code_number(recipe, values)
    return _code_category(recipe, values) if kind == "category" else _code_date(recipe, values)


def _kind(column: str, values: Sequence[Any]) -> str:
    kinds = {_KINDS[type(value)] for value in values}
    if len(kinds) > 1:
        raise DataError(f"values of several kinds: {', '.join(sorted(kinds))}", where=f"column {column!r}")
    return kinds.pop()


# Numbers


def _learn_number(values: Sequence[float], robust: bool) -> Recipe:
    """Centre and spread, of the logarithms where those are by far less skewed."""
    numbers = np.asarray(values, np.float64)
    lowest = float(numbers.min())
    logs = bool(lowest > 0 and _skewness(numbers) > max(LOG_SKEWNESS, 2 * abs(_skewness(np.log(numbers)))))
    standard = _standard(np.log(numbers) if logs else numbers, robust)
    return {"kind": "number", "log": logs, "lowest": lowest, **standard}


def _skewness(numbers: Floats) -> float:
    """The mean cube of the deviations from the mean, in standard deviations; 0 where nothing varies."""
    deviation = numbers - numbers.mean()
    spread = numbers.std()
    return float(np.mean((deviation / spread) ** 3)) if spread > 0 else 0.0


def _standard(numbers: Floats, robust: bool) -> Recipe:
    """Mean and standard deviation; or median, and the deviation of a normal distribution with the same
    quartiles. Width 0 where nothing varies.
    """
    centre, spread = numbers.mean(), numbers.std()
    if robust:
        low, centre, high = np.quantile(numbers, [0.25, 0.5, 0.75])
        spread = (high - low) / 1.349 or spread  # half or more of them equal
    varies = bool(spread > 1e-9 * max(abs(centre), 1e-9))
    return {"width": int(varies), "centre": float(centre), "scale": float(1 / spread) if varies else 0.0}


def _code_number(recipe: Recipe, values: Sequence[float]) -> Floats:
    """(n, 1) spreads from the centre."""
    numbers = np.asarray(values, np.float64)
    return _placed(recipe, np.log(np.maximum(numbers, recipe["lowest"])) if recipe["log"] else numbers)


def _placed(standard: Recipe, numbers: Floats) -> Floats:
    units = (numbers - standard["centre"]) * standard["scale"]
    found: Floats = np.clip(units, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    return found[:, None][:, : standard["width"]]


# Categories


def _learn_category(values: Sequence[str], rare: int, most: int) -> Recipe:
    """Levels of the words themselves and, where they are codes, of their beginnings."""
    parts = [{"length": k, **_levels([v[:k] for v in values], rare, most)} for k in _lengths(values)]
    return {"kind": "category", "width": sum(part["width"] for part in parts), "parts": parts}


def _lengths(values: Sequence[str]) -> list[int | None]:
    """None, the whole word; of codes, digits of one length such as post codes, then the lengths of those
    beginnings that part the rows in fewer groups."""
    words = set(values)
    longest = max(map(len, words))
    if not all(len(word) == longest and word.isdecimal() for word in words):
        return [None]
    groups = [len({word[:k] for word in words}) for k in range(longest)]
    return [None, *(k for k in range(1, longest) if groups[k - 1] < groups[k] < len(words))]


def _levels(values: Sequence[str], rare: int, most: int) -> Recipe:
    """The commonest `most` of the levels that `rare` rows or more have, and the share of each; the rest is
    one level more.
    """
    counts = Counter(values)
    common = sorted(counts, key=lambda level: (-counts[level], level))[:most]
    levels = sorted(level for level in common if counts[level] >= rare)
    rest = len(values) - sum(counts[level] for level in levels)
    shares = [counts[level] for level in levels] + [rest] * (rest > 0)
    constant = len(shares) < 2
    return {
        "width": 0 if constant else len(shares),
        "levels": levels,
        "rest": rest > 0,
        "shares": np.array(shares, np.float64) / len(values),
    }


def _code_category(recipe: Recipe, values: Sequence[str]) -> Floats:
    """(n, width) the levels of the words and of their beginnings."""
    return np.hstack([_indicators(part, [v[: part["length"]] for v in values]) for part in recipe["parts"]])


def _indicators(part: Recipe, values: Sequence[str]) -> Floats:
    """(n, levels) indicators less the share of their level; a level never seen is the rest, or the mean."""
    levels, width = part["levels"], part["width"]
    place = {level: i for i, level in enumerate(levels)}
    found = np.array([place.get(value, len(levels)) for value in values], np.int64)
    shares: Floats = part["shares"][:width]
    coded: Floats = (found[:, None] == np.arange(width)) - shares
    if not part["rest"]:
        coded[found == len(levels)] = 0.0
    return coded


# Dates


def _learn_date(values: Sequence[np.datetime64]) -> Recipe:
    """Days like numbers; month, weekday and hour as places on a circle, where they vary."""
    days = _standard(_days(values), robust=False)
    places = {name: _places(name, values) for name in CYCLES}
    cycles = {n: _circle(n, p).mean(axis=0).tolist() for n, p in places.items() if len(np.unique(p)) > 1}
    return {"kind": "date", "width": days["width"] + 2 * len(cycles), "days": days, "cycles": cycles}


def _code_date(recipe: Recipe, values: Sequence[np.datetime64]) -> Floats:
    """(n, 1 + 2 cycles) days in spreads, then sine and cosine of each cycle less their mean."""
    circles = [_circle(name, _places(name, values)) - mean for name, mean in recipe["cycles"].items()]
    return np.hstack([_placed(recipe["days"], _days(values)), *circles])


def _days(values: Sequence[np.datetime64]) -> Floats:
    """Days since 1970-01-01."""
    return np.array(values, "datetime64[s]").astype(np.float64) / 86_400


def _places(name: str, values: Sequence[np.datetime64]) -> NDArray[np.int64]:
    """The months, weekdays or hours, counted from 0."""
    moments = np.array(values, "datetime64[s]")
    if name == "month":
        return moments.astype("datetime64[M]").astype(np.int64) % 12
    if name == "weekday":
        return (moments.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return moments.astype("datetime64[h]").astype(np.int64) % 24


def _circle(name: str, places: NDArray[np.int64]) -> Floats:
    """(n, 2) sine and cosine."""
    angle = 2 * np.pi * places / CYCLES[name]
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)
