"""The estimate over a bridge beside the truth that it does not know."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.errors import ShapeError
from chiasm.index import Gallery
from chiasm.judge.bridge import Bridge, bridge, render
from chiasm.judge.scoreboard import Estimate, Report
from chiasm.judge.text_match import TextMatch, mixture_threshold, neighbour_agreement
from chiasm.numerics import unit_rows

CLASSES, WIDTH = 8, 24
RNG = np.random.default_rng(0)
DIRECTIONS = np.linalg.qr(RNG.standard_normal((WIDTH, CLASSES)))[0].T


def near(classes: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors around the directions of their classes."""
    spread = noise / math.sqrt(WIDTH)
    return unit_rows(DIRECTIONS[classes] + spread * rng.standard_normal((len(classes), WIDTH)))


@dataclass
class Case:
    """Half of the rows with sound and text, half with image and text, of known classes."""

    sound: Features
    image: Features
    text: Features
    classes: np.ndarray

    @property
    def truth(self) -> float:
        right = self.classes[self.sound.row][:, None] == self.classes[self.image.row]
        return metrics.nan_mean(metrics.precision_at(self.sound.values @ self.image.values.T, right, 10))

    def estimate(self, share: float = 1.0, groups: np.ndarray | None = None) -> Bridge:
        gallery = Gallery.build(self.image.values, self.image.row, self.image.item, column="image")
        return bridge("sound", self.sound, self.image, gallery, "text", self.text, share, 0, groups)


def features(values: np.ndarray, rows: np.ndarray, n: int) -> Features:
    return Features(values, rows, np.zeros(len(rows), np.int64), n)


