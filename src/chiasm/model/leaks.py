"""Columns that give the target away: as good as copies of it, which no new row will have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from chiasm.rows.rows import Rows

SAME = 0.999
"""The share of rows, or the correlation, from which a column is taken for a copy of the target."""
LEAST = 20
"""With fewer rows in common than this nothing is said."""


def giveaways(rows: Rows, target: str, values: Sequence[Any], columns: Sequence[str]) -> list[str]:
    """A warning for each number, category or date column that a rule of one value each turns into the target,
    or that is a straight line of it."""
    found = []
    for column in columns:
        if rows.schema[column].modality in ("number", "category", "date"):
            pairs = [(a, b) for a, b in zip(rows.values(column), values, strict=True) if a is not None]
            if len(pairs) >= LEAST and _tells(pairs):
                found.append(
                    f"Column {column!r} gives the target {target!r} away: is it known before the target is? "
                    f"Leave it out with --as {column}=name."
                )
    return found


def _tells(pairs: Sequence[tuple[Any, Any]]) -> bool:
    if all(isinstance(x, int | float) for pair in pairs for x in pair):
        a, b = np.array(pairs, np.float64).T
        if a.std() > 0 and b.std() > 0 and abs(np.corrcoef(a, b)[0, 1]) > SAME:
            return True
    if any(isinstance(b, list | float) for _, b in pairs):
        return False
    by_value: dict[Any, list[Any]] = defaultdict(list)
    for a, b in pairs:
        by_value[a].append(b)
    # a value that is there once tells nothing: any column of names would
    several = [some for some in by_value.values() if len(some) > 1]
    rows = sum(map(len, several))
    right = sum(max(some.count(b) for b in set(some)) for some in several)
    return rows >= 0.9 * len(pairs) and right >= SAME * rows and len({b for _, b in pairs}) > 1
