"""The verbs that look at rows before anything is learned: diagnose."""

from __future__ import annotations

from typing import Annotated

import typer

from chiasm.cli import show
from chiasm.cli.app import app
from chiasm.cli.arguments import As, Clean, Data, Json, Root, Seed, lists, pairs, several


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
