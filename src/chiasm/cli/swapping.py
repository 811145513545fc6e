"""The verb that gives a column of a model another encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli import show
from chiasm.cli.app import app
from chiasm.cli.arguments import Json, ModelPath, Overwrite, pairs


@app.command()
def swap(
    model: ModelPath,
    encoder: Annotated[
        list[str],
        typer.Argument(
            metavar="COL=ENCODER", help="A name, a model folder, a hub name, or an ONNX JSON file."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="MODEL", help="The model folder to write; MODEL if left out."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Give a column of the space another encoder, without refitting anything else.

    The column is re-aligned in closed form; what predicts targets keeps the encoder it learned with.
    """
    from chiasm.checks import expanded
    from chiasm.errors import UsageError
    from chiasm.model import load
    from chiasm.model.folder import save
    from chiasm.storage import check_free, fingerprint

    if len(encoder) > 1:
        raise UsageError(
            "one column at a time is given another encoder",
            where=" ".join(encoder),
            hint=f"Swap {encoder[0]!r} first, then the next in the model it writes.",
        )
    place = expanded(model if out is None else out)
    check_free(place, overwrite=overwrite)
    was = fingerprint(place)
    found = load(model)
    given = pairs(encoder, "COL=ENCODER", found.columns)
    ((column, name),) = given.items()
    with show.bars() as progress:
        made = found.swap(column, name, progress=progress)
    save(made, place, overwrite=overwrite, copy_media=bool(found.facts.get("copy_media")), was=was)
    show.fitted(made, as_json=json, path=place)
