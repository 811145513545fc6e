"""Predictions: whatever a row has, to the bit the same however it lacks the rest, and as sure as they say."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import COLUMNS, patients, row
from PIL import Image

import chiasm
from chiasm.errors import DataError, UsageError
from chiasm.fuse.late import Late
from chiasm.model import Model, Prediction

FRESH = patients(400, seed=7)
WHOLE = patients(30, seed=8, gaps=0.0)
SEXES = ("f", "m")


def cells(data: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {column: data[column] for column in ("id", *COLUMNS)}


@pytest.fixture(scope="module")
def fresh(clinic: Model) -> dict[str, Any]:
    found = clinic.predict(cells(FRESH))
    assert isinstance(found, dict)
    return found


# What a row lacks


@settings(max_examples=25, deadline=None)
@given(i=st.integers(0, 29), kept=st.sets(st.sampled_from(COLUMNS)))
def test_an_empty_cell_and_a_missing_column_are_the_same_to_the_bit(
    clinic: Model, i: int, kept: set[str]
) -> None:
    whole = row(cells(WHOLE), i)
    empty = {c: v if c in kept or c == "id" else None for c, v in whole.items()}
    missing = {c: v for c, v in whole.items() if c in kept or c == "id"}
    found = clinic.predict([missing])
    assert clinic.predict([empty]) == found
    for (one,) in found.values():
        assert one.empty == (one.label is None) == (not kept)
        assert one.used == tuple(sorted(kept))
        assert one.absent == tuple(sorted(set(COLUMNS) - kept))
        assert one.broken == ()


def test_a_column_nobody_has_changes_nothing(clinic: Model) -> None:
    data = cells(WHOLE)
    for column in COLUMNS:
        without = {c: v for c, v in data.items() if c != column}
        assert clinic.predict({**without, column: [None] * 30}) == clinic.predict(without)


def test_a_row_with_nothing_gets_an_empty_prediction_and_takes_nothing_from_others(clinic: Model) -> None:
    data = {c: v[:5] for c, v in cells(WHOLE).items()}
    gone = {c: [None if i in (1, 3) and c != "id" else v for i, v in enumerate(vs)] for c, vs in data.items()}
    gone["scan"][3] = [1.0, 2.0]  # of another width: broken
    for target, found in clinic.predict(gone).items():
        whole = clinic.predict(data)[target]
        assert [one.label for one in found] == [None if i in (1, 3) else whole[i].label for i in range(5)]
        for i, broken in ((1, ()), (3, ("scan",))):
            assert found[i] == Prediction(
                target, None, None, None, (), True, (), tuple(sorted(set(COLUMNS) - {*broken})), broken
            )
        assert found[i] == clinic.predict([row(gone, i)])[target][0]


@pytest.mark.parametrize("bad", [[1.0, float("nan"), 0.0, 0.0], [1.0, 2.0]])
def test_what_is_broken_is_named_and_not_used(clinic: Model, bad: list[float]) -> None:
    whole = row(cells(WHOLE), 0)
    found = clinic.predict([{**whole, "scan": bad}])
    without = clinic.predict([{**whole, "scan": None}])
    for target, (one,) in found.items():
        assert one.broken == ("scan",)
        assert "scan" not in (*one.used, *one.absent)
        assert (one.label, one.score) == (without[target][0].label, without[target][0].score)
    with pytest.raises(DataError, match=r"row q: .*\(broken: scan\)"):
        clinic.explain([{"id": "q", "scan": bad}], target="sick")


def test_a_number_that_is_none_is_broken_a_category_never_seen_is_used(clinic: Model) -> None:
    (found,) = clinic.predict([{"id": "q", "age": float("inf"), "sex": "f"}])["sick"]
    assert (found.used, found.broken, found.absent) == (("sex",), ("age",), ("note", "scan"))
    (unseen,) = clinic.predict([{"id": "q", "sex": "x"}])["sick"]
    assert unseen.used == ("sex",)
    assert unseen.abstained
    assert 0.3 < unseen.score < 0.7


def png(shade: float, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    pixels = np.clip(rng.normal(shade, 15, (12, 12, 3)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_a_broken_picture_is_named() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40).tolist()
    data = {
        "photo": [png(80 + 80 * v, rng) for v in y],
        "age": [30 + 5.0 * v + float(rng.standard_normal()) for v in y],
        "kind": [("dark", "light")[v] for v in y],
    }
    model = chiasm.fit(data, target="kind", fuse=Late(heads=("linear",)), folds=3)
    (found,) = model.predict([{"photo": data["photo"][0][:60], "age": 31.0}])
    assert (found.used, found.absent, found.broken) == (("age",), (), ("photo",))
    assert found == model.predict([{"photo": b"no picture", "age": 31.0}])[0]
    one, lost = model.predict({"photo": [data["photo"][0], b"no picture"]})
    assert (one.empty, lost.empty, lost.broken) == (False, True, ("photo",))


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ([{}], "no columns.*note, scan, age, sex"),
        ([{"nte": "a fever"}], "none .* known: nte. Did you mean 'note'"),
    ],
)
def test_rows_of_no_known_column_are_a_mistake_and_say_what_is_known(
    clinic: Model, asked: list[dict[str, str]], hint: str
) -> None:
    with pytest.raises(DataError, match=hint):
        clinic.predict(asked)


# What has no say


def test_the_target_in_the_rows_is_not_looked_at(clinic: Model) -> None:
    data = cells(WHOLE)
    lies = {"sick": ["maybe"] * 30, "dose": [1e9] * 30, "signs": [None] * 30, "stage": [77] * 30}
    assert clinic.predict({**data, **lies}) == clinic.predict(data)


def test_rows_come_in_their_order_and_do_not_depend_on_each_other(
    clinic: Model, fresh: dict[str, Any]
) -> None:
    rows = chiasm.read(cells(FRESH))
    order = np.random.default_rng(0).permutation(400)[:40]
    mixed = clinic.predict(rows[order])
    for target, found in mixed.items():
        assert [one.used for one in found] == [fresh[target][i].used for i in order]
        labels = [fresh[target][i].label for i in order]
        assert [one.label for one in found] == (pytest.approx(labels) if target == "dose" else labels)
        assert [one.labels for one in found] == [fresh[target][i].labels for i in order]
    alone = [clinic.predict(rows[int(i)])["sick"][0].score for i in order[:10]]
    assert alone == pytest.approx([fresh["sick"][i].score for i in order[:10]], abs=1e-7)


def test_a_model_from_disk_says_the_same_to_the_bit(
    clinic: Model, fresh: dict[str, Any], tmp_path: Path
) -> None:
    loaded = chiasm.load(clinic.save(tmp_path / "m"))
    assert loaded.predict(cells(FRESH)) == fresh
    some = row(cells(WHOLE), 0)
    assert loaded.explain([some], target="dose") == clinic.explain([some], target="dose")
    assert loaded.outcomes == clinic.outcomes


# What it says


def test_several_targets_of_all_kinds(fresh: dict[str, Any]) -> None:
    assert list(fresh) == ["sick", "dose", "signs", "stage"]
    for one in fresh["sick"]:
        assert one.label in ("no", "yes")
        assert 0.5 <= one.score <= 1
        assert one.abstained == (len(one.labels) != 1)
    for one in fresh["dose"]:
        assert one.score is None
        assert one.interval[0] < one.label < one.interval[1]
    for one in fresh["signs"]:
        assert set(one.label) <= {"pale", "red", "tired"}
        assert 0 <= one.score <= 1
    for one in fresh["stage"]:
        assert one.label in (1, 2, 3)
        assert list(one.labels) == list(range(one.labels[0], one.labels[-1] + 1))  # an order has no holes


def test_one_target_gives_a_list_and_a_document() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3))
    model = chiasm.fit({"x": x.tolist(), "y": (x[:, 0] + 5).tolist()}, target="y", folds=3)
    found = model.predict({"x": x[:2].tolist()})
    assert isinstance(found, list)
    assert found[0].to_json()["target"] == "y"
    assert [one.label for one in found] == pytest.approx((x[:2, 0] + 5).tolist(), abs=0.1)


def test_sets_and_intervals_hold_the_truth_of_new_rows_as_often_as_stated(fresh: dict[str, Any]) -> None:
    """400 rows of which 90 % should be held: five standard errors of a share below, and nothing idle."""
    held = {
        "sick": [truth in one.labels for one, truth in zip(fresh["sick"], FRESH["sick"], strict=True)],
        "stage": [truth in one.labels for one, truth in zip(fresh["stage"], FRESH["stage"], strict=True)],
        "signs": [set(t) <= set(one.labels) for one, t in zip(fresh["signs"], FRESH["signs"], strict=True)],
        "dose": [
            one.interval[0] <= truth <= one.interval[1]
            for one, truth in zip(fresh["dose"], FRESH["dose"], strict=True)
        ],
    }
    for target, inside in held.items():
        assert 0.9 - 5 * 0.015 <= np.mean(inside) <= 0.99, target
    widths = [one.interval[1] - one.interval[0] for one in fresh["dose"]]
    assert np.median(widths) < 2 * 1.645 * np.std(FRESH["dose"])
    assert np.mean([one.abstained for one in fresh["sick"]]) < 0.5


def test_probabilities_are_shares_of_right_answers(fresh: dict[str, Any]) -> None:
    right = np.array([one.label == t for one, t in zip(fresh["sick"], FRESH["sick"], strict=True)])
    score = np.array([one.score for one in fresh["sick"]])
    assert right.mean() > 0.8
    assert score.mean() == pytest.approx(right.mean(), abs=0.08)
    sure = score > np.median(score)
    assert right[sure].mean() > right[~sure].mean()


def test_a_model_without_a_target_does_not_predict(clinic: Model) -> None:
    two = {"a": WHOLE["scan"] * 2, "b": [[v[0], v[1] + v[2]] for v in WHOLE["scan"]] * 2}
    with pytest.raises(UsageError, match="fitted without a target"):
        chiasm.fit(two).predict(two)
    with pytest.raises(UsageError, match="Did you mean 'sick'"):
        clinic.explain([row(cells(WHOLE), 0)], target="sik")
    with pytest.raises(UsageError, match="several targets"):
        clinic.explain([row(cells(WHOLE), 0)])
