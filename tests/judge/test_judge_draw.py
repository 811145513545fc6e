"""Pictures: they exist, hold what they should, and no text breaks them."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from chiasm.encode.features import Features
from chiasm.errors import DataError, UsageError
from chiasm.judge import fonts
from chiasm.judge.draw import Point, Shown, contact_sheet, map_html, map_png, map_points, scoreboard_png
from chiasm.judge.fonts import clean, drawable, font_for, legible
from chiasm.judge.scoreboard import Direction, Estimate, Report
from chiasm.judge.sheet import UNDRAWN

HOSTILE = "</script><script>alert(1)</script> <img src=http://x/> & \u2028 \ud800 \x00 {{points}} 狗"


def columns(n, seed=0):
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((3, 6))[np.arange(n) % 3]
    made = {}
    for name in ("photo", "caption"):
        values = (middle + 0.1 * rng.standard_normal((n, 6))).astype(np.float32)
        values[rng.random(n) < 0.2] = np.nan
        made[name] = Features.of(values)
    return made


def is_picture(path, least=100):
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) >= least
        assert len(picture.convert("RGB").getcolors(10**6) or range(10)) > 2
    return True


@pytest.mark.parametrize("n", [1, 2, 3, 30, 200])
def test_the_map_has_every_item_in_the_unit_square(n):
    made = columns(n) if n > 3 else {"photo": Features.of(np.eye(n, 3, dtype=np.float32))}
    points = map_points(made, limit=2000)
    for name, layout in points.items():
        np.testing.assert_array_equal(made[name].row[layout.position], layout.row)
        assert layout.xy.shape == (len(made[name].row), 2)
        assert (layout.xy >= 0).all()
        assert (layout.xy <= 1).all()


def test_neighbours_in_the_space_are_neighbours_on_the_map():
    points = map_points(columns(200))
    xy, kind = (
        np.concatenate(parts) for parts in zip(*((p.xy, p.row % 3) for p in points.values()), strict=True)
    )
    apart = ((xy[:, None] - xy[None]) ** 2).sum(axis=2) + 9 * np.eye(len(xy))
    assert (kind[apart.argmin(axis=1)] == kind).mean() > 0.98


def test_a_sample_holds_whole_rows_and_the_first_of_many_items():
    captions = Features(
        np.eye(30, dtype=np.float32), np.repeat(np.arange(10), 3), np.tile(np.arange(3), 10), 10
    )
    photos = Features.of(np.eye(10, 30, dtype=np.float32))
    points = map_points({"caption": captions, "photo": photos}, limit=8, seed=1)
    np.testing.assert_array_equal(points["caption"].row, points["photo"].row)
    assert len(points["photo"].row) == 4
    assert (captions.item[points["caption"].position] == 0).all()


def test_nothing_to_draw_is_an_error():
    with pytest.raises(DataError, match="map"):
        map_points({"photo": Features.of(np.full((3, 2), np.nan, np.float32))})
    with pytest.raises(DataError, match="map"):
        map_html([], "nowhere.html")
    with pytest.raises(DataError, match="contact sheet"):
        contact_sheet([[]], "nowhere.png")


def test_maps_and_scoreboard_are_drawn_in_any_script(tmp_path):
    points = map_points(columns(40))
    map_png(
        {"照片 <x> $y": points["photo"], "caption": points["caption"]}, tmp_path / "map.png", title="地图"
    )
    map_png(points, tmp_path / "labels.png", labels=["cat", "狗", None, 3] * 10)
    level = Estimate(0.5, 0.4, 0.6)
    unknown = Estimate(float("nan"), float("nan"), float("nan"))
    known = {1: level, 5: level, 10: level}
    chance = {1: 0.01, 5: 0.05, 10: 0.1}
    made = Direction("a", "b", 9, 0, 9, known, 2.0, level, chance, {1: 0.2, 5: 0.3, 10: 0.4}, known)
    empty = Direction("声音" * 20, "b", 0, 9, 9, dict.fromkeys(known, unknown), float("nan"), unknown, chance)
    scoreboard_png(Report((made, empty), 9, "the same row"), tmp_path / "scores.png")
    assert all(is_picture(path) for path in tmp_path.glob("*.png"))


def test_no_text_breaks_out_of_the_page_and_nothing_is_asked_of_the_network(tmp_path):
    points = [
        Point(HOSTILE, HOSTILE, 0.1, 0.2, HOSTILE, "data:image/png;base64,AAAA"),
        Point("b", "1", 0.5, 0.5, sound="data:audio/wav;base64,AAAA"),
    ]
    map_html(points, tmp_path / "map.html", title=HOSTILE.replace("\ud800", ""))
    page = (tmp_path / "map.html").read_text("utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    held = re.search(r'<script type="application/json" id="points">(.*?)</script>', page, re.S).group(1)
    assert json.loads(held)[0]["text"] == HOSTILE
    assert "default-src 'none'" in page
    outside = re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)[^"']*""", page)
    assert not outside
    assert "innerHTML" not in page
    with pytest.raises(UsageError, match="data:"):
        Point("a", "0", 0, 0, image="https://example.org/x.png")


def test_the_contact_sheet_takes_any_value(tmp_path):
    sound = np.sin(np.arange(2000) / 9).astype(np.float32)
    values = ["a dog", "一只狗" * 80, "W" * 900, "", HOSTILE, sound, sound[:0], sound[:1], sound * 0, None]
    values += [
        np.zeros((1, 1, 3), np.uint8),
        np.full((28, 28, 3), 9, np.uint8),
        np.zeros((3, 900, 3), np.uint8),
    ]
    rows = [
        [Shown(value, None, "query"), Shown(value, True, "0.9" * 40), Shown(value, False)] for value in values
    ]
    contact_sheet([*rows, [Shown("alone")]], tmp_path / "sheet.png", title=HOSTILE)
    assert is_picture(tmp_path / "sheet.png", 600)


def test_right_is_green_and_wrong_is_red(tmp_path):
    for right, strongest in ((True, 1), (False, 0)):
        contact_sheet([[Shown("q"), Shown(np.full((9, 9, 3), 255, np.uint8), right)]], tmp_path / "s.png")
        with Image.open(tmp_path / "s.png") as picture:
            tile = np.asarray(picture)[:, 360:].reshape(-1, 3).astype(int)
        coloured = tile[np.ptp(tile, axis=1) > 80]
        assert len(coloured) > 1000
        assert (coloured.argmax(axis=1) == strongest).all()


def test_a_text_that_no_font_has_is_not_spelled_in_code_points(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_has", lambda file, character: ord(character) < 0x3000)
    assert (legible("纸上的〇"), legible("纸 on paper"), legible("")) == (False, True, True)
    assert drawable("纸 on") == " U+7EB8  on"
    contact_sheet([[Shown("纸上的〇"), Shown("plain")]], tmp_path / "a.png")
    contact_sheet([[Shown(UNDRAWN), Shown("plain")]], tmp_path / "b.png")
    pictures = [np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png")]
    assert (pictures[0] != pictures[1]).any(axis=2).mean() < 0.05  # the same words in softer ink


def test_fonts_for_any_text():
    for text in ("plain", "Привет", "狗", "", "\U0001f600"):
        assert font_for(text, 20).getlength(clean(text)) >= 0
    assert clean("a\x00b\ud800") == "a b?"
