"""The outcome of a target as a table for the terminal."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from chiasm.judge.estimate import Estimate
from chiasm.judge.outcome import Outcome, calibration, interval, labelled, promised, shown, signed, titled
from chiasm.measures import Measure

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 2
"""Measures beside the main one that fit a terminal."""
WIDE = 20
"""Letters of a heading before it takes another line."""


def render(outcome: Outcome, width: int = 120) -> Table:
    """The outcome as a table for the terminal: predictors, then patterns of what is there, then verdicts.

    width : in signs; as many measures are shown as it holds.
    """
    from rich.console import Console

    console = Console(width=width)
    tables = (_table(outcome, others) for others in range(len(outcome.measures[: SHOWN + 1]) - 1, 0, -1))
    fitting = (table for table in tables if console.measure(table).minimum <= width)
    return next(fitting, None) or _table(outcome, 0)


def _table(outcome: Outcome, shown_others: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    main, *others = outcome.measures[: shown_others + 1]
    table = Table(
        title=Text(f"{outcome.target}: {outcome.rows:,} rows, 95 % intervals"),
        caption=Text("\n".join([*outcome.verdicts, *_trust(outcome)])),
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", min_width=20, overflow="fold")
    for head in ("rows", _folded(main), "interval", "fusion\ngains", "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in others:
        table.add_column(_folded(one), justify="right")
    gains = {one.name: one.gain for one in outcome.gains}
    for line in outcome.lines:
        gain = gains.get(line.name) if line.role == "single" else None
        style = "bold" if line.name == outcome.chosen else ""
        rest = [shown(line.measures[one.name].value, one.percent) for one in others]
        cells = _cells(line.rows, line.measures[main.name], gain, main.percent)
        table.add_row(Text(labelled(line, outcome.chosen), style), *cells, *rest)
    table.add_section()
    for given in (one for one in outcome.patterns if len(one.columns) > 1):
        name = Text(f"given {' + '.join(given.columns)}\n  beside {given.best}")
        table.add_row(name, *_cells(given.rows, given.fused, given.gain, main.percent))
    return table


def _trust(outcome: Outcome) -> list[str]:
    """How far probabilities, sets and intervals can be trusted."""
    said = [calibration(outcome)] if math.isfinite(outcome.calibrated.value) else []
    held = [(promised(one, outcome.kind), shown(one.measured.value, True)) for one in outcome.coverage]
    return [*said, *(f"{what} cover {share} % of rows." for what, share in held)]


def _folded(measure: Measure) -> str:
    """A heading in lines of a terminal's column."""
    return "\n".join(textwrap.wrap(titled(measure), WIDE))


def _cells(rows: int, value: Estimate, gain: Estimate | None, percent: bool) -> list[str]:
    over = ["", ""] if gain is None else [signed(gain.value, percent), interval(gain, percent)]
    return [f"{rows:,}", shown(value.value, percent), interval(value, percent), *over]