def case(noise: float, wording: float = 0.6, wrong: float = 0.0, n: int = 600, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    classes = rng.integers(CLASSES, size=n)
    said = np.where(rng.random(n) < wrong, rng.integers(CLASSES, size=n), classes)
    everything, half = np.arange(n), n // 2
    return Case(
        features(near(classes[:half], noise, rng), everything[:half], n),
        features(near(classes[half:], noise, rng), everything[half:], n),
        features(near(said, wording, rng), everything, n),
        classes,
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wording", [0.3, 1.0])
@pytest.mark.parametrize("noise", [0.5, 1.5, 3.0])
def test_the_estimate_is_near_the_truth_of_good_and_bad_spaces(
    noise: float, wording: float, seed: int
) -> None:
    made = case(noise, wording, seed=seed)
    found = made.estimate()
    assert found.precision.value == pytest.approx(made.truth, abs=0.05)
    assert found.precision.low <= found.precision.value <= found.precision.high
    assert found.chance == pytest.approx(1 / CLASSES, abs=0.04)
    assert (found.queries, found.left_out, found.gallery, found.first) == (300, 0, 300, 10)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_said_of_good_texts_of_many_rows_in_a_good_space(seed: int) -> None:
    made = case(0.7, seed=seed)
    found = made.estimate()
    assert found.verdict == ""
    assert found.agreement > 0.97
    assert found.precision.low <= made.truth <= found.precision.high + 0.005
    assert found.precision.high < found.precision.low + 0.1


def test_few_rows_are_said_to_be_few() -> None:
    made = case(1.0, n=50)
    found = made.estimate()
    assert found.recall_chance == 10 / 25
    assert found.verdict == "Rough, of 22 queries among 25"
    assert found.precision.low <= made.truth <= found.precision.high


def test_rows_of_few_groups_are_drawn_by_group() -> None:
    made = case(0.7)
    alone = made.estimate()
    each = made.estimate(groups=3 * np.arange(600))
    assert replace(each, groups=0) == alone, "a row is a group of one"
    few = made.estimate(groups=np.arange(600) % 4)
    assert (few.groups, alone.groups) == (4, 0)
    assert few.verdict == "Rough, of few groups, 4"
    assert few.precision.value == alone.precision.value
    assert math.isnan(made.estimate(groups=np.zeros(600, np.int64)).precision.low)


def test_a_bridge_that_tells_nothing_is_said_to() -> None:
    random = case(0.5, wrong=1.0).estimate()
    assert random.precision.low <= random.chance
    assert "No estimate to go by" in random.verdict
    blind = replace(case(0.5).estimate(), precision=Estimate(0.12, 0.08, 0.2))
    assert blind.verdict == "Not better than chance, as far as can be told"
    assert replace(blind, queries=9).verdict == "9 queries, too few to tell"
    assert replace(blind, queries=9, precision=Estimate(0.9, 0.8, 1.0)).verdict.startswith("Rough")
    made = case(0.5)
    made.text = made.text.with_values(np.tile(made.text.values[:1], (600, 1)))
    constant = made.estimate()
    assert math.isnan(constant.precision.value)
    assert constant.queries == 0
    assert "say the same" in constant.verdict


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wrong", [0.1, 0.2])
def test_wrong_texts_make_it_too_low_which_is_said_and_allowed_for(wrong: float, seed: int) -> None:
    """What two cells nearest to each other agree in is what is told of those of one kind."""
    made = case(0.5, wrong=wrong, n=1500, seed=seed)
    found = made.estimate()
    same = TextMatch.of(made.sound, made.image, made.text)[:]
    told = same[made.classes[made.sound.row][:, None] == made.classes[made.image.row]].mean()
    assert found.agreement == pytest.approx(told, abs=0.05)
    assert found.precision.value == pytest.approx(made.truth * told, abs=0.05)
    assert found.precision.low < made.truth <= found.precision.high
    assert "Perhaps too low: text says the same of only" in found.verdict


def test_answers_that_are_all_right_leave_room_for_a_wrong_one() -> None:
    """Of n answers none was wrong: up to 3 / n may be (the rule of three)."""
    found = case(0.01, wording=0.1, n=1000).estimate()
    assert found.precision.value == 1
    assert found.precision.low == pytest.approx(1 - 3 / found.queries)


def test_ten_answers_of_ten_tell_nothing() -> None:
    found = case(0.5, n=16).estimate()
    assert found.gallery <= 10
    assert math.isnan(found.recall.value)
    assert math.isnan(found.recall_chance)


@pytest.mark.parametrize("seed", range(12))
def test_random_texts_always_have_a_verdict(seed: int) -> None:
    found = case(0.5, wrong=1.0, n=200, seed=seed).estimate()
    assert found.verdict.startswith(("No estimate", "Not better than chance"))


def test_agreement_is_of_mutual_neighbours_of_two_rows() -> None:
    angles = np.radians([0.0, 1.0, 40.0, 41.0, 90.0, 90.0])  # 0–1, 2–3 are mutual; 4 and 5 are of one row
    items = features(np.c_[np.cos(angles), np.sin(angles)], np.array([0, 1, 2, 3, 4, 4]), 5)
    texts = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2]]
    assert neighbour_agreement(items, texts, 0.5) == 0.5
    texts[3] = np.nan  # without its text, 3 is no neighbour: 2 is nearest to 1, which is nearer to 0
    assert neighbour_agreement(items, texts, 0.5) == 1.0
    assert math.isnan(neighbour_agreement(items, np.full_like(texts, np.nan), 0.5))


def test_an_interval_is_wider_where_answers_err_together() -> None:
    """Of four images every sound finds, two are right: drawn again, images matter more than sounds do."""
    rng = np.random.default_rng(0)
    spoken, shown = rng.integers(CLASSES, size=200), rng.integers(CLASSES, size=20)
    n = 220
    sound = features(near(spoken, 0.3, rng), np.arange(200), n)
    image = features(near(shown, 0.3, rng), np.arange(200, n), n)
    text = features(near(np.r_[spoken, shown], 0.3, rng), np.arange(n), n)
    image.values[:10] = near(rng.permutation(shown[:10]), 0.3, rng)  # ten lie where they do not belong
    found = Case(sound, image, text, np.r_[spoken, shown]).estimate(0.2)
    alone = metrics.bootstrap_interval(
        metrics.precision_at(sound.values @ image.values.T, spoken[:, None] == shown, found.first),
        groups=sound.row,
        seed=0,
    )
    assert found.precision.value - found.precision.low > 1.2 * (alone[1] - alone[0]) / 2


def test_as_many_answers_are_looked_at_as_the_share_of_the_gallery() -> None:
    made = case(1.5)
    assert [made.estimate(share).first for share in (1.0, 0.5, 0.21, 0.001)] == [10, 5, 2, 1]
    assert made.estimate(0.1).precision.value >= made.estimate().precision.value


