"""Columns of whole numbers that look like the numbers of rows: names to be left out, not quantities."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pyarrow as pa

from chiasm.rows.columns import parse_numbers
from chiasm.rows.kinds import is_string

DOUBT = "; looks like a row number: "
COUNTED = 20
"""Rows from which numbers that go up by one from row to row are taken for a count."""
_ID = re.compile(r"(?i:(?:^|[\W_])id)$|[a-z]I[dD]$")


def doubt(name: str, data: pa.ChunkedArray) -> str:
    """What is to be said of a column of numbers that may number its rows: they are whole, all different, and
    called an id or going up by one; "" of others."""
    called, head = bool(_ID.search(name)), _numbers(data[:COUNTED])
    if not called and not (len(head) == COUNTED and _counts_up(head)):
        return ""  # most columns are not looked at any further
    values = _numbers(data)
    if len(values) < 2 or np.any(values != np.floor(values)) or len(np.unique(values)) < len(values):
        return ""
    if not called and (len(values) < len(data) or not _counts_up(values)):
        return ""
    return f"{DOUBT}--as {shlex.quote(f'{name}=name')} leaves it out"


def _numbers(data: pa.ChunkedArray) -> np.ndarray:
    """The numbers that are there, as float64; none where they do not parse."""
    found = parse_numbers(data) if is_string(data.type) else data
    return np.array([]) if found is None else found.drop_null().cast(pa.float64(), safe=False).to_numpy()


def _counts_up(values: np.ndarray) -> bool:
    return bool(np.all(np.diff(values) == 1))
