"""Maps and contact sheets of a model: every indexed item is there, also where files are gone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from birds import make_birds
from PIL import Image

import chiasm
from chiasm.errors import UsageError
from chiasm.model import Model
from chiasm.model.drawing import cell, draw_found, draw_map


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return chiasm.fit(make_birds(tmp_path_factory.mktemp("birds"), n=45), target="species", fuse="none")


def test_a_page_holds_every_item_and_reaches_for_nothing(model: Model, tmp_path: Path) -> None:
    count = draw_map(model, tmp_path / "map.html")
    assert count == sum(map(len, model.galleries.values()))
    page = (tmp_path / "map.html").read_text("utf-8")
    assert page.count("data:image/webp;base64,") == len(model.galleries["photo"])
    assert page.count("data:audio/ogg;base64,") == len(model.galleries["clip"])
    assert not re.search(r"(src|href)\s*=\s*['\"]?https?:", page)


def test_a_page_knows_the_class_of_every_row(model: Model, tmp_path: Path) -> None:
    draw_map(model, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text("utf-8")
    points = json.loads(re.search(r'id="points">(.*?)</script>', page, re.DOTALL)[1])
    kinds = dict(zip(model.rows.ids, model.rows.values("species"), strict=True))
    assert [one["label"] for one in points] == [kinds[one["row"]] for one in points]


def test_a_page_closes_no_script_early(tmp_path: Path) -> None:
    text = "</script><script>alert(1)</script> <b>bold</b>"
    data = {
        "text": [f"{text} {i} of many words" for i in range(45)],
        "v": [[float(i), 1.0] for i in range(45)],
    }
    draw_map(chiasm.fit(data), tmp_path / "map.html")
    assert "<script>alert" not in (tmp_path / "map.html").read_text("utf-8")


def test_few_points_and_rows_left_are_drawn(model: Model, tmp_path: Path) -> None:
    assert 0 < draw_map(model, tmp_path / "few.png", limit=3) <= 9
    left = model.remove(model.rows.ids[1:])
    assert draw_map(left, tmp_path / "one.png") == sum(len(g) for g in left.galleries.values())
    with pytest.raises(UsageError, match=r"\.png or an \.html"):
        draw_map(model, tmp_path / "map.svg")


def test_a_contact_sheet_is_drawn_where_files_are_gone(tmp_path: Path) -> None:
    table = make_birds(tmp_path / "birds", n=45)
    model = chiasm.fit(table)
    photos = sorted((table.parent / "photos").iterdir())
    query = {"photo": photos[0].read_bytes(), "species": "robin"}
    draw_found(model, [(query, "caption"), (query, "clip")], tmp_path / "whole.png", label="species")
    for file in photos:
        file.unlink()
    row = next(model.rows.cells("photo")).row
    assert cell(model.rows, row, "photo", 0) is None
    draw_found(model, [({"caption": "a yellow bird"}, "photo")], tmp_path / "gone.png")
    draw_map(model, tmp_path / "map.html")
    for name in ("whole.png", "gone.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 100
