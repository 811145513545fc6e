"""Targets and rows as they come: a clear outcome each, never a traceback, nothing silently imputed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from terminal import run, said

import chiasm
from chiasm.errors import ChiasmError, DataError, UsageError
from chiasm.fuse.late import Late
from chiasm.model import Model

N = 60
RNG = np.random.default_rng(0)
SICK = RNG.integers(0, 2, N).tolist()
DAYS = [str(np.datetime64("2021-03-01") + int(i)) for i in RNG.integers(0, 500, N)]
BASE: dict[str, list[Any]] = {
    "age": (50 + 9 * np.array(SICK) + 6 * RNG.standard_normal(N)).round(2).tolist(),
    "weight": (70 + 8 * RNG.standard_normal(N)).round(2).tolist(),
    "sick": [("no", "yes")[v] for v in SICK],
}
NOTES = [f"words about patient {i} and {i * 7 % 13} other things" for i in range(N)]
PATHS = [f"{i}.png" for i in range(N)]


def fit(data: dict[str, list[Any]], target: str = "sick", **more: Any) -> Model:
    return chiasm.fit(data, **{"target": target, "fuse": Late(heads=("linear",)), "folds": 3, **more})


def write(path: Path, data: dict[str, list[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(data)
        writer.writerows(
            ["" if cell is None else cell for cell in row] for row in zip(*data.values(), strict=True)
        )
    return path


# What cannot be learned is refused, in Python and on the command line alike

REFUSED: dict[str, tuple[dict[str, list[Any]], dict[str, Any], type[ChiasmError], str]] = {
    "one class": (
        {**BASE, "sick": ["yes"] * N},
        {},
        DataError,
        "target 'sick': one class only, 'yes'. A target needs two",
    ),
    "no value": ({**BASE, "sick": [None] * N}, {}, DataError, "target 'sick': 0 rows have a value"),
    "one number": ({**BASE, "dose": [1.5] * N}, {"target": "dose"}, DataError, "target 'dose': one"),
    "free text": (
        {**BASE, "note": NOTES},
        {"target": "note"},
        DataError,
        "target 'note': 60 classes in 60 rows: hardly any",
    ),
    "few rows": (
        {c: v[:9] for c, v in BASE.items()},
        {},
        DataError,
        "target 'sick': 9 rows have a value: fewer than 10",
    ),
    "few values": (
        {**BASE, "sick": [*BASE["sick"][:8], *[None] * (N - 8)]},
        {},
        DataError,
        "8 rows have a value: fewer than 10",
    ),
    "nothing beside": (
        {"age": [None] * 55 + BASE["age"][:5], "sick": BASE["sick"]},
        {},
        DataError,
        "5 of them beside anything usable",
    ),
    "no column": ({"sick": BASE["sick"]}, {}, DataError, "nothing to predict sick from"),
    "unknown target": (BASE, {"target": "sik"}, UsageError, "no column called 'sik'. Did you mean 'sick'?"),
    "unknown group": (BASE, {"by": "ward"}, UsageError, "no column called 'ward'"),
    "one group": ({**BASE, "ward": ["a"] * N}, {"by": "ward"}, DataError, "one group only"),
    "one time": ({**BASE, "day": ["2020-01-01"] * N}, {"time": "day"}, DataError, "one time only"),
    "a row without time": (
        {**BASE, "day": [None, *DAYS[1:]]},
        {"time": "day"},
        DataError,
        "a row has no time",
    ),
    "groups and time": (
        {**BASE, "day": DAYS, "ward": list("abc") * 20},
        {"by": "ward", "time": "day"},
        UsageError,
        "by or time",
    ),
    "images": (
        {**BASE, "photo": PATHS},
        {"target": "photo", "modalities": {"photo": "image"}},
        UsageError,
        "column 'photo' holds image, which is no target",
    ),
    "a series to find by": (
        {"note": NOTES, "other": NOTES[::-1], "wave": [[0.5, float(i), 2.0] for i in range(N)]},
        {"target": "wave", "fuse": "none", "modalities": {"wave": "series"}},
        UsageError,
        "a target holds one label a row, column 'wave' holds series",
    ),
    "a film to find by": (
        {"note": NOTES, "other": NOTES[::-1], "photo": PATHS},
        {"target": "photo", "fuse": "none", "modalities": {"photo": "video"}},
        UsageError,
        "column 'photo' holds video",
    ),
    "words as numbers": (BASE, {"task": {"sick": "number"}}, DataError, "target 'sick': expected numbers"),
    "unknown task": (BASE, {"task": {"sick": "klasses"}}, UsageError, "Did you mean 'classes'?"),
    "a task for another": (
        BASE,
        {"task": {"age": "number"}},
        UsageError,
        "'age' has a task but is no target",
    ),
    "unknown fusion": (BASE, {"fuse": "latte"}, UsageError, "Did you mean 'late'?"),
    "one fold": (BASE, {"folds": 1}, UsageError, "there must be 2 folds or more, got 1"),
    "twice": (BASE, {"target": ["sick", "sick"]}, UsageError, "named twice"),
}
FLAGS = {"target": "--target", "by": "--by", "time": "--time", "fuse": "--fuse", "folds": "--folds"}


def argued(more: dict[str, Any]) -> list[str]:
    """The same call's arguments on the command line."""
    flags = []
    for name, value in {"target": "sick", **more}.items():
        if name in FLAGS:
            flags += [word for one in np.atleast_1d(value) for word in (FLAGS[name], str(one))]
        else:
            flag = {"modalities": "--as", "task": "--task"}[name]
            flags += [word for column, one in value.items() for word in (flag, f"{column}={one}")]
    return flags


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    data, more, error, what = REFUSED[case]
    with pytest.raises(error) as caught:
        fit(data, **more)
    assert what in str(caught.value)
    ran = run("fit", write(tmp_path / "data.csv", data), "-o", tmp_path / "m", *argued(more))
    said(ran, 2 if error is UsageError else 1, what)
    assert not (tmp_path / "m").exists()


