"""The verbs that look at rows: inspect, and diagnose before anything is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli import show
from chiasm.cli.app import app
from chiasm.cli.arguments import As, Clean, Data, Json, Root, Seed, lists, pairs, several
from chiasm.errors import UsageError


@app.command()
def inspect(
    data: Data,
    pairs_: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            metavar="MODEL",
            help="Also find mispaired rows, near-duplicates and leaks, by this model's encoders.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="With --pairs: parts or groups between which nothing may stand twice."
        ),
    ] = None,
    as_: As = [],  # noqa: B006
    clean: Clean = [],  # noqa: B006
    root: Root = None,
    json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not open the media.")] = False,
) -> None:
    """See what the columns hold, and what is absent, broken, twice or mispaired."""
    from chiasm.rows.inspect import inspect
    from chiasm.rows.readers import read

    if pairs_ is not None and (as_ or clean):
        raise UsageError(
            "the model says how columns are read and cleaned",
            where="--pairs",
            hint="Leave --as and --clean out.",
        )
    if pairs_ is None and by is not None:
        raise UsageError("parts are compared by a model's encoders", where="--by", hint="Give --pairs MODEL.")
    model = None
    if pairs_ is None:
        rows = read(data, root=root, modalities=pairs(as_, "--as"), clean=lists(clean, "--clean"))
    else:
        from chiasm.model import load

        model = load(pairs_)
        rows = read(data, root=root, schema=model.schema)
    with show.bars() as bars:
        found = inspect(rows, decode=not quick, progress=lambda column, done: bars(done, len(rows), column))
        audited = None if model is None else model.audit(rows, by=by, progress=bars)
    if json:
        show.document({**found.to_json(), "audit": None if audited is None else audited.to_json()})
        return
    names = dict(zip(rows.numbers.tolist(), rows.ids, strict=True))
    show.inspection(found, names, () if model is None else model.space.columns)
    for text in [] if audited is None else audited.lines():
        show.line(text)


@app.command()
def diagnose(
    data: Data,
    encoder: Annotated[
        list[str],
        typer.Option(metavar="COL=NAME", help="An encoder to try; several of one column are compared."),
    ] = [],  # noqa: B006
    layers: Annotated[bool, typer.Option("--layers", help="Try hidden layers of models too.")] = False,
    as_: As = [],  # noqa: B006
    clean: Clean = [],  # noqa: B006
    root: Root = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare encoders before anything is fitted: which fit together, at what width and ridge."""
    from chiasm.model.diagnosing import diagnose
    from chiasm.rows.readers import read

    rows = read(data, root=root, modalities=pairs(as_, "--as"), clean=lists(clean, "--clean"))
    with show.bars() as bars:
        found = diagnose(rows, several(encoder, "--encoder"), layers=layers, seed=seed, progress=bars)
    if json:
        show.document(found.to_json())
        return
    for text in found.lines():
        show.line(text)
    chosen = " ".join(f"--encoder {column}={name}" for column, name in found.encoders.items())
    show.line(f"chiasm fit {data} -o MODEL {chosen} --dim {found.width}  (fit chooses the ridge itself)")
