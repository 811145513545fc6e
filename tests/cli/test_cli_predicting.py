"""The verbs of predicting as a person meets them, and what `fit` is told of targets."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
import pytest
from birds import SPECIES, make_birds
from json_documents import check
from terminal import run, said

import chiasm
from chiasm.errors import DataError

N = 40
KINDS = [one.name for one in SPECIES]
QUICK = ("--fuse", "late", "--folds", "2")


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Birds by caption, photo, weight and wing, on a day, at a site; their rank is that of their weight.

    Beside it are same.csv of one species, few.csv of seven rows, others.csv of other columns, bare.csv whose
    cells are all absent, and new.csv of "blurred", whose photo is broken, and "numbers", which has no other.
    """
    folder = tmp_path_factory.mktemp("predicting")
    with make_birds(folder / "birds", n=N).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        kind = i % len(SPECIES)
        del row["clip"]
        row |= {"weight": f"{10 + 3 * kind + i % 7 / 10:.1f}", "wing": f"{20 - kind + i % 3 / 10:.1f}"}
        row |= {"day": f"2024-{1 + i // 28:02}-{1 + i % 28:02}", "rank": str(kind // 2)}
    here = folder / "birds"
    (here / "no.png").write_text("no picture")
    write(here / "same.csv", [{**row, "species": "crow"} for row in rows])
    write(here / "few.csv", rows[:7])
    write(here / "others.csv", [{"id": row["id"], "colour": "blue"} for row in rows])
    write(here / "bare.csv", [{column: "b000" * (column == "id") for column in rows[0]}])
    blurred = {**rows[2], "id": "blurred", "photo": "no.png"}
    write(here / "new.csv", [blurred, {**rows[2], "id": "numbers", "caption": "", "photo": ""}])
    write(here / "nameless.csv", [{c: v for c, v in row.items() if c != "id"} for row in rows])
    return write(here / "w.csv", rows)


@pytest.fixture(scope="module")
def model(table: Path) -> Path:
    """What predicts the species, by caption, photo, and weight and wing together."""
    path = table.parent / "m"
    aside = ("--as", "rank=name", "--as", "day=name", "--as", "site=name")
    ran = run("fit", table, "-o", path, "--target", "species", *aside, *QUICK)
    assert ran.code == 0, ran.err
    assert f"{N} rows indexed in {path}" in ran.out
    assert "species: 40 rows, 95 % intervals" in ran.out
    assert "always the commonest" in ran.out
    return path


def test_predictions_in_words(model: Path, table: Path) -> None:
    ran = run("predict", model, table)
    assert ran.code == 0
    assert "40 predictions" in ran.out
    assert ("b019" in ran.out, "b020" in ran.out) == (True, False)
    assert ran.err == "20 more; -o FILE.csv writes all\n"
    few = run("predict", model, table, "--where", 'site == "marsh" and species == "crow"')
    assert "3 predictions" in few.out
    assert few.err == ""


def test_predictions_in_json_say_what_each_row_went_by(model: Path, table: Path) -> None:
    found = run("predict", model, table.parent / "new.csv", "--json").json
    check("predict", found)
    blurred, numbers = found["predictions"]
    assert (blurred["row"], blurred["label"]) == ("blurred", "canary")
    assert (blurred["absent"], blurred["broken"]) == ([], ["photo"])
    assert numbers["used"] == ["weight", "wing"]
    assert (numbers["absent"], numbers["broken"]) == (["caption", "photo"], [])
    assert set(numbers["labels"]) <= set(KINDS)
    assert 0 < numbers["score"] <= 1


def test_predictions_as_a_table(model: Path, table: Path, tmp_path: Path) -> None:
    document = run("predict", model, table, "--json").json["predictions"]
    for path in (tmp_path / "a" / "p.csv", tmp_path / "b" / "p.parquet"):  # whose folders are yet to be made
        ran = run("predict", model, table, "-o", path)
        assert (ran.out, ran.err) == (f"40 rows predicted in {path}\n", "")
    with (tmp_path / "a" / "p.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert pq.read_table(tmp_path / "b" / "p.parquet").column_names == list(lines[0])
    for name, key in (("row", "row"), ("species", "label")):
        assert [line[name] for line in lines] == [one[key] for one in document]
    assert [float(line["species score"]) for line in lines] == [one["score"] for one in document]
    assert [line["used"] for line in lines] == ["; ".join(one["used"]) for one in document]
    right = [line["species"] == KINDS[i % len(KINDS)] for i, line in enumerate(lines)]
    assert sum(right) > 0.9 * N


def test_a_row_of_nothing_stops_no_other_and_is_named(model: Path, table: Path, tmp_path: Path) -> None:
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:3]
    rows[1] |= dict.fromkeys(set(rows[1]) - {"id"}, "")
    rows[2] |= {**dict.fromkeys(set(rows[2]) - {"id"}, ""), "photo": "no.png"}
    path = write(table.parent / "gaps.csv", rows)
    told = "broken: row b002, column 'photo'\nchiasm inspect DATA says why\n"
    told += "2 of 3 rows have nothing to predict from, and get no label: b001, b002\n"
    found = run("predict", model, path, "--json")
    assert found.err == told
    check("predict", found.json)
    labels = [one["label"] for one in found.json["predictions"]]
    assert labels == ["robin", None, None]
    for out in (tmp_path / "p.csv", tmp_path / "p.parquet"):
        ran = run("predict", model, path, "-o", out)
        assert (ran.code, ran.err) == (0, told)
    assert pq.read_table(out)["species"].to_pylist() == labels
    assert pq.read_table(out)["broken"].to_pylist() == ["", "", "photo"]
    assert (tmp_path / "p.csv").read_text("utf-8").count("\n") == 4
    shown = run("predict", model, path)
    assert "3 predictions" in shown.out
    assert shown.err == told
    said(run("explain", model, path, "--row", "b002"), 1, "row b002", "broken: photo")


def test_the_shares_of_a_row_add_up(model: Path, table: Path, tmp_path: Path) -> None:
    found = run("explain", model, table, "--row", "b002", "--json").json
    check("explain", found)
    assert found["label"] == "canary"
    assert set(found["shares"]) == {"caption", "photo", "weight", "wing"}
    assert found["base"] + sum(found["shares"].values()) == pytest.approx(found["score"])
    assert {part["kind"] for part in found["parts"]["caption"]} == {"word"}
    page = tmp_path / "new" / "b002.html"
    ran = run("explain", model, table, "--row", "b002", "--html", page)
    assert ran.out.startswith("species: canary")
    assert "base value" in ran.out
    assert ran.out.endswith(f"drawn in {page}\n")
    assert "<svg" in page.read_text("utf-8") or "<img" in page.read_text("utf-8")


def test_a_share_of_nothing_is_said_to_be_of_a_broken_cell_or_of_none(
    model: Path, table: Path, tmp_path: Path
) -> None:
    new, page = table.parent / "new.csv", tmp_path / "why.html"
    shown = run("explain", model, new, "--row", "blurred", "--html", page)
    assert shown.code == 0, shown.err
    assert [line.split() for line in shown.out.splitlines() if "photo" in line] == [["photo", "+0", "broken"]]
    assert "photo: broken" in page.read_text("utf-8")
    lines = run("explain", model, new, "--row", "numbers").out.splitlines()
    assert [line.split()[-1] for line in lines if "photo" in line or "caption" in line] == [
        "absent",
        "absent",
    ]
    found = run("explain", model, new, "--row", "blurred", "--json").json
    assert (found["absent"], found["broken"]) == ([], ["photo"])


def test_a_row_without_an_id_is_called_by_its_number(model: Path, table: Path) -> None:
    numbered = run("explain", model, table.parent / "nameless.csv", "--row", "2", "--json")
    assert numbered.json == run("explain", model, table, "--row", "b002", "--json").json


def test_what_is_worth_collecting(model: Path, table: Path) -> None:
    new = table.parent / "new.csv"
    missing = run("collect", model, new, "--row", "numbers", "--json").json
    check("collect", missing)
    assert {one["column"] for one in missing["missing"]} == {"caption", "photo"}
    said_ = run("collect", model, new, "--row", "numbers").out.splitlines()
    assert said_ == [one["verdict"] for one in missing["missing"]]
    assert run("collect", model, table, "--row", "b002").out == "no whole modality is missing\n"


def test_a_report_with_stress_and_a_page(model: Path, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "a" / "r.html"
    words = run("evaluate", model, table, "--stress", "--html", page, "--where", 'site != "marsh"')
    assert words.code == 0, words.err
    for part in ("Search, 25 rows", "always the commonest", "given caption", "noise", "missing", "FGSM"):
        assert part in words.out
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "species" in text
    assert "http://" not in text.replace("http://www.w3.org", "")  # no outside parts
    plain = run("evaluate", model, table, "--json").json
    check("evaluate", plain)
    assert [one["target"] for one in plain["outcomes"]] == ["species"]
    assert plain["stresses"] == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--target", "rank", "--target", "weight"], {"target": ["rank", "weight"]}),
        (
            ["--task", "rank=order", "--task", "weight=number"],
            {"task": {"rank": "order", "weight": "number"}},
        ),
        (["--group", "body=weight,wing"], {"groups": {"body": ["weight", "wing"]}}),
        (["--encoder", "photo=gradients"], {"encoders": {"photo": "gradients"}}),
        (["--by", "site", "--folds", "0"], {"by": "site", "folds": None}),
        (["--time", "day", "--folds", "3"], {"time": "day", "folds": 3}),
        (["--balance", "--coverage", "0.8"], {"balance": True, "coverage": 0.8}),
        (["--copies", "2", "--fuse", "concat", "--seed", "7"], {"copies": 2, "fuse": "concat", "seed": 7}),
        ([], {"target": [], "task": {}, "groups": None, "fuse": "auto", "folds": 5, "coverage": 0.9}),
    ],
)
def test_fit_is_told_every_option(
    table: Path, tmp_path: Path, flags: list[str], told: dict[str, Any]
) -> None:
    with mock.patch("chiasm.model.fit", side_effect=DataError("seen")) as fit:
        said(run("fit", table, "-o", tmp_path / "m", *flags), 1, "seen")
    given = fit.call_args.kwargs
    assert {name: given[name] for name in told} == told


def test_an_order_by_groups_from_cleaned_and_changed_cells(table: Path, tmp_path: Path) -> None:
    ran = run(
        "fit", table, "-o", tmp_path / "m", "--target", "rank", "--task", "rank=order",
        "--group", "body=weight,wing", "--clean", "caption=unicode,lower", "--as", "species=name",
        "--by", "site", "--folds", "0", "--balance", "--coverage", "0.8", "--copies", "1", "--fuse", "late",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    made = chiasm.load(tmp_path / "m")
    rank = made.predictor("rank")
    assert (rank.task.kind, rank.task.classes) == ("order", (0, 1, 2))
    assert rank.inputs.groups == {"body": ("weight", "wing")}
    assert set(rank.inputs.encoders) == {"body", "caption", "photo"}  # the site parts the rows, no more
    assert rank.conformal.coverage == 0.8
    assert made.schema["caption"].clean == ("unicode", "lower")
    assert made.outcomes[0].rows == N


def test_the_past_predicts_the_future_and_ends_that_nothing_bounds_are_null(
    table: Path, tmp_path: Path
) -> None:
    path, flags = tmp_path / "m", ("--time", "day", "--coverage", "0.99", "--as", "photo=name", *QUICK)
    fitted = run("fit", table, "-o", path, "--target", "weight", *flags, "--json")
    check("fit", fitted.json)
    (outcome,) = fitted.json["report"]["outcomes"]
    assert outcome["kind"] == "number"
    assert outcome["rows"] < N  # the oldest part is never tested
    found = run("predict", path, table, "--json").json
    check("predict", found)
    assert [one["score"] for one in found["predictions"]] == [None] * N
    assert found["predictions"][0]["interval"] == [None, None]  # 0.99 of fewer than 99 rows
    shown = run("predict", path, table).out
    assert "-inf to inf" in shown
    assert "probability" not in shown  # of numbers there is none


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["predict", "nowhere", "{table}"], 1, ["nowhere", "no such model folder", "chiasm fit"]),
        (["predict", "{model}", "nowhere.csv"], 1, ["nowhere.csv", "no such file"]),
        (["predict", "{model}", "{table}", "-o", "{new}/p.txt"], 2, ["-o", ".csv or .parquet", "p.txt"]),
        (["predict", "{model}", "{table}", "--where", 'site == "moon"'], 1, ["--where", "no row matches"]),
        (["predict", "{model}", "{table}", "--where", "sight == 1"], 2, ["'sight'", "Did you mean"]),
        (["predict", "{model}", "{folder}/others.csv"], 1, ["every row", "A row needs one of"]),
        (
            ["predict", "{model}", "{folder}/bare.csv"],
            1,
            ["every row: nothing to predict 'species'", "all cells are absent", "caption, photo, weight"],
        ),
        (["explain", "{model}", "{table}"], 2, ["--row"]),
        (["explain", "{model}", "{table}", "--row", "b0001"], 2, ["--row", "Did you mean 'b001'"]),
        (["explain", "{model}", "{folder}/nameless.csv", "--row", "b001"], 2, ["--row", "no row 'b001'"]),
        (["explain", "{model}", "{table}", "--row", "b001", "--target", "specis"], 2, ["'species'"]),
        (["explain", "{model}", "{table}", "--row", "b001", "--html", "{new}/x.pdf"], 2, [".html", "x.pdf"]),
        (["explain", "{model}", "{folder}/bare.csv", "--row", "b000"], 1, ["row b000", "all absent"]),
        (["collect", "{model}", "{table}"], 2, ["--row"]),
        (["collect", "{model}", "{table}", "--row", "nobody"], 2, ["no row 'nobody'", "Known here: b000"]),
        (["collect", "{model}", "{table}", "--row", "b001", "--target", "rank"], 2, ["no target", "species"]),
        (["collect", "{model}", "{folder}/bare.csv", "--row", "b000"], 1, ["row b000", "A row needs one of"]),
        (["evaluate", "{model}", "{table}", "--html", "{new}/r.pdf"], 2, ["--html", ".html", "r.pdf"]),
        (["evaluate", "{model}", "{table}", "--where", 'species == "emu"'], 1, ["no row matches"]),
    ],
)
def test_wrong_use_of_a_predictor_gets_one_clear_line(
    model: Path, table: Path, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    places = {"model": model, "table": table, "folder": table.parent, "new": tmp_path / "new"}
    ran = run(*(text.format(**places) for text in arguments))
    said(ran, code, *parts)
    assert ran.out == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("data", "flags", "code", "parts"),
    [
        ("w", ["--task", "species"], 2, ["--task", "expected COL=VALUE"]),
        ("w", ["--task", "specis=classes"], 2, ["Did you mean 'species'"]),
        ("w", ["--task", "rank=order"], 2, ["task", "'rank'", "no target"]),
        ("w", ["--task", "species=klasses"], 2, ["Did you mean 'classes'"]),
        ("w", ["--task", "species=number"], 1, ["target 'species'", "expected numbers"]),
        ("w", ["--target", "species"], 2, ["target", "twice"]),
        ("w", ["--target", "photo"], 2, ["'photo' holds image"]),
        ("w", ["--group", "body"], 2, ["--group", "expected COL=VALUE"]),
        ("w", ["--group", "body="], 2, ["--group", "body=NAME,NAME"]),
        ("w", ["--group", "body=weight,wings"], 2, ["Did you mean 'wing'"]),
        ("w", ["--group", "body=weight,photo"], 2, ["group 'body'", "'photo' (image)", "A group holds"]),
        ("w", ["--group", "site=weight,wing"], 2, ["groups", "no column has", "'site'"]),
        ("w", ["--clean", "caption"], 2, ["--clean", "expected COL=VALUE"]),
        ("w", ["--clean", "capton=lower"], 2, ["Did you mean 'caption'"]),
        ("w", ["--clean", "caption=unicod"], 2, ["column 'caption'", "Did you mean 'unicode'"]),
        ("w", ["--clean", "caption=detrend"], 2, ["'detrend' cleans series, not text"]),
        ("w", ["--by", "sites"], 2, ["Did you mean 'site'"]),
        ("w", ["--time", "days"], 2, ["Did you mean 'day'"]),
        ("w", ["--by", "site", "--time", "day"], 2, ["by groups or by time", "not both"]),
        ("w", ["--folds", "1"], 2, ["folds", "2 folds or more"]),
        ("w", ["--folds", "0"], 2, ["folds", "needs groups", "by"]),
        ("w", ["--folds", "-1"], 2, ["--folds"]),
        ("w", ["--coverage", "1.5"], 2, ["--coverage"]),
        ("w", ["--copies", "-1"], 2, ["--copies"]),
        ("w", ["--fuse", "lat"], 2, ["Did you mean 'late'"]),
        ("same", [], 1, ["target 'species'", "one class only, 'crow'"]),
        ("few", [], 1, ["target 'species'", "7 rows", "Give more rows"]),
    ],
)
def test_a_target_that_cannot_be_learned_so_gets_one_clear_line(
    table: Path, tmp_path: Path, data: str, flags: list[str], code: int, parts: list[str]
) -> None:
    out = tmp_path / "m"
    said(run("fit", table.parent / f"{data}.csv", "-o", out, *flags, "--target", "species"), code, *parts)
    assert not out.exists()


def test_a_model_without_a_target_says_so(table: Path, tmp_path: Path) -> None:
    path = chiasm.fit(table, target="species", fuse="none").save(tmp_path / "m")
    for verb, *more in (["predict"], ["explain", "--row", "b001"], ["collect", "--row", "b001"]):
        said(run(verb, path, table, *more), 2, "without a target", "target='COL' (--target COL)")
    report = run("evaluate", path, table, "--html", tmp_path / "r.html", "--json").json
    assert report["directions"]
    assert report["outcomes"] == []
