"""Predictions as a table, a line a row, for CSV and Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from chiasm.errors import UsageError
from chiasm.model.predictor import Prediction
from chiasm.rows.rows import Rows

ENDINGS = (".csv", ".parquet")


def predictions_table(rows: Rows, said: Mapping[str, Sequence[Prediction]]) -> pa.Table:
    """Ids, and for each target its label, score, interval, set and abstention; then the columns used, absent
    and broken, of the first target. Lists are joined by "; "; what an empty prediction lacks is absent."""
    columns: dict[str, list[Any]] = {"row": list(rows.ids)}
    for target, found in said.items():
        columns[target] = [_joined(one.label) for one in found]
        first = next((one for one in found if not one.empty), found[0])
        if first.score is not None:
            columns[f"{target} score"] = [one.score for one in found]
            columns[f"{target} set"] = [_joined(one.labels) for one in found]
            columns[f"{target} abstained"] = [one.abstained for one in found]
        elif not first.empty:
            for place, end in enumerate(("low", "high")):
                columns[f"{target} {end}"] = [_end(one.interval, place) for one in found]
    for name in ("used", "absent", "broken"):
        columns[name] = [_joined(getattr(one, name)) for one in next(iter(said.values()))]
    return pa.table(columns)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as its file's ending says."""
    check_table(path, "a table")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path)
        return
    import pyarrow.csv as pc

    pc.write_csv(table, path)


def check_table(path: Path | None, where: str) -> None:
    """Refuse a file that is no table before any work is done for it."""
    if path is not None and path.suffix not in ENDINGS:
        raise UsageError(f"expected a {' or '.join(ENDINGS)} file, got {path.name!r}", where=where)


def _end(interval: Any, place: int) -> Any:
    """One end of an interval, of several numbers all such ends; None where there is none."""
    if interval is None:
        return None
    return _joined([pair[place] for pair in interval]) if isinstance(interval, list) else interval[place]


def _joined(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else value
