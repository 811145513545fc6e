"""The command line as a person meets it: exit codes, one clear line, one JSON document, no traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from birds import make_birds
from terminal import run, said

import chiasm

QUERY = "caption=a yellow bird trills"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_birds(tmp_path_factory.mktemp("birds"), n=60)


@pytest.fixture(scope="module")
def model(table: Path) -> Path:
    return chiasm.fit(table, target="species", fuse="none").save(table.parent / "birds.chiasm")


def test_a_walk_through_the_verbs_in_json(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    assert run("inspect", table, "--json").json["rows"] == 60
    fitted = run("fit", table, "-o", path, "--target", "species", "--fuse", "none", "--copy-media", "--json")
    assert fitted.json["columns"] == ["caption", "clip", "photo"]
    assert "photo: image" in fitted.err
    hits = run("search", path, QUERY, "--find", "photo", "-k", 3, "--json")
    assert [hit["column"] for hit in hits.json["hits"]] == ["photo"] * 3
    written = tmp_path / "a" / "r.json", tmp_path / "b" / "r.png"  # in folders that are yet to be made
    report = run("evaluate", path, table, "--json", "-o", written[0], "--png", written[1])
    assert json.loads(written[0].read_text()) == report.json
    assert written[1].stat().st_size > 1000
    assert run("remove", path, "b001", "b002", "--json").json == {"rows": 58, "change": -2}
    more = make_birds(tmp_path / "more", n=60, seed=3)
    more.write_text(more.read_text().replace("\nb0", "\nnew"))
    assert run("add", path, more, "--json").json == {"rows": 118, "change": 60}
    assert all(isinstance(cell.value, bytes) for cell in chiasm.load(path).rows.cells("photo"))
    for name in ("map.png", "c/map.html"):
        assert run("map", path, "-o", tmp_path / name, "--json").json["points"] > 100
        assert (tmp_path / name).stat().st_size > 10_000
    assert run("cache", "--json").json["folder"] == os.environ["CHIASM_CACHE"]


def test_the_same_walk_in_words(table: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    assert "paths ending in .png" in run("inspect", table).out
    out = run("fit", table, "-o", path, "--target", "species", "--fuse", "none").out
    assert "Search, " in out
    assert f"60 rows indexed in {path}" in out
    out = run("search", path, QUERY, "--like", "b002", "--where", 'site != "marsh"').out
    assert "5 hits" in out
    assert "like b002" in out
    assert run("search", path, QUERY, "-k", "1").out.startswith("1 hit\n")
    assert "Search, " in run("evaluate", path, table).out
    assert run("remove", path, "b001").out == "59 rows indexed (-1)\n"
    assert run("--version").out == f"chiasm {chiasm.__version__}\n"


def test_the_verbs_are_listed_as_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    told = re.findall(r"^\| `chiasm (\w+)", readme, re.MULTILINE)
    listed = re.findall(r"^  (\w+)  ", run("--help").out.partition("Commands:")[2], re.MULTILINE)
    assert listed == told


def test_media_that_came_as_bytes_are_said_not_to_be_kept(table: Path, tmp_path: Path) -> None:
    rows = chiasm.read(table).copy_media().table.to_pylist()
    bare = [{**row, "photo": row["photo"] and row["photo"]["bytes"]} for row in rows]
    pq.write_table(pa.Table.from_pylist(bare).select(["photo", "caption"]), tmp_path / "t.parquet")
    said_ = "Media of photo came as bytes and are not kept: --copy-media keeps them.\n"
    assert said_ in run("fit", tmp_path / "t.parquet", "-o", tmp_path / "m").err
    assert said_ not in run("fit", tmp_path / "t.parquet", "-o", tmp_path / "n", "--copy-media").err
    assert said_ not in run("fit", table, "-o", tmp_path / "p", "--fuse", "none").err


def test_python_and_the_command_line_give_the_same_hits(model: Path, table: Path) -> None:
    loaded = chiasm.load(model)
    photo = next(loaded.rows.cells("photo")).value
    for query, options in (
        ({"caption": "a yellow bird trills"}, {}),
        ({"caption": "a yellow bird trills", "photo": photo}, {"find": "clip", "k": 3}),
        ({"photo": photo}, {"where": 'site == "marsh"', "like": ["b001"], "unlike": ["b002"]}),
        ({"photo": photo}, {"in": str(table)}),
    ):
        flags = [
            text
            for name, value in options.items()
            for one in (value if isinstance(value, list) else [value])
            for text in ("-k" if name == "k" else f"--{name}", one)
        ]
        ran = run("search", model, *(f"{c}={v}" for c, v in query.items()), *flags, "--json")
        if "in" in options:
            options = {"data": options["in"]}
        hits = loaded.search(query, **options)
        assert [{k: v for k, v in hit.items() if k != "cell"} for hit in ran.json["hits"]] == [
            json.loads(json.dumps(hit.to_json())) for hit in hits
        ]


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["search", "{model}", "captoin=x"], 2, ["Did you mean 'caption'"]),
        (["search", "{model}", "caption"], 2, ["expected COL=VALUE", "Name a column: caption=… or clip=…"]),
        (["search", "{model}", "species=crow"], 2, ["not in the space", """(--where 'species == "crow"')"""]),
        (["search", "{model}", "caption=x", "caption=y"], 2, ["given twice"]),
        (["search", "{model}"], 2, ["nothing was asked"]),
        (["search", "{model}", "caption=x", "--find", "image"], 2, ["'image'"]),
        (["search", "{model}", "photo=nowhere.png"], 1, ["nowhere.png"]),
        (["search", "{model}", "caption=bird", "--where", "import os"], 2, ["not a filter", "character 1"]),
        (["search", "{model}", "caption=bird", "--like", "b0001"], 2, ["Did you mean"]),
        (["search", "{table}", "caption=x"], 1, ["not a model folder"]),
        (["search", "nowhere", "caption=x"], 1, ["no such model folder"]),
        (["search", "{model}", "caption=x", "-k", "0"], 2, []),
        (["fit", "nowhere.csv", "-o", "{new}"], 1, ["no such file"]),
        (["fit", "{table}", "-o", "{model}"], 1, ["the output exists", "--overwrite"]),
        (["fit", "{table}", "-o", "{table}", "--overwrite"], 1, ["no model folder"]),
        (["fit", "{table}", "-o", "{new}", "--target", "specis"], 2, ["Did you mean 'species'"]),
        (["fit", "{table}", "-o", "{new}", "--by", "sight"], 2, ["Did you mean 'site'"]),
        (["fit", "{table}", "-o", "{new}", "--encoder", "foto=gradients"], 2, ["Did you mean 'photo'"]),
        (["fit", "{table}", "-o", "{new}", "--encoder", "photo=gradient"], 2, ["Did you mean 'gradients'"]),
        (["fit", "{table}", "-o", "{new}", "--encoder", "photo=logmel"], 2, ["takes sound"]),
        (["fit", "{table}", "-o", "{new}", "--align", "ccaa"], 2, ["Did you mean 'cca'"]),
        (["fit", "{table}", "-o", "{new}", "--fuse", "men"], 2, ["Did you mean 'mean'"]),
        (["fit", "{table}", "-o", "{new}", "--as", "photo=picture"], 2, ["picture"]),
        (["fit", "{table}", "-o", "{new}", "--as", "foto=image"], 2, ["Did you mean 'photo'"]),
        (["fit", "{table}", "-o", "{table}/below"], 1, ["cannot write there"]),
        (["fit", "{table}"], 2, []),
        (["map", "{model}", "-o", "map.pdf"], 2, [".png or .html"]),
        (["map", "{model}", "-o", "{new}/map.pdf"], 2, ["map.pdf"]),
        (["map", "{model}", "-o", "{table}/map.html"], 1, ["birds.csv"]),
        (["evaluate", "nowhere", "{table}", "--png", "{new}/r.txt"], 2, [".png", "r.txt"]),
        (["evaluate", "{model}", "nowhere.csv", "--png", "{new}/r.png"], 1, ["no such file"]),
        (["evaluate", "{model}", "nowhere.csv"], 1, ["no such file"]),
        (["remove", "{model}", "b9999"], 2, ["b9999"]),
        (["add", "{model}", "{table}"], 1, ["already"]),
        (["inspect", "nowhere.csv"], 1, ["no such file"]),
        (["inspekt", "x"], 2, []),
    ],
)
def test_wrong_usage_gets_one_clear_line(
    model: Path, table: Path, tmp_path: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    filled = [text.format(model=model, table=table, new=tmp_path / "new") for text in arguments]
    said(run(*filled), code, *parts)
    assert not (tmp_path / "new").exists()
    assert chiasm.load(model).search({"caption": "a yellow bird"})


def test_an_existing_output_fails_before_the_data_is_read(model: Path) -> None:
    said(run("fit", "nowhere.csv", "-o", model), 1, "the output exists")


def chiasm_process(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    code = "from chiasm.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=-1,
        stderr=-1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
        **options,
    )


def test_output_may_be_cut_short(model: Path) -> None:
    """As by `| head -1`: more is written than a pipe holds."""
    process = chiasm_process("search", model, QUERY, "-k", "1000", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out, process.stderr as err:
        out.readline()
        out.close()
        assert process.wait(60) in (0, 1)
        assert err.read() == b""


def test_ctrl_c_ends_a_fit_with_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    table = make_birds(tmp_path / "data", n=400)
    environment = {**os.environ, "CHIASM_CACHE": str(tmp_path / "cache")}
    process = chiasm_process("fit", table, "-o", tmp_path / "out" / "m", "--json", env=environment)
    assert process.stderr is not None
    assert process.stdout is not None
    with process.stderr as err, process.stdout as out:
        first = err.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest = err.read().decode()
        assert process.wait(60) == 130, rest
        assert out.read() == b""
    assert first.startswith(b"id:")
    assert "Traceback" not in rest
    assert rest.strip().splitlines()[-1] == "chiasm: interrupted"
    assert not (tmp_path / "out").exists()


def test_a_column_whose_name_holds_an_equals_sign_can_be_asked() -> None:
    from chiasm.cli.arguments import pairs

    assert pairs(["a=b=red fish"], "query", ["a=b", "c"]) == {"a=b": "red fish"}
    assert pairs(["a=b=red fish"], "query", ["a", "c"]) == {"a": "b=red fish"}
    assert pairs(["x=1"], "query") == {"x": "1"}
