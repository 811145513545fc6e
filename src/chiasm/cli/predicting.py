"""The verbs of predicting: predict, explain, collect, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chiasm.cli import answers, show
from chiasm.cli.app import app
from chiasm.cli.arguments import (
    Data,
    Json,
    ModelPath,
    Root,
    Seed,
    Where,
    check_picture,
    check_said,
    only,
    row_named,
)

Row = Annotated[str, typer.Option("--row", metavar="ID", help="The row's id; its number without ids.")]
Target = Annotated[str | None, typer.Option(metavar="COL", help="Which target, where the model has several.")]


@app.command()
def predict(
    model: ModelPath,
    data: Data,
    root: Root = None,
    where: Where = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write a .csv or .parquet table.")
    ] = None,
    json: Json = False,
) -> None:
    """Predict the targets of rows, whatever columns they have.

    Each with how sure it is, what it leaves open, and which columns it used.
    """
    from chiasm.model import load
    from chiasm.model.tables import check_table, predictions_table, write_table
    from chiasm.rows.readers import read
    from chiasm.storage import new_file

    check_table(out, "-o")
    found = load(model)
    rows = only(read(data, root=root, schema=found.schema), where)
    with show.bars() as progress:
        said = found.predict(rows, progress=progress)
    by_target = said if isinstance(said, dict) else {found.predictor().target: said}
    check_said(by_target, sorted({c for one in found.predictors.values() for c in one.inputs.columns}))
    if out is not None:
        with new_file(out) as file:
            write_table(predictions_table(rows, by_target), file)
    answers.predictions(by_target, rows, as_json=json, path=out)
    answers.unusable(by_target, rows)


@app.command()
def explain(
    model: ModelPath,
    data: Data,
    row: Row,
    target: Target = None,
    root: Root = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that draws it on the items.")
    ] = None,
    json: Json = False,
) -> None:
    """Say why a row is predicted so.

    The exact share of each column, and the words, patches or windows that mattered.
    """
    from chiasm.model import load
    from chiasm.model.drawing import draw_explanation
    from chiasm.rows.readers import read
    from chiasm.storage import new_file

    check_picture(html, "--html", ".html")
    found = load(model)
    one = row_named(read(data, root=root, schema=found.schema), row)
    said = found.explain_row(one, target=target)
    if html is not None:
        with new_file(html) as file:
            draw_explanation(one, said, file)
    answers.explanation(said, as_json=json, path=html)


@app.command()
def collect(
    model: ModelPath, data: Data, row: Row, target: Target = None, root: Root = None, json: Json = False
) -> None:
    """Say which missing column would most change a row's prediction, and whether it is worth collecting."""
    from chiasm.model import load
    from chiasm.rows.readers import read

    found = load(model)
    one = row_named(read(data, root=root, schema=found.schema), row)
    answers.worth(found.collect(one, target=target), as_json=json)


@app.command()
def evaluate(
    model: ModelPath,
    data: Data,
    root: Root = None,
    where: Where = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the scoreboard.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page.")
    ] = None,
    stress: Annotated[
        bool, typer.Option("--stress", help="Also judge predictions on noisy, missing and attacked features.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the report as JSON.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Score a model on rows it has not seen.

    Every direction of search with chance and a baseline beside it, every target with each modality alone.
    """
    from chiasm.judge.draw import scoreboard_png
    from chiasm.judge.web import report_html
    from chiasm.model import load
    from chiasm.rows.readers import read
    from chiasm.storage import new_file, write_json

    check_picture(png, "--png", ".png")
    check_picture(html, "--html", ".html")
    found = load(model)
    rows = only(read(data, root=root, schema=found.schema), where)
    with show.bars() as progress:
        report = found.evaluate(rows, seed=seed, stress=stress, progress=progress)
    if out is not None:
        with new_file(out) as file:
            write_json(file, report.to_json())
    if html is not None:
        with new_file(html) as file:
            file.write_text(report_html(report.outcomes, report, report.stresses), "utf-8")
    if png is not None:
        with new_file(png) as file:
            scoreboard_png(report, file)
    show.document(report.to_json()) if json else show.report(report)