@pytest.mark.parametrize("noise", [1.0, 1.5])
def test_recall_of_the_very_row_is_that_of_sounds_it_had(noise: float) -> None:
    """Texts all different; each side is its text and an error of its own, so that pairs can be made."""
    rng = np.random.default_rng(0)
    n, half = 1000, np.arange(500)
    texts = unit_rows(rng.standard_normal((n, WIDTH)))

    def told(rows: np.ndarray) -> np.ndarray:
        error = noise / math.sqrt(WIDTH) * rng.standard_normal((len(rows), WIDTH))
        return unit_rows(0.8 * texts[rows] + error)

    sound, image = features(told(half), half, n), features(told(half + 500), half + 500, n)
    made = Case(sound, image, features(texts, np.arange(n), n), np.zeros(n, int))
    theirs = metrics.first_ranks(told(half + 500) @ image.values.T, np.eye(500, dtype=bool))
    found = made.estimate().recall
    assert found.value == pytest.approx(metrics.recall_at(theirs, 10), abs=0.05)
    assert found.low < found.value < found.high


def test_rows_without_the_bridge_are_left_out() -> None:
    made = case(1.0)
    keep = np.r_[0:250, 300:500]  # 50 sounds and 100 images have no text
    made.text = features(made.text.values[keep], keep, 600)
    found = made.estimate()
    assert (found.queries, found.left_out, found.gallery) == (250, 50, 200)
    assert found.precision.value == pytest.approx(made.truth, abs=0.06)


def test_same_is_the_slow_loop() -> None:
    made = case(1.0, n=60)
    same = TextMatch.of(made.sound, made.image, made.text)

    def evened(row: int, rows: np.ndarray) -> np.ndarray:
        texts = made.text.values[rows].astype(float)
        return np.sum([max(texts[i] @ made.text.values[row], 0) ** 3 * texts[i] for i in range(30)], axis=0)

    sides = [[evened(row, side.row) for row in side.row] for side in (made.sound, made.image)]
    left, right = (unit_rows(np.array(side)) for side in sides)
    expected = left @ right.T >= same.threshold
    assert same.shape == (30, 30)
    assert 0 < expected.mean() < 0.5
    np.testing.assert_array_equal(same[0:30], expected)
    np.testing.assert_array_equal(same[3:7], expected[3:7])
    other = features(made.text.values, np.arange(60), 61)
    with pytest.raises(ShapeError, match="same rows"):
        TextMatch.of(made.sound, made.image, other)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.02, 0.5), st.floats(5, 12), st.integers(0, 9))
def test_two_normal_distributions_are_parted_between_them(share: float, apart: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper = int(share * 20_000)
    values = np.r_[rng.standard_normal(20_000 - upper), apart + 0.5 * rng.standard_normal(upper)]
    cut = mixture_threshold(values)
    mistaken = (values[:-upper] >= cut).sum() + (values[-upper:] < cut).sum()
    assert mistaken < 0.02 * upper + 60


def test_at_most_half_are_the_upper() -> None:
    """A lone low tail is no sign that all others say the same."""
    rng = np.random.default_rng(0)
    values = np.r_[rng.standard_normal(100) - 20, rng.standard_normal(10_000)]
    assert (values >= mixture_threshold(values)).mean() <= 0.5


def test_nothing_is_parted_where_all_is_one() -> None:
    assert mixture_threshold(np.ones(100)) == math.inf
    assert mixture_threshold(np.array([0.0, 1.0])) == math.inf


def test_a_report_with_bridges_is_sent_and_read_back() -> None:
    nothing = Estimate(math.nan, math.nan, math.nan)
    bridges = (
        case(1.0).estimate(),
        Bridge("a", "[red]b[/nope]", "c", 0, 9, 5, 1, nothing, math.nan, math.nan, nothing),
    )
    sent = Report((), 9, "", (), (), (), bridges)
    document = json.loads(json.dumps(sent.to_json(), allow_nan=False))
    read = Report.from_json(document)
    assert read.bridges[0] == bridges[0]
    assert str(asdict(read.bridges[1])) == str(asdict(bridges[1]))
    assert Report.from_json({k: v for k, v in document.items() if k != "bridges"}).bridges == ()
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(bridges))
    shown = console.export_text()
    assert "[red]b[/nope]" in shown
    assert f"{100 * bridges[0].precision.value:.1f}" in shown
    assert "No estimate" in shown
