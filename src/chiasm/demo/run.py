"""The demo's walk: read, fit, judge, search, draw, and say what to try next."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.demo.collection import build_collection

if TYPE_CHECKING:
    from chiasm.judge.scoreboard import Report
    from chiasm.model import Model
    from chiasm.rows.rows import Rows

Say = Callable[[str], None]
NEXT = """
What to try next:
  {chiasm} inspect {csv}
  {chiasm} search {model} text="the number seven" --find image -k 3
  {chiasm} search {model} text="数字三" --where 'digit == "three"'
  {chiasm} search {model} --like {row} --find image
  {chiasm} map {model} -o {folder}/map.html
  {chiasm} fit YOUR.csv -o your.chiasm"""


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demo made in `folder`: a table, a saved model and a picture; and what it measured.

    notes : of the collection;  report : the scoreboard on rows that the model has not seen.
    """

    folder: Path
    table: Path
    saved: Path
    picture: Path
    notes: tuple[str, ...]
    report: Report
    model: Model


def run_demo(
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    say: Say,
    table: Callable[[Report], None] | None = None,
) -> Demonstration:
    """Make the collection in `folder`, fit on four fifths of it, judge on the rest, search, and draw.

    say : prints a line;  table : prints the scoreboard, where it is to be printed.
    """
    from chiasm.model import fit
    from chiasm.model.drawing import draw_found
    from chiasm.rows.readers import read

    shutil.rmtree(folder / "collection", ignore_errors=True)
    say(f"Making a collection in {folder}/collection …")
    made = build_collection(folder / "collection", seed)
    for text in made.notes:
        say(f"  {text}")
    train, test = read(made.csv).split(test=0.2, stratify="digit", seed=seed)
    say(f"Fitting on {len(train)} rows; the column 'digit' stays out of the space and tells what is right …")
    model = fit(train, target="digit", seed=seed, progress=progress)
    for cell in model.broken:
        say(f"  broken: {replace(cell, source=_near(cell.source))}")
    say(f"Judging on the other {len(test)} rows:")
    report = model.evaluate(test, progress=progress)
    if table is not None:
        table(report)
    saved = model.save(folder / "digits.chiasm", overwrite=True)
    queries = _queries(test, made.modalities)
    _search(model, queries, say)
    picture = folder / "found.png"
    draw_found(model, queries, picture, k=5, label="digit")
    say(f"The queries and what they found are drawn in {picture}")
    say(NEXT.format(chiasm=_command(), csv=made.csv, model=saved, folder=folder, row=train.ids[0]))
    return Demonstration(folder, made.csv, saved, picture, made.notes, report, model)


def _queries(test: Rows, columns: tuple[str, ...]) -> list[tuple[Mapping[str, Any], str]]:
    """A query in every direction, with the column to find, from rows that were not fitted on."""
    pairs = [(a, b) for a in columns for b in columns if a != b]
    return [(_query(test, asked, skip=i), find) for i, (asked, find) in enumerate(pairs)]


def _search(model: Model, queries: list[tuple[Mapping[str, Any], str]], say: Say) -> None:
    say("Searches, asked with rows the model has not seen:")
    digits = dict(zip(model.rows.ids, model.rows.values("digit"), strict=True))
    for query, find in queries:
        asked = next(iter(query))
        hits = model.search({asked: query[asked]}, find, k=5)
        found = ", ".join(str(digits[hit.row]) for hit in hits)
        shown = query["text"] if asked == "text" else f"{asked} of a {query['digit']}"
        say(f"  {shown!r} → {find}: {found}")


def _command() -> str:
    """How the command line is called from here: by name where the shell finds it, else by its path."""
    path = Path(sys.executable).with_name("chiasm")
    if shutil.which("chiasm") or not path.exists():
        return "chiasm"
    return _near(path)


def _near(path: str | Path) -> str:
    """A path as it is called from here."""
    return str(Path(path).relative_to(Path.cwd()) if Path(path).is_relative_to(Path.cwd()) else path)


def _query(test: Rows, column: str, skip: int) -> Mapping[str, Any]:
    """The cell and the digit of the `skip`-th row whose file is there and whole."""
    from chiasm.model.drawing import cell

    usable = (i for i, value in enumerate(test.values(column)) if value is not None)
    whole = [i for i in usable if cell(test, i, column, 0) is not None]
    row = whole[skip % len(whole)]
    source = next(iter(test[row].cells(column)))
    return {column: source.value, "digit": test.values("digit")[row]}
