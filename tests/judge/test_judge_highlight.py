"""Drawings of explanations: every mark is where its piece is, and no text breaks out of the page."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from chiasm.judge.collect import Worth
from chiasm.judge.explain import Explanation
from chiasm.judge.explained import explanation_html
from chiasm.judge.highlight import (
    AGAINST,
    FOR,
    LANES,
    heat,
    image_html,
    item_html,
    number,
    series_html,
    signed,
    sound_html,
    strengths,
    text_html,
)
from chiasm.judge.occlude import Part, occlude
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

HOSTILE = (
    "</mark></p><script>alert(1)</script> <img src=http://x/> & \u2028 \ud800 \x00 {{body}} {{title}} 狗"
)


class Page(HTMLParser):
    """Tags, what addresses they name, and whether each is closed where it should be."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.addresses, self.marks = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "img", "br", "rect", "path", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "mark":
            self.marks.append(data)


def colour_at(pixels, y, x):
    return pixels[y, x].astype(int)


def test_words_are_marked_with_their_side_and_the_rest_is_left_alone():
    parts = [Part("word", "good", (2, 6), 0.4), Part("word", "bad", (11, 14), -0.2)]
    page = text_html("a good but bad film", parts)
    assert re.sub("<[^>]*>", "", page) == "a good but bad film"
    assert Page(page).marks == ["good", "bad"]
    assert 'class="for" style="background:rgba(47,111,222,0.620)" title="+0.400">good' in page
    assert 'class="against" style="background:rgba(228,104,43,0.310)" title="−0.200">bad' in page


def test_a_sentence_that_was_looked_into_is_shown_by_its_words():
    text = "One whale. Two."
    parts = [
        Part("sentence", "One whale.", (0, 11), 0.5),
        Part("sentence", "Two.", (11, 15), 0.1),
        Part("words", "whale", (4, 9), 0.5),
    ]
    assert Page(text_html(text, parts)).marks == ["whale", "Two."]


def test_a_patch_for_is_blue_one_against_is_orange_and_the_others_stay_grey():
    pixels = np.full((70, 140, 3), 128, np.uint8)
    parts = [Part("patch", "", (0, 0, 70, 70), 0.3), Part("patch", "", (0, 70, 70, 120), -0.3)]
    drawn = heat(pixels, parts)
    assert drawn.shape == (160, 320, 3)
    grey = 0.75 * 128 + 32
    for x, colour in ((80, FOR), (200, AGAINST)):
        np.testing.assert_allclose(drawn[80, x], 0.38 * grey + 0.62 * np.array(colour), atol=1)
    assert drawn[80, 310].tolist() == [128, 128, 128]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (28, 28), (900, 30)])
def test_images_of_any_shape_are_drawn(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    parts = occlude("image", pixels, lambda images: [float(one.mean()) for one in images])
    page = Page(image_html(pixels, parts))
    assert page.tags.count("img") == 2
    for address in page.addresses:
        with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
            assert max(picture.size) == 320


def test_windows_are_shaded_where_they_are():
    sound = Sound(np.sin(np.arange(800) / 9).astype(np.float32), 100)
    page = sound_html(sound, [Part("window", "2.00–4.00 s", (2.0, 4.0), 0.2)])
    assert '<rect x="160.0" y="0" width="160.0" height="120" fill="rgba(47,111,222,0.620)">' in page
    assert "data:audio/wav;base64," in page
    assert "8 s" in page
    assert "audio" not in sound_html(
        Sound(np.zeros(7000, np.float32), 100), []
    )  # 70 seconds: not carried along


def test_the_channels_with_the_largest_effects_are_drawn():
    values = np.random.default_rng(0).standard_normal((50, 12)).astype(np.float32)
    parts = [Part("channel", f"channel {c + 1}", (c,), float(c)) for c in range(12)]
    page = series_html(Series(values, None), [*parts, Part("steps", "steps 1–5", (0, 5), -1.0)])
    assert page.count("<polyline") == LANES
    assert "channel 12 " in page
    assert "channel 4 " not in page
    assert "4 more channels" in page
    assert "50 steps" in page
    Page(page)


def test_a_constant_channel_and_one_step_are_drawn():
    assert "nan" not in series_html(Series(np.ones((1, 1), np.float32), 10.0), [])
    assert "nan" not in sound_html(Sound(np.zeros(1, np.float32), 8000), [])


def test_other_items_are_told_in_words():
    assert item_html(np.zeros(12), []) == "<p>a vector of 12 numbers</p>"
    assert item_html(["<a>"], []) == "<p>[&#x27;&lt;a&gt;&#x27;]</p>"


def test_numbers_are_written_as_one_reads_them():
    assert [number(v) for v in (0.12345, 12.345, 1234567.8, -2.0)] == ["0.123", "12.3", "1,234,568", "−2.000"]
    assert [signed(v) for v in (0.5, -0.5, 0.0)] == ["+0.500", "−0.500", "0"]
    assert strengths([Part("word", "", (0, 1), 0.0)]) == [0.0]


def explained(**changes):
    parts = {"note": [Part("word", "script", (14, 20), 0.2)]}
    fields = {"target": "kind", "label": "cat", "score": 0.75, "base": 0.5, "parts": parts}
    return Explanation(**fields | {"shares": {"note": 0.35, "age": -0.1, "photo": 0.0}} | changes)


def test_the_page_leads_from_the_base_to_the_score_and_needs_nothing_from_outside():
    page = explanation_html(explained(), {"note": HOSTILE, "age": 31.0, "photo": None})
    shown = Page(page)
    assert shown.open == []
    assert "script" not in shown.tags
    assert all(address.startswith("data:") for address in shown.addresses)
    assert "{{title}} 狗" in page  # a text's own braces stay its own
    for said in ("<h1>kind: cat</h1>", "age = 31", "photo: absent", "0.500", "+0.350", "−0.100", "0.750"):
        assert said in page, said
    bars = re.findall(r'class="bar (\w*)" style="left:([\d.]+)%;width:([\d.]+)%"', page)
    assert [(side, float(left), float(width)) for side, left, width in bars] == [
        ("", 0.0, pytest.approx(100 * 0.5 / 0.85, abs=0.01)),
        ("for", pytest.approx(100 * 0.5 / 0.85, abs=0.01), pytest.approx(100 * 0.35 / 0.85, abs=0.01)),
        ("against", pytest.approx(100 * 0.75 / 0.85, abs=0.01), pytest.approx(100 * 0.1 / 0.85, abs=0.01)),
        ("", 0.0, pytest.approx(100 * 0.75 / 0.85, abs=0.01)),
    ]
    page.encode("utf-8")


def test_a_number_many_columns_drawn_orders_and_what_is_missing_are_said():
    shares = {f"c{i}": float(i - 10) for i in range(30)}
    base = 400_000.0
    score = base + sum(shares.values())
    found = Explanation("price", score, score, base, shares, {}, exact=False)
    worth = Worth("photo", 0.4, 0.1, None, 50, True, "collect photo: <it> pays")
    page = explanation_html(found, {}, [worth], title="House <7>")
    Page(page)
    for said in (
        "<h1>House &lt;7&gt;</h1>",
        "Predicted 400,135",
        "14 others",
        "drawn orders",
        "&lt;it&gt; pays",
    ):
        assert said in page, said
    widths = [float(w) for w in re.findall(r"width:([\d.]+)%\"", page)]
    assert sorted(widths)[1] > 1  # small shares of a large number are seen
