"""The page of the judgement: whole, safe from names in the data, silent on the network; plots to scale."""

import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.heads.task import Task
from chiasm.judge.bridge import Bridge
from chiasm.judge.outcome import Outcome
from chiasm.judge.predictions import Sets, judge_target
from chiasm.judge.scoreboard import Direction, Estimate, Report
from chiasm.judge.stress import Curve, Stress
from chiasm.judge.svg import HEIGHT, LEFT, RIGHT, WIDTH, Frame, Series, plot, spanning, strip, ticks
from chiasm.judge.web import report_html

HOSTILE = '</script><script>alert("1")</script>'
VOID = {"meta", "link", "line", "circle", "polyline", "polygon"}
RNG = np.random.default_rng(0)
NOTHING = Estimate(math.nan, math.nan, math.nan)


class Nesting(HTMLParser):
    """Every tag opened is closed, in order; what tags, attributes and words there are."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.words, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(page):
    parser = Nesting()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def outcome(kind, n=80, name="y"):
    values = {
        "classes": ["well", HOSTILE] * (n // 2),
        "order": [1, 2, 3, 2] * (n // 4),
        "labels": [["a"], ["a", HOSTILE], ["c"], []] * (n // 4),
        "number": RNG.standard_normal(n).tolist(),
        "numbers": RNG.standard_normal((n, 2)).tolist(),
    }[kind]
    task = Task.of(values, kind)
    scores = RNG.standard_normal((n, task.outputs))
    gapped = np.where(np.arange(n)[:, None] < n // 2, scores, np.nan)
    singles = {HOSTILE: scores, "photo": gapped}
    sets = [Sets(np.arange(n) % 2 == 0, np.full(n, np.inf), 0.9)]
    patterns = {(HOSTILE, "photo"): gapped, (HOSTILE,): scores, ("photo",): gapped}
    return judge_target(name, task, values, "late", {"late": scores}, singles, patterns, sets=sets)


def stressed(target):
    values = (Estimate(0.9, 0.8, 0.95), NOTHING)
    curves = [Curve(kind, (HOSTILE,), (0.0, 1.0), values) for kind in ("noise", "missing", "FGSM", "PGD")]
    return Stress(target, "classes", 2, "auc", 80, tuple(curves), (f"Steps of {HOSTILE}.",))


def searched():
    some, shares = {k: Estimate(0.5, 0.4, 0.6) for k in (1, 5, 10)}, dict.fromkeys((1, 5, 10), 0.1)
    one = Direction(HOSTILE, "photo", 40, 0, 40, some, 2.0, Estimate(0.5, 0.4, 0.6), shares)
    over = [
        Bridge(HOSTILE, "photo", HOSTILE, 40, 0, 40, 4, some[1], 0.1, 0.9, some[10]),
        Bridge("photo", HOSTILE, HOSTILE, 0, 40, 40, 4, NOTHING, math.nan, math.nan, NOTHING),
    ]
    return dataclasses.replace(Report.of([one], 40, f"of one {HOSTILE}"), bridges=tuple(over))


@pytest.mark.parametrize("kind", ["classes", "order", "labels", "number", "numbers"])
def test_a_page_of_every_kind_is_whole(kind):
    page = report_html([outcome(kind)])
    found = parsed(page)
    assert "svg" in found.tags
    drawn = [value for name, value in found.attributes if name in ("points", "cx", "cy", "x1", "y1")]
    assert drawn
    assert not [value for value in drawn if "nan" in value or "inf" in value]


def test_names_from_the_data_stay_names():
    page = report_html([outcome("classes", name=HOSTILE)], searched(), [stressed(HOSTILE)], title=HOSTILE)
    found = parsed(page)
    assert "script" not in found.tags
    assert sum(HOSTILE in words for words in found.words) > 10


def test_a_title_that_looks_like_a_template_is_a_title():
    assert "<h1>$body ${title}</h1>" in report_html([], title="$body ${title}")


def test_nothing_is_asked_of_the_network():
    page = report_html([outcome("classes")], searched(), [stressed("y")])
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"url\(|@import|<img|src=", page)


def test_verdicts_come_first():
    one = dataclasses.replace(outcome("classes"), verdicts=("Fusion did not help: use notes alone.",))
    page = report_html([one])
    assert page.index("Fusion did not help") < page.index("<table>")


def test_the_page_has_the_words_of_the_field():
    said = "".join(parsed(report_html([outcome("classes")])).words)
    second = "well"  # as they sort, < before w
    for words in (
        "Confusion matrix",
        "Baseline",
        f"F1 of {second} %",
        f"average precision of {second} %",
        f"ROC of {second}",
        f"Precision and recall of {second}",
        "true positive rate",
        "calibrated ones would",
    ):
        assert words in said
    assert "mean absolute error, steps" in "".join(parsed(report_html([outcome("order")])).words)


def test_stress_has_a_place_with_or_without_its_outcome():
    assert report_html([outcome("classes")], None, [stressed("y")]).count("<section>") == 1
    assert "other under stress" in re.sub("<.*?>", "", report_html([], None, [stressed("other")]))


def test_columns_never_seen_together_have_a_section_where_there_are_any():
    page = report_html([], searched())
    said = "".join(parsed(page).words)
    assert "Never seen together" in said
    assert f"photo → {HOSTILE} over {HOSTILE}: No estimate" in said
    assert "Never seen together" not in report_html([], dataclasses.replace(searched(), bridges=()))


def test_a_model_that_only_predicts_has_no_table_of_search():
    page = report_html([outcome("classes")], Report((), 40, "", ("A note.",)))
    assert "Search" not in page
    assert "A note." in page
    assert report_html([], Report((), 40, "")) == report_html([], None)


def test_what_was_read_back_makes_the_same_page():
    one = outcome("classes")
    assert report_html([Outcome.from_json(one.to_json())]) == report_html([one])


def test_points_lie_where_their_numbers_say():
    frame = Frame((0.0, 10.0), (0.0, 1.0))
    assert frame.at(0, 0)[0] == LEFT
    assert frame.at(10, 1)[0] == WIDTH - RIGHT
    assert frame.at(5, 1)[1] < frame.at(5, 0)[1] < HEIGHT
    drawn = plot([Series([0, 5, math.nan], [0, 1, 1])], "x", "y", frame, "a < b")
    (points,) = re.findall('points="(.*?)"', drawn)
    places = [tuple(float(v) for v in place.split(",")) for place in points.split()]
    assert places == [frame.at(0, 0), frame.at(5, 1)]
    assert 'aria-label="a &lt; b"' in drawn


def test_a_strip_without_a_value_is_empty():
    assert strip(math.nan, math.nan, math.nan, (0.0, 1.0)) == ""
    assert "bar" not in strip(0.5, math.nan, math.nan, (0.0, 1.0))
    assert 'x1="4' in strip(0.5, 0.0, 1.0, (0.0, 1.0), 0.0)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9))
def test_ticks_are_few_and_within(low, width):
    over = (low, low + width)
    found = ticks(over)
    assert len(found) <= 7
    assert all(over[0] - width * 1e-6 <= one <= over[1] + width * 1e-6 for one in found)


def test_ranges_hold_what_they_must():
    assert spanning([math.nan]) == (0, 1)
    low, high = spanning([5.0, 5.0])
    assert low < 5 < high
