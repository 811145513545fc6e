"""What a person sees of answers: predictions and why, what is worth collecting, hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.cli.show import NAMED, document, line, note, printed, table

if TYPE_CHECKING:
    from chiasm.judge.collect import Worth
    from chiasm.judge.explain import Explanation
    from chiasm.judge.occlude import Part
    from chiasm.model.predictor import Prediction
    from chiasm.model.query import Hit
    from chiasm.rows.rows import Rows

PREDICTED, TELLING = 20, 3
"""Rows and pieces shown; a file holds them all."""
LEAST = 0.001
"""Pieces that change less than this part of the largest share are not shown."""


def predictions(
    said: Mapping[str, Sequence[Prediction]], rows: Rows, *, as_json: bool, path: Path | None
) -> None:
    """What rows are predicted to be; in JSON the ends of an interval that has none are null."""
    from chiasm.judge.outcome import jsonable

    if as_json:
        document({
            "predictions": [
                {"row": name, **jsonable(one.to_json())}
                for found in said.values() for name, one in zip(rows.ids, found, strict=True)
            ]
        })  # fmt: skip
        return
    if path is not None:
        line(f"{len(rows):,} rows predicted in {path}")
        return
    for target, found in said.items():
        sure = ("probability",) * any(one.score is not None for one in found)  # of numbers there is none
        lines = [
            (
                name,
                _value(one.label),
                *(_sure(one) for _ in sure),
                _open(one),
                *(", ".join(c) for c in (one.used, one.absent, one.broken)),
            )
            for name, one in zip(rows.ids[:PREDICTED], found, strict=False)
        ]
        head = ("row", target, *sure, "at the stated coverage", "used", "absent", "broken")
        printed(table(f"{len(found):,} predictions", head, lines))
    if len(rows) > PREDICTED:
        note(f"{len(rows) - PREDICTED:,} more; -o FILE.csv writes all")


def unusable(said: Mapping[str, Sequence[Prediction]], rows: Rows) -> None:
    """On stderr, which cells were broken and which rows have nothing to predict from."""
    every = [pair for found in said.values() for pair in zip(rows.ids, found, strict=True)]
    cells = list(dict.fromkeys((name, column) for name, one in every for column in one.broken))
    for name, column in cells[:NAMED]:
        note(f"broken: row {name}, column {column!r}")
    if cells:
        more = f"broken: {len(cells) - NAMED:,} more; " if len(cells) > NAMED else ""
        note(f"{more}chiasm inspect DATA says why")
    if lost := list(dict.fromkeys(name for name, one in every if one.empty)):
        more = f" and {len(lost) - NAMED:,} more" if len(lost) > NAMED else ""
        names = ", ".join(lost[:NAMED]) + more
        note(f"{len(lost):,} of {len(rows):,} rows have nothing to predict from, and get no label: {names}")


def explanation(said: Explanation, *, as_json: bool, path: Path | None) -> None:
    """Why a row is predicted so, the largest share first."""
    if as_json:
        document(said.to_json())
        return
    lines = [("base value", _value(said.base), "")]
    least = LEAST * max(map(abs, said.shares.values()), default=0.0)
    for column, share in sorted(said.shares.items(), key=lambda pair: -abs(pair[1])):
        lacking = "broken" if column in said.broken else "absent" if column in said.absent else ""
        lines.append((column, _signed(share), lacking or _telling(said.parts.get(column, ()), least)))
    lines.append(("together", _value(said.score), "" if said.exact else "shares are estimates that add up"))
    title = f"{said.target}: {_value(said.label)}"
    printed(table(title, ("column", "share of the score", "what mattered"), lines))
    if path is not None:
        line(f"drawn in {path}")


def worth(found: Sequence[Worth], *, as_json: bool) -> None:
    """What is worth collecting."""
    from chiasm.judge.outcome import jsonable

    if as_json:
        document({"missing": [jsonable(one.to_json()) for one in found]})
        return
    for one in found:
        line(one.verdict)
    if not found:
        line("no whole modality is missing")


def hits(found: Sequence[Hit], rows: Rows, *, as_json: bool) -> None:
    """Hits with what they hold and the shares of the query's parts."""
    places = {name: i for i, name in enumerate(rows.ids)}
    cells = [rows.describe_cell(places[hit.row], hit.column, hit.item) for hit in found]
    if as_json:
        document({"hits": [{**hit.to_json(), "cell": cell} for hit, cell in zip(found, cells, strict=True)]})
        return
    lines = [
        (hit.row, hit.column, str(hit.item), f"{hit.score:.2f}", cell, _shares(hit))
        for hit, cell in zip(found, cells, strict=True)
    ]
    title = "1 hit" if len(found) == 1 else f"{len(found):,} hits"
    printed(table(title, ("row", "column", "item", "score", "holds", "because of"), lines))


def _value(label: Any) -> str:
    """A label in print."""
    if label is None:
        return ""
    if isinstance(label, list):
        return ", ".join(map(_value, label))
    if isinstance(label, float):
        return f"{label:,.0f}" if abs(label) >= 1000 else f"{label:.4g}"
    return str(label)


def _signed(value: float) -> str:
    return ("" if value < 0 else "+") + _value(value)


def _sure(one: Prediction) -> str:
    return "" if one.score is None else f"{one.score:.2f}"


def _open(one: Prediction) -> str:
    if one.empty:
        return ""
    if one.score is not None:
        return ", ".join(map(str, one.labels)) or "none"
    pairs = one.interval if isinstance(one.label, list) else [one.interval]
    return ", ".join(f"{_value(low)} to {_value(high)}" for low, high in pairs)


def _telling(parts: Sequence[Part], least: float) -> str:
    """The pieces of an item that changed the score most, and by more than `least`."""
    most = sorted(parts, key=lambda part: -abs(part.effect))[:TELLING]
    return ", ".join(f"{part.what} {part.effect:+.3g}" for part in most if abs(part.effect) > least)


def _shares(hit: Hit) -> str:
    return "\n".join(f"{label} {share:+.2f}" for label, share in hit.shares.items())
