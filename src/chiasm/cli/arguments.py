"""The arguments that verbs share, and what is checked about them before any work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chiasm.errors import DataError, UsageError, did_you_mean, require_extra

if TYPE_CHECKING:
    from chiasm.model.predictor import Prediction
    from chiasm.rows.rows import Rows

Data = Annotated[str, typer.Argument(metavar="DATA", help="A CSV, TSV, JSONL or Parquet file, or a folder.")]
ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; notes on stderr.")]
As = Annotated[
    list[str], typer.Option("--as", metavar="COL=MODALITY", help="Read a column as text, image, …")
]
Clean = Annotated[
    list[str],
    typer.Option(metavar="COL=STEP,STEP", help="Clean a column's cells: unicode, trim, detrend, clip:3, …"),
]
Root = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Against it relative media paths resolve; else against DATA's own."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of everything that is random.")]
Where = Annotated[
    str | None, typer.Option(metavar="EXPR", help="""Only rows such as 'site == "north" and year > 2020'.""")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing model folder.")]


def check_picture(path: Path | None, where: str, *endings: str) -> None:
    """Refuse a picture that cannot be drawn before any work is done for it."""
    if path is None:
        return
    if path.suffix not in endings:
        raise UsageError(f"expected a {' or '.join(endings)} file, got {path.name!r}", where=where)
    if path.suffix == ".png":
        require_extra("matplotlib", "plot")


def pairs(given: list[str], what: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """{column: value} of arguments COL=VALUE; a known column may itself hold `=`."""
    found: dict[str, Any] = {}
    for text in given:
        named = max((c for c in known if text.startswith(f"{c}=")), key=len, default=text.partition("=")[0])
        column, equals, value = named, text[len(named) : len(named) + 1], text[len(named) + 1 :]
        if not equals or not column:
            hint = f"Name a column: {' or '.join(f'{c}=…' for c in known)}." if known else ""
            raise UsageError(f"expected COL=VALUE, got {text!r}", where=what, hint=hint)
        if column in found:
            raise UsageError(f"column {column!r} is given twice", where=what)
        found[column] = value
    return found


def several(given: list[str], what: str) -> dict[str, list[str]]:
    """{column: [value, …]} of arguments COL=VALUE, of which several may name one column."""
    found: dict[str, list[str]] = {}
    for text in given:
        for column, value in pairs([text], what).items():
            found.setdefault(column, []).append(value)
    return found


def lists(given: list[str], what: str) -> dict[str, list[str]]:
    """{name: [value, …]} of arguments NAME=VALUE,VALUE."""
    found = {name: text.split(",") for name, text in pairs(given, what).items()}
    for name, values in found.items():
        if not all(values):
            raise UsageError(f"expected {name}=NAME,NAME", where=what)
    return found


def kinds(given: list[str]) -> dict[str, Any]:
    """{target: a kind, or the values of an order from low to high}."""
    found = lists(given, "--task")
    return {target: values if len(values) > 1 else values[0] for target, values in found.items()}


def row_named(rows: Rows, name: str) -> Rows:
    """The one row of this id, or of this number where rows have no ids."""
    places = {found: i for i, found in enumerate(rows.ids)}
    if name not in places:
        raise UsageError(f"no row {name!r}", where="--row", hint=did_you_mean(name, places))
    return rows[places[name]]


def only(rows: Rows, where: str | None) -> Rows:
    """The rows that a filter lets through, all without one."""
    if where is None:
        return rows
    wanted = rows.where(where)
    if not wanted.any():
        raise DataError("no row matches the filter", where=f"--where {where}")
    return rows[wanted]


def check_said(said: Mapping[str, Sequence[Prediction]], columns: Sequence[str]) -> None:
    """Refuse a table of which no row has a cell in any column that is learned from: its names are others."""
    if all(one.empty and not one.broken for found in said.values() for one in found):
        raise DataError(
            f"nothing to predict {', '.join(map(repr, said))} from: all cells are absent",
            where="every row",
            hint=f"A row needs one of: {', '.join(columns)}.",
        )


def version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        from chiasm import __version__

        typer.echo(f"chiasm {__version__}")
        raise typer.Exit
