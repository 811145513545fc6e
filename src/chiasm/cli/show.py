"""What a person sees: tables, lines and bars for the terminal, or one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chiasm.errors import Broken, ChiasmError

if TYPE_CHECKING:
    from chiasm.demo import Demonstration
    from chiasm.encode.cache import Cache
    from chiasm.judge.collect import Worth
    from chiasm.judge.explain import Explanation
    from chiasm.judge.occlude import Part
    from chiasm.judge.scoreboard import Report
    from chiasm.model import Model
    from chiasm.model.predictor import Prediction
    from chiasm.model.query import Hit
    from chiasm.rows.inspect import Inspection
    from chiasm.rows.rows import Rows

PREDICTED, TELLING = 20, 3
"""Rows and pieces shown; a file holds them all."""
LEAST = 0.001
"""Pieces that change less than this part of the largest share are not shown."""
NAMED = 10
"""Broken cells named one by one; the rest are counted."""


def line(text: str) -> None:
    """One line on stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """One line on stderr."""
    typer.echo(text, err=True)


def problem(error: ChiasmError) -> None:
    """An error as one line on stderr."""
    text = " ".join(str(error).split())
    typer.secho(f"chiasm: {text}", fg="red", err=True)


def document(content: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False))


@contextmanager
def bars() -> Iterator[Callable[[int, int, str], None]]:
    """Progress bars on stderr while work goes on, one a label; none where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def step(done: int, total: int, label: str) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label, total=total or None)
            progress.update(tasks[label], completed=done, total=total or None)

        yield step


def schema(rows: Rows, *, quiet: bool) -> None:
    """How the columns were read."""
    if quiet:
        for column, modality, why in rows.schema.table_lines():
            note(f"{column}: {modality} ({why})")
    else:
        _print(_table(f"{len(rows):,} rows", ("column", "read as", "because"), rows.schema.table_lines()))


def inspection(found: Inspection) -> None:
    """What is present, absent, broken, zero, bridged and repeated in every column."""
    head = ("column", "read as", "because", "present", "absent", "broken", "zero", "bridged", "repeated")
    lines = [
        (
            c.column,
            c.modality,
            c.why,
            *(f"{v:,}" for v in (c.present, c.absent, len(c.broken), c.zero, c.bridged, c.duplicates)),
        )
        for c in found.columns
    ]
    _print(_table(f"{found.rows:,} rows", head, lines, right_from=3))
    broken([b for c in found.columns for b in c.broken])
    for c in found.columns:
        for rows in c.repeated:
            line(f"column {c.column!r}: rows {', '.join(map(str, rows))} hold the same")


def broken(cells: Sequence[Broken]) -> None:
    """Broken cells, the first few by name."""
    for cell in cells[:NAMED]:
        note(f"broken: {cell}")
    if len(cells) > NAMED:
        note(f"broken: {len(cells) - NAMED:,} more")


def fitted(model: Model, *, as_json: bool, path: Path) -> None:
    """What fitting gave."""
    if as_json:
        scores = None if model.report is None else model.report.to_json()
        document({
            "model": str(path), "rows": len(model.rows), "columns": model.columns, "notes": list(model.notes),
            "broken": [asdict(b) for b in model.broken], "report": scores,
        })  # fmt: skip
        return
    broken(model.broken)
    if model.report is not None:
        report(model.report)
    for text in model.notes:
        line(text)
    line(f"{len(model.rows):,} rows indexed in {path}")


def demonstrated(shown: Demonstration) -> None:
    """What the demo made and measured, as a document."""
    document({
        "folder": str(shown.folder), "table": str(shown.table), "model": str(shown.saved),
        "picture": str(shown.picture), "notes": list(shown.notes),
        "broken": [asdict(b) for b in shown.model.broken], "report": shown.report.to_json(),
    })  # fmt: skip


def report(found: Report) -> None:
    """The scoreboard as tables: of search, and of every target."""
    from chiasm.judge import outcome, scoreboard, stress

    for one in found.outcomes:
        _print(outcome.render(one))
    if found.directions:
        _print(scoreboard.render(found))
    else:
        for text in found.notes:
            line(text)
    for harmed in found.stresses:
        _print(stress.render(harmed))


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
        lines = [
            (
                name,
                _value(one.label),
                _sure(one),
                _open(one),
                *(", ".join(c) for c in (one.used, one.absent, one.broken)),
            )
            for name, one in zip(rows.ids[:PREDICTED], found, strict=False)
        ]
        head = ("row", target, "probability", "at the stated coverage", "used", "absent", "broken")
        _print(_table(f"{len(found):,} predictions", head, lines))
    if len(rows) > PREDICTED:
        note(f"{len(rows) - PREDICTED:,} more; -o FILE.csv writes all")


def explanation(said: Explanation, *, as_json: bool, path: Path | None) -> None:
    """Why a row is predicted so, the largest share first."""
    if as_json:
        document(said.to_json())
        return
    lines = [("knowing nothing", _value(said.base), "")]
    least = LEAST * max(map(abs, said.shares.values()), default=0.0)
    for column, share in sorted(said.shares.items(), key=lambda pair: -abs(pair[1])):
        lines.append((column, _signed(share), _telling(said.parts.get(column, ()), least)))
    lines.append(("together", _value(said.score), "" if said.exact else "shares are estimates that add up"))
    title = f"{said.target}: {_value(said.label)}"
    _print(_table(title, ("column", "share of the score", "what mattered"), lines))
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
    _print(_table(title, ("row", "column", "item", "score", "holds", "because of"), lines))


def count(rows: int, change: int, *, as_json: bool) -> None:
    """How many rows are indexed now."""
    document({"rows": rows, "change": change}) if as_json else line(f"{rows:,} rows indexed ({change:+,})")


def cache(kept: Cache, freed: int, *, as_json: bool) -> None:
    """Where the cache lies and how large it is."""
    if as_json:
        document({"folder": str(kept.folder), "bytes": kept.size(), "limit": kept.limit, "freed": freed})
        return
    line(f"{kept.folder}: {kept.size() / 1e6:,.1f} MB of at most {kept.limit / 1e6:,.0f} MB")
    if freed:
        line(f"{freed / 1e6:,.1f} MB set free")


def _value(label: Any) -> str:
    """A label in print."""
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


def _table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], right_from: int = 99) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE)
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if i >= right_from else "left", overflow="fold")
    for cells in lines:
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    wide = None if sys.stdout.isatty() else 120
    Console(width=wide).print(table)