def test_ten_thousand_classes_are_refused_before_any_work(tmp_path: Path) -> None:
    names = [f"name {i // 2}" for i in range(20_000)]
    data = {"x": RNG.standard_normal(20_000).tolist(), "y": names}
    with pytest.raises(
        DataError, match=r"target 'y': 10,000 classes, more than 1,000\. Is the target a name"
    ):
        fit(data, "y")
    ran = run(
        "fit", write(tmp_path / "d.csv", data), "-o", tmp_path / "m", "--target", "y", "--as", "y=category"
    )
    said(ran, 1, "10,000 classes")


# What can be learned from with a word of warning


def test_rows_without_a_target_are_counted_and_left_out() -> None:
    gaps = {**BASE, "sick": [None if i < 7 else v for i, v in enumerate(BASE["sick"])]}
    model = fit(gaps)
    assert "Target 'sick': 7 rows without a usable value left out." in model.notes
    (outcome,) = model.outcomes
    assert (outcome.rows, outcome.left_out) == (53, 7)
    without = fit({c: v[7:] for c, v in gaps.items()})  # to have them taught nothing
    asked = {"age": [40.0, 70.0], "weight": [60.0, 90.0]}
    assert model.predict(asked) == without.predict(asked)


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_no_target(bad: float) -> None:
    model = fit({**BASE, "dose": [bad, *BASE["age"][1:]]}, "dose")
    assert "Target 'dose': 1 row without a usable value left out." in model.notes
    assert model.outcomes[0].rows == N - 1


