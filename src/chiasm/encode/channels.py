"""Series of one column must have as many channels: what has others is broken, and named so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from chiasm.errors import Broken

Kept = tuple[int, int, int]  # row, item, key


def part_others(
    kept: Sequence[Kept], channels: Mapping[int, int], expected: int | None, column: str
) -> tuple[list[Kept], list[Broken], int]:
    """(items of as many channels, the others as broken, how many channels): `expected`, or what most have.

    channels : of every key.
    """
    if expected is None:
        expected = Counter(channels[key] for _, _, key in kept).most_common(1)[0][0]
    good = [one for one in kept if channels[one[2]] == expected]
    others = [
        Broken(row, column, item, "", f"{channels[key]} channels, expected {expected}")
        for row, item, key in kept
        if channels[key] != expected
    ]
    return good, others, expected
