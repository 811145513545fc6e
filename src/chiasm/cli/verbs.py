"""The verbs of fitting and searching, one function each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chiasm.cli import answers, show
from chiasm.cli.app import app
from chiasm.cli.arguments import (
    As,
    Clean,
    Data,
    Json,
    ModelPath,
    Overwrite,
    Root,
    Seed,
    Where,
    check_picture,
    kinds,
    lists,
    only,
    pairs,
)

if TYPE_CHECKING:
    from chiasm.model import Model


@app.command()
def fit(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="MODEL", help="The model folder to write.")],
    target: Annotated[
        list[str],
        typer.Option(metavar="COL", help="A column to predict; also several."),
    ] = [],  # noqa: B006
    task: Annotated[
        list[str],
        typer.Option(metavar="COL=KIND", help="classes, labels, order, number, numbers, or LOW,…,HIGH."),
    ] = [],  # noqa: B006
    encoder: Annotated[
        list[str],
        typer.Option(
            metavar="COL=NAME",
            help="A name, a model folder, a hub name, an ONNX JSON file; A+B is both side by side.",
        ),
    ] = [],  # noqa: B006
    group: Annotated[
        list[str],
        typer.Option(metavar="NAME=COL,COL", help="Table columns that are one modality."),
    ] = [],  # noqa: B006
    align: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto tries what costs more and says what pays; or anchors, csa, cca, ridge, procrustes, "
            "semantic, kernel, dictionary, transport, learned, blend, adversarial.",
        ),
    ] = "cca",
    fuse: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="How targets are predicted: auto chooses, none does not; or late, concat, experts, "
            "weighted, gated, attention, tensor, adversarial.",
        ),
    ] = "auto",
    as_: As = [],  # noqa: B006
    clean: Clean = [],  # noqa: B006
    root: Root = None,
    where: Where = None,
    dim: Annotated[int, typer.Option(min=1, metavar="N", help="Width of the space.")] = 256,
    by: Annotated[str | None, typer.Option(metavar="COL", help="Groups that are held out whole.")] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COL", help="A column to order by: the past predicts the future.")
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Of the cross-validation; 0: a group of --by each."),
    ] = 5,
    balance: Annotated[bool, typer.Option("--balance", help="Every class weighs the same.")] = False,
    coverage: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Of sets and intervals of predictions.")
    ] = 0.9,
    copies: Annotated[
        int,
        typer.Option(min=0, max=100, metavar="N", help="Changed copies of every row to learn targets from."),
    ] = 0,
    log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write what is trained there, for TensorBoard.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep trainings there; the same fit goes on after a kill."),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    copy_media: Annotated[
        bool, typer.Option("--copy-media", help="Embed the media in the model folder.")
    ] = False,
    json: Json = False,
) -> None:
    """Learn from rows with gaps and write a model folder.

    A space to search in, tuned and scored on rows held out of learning; and what predicts each target, chosen
    and scored by cross-validation. Then every row is learned from and indexed.
    """
    from chiasm.checks import expanded
    from chiasm.model import fit as fit_model
    from chiasm.model.folder import embedded
    from chiasm.rows.readers import read
    from chiasm.storage import check_free
    from chiasm.train.watch import watching

    check_free(expanded(out), overwrite=overwrite)
    read_as = pairs(as_, "--as")
    rows = only(read(data, root=root, modalities=read_as, clean=lists(clean, "--clean")), where)
    show.schema(rows, quiet=json)
    with show.bars() as progress, watching(progress=show.live(), log=log, resume=resume):
        model = fit_model(
            rows, target=target, task=kinds(task), encoders=pairs(encoder, "--encoder"),
            groups=lists(group, "--group") or None, align=align, fuse=fuse, dim=dim, by=by, time=time,
            folds=folds or None, balance=balance, coverage=coverage, copies=copies, seed=seed,
            progress=progress,
        )  # fmt: skip
    show.fitted(
        model, as_json=json, path=model.save(expanded(out), overwrite=overwrite, copy_media=copy_media)
    )
    if lost := [] if copy_media else embedded(model.rows):
        show.note(f"Media of {', '.join(lost)} came as bytes and are not kept: --copy-media keeps them.")


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
    answers.hits(hits, rows, as_json=json)


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
    from chiasm.storage import new_file

    check_picture(out, "-o", ".png", ".html")
    found = load(model)
    show.note("Laying the items out in two dimensions …")
    with new_file(out) as file:
        shown = draw_map(found, file, limit)
    show.document({"file": str(out), "points": shown}) if json else show.line(f"{shown:,} points in {out}")


@app.command()
def add(model: ModelPath, data: Data, root: Root = None, json: Json = False) -> None:
    """Index more rows without refitting."""
    from chiasm.rows.readers import read

    def more(found: Model) -> Model:
        with show.bars() as progress:
            return found.add(read(data, root=root, schema=found.schema), progress=progress)

    found, grown = _rewritten(model, more)
    show.broken(grown.broken[len(found.broken) :])
    show.count(len(grown.rows), len(grown.rows) - len(found.rows), as_json=json)


@app.command()
def remove(
    model: ModelPath, ids: Annotated[list[str], typer.Argument(metavar="ID")], json: Json = False
) -> None:
    """Take rows out of the index without refitting."""
    found, left = _rewritten(model, lambda found: found.remove(ids))
    show.count(len(left.rows), len(left.rows) - len(found.rows), as_json=json)


def _rewritten(path: Path, change: Callable[[Model], Model]) -> tuple[Model, Model]:
    """The model of a folder before and after a change, written in its place unless another process has
    changed it meanwhile."""
    from chiasm.checks import expanded
    from chiasm.model import load
    from chiasm.model.folder import save
    from chiasm.storage import fingerprint

    place = expanded(path)
    was = fingerprint(place)
    found = load(place)
    made = change(found)
    save(made, place, overwrite=True, copy_media=bool(found.facts.get("copy_media")), was=was)
    return found, made


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
