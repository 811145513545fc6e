"""Names of patterns, that is of the sets of columns that rows have, as keys of what is learned of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import ShapeError

UNNAMED = ""
"""The pattern of a row where none is given, or that has no column."""


def pattern_names(present: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """(n,) the columns each row has, joined: "image + text", of {column: (n,) whether the row has it}."""
    columns = sorted(present)
    table = np.array([present[column] for column in columns]).T
    kinds, place = np.unique(table, axis=0, return_inverse=True)
    names = [" + ".join(c for c, has in zip(columns, kind, strict=True) if has) for kind in kinds]
    return [names[i] for i in place.ravel().tolist()]


def row_patterns(patterns: Sequence[str] | None, n: int) -> list[str]:
    """(n,) the patterns given, `UNNAMED` where none are; ShapeError where they are not one per row."""
    if patterns is None:
        return [UNNAMED] * n
    if len(patterns) != n:
        raise ShapeError(f"expected one pattern per row, {n}, got {len(patterns)}", where="patterns")
    return list(patterns)
