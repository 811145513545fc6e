"""The scoreboard: who is relevant to whom by a slow loop, honest numbers, honest words."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError
from chiasm.index import Gallery
from chiasm.judge.scoreboard import Direction, Estimate, Report, direction, relevance, render


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def features(row, key=None, n=None, dim=4, seed=0):
    row = np.asarray(row, np.int64)
    values = unit(np.random.default_rng(seed).standard_normal((len(row), dim)))
    places = np.array([int((row[:i] == r).sum()) for i, r in enumerate(row)], np.int64)
    n = n if n is not None else int(row.max(initial=-1)) + 1
    return Features(values, row, places, n, (), None if key is None else np.asarray(key, np.int64))


def gallery(one, column="photo"):
    return Gallery.build(one.values, one.row, one.item, column=column)


def slow_relevance(query, answer, labels):
    """Pairs of one row or label, then what equal content adds on either side."""

    def pair(i, j):
        a, b = query.row[i], answer.row[j]
        return a == b or (labels is not None and labels[a] is not None and labels[a] == labels[b])

    def same(one, i, j):
        return i == j or (one.key is not None and one.key[i] == one.key[j])

    q, g = range(len(query.row)), range(len(answer.row))
    return np.array(
        [
            [any(pair(a, b) for a in q if same(query, a, i) for b in g if same(answer, b, j)) for j in g]
            for i in q
        ],
        bool,
    ).reshape(len(query.row), len(answer.row))


sides = st.tuples(
    st.lists(st.integers(0, 4), max_size=7), st.lists(st.integers(0, 3), min_size=7, max_size=7)
)


@settings(max_examples=80, deadline=None)
@given(
    sides,
    sides,
    st.booleans(),
    st.none() | st.lists(st.sampled_from(["cat", "dog", None]), min_size=5, max_size=5),
)
def test_relevance_is_the_slow_loop(query, answer, keyed, labels):
    one, other = (
        features(sorted(row), key[: len(row)] if keyed else None, n=5) for row, key in (query, answer)
    )
    found = relevance(one, other, labels)
    expected = slow_relevance(one, other, labels)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.tocsr().toarray(), expected)
    half = len(expected) // 2
    np.testing.assert_array_equal(found[half : len(expected)].toarray(), expected[half:])


def test_five_captions_of_a_photo_all_count():
    photos, captions = features([0, 1]), features([0] * 5 + [1] * 5)
    assert relevance(photos, captions).tocsr().sum(axis=1).tolist() == [5, 5]
    assert relevance(captions, photos).tocsr().sum(axis=1).tolist() == [1] * 10


def test_the_same_photo_in_two_rows_is_right_twice():
    photos, captions = features([0, 1, 2], key=[7, 7, 8]), features([0, 1, 2])
    assert relevance(captions, photos).tocsr().toarray().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert relevance(photos, captions).tocsr().toarray().tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_labels_of_many_rows_do_not_fill_the_memory():
    n = 20_000
    many = features(np.arange(n), dim=1)
    found = relevance(many, many, ["even", "odd"] * (n // 2))
    held = sum(part.data.nbytes + part.indices.nbytes for part in (found.left, found.right))
    assert held < n * 60  # the full matrix would have 200 million ones
    assert found[5:6].sum() == n // 2


def test_a_direction_is_what_plain_loops_give():
    photos, captions = features(np.arange(40), dim=6), features(np.repeat(np.arange(40), 3), dim=6, seed=1)
    one = direction("caption", captions, gallery(photos), None, relevance(captions, photos))
    scores = captions.values @ photos.values.T
    own = scores[np.arange(120), captions.row]
    ranks = 1 + (scores > own[:, None]).sum(axis=1)
    assert one.recall[5].value == pytest.approx((ranks <= 5).mean())
    assert one.median_rank == np.median(ranks)
    assert one.mean_ap.value == pytest.approx((1 / ranks).mean())
    assert one.chance == pytest.approx({1: 1 / 40, 5: 5 / 40, 10: 10 / 40})
    assert one.recall[5].low <= one.recall[5].value <= one.recall[5].high
    expected = metrics.bootstrap_interval((ranks <= 5).astype(float), groups=captions.row)
    assert (one.recall[5].low, one.recall[5].high) == expected
    assert (one.queries, one.left_out, one.gallery, one.baseline) == (120, 0, 40, {})
    assert one.chance_ap == pytest.approx((1 / np.arange(1, 41)).mean())
    assert math.isnan(one.baseline_ap)
    beside = direction("caption", captions, gallery(photos), None, relevance(captions, photos), scores)
    assert beside.baseline_ap == pytest.approx((1 / ranks).mean())


def test_intervals_draw_whole_groups_and_few_are_said_to_be_few():
    """Two clinics, one of them found and the other not: a third one may be like either."""
    n = 80
    photos = Features.of(unit(np.random.default_rng(0).standard_normal((n, 30))))
    clinic = np.arange(n) % 2
    lost = unit(np.random.default_rng(1).standard_normal((n, 30)))
    captions = Features.of(np.where(clinic[:, None] == 0, photos.values, lost))
    right = relevance(captions, photos)
    alone, none = (
        direction("caption", captions, gallery(photos), None, right, groups=g) for g in (clinic, None)
    )
    scores = captions.values @ photos.values.T
    hit = (scores > np.diag(scores)[:, None]).sum(axis=1) < 1
    assert hit[clinic == 0].all()
    assert (alone.recall[1].low, alone.recall[1].high) == (hit[clinic == 1].mean(), 1.0)
    assert none.recall[1].high < 0.7
    assert (alone.groups, none.groups) == (2, 0)
    notes = Report.of([alone, none], n, "").notes
    assert "Few groups, rough intervals: caption → photo 2 groups." in notes
    one = direction("caption", captions, gallery(photos), None, right, groups=clinic * 0)
    assert math.isnan(one.recall[1].low)
    assert Report.of([one], n, "").notes == (
        "One group only, no intervals, so nothing is sure: caption → photo.",
    )


def test_queries_without_an_answer_are_left_out_and_counted():
    captions, photos = features([0, 1, 2, 3]), features([1, 3], n=4)
    one = direction("caption", captions, gallery(photos), None, relevance(captions, photos))
    assert (one.queries, one.left_out) == (2, 2)


def perfect(n=60, dim=8, seed=0):
    values = unit(np.random.default_rng(seed).standard_normal((n, dim)))
    return Features.of(values)


def report(query, answer, baseline=None):
    one = direction("caption", query, gallery(answer), None, relevance(query, answer), baseline)
    return Report.of([one], query.n, "an item of the same row", ["fitted elsewhere"])


def test_words_say_what_the_intervals_say():
    one, other = perfect(), perfect(seed=1)
    good, noise = one.values @ one.values.T, np.random.default_rng(2).random((60, 60))
    notes = {
        "fine": report(one, one, noise).notes,
        "chance": report(one, other).notes,
        "level": report(one, one, good).notes,
        "worse": report(one, other, good).notes,
    }
    assert notes["fine"] == ("fitted elsewhere",)
    assert notes["chance"][0] == "Not better than chance: caption → photo (R@10)."
    assert notes["level"][0] == "Not better than the simple baseline: caption → photo (R@10)."
    worse = "Worse than the simple baseline, a ridge regression (--align ridge is its like)"
    assert notes["worse"][1] == f"{worse}: caption → photo (R@10)."


def test_few_queries_and_none_are_said_to_be_so():
    few, none = perfect(5), Features(np.ones((1, 8), np.float32), np.array([1]), np.array([0]), 5)
    assert "Few queries, rough intervals: caption → photo 5 queries." in report(few, few).notes
    empty = report(none, Features(np.ones((1, 8), np.float32), np.array([2]), np.array([0]), 5))
    assert empty.notes[0] == "Nothing to score, no query has a right answer: caption → photo."
    assert math.isnan(empty.directions[0].recall[1].value)
    assert json.loads(json.dumps(empty.to_json(), allow_nan=False))["directions"][0]["median_rank"] is None


def test_verdicts_of_a_kind_share_a_line():
    one = report(perfect(), perfect(seed=1)).directions[0]
    counts = {"a": (1, 1), "b": (1200, 3), "c": (60, 1200)}
    scored = [
        dataclasses.replace(one, query=name, queries=queries, left_out=left)
        for name, (queries, left) in counts.items()
    ]
    assert Report.of(scored, 60, "").notes == (
        "Not better than chance: a → photo (R@10), b → photo (R@10), c → photo (R@10).",
        "Few queries, rough intervals: a → photo 1 query.",
        "No right answer, left out: a → photo 1 query, b → photo 3 queries, c → photo 1,200 queries.",
    )


def test_a_baseline_may_come_by_tiles():
    one = perfect()
    noise = np.random.default_rng(2).random((60, 60))
    whole, tiled = report(one, one, noise), report(one, one, iter([noise[:7], noise[7:]]))
    assert whole == tiled
    assert whole.directions[0].gain[1].low > 0


def test_worse_than_chance_further_down_is_said():
    """Answers of a class come together, so that a fifth of the queries find nothing among the first ten."""
    classes = np.arange(60) // 30
    towards = np.where(np.arange(60) % 5 == 0, 1 - classes, classes)
    queries, items = (Features.of(unit(np.eye(2)[c] + 0.1)) for c in (towards, classes))
    right = relevance(queries, items, classes.tolist())
    one = direction("caption", queries, gallery(items), None, right)
    assert one.recall[10].high < one.chance[10]
    said = Report.of([one], 60, "").notes
    assert any(text.startswith("Below chance further down") and "(R@10)" in text for text in said)


def test_a_report_goes_through_json_unchanged():
    one = perfect()
    sent = report(one, one, np.random.default_rng(2).random((60, 60)))
    assert Report.from_json(json.loads(json.dumps(sent.to_json(), allow_nan=False))) == sent
    for broken in ({}, {"directions": [{}], "rows": 1, "relevance": "", "notes": []}, {"directions": 3}):
        with pytest.raises(DataError, match="report: not the document it should be"):
            Report.from_json(broken)


def test_the_table_shows_it_all_in_eighty_columns():
    one = perfect()
    sent = report(one, one, np.random.default_rng(2).random((60, 60)))
    hostile = dataclasses.replace(sent.directions[0], query="[red]a[/nope]")
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(dataclasses.replace(sent, directions=(sent.directions[0], hostile))))
    console.file.close()
    shown = console.export_text()
    for words in (
        "R@1 %",
        "median",
        "1 of 60",
        "100.0–100.0",
        "chance",
        "baseline",
        "[red]a[",
        "same row",
    ):
        assert words in shown


def test_a_relevance_of_other_items_is_refused():
    one = perfect()
    with pytest.raises(ShapeError, match="relevant"):
        direction("caption", one, gallery(perfect(3)), None, relevance(one, one))
    with pytest.raises(ShapeError, match="relevance"):
        relevance(one, perfect(3))
    with pytest.raises(DataError, match="labels"):
        relevance(one, one, ["cat"])


def test_values_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Estimate(1.0, 0.9, 1.0).value = 2.0
    assert dataclasses.fields(Direction)[0].name == "query"
