"""`chiasm inspect DATA --pairs MODEL`: what a person reads, the document, and wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from json_documents import check
from terminal import run, said

import chiasm


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 rows of two vectors: right ones of the first 16 exchanged in twos, left ones of 50 and 51 equal."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((200, 8))
    left, right = (
        (shared + 0.3 * rng.standard_normal((200, 8))) @ rng.standard_normal((8, width)) for width in (20, 12)
    )
    order = np.arange(200)
    order[:16] = order[:16].reshape(-1, 2)[:, ::-1].ravel()
    left[51] = left[50]
    path = tmp_path_factory.mktemp("pairs") / "rows.jsonl"
    lines = [
        {"left": left[i].tolist(), "right": right[order[i]].tolist(), "site": "north" if i % 2 else "south"}
        for i in range(200)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return path


@pytest.fixture(scope="module")
def model(table: Path) -> Path:
    return chiasm.fit(table).save(table.parent / "m")


def test_what_is_found_is_said_in_lines(table: Path, model: Path) -> None:
    out = run("inspect", table, "--pairs", model, "--by", "site").out
    assert "'left' and 'right': about" in out
    assert "exchanged with row" in out
    assert "mispaired with probability " in out
    assert "(log odds of a pair against strangers -" in out
    assert "more mispaired rows (all with --json)" in out
    assert "rows 50, 51" not in out  # a copy that leaks is said once
    assert "rows 50, 51 hold the same" in run("inspect", table).out
    assert "column 'left': row 50 (site south) and row 51 (site north) hold the same" in out


def test_rows_are_called_by_their_ids(table: Path, model: Path, tmp_path: Path) -> None:
    lines = [json.loads(text) for text in table.read_text("utf-8").splitlines()]
    named = [{"id": f"bird-{i}", **one} for i, one in enumerate(lines)]
    path = tmp_path / "named.jsonl"
    path.write_text("\n".join(map(json.dumps, named)), "utf-8")
    own = chiasm.fit(path).save(tmp_path / "m")
    out = run("inspect", path, "--pairs", own).out
    assert "row bird-" in out
    assert "rows bird-50, bird-51 hold the same" in out
    assert out.count("bird-50") == 1
    found = run("inspect", path, "--pairs", own, "--json").json["audit"]
    assert [one["rows"] for one in found["duplicates"] if one["exact"]] == [[50, 51]]
    named = {str(row) for one in found["mispaired"] for row in (one["row"], *one["fits"])} - {"-1"}
    assert found["ids"] == {row: f"bird-{row}" for row in {"50", "51"} | named}
    assert found["by"] == ""
    read = chiasm.load(own).audit(path, by="site")
    assert any("row bird-50 (site south) and row bird-51 (site north)" in text for text in read.lines())


def test_lists_that_share_one_caption_are_not_the_same(tmp_path: Path) -> None:
    rows = [{"captions": [f"bird {i}", f"wing {i}"], "size": i} for i in range(30)]
    rows[7]["captions"] = ["bird 3", "a nest"]
    rows[9]["captions"] = rows[8]["captions"]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    out = run("inspect", path, "--as", "captions=text").out
    assert "column 'captions': rows 3, 7 share an item" in out
    assert out.count("rows 8, 9") == 1  # though they share two


def test_the_document_holds_all_of_it(table: Path, model: Path) -> None:
    document = run("inspect", table, "--pairs", model, "--json").json
    check("inspect", document)
    found = document["audit"]
    suspected = {one["row"] for one in found["mispaired"]}
    assert len(suspected & set(range(16))) >= 10
    assert len(suspected - set(range(16))) <= 2
    assert [one["rows"] for one in found["duplicates"] if one["exact"]] == [[50, 51]]
    plain = run("inspect", table, "--json").json
    check("inspect", plain)
    assert plain["audit"] is None


def test_wrong_usage_is_one_line(table: Path, model: Path) -> None:
    said(run("inspect", table, "--by", "site"), 2, "--by", "--pairs MODEL")
    said(run("inspect", table, "--pairs", model, "--as", "left=text"), 2, "--pairs", "Leave --as")
    said(run("inspect", table, "--pairs", model, "--by", "place"), 2, "no column called 'place'")
    said(run("inspect", table, "--pairs", table.parent / "none"), 1, "none")
    other = table.parent / "other.csv"
    other.write_text("site\nnorth\nsouth\n", "utf-8")
    said(run("inspect", other, "--pairs", model), 1, "no row holds anything in 'left', 'right'")