COPIES: dict[str, tuple[list[Any], str]] = {
    "the target itself": (BASE["sick"], "sick"),
    "its code": ([{"no": "A17", "yes": "B03"}[v] for v in BASE["sick"]], "sick"),
    "its number": ([float(v) for v in SICK], "sick"),
    "another unit": ([32 + 1.8 * v for v in BASE["age"]], "age"),
}


@pytest.mark.parametrize("case", COPIES)
def test_a_column_that_is_the_target_is_warned_of(case: str) -> None:
    copy, target = COPIES[case]
    model = fit({**BASE, "copy": copy}, target)
    warned = [note for note in model.notes if "gives the target" in note]
    assert len(warned) == 1
    assert "Column 'copy'" in warned[0]
    assert "--as copy=name" in warned[0]
    clean = fit({**BASE, "copy": copy}, target, modalities={"copy": "name"})
    assert not [note for note in clean.notes if "gives the target" in note]


def test_fit_warns_of_what_the_audit_names() -> None:
    """A code that is wrong in one of two hundred rows gives the target away to both, one wrong in twenty to
    neither."""
    rng = np.random.default_rng(0)
    sick = [("no", "yes")[v] for v in rng.integers(0, 2, 200)]
    wrong = {"no": "B03", "yes": "A17"}
    code = {"no": "A17", "yes": "B03"}
    data = {
        "age": rng.uniform(20, 90, 200).round(2).tolist(),
        "note": [f"seen on day {i} at dawn" for i in range(200)],
        "scan": rng.standard_normal((200, 3)).tolist(),
        "code": [wrong[v] if i == 7 else code[v] for i, v in enumerate(sick)],
        "hint": [wrong[v] if i % 20 == 7 else code[v] for i, v in enumerate(sick)],
    }
    model = fit({**data, "sick": sick})
    warned = [note for note in model.notes if "gives the target" in note]
    assert warned == [
        "Column 'code' gives the target 'sick' away: rows of the same value have it too (99.5% of 200 rows). "
        "Is it known before the target is? Leave it out with --as code=name."
    ]
    assert [one.column for one in model.audit().giveaways] == ["code"]


def test_whole_numbers_taken_for_classes_are_said_to_be() -> None:
    model = fit({**BASE, "sick": SICK})
    assert any("2 whole numbers are taken for classes" in note and "=number" in note for note in model.notes)
    (found,) = model.predict([{"age": 70.0}])
    assert found.label in (0, 1)
    assert not fit({**BASE, "sick": SICK}, task="order").notes


CONSTANT: dict[str, Any] = {
    "number": 4.0, "category": "x", "vector": [1.0, 2.0], "text": "always the very same words here"
}  # fmt: skip


@pytest.mark.parametrize("modality", CONSTANT)
def test_a_constant_column_changes_no_label(modality: str) -> None:
    cell = CONSTANT[modality]
    wider = fit({**BASE, "same": [cell] * N}, modalities={"same": modality})
    asked = {"age": [35.0, 75.0], "weight": [70.0, 70.0]}
    assert [one.label for one in wider.predict({**asked, "same": [cell] * 2})] == ["no", "yes"]
    assert [one.label for one in wider.predict(asked)] == ["no", "yes"]


def test_dates_as_strings_are_dates_and_a_target_of_them_is_a_number() -> None:
    model = fit({**BASE, "day": DAYS})
    assert model.schema["day"].modality == "date"
    assert model.predict([{"age": 70.0, "day": "2021-05-05"}])[0].used == ("age", "day")
    assert model.predict([{"age": 70.0, "day": "some day"}])[0].broken == ("day",)
    assert fit({**BASE, "day": DAYS}, "day").predictors["day"].task.kind == "number"
    ordered = fit({**BASE, "day": DAYS}, time="day")
    assert 0 < ordered.outcomes[0].rows < N  # the oldest are learned from only
    assert "day" not in ordered.predictors["sick"].inputs.columns


