"""Rows made by code whose target is known to depend on the columns: notes, scans, ages and sexes of patients.

`sick` decides the words of the note (nine times out of ten) and moves the scan and the age; `sex` is chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

COLUMNS = ("note", "scan", "age", "sex")
WORDS = ("fracture after a fall", "fever and a cough")
SIGNS = ("pale", "red")


def patients(n: int, seed: int = 0, gaps: float = 0.2) -> dict[str, list[Any]]:
    """{column: n cells} with a target of each kind: sick classes, dose number, signs labels, stage order.

    gaps : the share of absent cells; every row keeps at least one.
    """
    rng = np.random.default_rng(seed)
    sick = rng.integers(0, 2, n)
    said = np.where(rng.random(n) < 0.9, sick, 1 - sick)
    scan = rng.standard_normal((n, 4)) + sick[:, None] * [1.5, 1.0, 0.0, 0.0]
    cells: dict[str, list[Any]] = {
        "note": [f"{WORDS[w]} on day {day}" for w, day in zip(said, rng.integers(0, 30, n), strict=True)],
        "scan": scan.tolist(),
        "age": (50 + 8 * sick + 8 * rng.standard_normal(n)).tolist(),
        "sex": [("f", "m")[i] for i in rng.integers(0, 2, n)],
    }
    gone = rng.random((n, len(COLUMNS))) < gaps
    gone[gone.all(axis=1), 0] = False
    for column, absent in zip(COLUMNS, gone.T, strict=True):
        cells[column] = [None if off else cell for cell, off in zip(cells[column], absent, strict=True)]
    dose = 3 * scan[:, 0] + 10 * sick + rng.standard_normal(n)
    stage = sick + (dose > np.median(dose)) + 1
    return {
        "id": [f"p{i:03}" for i in range(n)],
        **cells,
        "sick": [("no", "yes")[i] for i in sick],
        "dose": dose.tolist(),
        "signs": [[SIGNS[i], *(["tired"] if d > 8 else [])] for i, d in zip(sick, dose, strict=True)],
        "stage": stage.tolist(),
    }


def row(data: dict[str, list[Any]], i: int) -> dict[str, Any]:
    """The i-th row as {column: cell}."""
    return {column: cells[i] for column, cells in data.items()}
