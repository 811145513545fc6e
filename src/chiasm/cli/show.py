"""What a person sees: tables, lines and bars for the terminal, or one JSON document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chiasm.errors import Broken, ChiasmError

if TYPE_CHECKING:
    from chiasm.demo import Demonstration
    from chiasm.encode.cache import Cache
    from chiasm.judge.scoreboard import Report
    from chiasm.model import Model
    from chiasm.rows.inspect import Inspection
    from chiasm.rows.rows import Rows

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


def live() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty()


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
        printed(table(f"{len(rows):,} rows", ("column", "read as", "because"), rows.schema.table_lines()))


def inspection(found: Inspection, names: Mapping[int, str], audited: Iterable[str] = ()) -> None:
    """What is present, absent, broken, zero, bridged and repeated in every column; of audited ones the audit
    says what is repeated.

    names : {row: what it is called}.
    """
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
    printed(table(f"{found.rows:,} rows", head, lines, right_from=3))
    broken([b for c in found.columns for b in c.broken])
    for c in found.columns:
        shared = "share an item" if c.items > c.present else "hold the same"
        groups = dict.fromkeys(tuple(dict.fromkeys(rows)) for rows in c.repeated)
        for rows in groups if c.column not in set(audited) else ():
            if len(rows) > 1:
                line(f"column {c.column!r}: rows {', '.join(names[row] for row in rows)} {shared}")


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
    """The scoreboard as tables: of search, of columns never seen together, and of every target."""
    from chiasm.judge import bridge, outcome_table, scoreboard, stress

    for one in found.outcomes:
        printed(outcome_table.render(one, width()))
        line("")
    if found.directions:
        printed(scoreboard.render(found))
    else:
        for text in found.notes:
            line(text)
    if found.bridges:
        printed(bridge.render(found.bridges))
    for harmed in found.stresses:
        printed(stress.render(harmed))


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


def table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]], right_from: int = 99) -> Any:
    """Lines of cells under a title; from `right_from` on they are right-justified."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(title), title_justify="left", box=box.SIMPLE)
    for i, name in enumerate(head):
        drawn.add_column(name, justify="right" if i >= right_from else "left", overflow="fold")
    for cells in lines:
        drawn.add_row(*(Text(cell) for cell in cells))
    return drawn


def printed(drawn: Any) -> None:
    """A table on stdout."""
    from rich.console import Console

    console = Console(width=width())
    with console.capture() as signs:
        console.print(drawn)
    for one in signs.get().splitlines():
        line(one.rstrip())


def width() -> int:
    """The width of the terminal, or 120 signs where there is none."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else 120
