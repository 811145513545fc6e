"""The verbs of the command line, one function each."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli import show
from chiasm.cli.arguments import (
    As,
    Data,
    Json,
    ModelPath,
    Overwrite,
    Root,
    Seed,
    Where,
    check_picture,
    only,
    pairs,
    version,
    with_parent,
)
from chiasm.errors import ChiasmError, UsageError

INTERRUPTED = 130  # the exit code typer gives a Ctrl-C

app = typer.Typer(
    name="chiasm",
    help="One searchable space from rows of text, images, sound and vectors, gaps included.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; any ChiasmError becomes one line and exit code 1, or 2 for wrong usage."""
    # idle threads that spin cost more than the work on a small machine; read when the first library loads
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few signs gets ? for the others
    try:
        app()
    except ChiasmError as error:
        show.problem(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        show.note(f"chiasm: {error}")
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            show.note("chiasm: interrupted, nothing was written")
        raise


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One searchable space from rows of text, images, sound and vectors, gaps included."""


@app.command()
def inspect(
    data: Data,
    as_: As = [],  # noqa: B006
    root: Root = None,
    json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not open the media.")] = False,
) -> None:
    """See what the columns hold, and what is absent, broken or twice."""
    from chiasm.rows.inspect import inspect
    from chiasm.rows.readers import read

    rows = read(data, root=root, modalities=pairs(as_, "--as"))
    with show.bars() as bars:
        found = inspect(rows, decode=not quick, progress=lambda column, done: bars(done, len(rows), column))
    show.document(found.to_json()) if json else show.inspection(found)


@app.command()
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="MODEL", help="The model folder to write.")],
    target: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Kept out of the space; rows equal in it are right answers."),
    ] = None,
    encoder: Annotated[
        list[str],
        typer.Option(metavar="COL=NAME", help="A name, a model folder, a hub name, or an ONNX JSON file."),
    ] = [],  # noqa: B006
    align: Annotated[str, typer.Option(metavar="NAME", help="cca, ridge, procrustes or semantic.")] = "cca",
    fuse: Annotated[str, typer.Option(metavar="NAME", help="mean.")] = "mean",
    as_: As = [],  # noqa: B006
    root: Root = None,
    where: Where = None,
    dim: Annotated[int, typer.Option(min=1, metavar="N", help="Width of the space.")] = 256,
    by: Annotated[str | None, typer.Option(metavar="COL", help="Groups that are held out whole.")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    copy_media: Annotated[
        bool, typer.Option("--copy-media", help="Embed the media in the model folder.")
    ] = False,
    json: Json = False,
) -> None:
    """Learn a space from rows with gaps and write a model folder.

    It is tuned and scored on rows held out of learning; then every row is indexed.
    """
    from chiasm.checks import expanded
    from chiasm.model import fit as fit_model
    from chiasm.rows.readers import read
    from chiasm.storage import check_free

    check_free(expanded(out), overwrite=overwrite)
    rows = only(read(data, root=root, modalities=pairs(as_, "--as")), where)
    show.schema(rows, quiet=json)
    with show.bars() as progress:
        model = fit_model(
            rows, target=target, encoders=pairs(encoder, "--encoder"), align=align, fuse=fuse, dim=dim, by=by,
            seed=seed, progress=progress,
        )  # fmt: skip
    show.fitted(
        model, as_json=json, path=model.save(expanded(out), overwrite=overwrite, copy_media=copy_media)
    )


@app.command()
def evaluate(
    model: ModelPath,
    data: Data,
    root: Root = None,
    where: Where = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the scoreboard.")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the report as JSON.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Score a model on rows it has not seen.

    Every direction, with chance and a baseline beside it.
    """
    from chiasm.judge.draw import scoreboard_png
    from chiasm.model import load
    from chiasm.rows.readers import read
    from chiasm.storage import write_json

    check_picture(png, "--png", ".png")
    found = load(model)
    rows = only(read(data, root=root, schema=found.schema), where)
    with show.bars() as progress:
        report = found.evaluate(rows, seed=seed, progress=progress)
    if out is not None:
        write_json(with_parent(out), report.to_json())
    if png is not None:
        scoreboard_png(report, with_parent(png))
    show.document(report.to_json()) if json else show.report(report)


@app.command()
def search(
    model: ModelPath,
    query: Annotated[
        list[str], typer.Argument(metavar="COL=VALUE", help="A text, a path, or a vector as JSON.")
    ] = [],  # noqa: B006
    find: Annotated[
        str | None, typer.Option(metavar="COL", help="The answer's column; every column if left out.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="How many hits.")] = 5,
    where: Where = None,
    in_: Annotated[
        str | None, typer.Option("--in", metavar="DATA", help="Search another collection.")
    ] = None,
    like: Annotated[list[str], typer.Option(metavar="ID", help="More like this row.")] = [],  # noqa: B006
    unlike: Annotated[list[str], typer.Option(metavar="ID", help="Less like this row.")] = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Find items by items of any columns, or by rows that are liked."""
    from chiasm.model import load

    found = load(model)
    rows = found.rows if in_ is None else found.read(in_)
    hits = found.search(
        pairs(query, "query", found.columns),
        find,
        k,
        where=where,
        data=None if in_ is None else rows,
        like=like,
        unlike=unlike,
    )
    show.hits(hits, rows, as_json=json)


@app.command("map")
def map_(
    model: ModelPath,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help="A .png, or an .html page whose points show their items."
        ),
    ] = Path("map.html"),
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many points.")] = 2000,
    json: Json = False,
) -> None:
    """Draw the space in two dimensions with all modalities in it."""
    from chiasm.model import load
    from chiasm.model.drawing import draw_map

    check_picture(out, "-o", ".png", ".html")
    found = load(model)
    shown = draw_map(found, with_parent(out), limit)
    show.document({"file": str(out), "points": shown}) if json else show.line(f"{shown:,} points in {out}")


@app.command()
def add(model: ModelPath, data: Data, root: Root = None, json: Json = False) -> None:
    """Index more rows without refitting."""
    from chiasm.checks import expanded
    from chiasm.model import load
    from chiasm.rows.readers import read

    found = load(model)
    with show.bars() as progress:
        grown = found.add(read(data, root=root, schema=found.schema), progress=progress)
    grown.save(expanded(model), overwrite=True, copy_media=bool(found.facts.get("copy_media")))
    show.broken(grown.broken[len(found.broken) :])
    show.count(len(grown.rows), len(grown.rows) - len(found.rows), as_json=json)


@app.command()
def remove(
    model: ModelPath, ids: Annotated[list[str], typer.Argument(metavar="ID")], json: Json = False
) -> None:
    """Take rows out of the index without refitting."""
    from chiasm.checks import expanded
    from chiasm.model import load

    found = load(model)
    left = found.remove(ids)
    left.save(expanded(model), overwrite=True, copy_media=bool(found.facts.get("copy_media")))
    show.count(len(left.rows), len(left.rows) - len(found.rows), as_json=json)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything in it.")] = False,
    json: Json = False,
) -> None:
    """Where encoded features are kept, and how much room they take."""
    from chiasm.encode.cache import Cache

    kept = Cache()
    freed = kept.clear() if clear else 0
    show.cache(kept, freed, as_json=json)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the collection, the model and the pictures go.")
    ] = Path("demo"),
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make a collection, fit it, search it, and draw what was found."""
    from chiasm.demo import run_demo

    with show.bars() as progress:
        shown = run_demo(
            folder.expanduser(), seed=seed, progress=progress, say=show.note if json else show.line,
            table=None if json else show.report,
        )  # fmt: skip
    if json:
        show.demonstrated(shown)