def test_what_parts_the_rows_is_not_learned_from() -> None:
    data = {**BASE, "note": NOTES, "scan": RNG.standard_normal((N, 3)).tolist()}
    model = fit({**data, "who": [f"{note} again" for note in NOTES]}, by="who")
    assert model.predictors["sick"].modalities == ["note", "scan", "table"]
    assert model.columns == ["note", "scan"]


def test_a_class_of_one_row_is_named_and_the_rest_is_learned() -> None:
    model = fit({**BASE, "sick": ["maybe", *BASE["sick"][1:]]})
    assert any("Hardly any row to judge by of: maybe (1)" in one for one in model.outcomes[0].verdicts)
    assert model.predict([{"age": 75.0}])[0].label == "yes"


def test_categories_never_seen_are_neither_broken_nor_another() -> None:
    ward = [("north", "south")[v if RNG.random() < 0.95 else 1 - v] for v in SICK]
    model = fit({"ward": ward, "weight": BASE["weight"], "sick": BASE["sick"]})
    north, south, west = (model.predict([{"ward": w}])[0] for w in ("north", "south", "west"))
    assert (north.label, south.label) == ("no", "yes")
    assert west.used == ("ward",)
    assert max(west.score, 1 - west.score) < min(north.score, south.score)


def test_series_of_no_step_and_of_ten_million() -> None:
    steps = [0, 10_000_000, *RNG.integers(200, 400, N - 2).tolist()]
    waves = [
        np.sin(np.arange(n) * (0.3 if ill else 0.1)).astype(np.float32)
        for n, ill in zip(steps, SICK, strict=True)
    ]
    model = fit({"wave": waves, "age": BASE["age"], "sick": BASE["sick"]}, modalities={"wave": "series"})
    assert [(one.row, one.column, one.why) for one in model.broken] == [(0, "wave", "series of 0 steps")]
    long, none = (model.predict([{"wave": waves[i], "age": BASE["age"][i]}])[0] for i in (1, 0))
    assert (long.used, long.label) == (("age", "wave"), BASE["sick"][1])
    assert (none.used, none.broken) == (("age",), ("wave",))
    (lost,) = model.predict([{"wave": waves[0]}])
    assert (lost.empty, lost.label, lost.broken) == (True, None, ("wave",))


# The same of other verbs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(BASE).save(tmp_path_factory.mktemp("kept") / "m")


ASKED: dict[str, tuple[Callable[[Path], list[Any]], int, str]] = {
    "a row with nothing": (
        lambda p: ["predict", write(p / "a.csv", {"id": ["q", "r"], "age": [None, None]})],
        1,
        "nothing to predict 'sick'",
    ),
    "no such column": (
        lambda p: ["predict", write(p / "b.csv", {"hight": [1.5]})],
        1,
        "none of the columns is known: hight. Did you mean 'weight'?",
    ),
    "no such target": (
        lambda p: ["explain", write(p / "c.csv", {"age": [40]}), "--row", "0", "--target", "sik"],
        2,
        "Did you mean 'sick'",
    ),
    "no such row": (lambda p: ["explain", write(p / "d.csv", {"age": [40]}), "--row", "7"], 2, "7"),
    "no target here": (
        lambda p: ["evaluate", write(p / "e.csv", {"age": [40], "sick": ["perhaps"]})],
        1,
        "no row has a value that was learned",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_other_verbs_say_in_one_line_what_is_wrong(folder: Path, tmp_path: Path, case: str) -> None:
    asked, code, what = ASKED[case]
    verb, data, *flags = asked(tmp_path)
    said(run(verb, folder, data, *flags), code, what)


def test_a_model_without_a_target_predicts_nothing(tmp_path: Path) -> None:
    data = {c: RNG.standard_normal((N, 3)).tolist() for c in "ab"}
    kept = chiasm.fit(data).save(tmp_path / "m")
    said(run("predict", kept, write(tmp_path / "a.csv", {"a": ["[1, 2, 3]"]})), 2, "fitted without a target")
