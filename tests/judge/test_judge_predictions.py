"""The scoreboard of a target: evidence that adds up is worth joining, noise is not, and words say which."""

import dataclasses
import io
import json
import math
import time

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.heads.task import Task
from chiasm.judge.estimate import Estimate
from chiasm.judge.outcome import Gain, Outcome
from chiasm.judge.outcome_table import render
from chiasm.judge.predictions import Sets, judge_target, patterns_of
from chiasm.judge.resample import Resample
from chiasm.judge.verdicts import verdicts_on


def evidence(n=500, strength=(1.5, 1.0), gaps=0.3, seed=0):
    """Two classes and columns of one number each, seen where `has`, whose log odds are known exactly."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    names = ("notes", "photo", "table")[: len(strength)]
    has = {name: rng.random(n) > gaps for name in names}
    has[names[0]] |= ~np.logical_or.reduce(list(has.values()))
    odds = {
        name: s * (rng.standard_normal(n) + s * (y - 0.5)) for name, s in zip(names, strength, strict=True)
    }
    return ["no" if one == 0 else "yes" for one in y], has, odds


def logits(odds):
    return np.stack([-odds / 2, odds / 2], axis=1)


def judged(strength=(1.5, 1.0), n=500, gaps=0.3, seed=0, chosen="sum", **given):
    values, has, odds = evidence(n, strength, gaps, seed)
    singles = {c: np.where(has[c][:, None], logits(odds[c]), np.nan) for c in odds}
    patterns = {
        columns: np.where(
            np.logical_and.reduce([has[c] for c in columns])[:, None],
            logits(sum(odds[c] for c in columns)),
            np.nan,
        )
        for columns in patterns_of(has)
    }
    fused = logits(sum(np.where(has[c], odds[c], 0) for c in odds))
    candidates = {"sum": fused, "noise": np.random.default_rng(9).standard_normal(fused.shape)}
    return judge_target("ill", Task.of(values), values, chosen, candidates, singles, patterns, **given)


def line(outcome, name):
    return next(one for one in outcome.lines if one.name == name)


def test_every_line_is_scored_on_the_rows_it_has():
    values, has, odds = evidence()
    outcome = judged()
    truth = np.array(values) == "yes"
    photo = line(outcome, "photo")
    assert (photo.role, photo.rows) == ("single", has["photo"].sum())
    expected = roc_auc_score(truth[has["photo"]], odds["photo"][has["photo"]])
    assert photo.measures["auc"].value == pytest.approx(expected)
    assert [one.name for one in outcome.lines][:2] == ["sum", "noise"]
    assert outcome.lines[-1].measures["auc"].value == 0.5
    assert (outcome.main, outcome.rows, outcome.left_out, outcome.unanswered) == ("auc", 500, 0, 0)


def test_evidence_that_adds_up_helps():
    outcome = judged(strength=(1.5, 1.5))
    assert all(one.gain.low > 0 for one in outcome.gains)
    assert outcome.verdicts[1].startswith("Fusion helps: closest is ")
    assert outcome.verdicts[0].startswith("No modality is in all rows: notes alone can answer 3")
    assert {one.name: one.gain.low > 0 for one in outcome.added} == {"notes": True, "photo": True}


def test_noise_does_not_help_and_the_words_say_so():
    outcome = judged(strength=(2.0, 0.0), gaps=0.0)
    assert outcome.verdicts[0].startswith("Fusion did not help: use notes alone (AUC gain")
    assert outcome.verdicts[1].startswith("photo adds nothing measurable to notes")
    assert judged(strength=(2.0, 0.0), chosen="notes").verdicts[0] == "Fusion did not help: use notes alone."


def test_one_that_fusion_is_not_told_from_is_named_before_one_that_it_surely_beats():
    """By value the gain over table is the smaller; but it is sure, that over image is not."""
    outcome = judged(gaps=0.0)
    over = {"image": Estimate(0.15, -0.02, 0.31), "table": Estimate(0.05, 0.01, 0.09)}
    gains = tuple(Gain(name, 500, gain) for name, gain in over.items())
    lines = tuple(
        dataclasses.replace(one, name=name)
        for one, name in zip(outcome.lines, ["sum", "noise", "image", "table", "prior"], strict=True)
    )
    outcome = dataclasses.replace(outcome, gains=gains, lines=lines, added=(), patterns=())
    said = verdicts_on(outcome, Estimate(0.3, 0.2, 0.4), {}, 500)
    assert said[0].startswith("It is not shown that fusion helps over image alone")


def test_a_fusion_that_harms_is_told():
    values, _, odds = evidence(gaps=0.0)
    singles = {c: logits(odds[c]) for c in odds}
    bad = logits(odds["notes"] + 5 * np.random.default_rng(1).standard_normal(500))
    patterns = {("notes", "photo"): bad, ("notes",): singles["notes"], ("photo",): singles["photo"]}
    said = judge_target("ill", Task.of(values), values, "bad", {"bad": bad}, singles, patterns).verdicts
    assert said[0].startswith("Fusion is worse than its best modality: use notes alone")
    assert "photo harms: without it predictions are better" in " ".join(said)
    assert "Pattern {notes, photo}: below its best single modality, notes, beyond the interval." in said


def test_skill_is_asked_for():
    said = judged(strength=(0.0, 0.0)).verdicts
    assert said[0] == "No better than always the commonest: do not use it."
    alone = judged(strength=(0.0, 0.0), chosen="notes").verdicts
    assert alone[0] == said[0]
    assert not any("use notes" in one for one in alone), "what is not to be used is not to be used alone"


def test_a_measure_that_is_not_defined_says_nothing_of_the_predictor():
    values, _, odds = evidence(gaps=0.0)
    ill = np.array(values) == "yes"
    task, singles = Task.of(values), {c: logits(odds[c])[ill] for c in odds}
    patterns = {("notes", "photo"): singles["notes"], ("notes",): singles["notes"]}
    said = judge_target(
        "ill", task, ["yes"] * ill.sum(), "sum", {"sum": singles["notes"]}, singles, patterns
    ).verdicts
    assert said == ("AUC cannot be measured: one class only.", "Hardly any row to judge by of: no (0).")
    _, task, scores = numbers()
    found = judge_target("price", task, [100.0] * 300, "late", {"late": scores}, {})
    assert found.verdicts == ("R² cannot be measured: one value only.",)


def test_one_group_has_no_interval_and_is_sure_of_nothing():
    """What is sure of 500 rows is not of one site with as many; two sites bound the interval themselves."""
    assert judged(strength=(1.5, 1.5)).verdicts[1].startswith("Fusion helps")
    one = judged(strength=(1.5, 1.5), groups=["north"] * 500)
    assert one.verdicts == ("One group only: no intervals, so nothing is sure.",)
    estimates = [e for line in one.lines for e in line.measures.values()] + [g.gain for g in one.gains]
    assert all(math.isfinite(e.value) and math.isnan(e.low) and math.isnan(e.high) for e in estimates)
    sites = np.repeat(["north", "south"], 250)
    two = judged(strength=(1.5, 1.5), groups=sites.tolist())
    values, has, odds = evidence(strength=(1.5, 1.5))
    truth, seen = np.array(values) == "yes", has["photo"]
    each = [
        roc_auc_score(truth[seen & here], odds["photo"][seen & here])
        for here in (sites == "north", sites == "south")
    ]
    photo = line(two, "photo").measures["auc"]
    assert (photo.low, photo.high) == pytest.approx((min(each), max(each)))
    assert "Few groups, 2: rough intervals." in two.verdicts
    lines = judged(groups=[i // 5 for i in range(500)]).verdicts
    assert not any("rough" in said for said in lines)


def test_a_modality_of_all_rows_that_hold_anything_can_be_used_alone():
    """Half of the rows hold nothing: notes answer every other one, and photo tells nothing."""
    values, _, odds = evidence(strength=(2.0, 0.0), gaps=0.0)
    singles = {c: np.where(np.arange(500)[:, None] % 2, logits(odds[c]), np.nan) for c in odds}
    outcome = judge_target("ill", Task.of(values), values, "sum", {"sum": singles["notes"]}, singles)
    assert outcome.unanswered == 250
    assert outcome.verdicts[0].startswith("Fusion did not help: use notes alone")


def test_classes_never_learned_are_named_apart():
    values, _, odds = evidence(60, gaps=0.0)
    new = [["maybe"]] * 3 + [["perhaps"]]
    scores = {"sum": logits(odds["notes"])}
    outcome = judge_target("ill", Task.of(values), values, "sum", scores, {}, left_out=2, unlearned=new)
    assert (outcome.rows, outcome.left_out, outcome.unlearned) == (60, 2, 4)
    assert outcome.verdicts[-2:] == (
        "4 rows of classes never learned (maybe, perhaps): certain errors that no measure here counts.",
        "2 rows had no target to judge by and were left out.",
    )


def test_one_column_is_not_compared_with_itself():
    """A fusion shown photo alone may be worse than photo's own head: no pattern to tell of."""
    values, _, odds = evidence(gaps=0.0)
    singles = {c: logits(odds[c]) for c in odds}
    bad = logits(odds["photo"] + 5 * np.random.default_rng(1).standard_normal(500))
    fused = logits(odds["notes"] + odds["photo"])
    patterns = {("notes", "photo"): fused, ("photo",): bad}
    outcome = judge_target("ill", Task.of(values), values, "f", {"f": fused}, singles, patterns)
    assert outcome.patterns[1].gain.high < 0
    assert not any(said.startswith("Pattern") for said in outcome.verdicts)


def test_patterns_count_who_can_and_who_has_just_these():
    _, has, _ = evidence()
    outcome = judged()
    assert [one.columns for one in outcome.patterns] == [("notes", "photo"), ("notes",), ("photo",)]
    both, notes, photo = outcome.patterns
    assert both.rows == both.exact == (has["notes"] & has["photo"]).sum()
    assert notes.rows == has["notes"].sum()
    assert notes.exact == (has["notes"] & ~has["photo"]).sum()
    assert photo.gain.value == 0
    assert both.best == "notes"
    assert both.gain.value == pytest.approx(both.fused.value - both.single.value)


def test_what_a_column_adds_is_paired_on_the_rows_that_have_it_and_another():
    values, has, odds = evidence()
    both = has["notes"] & has["photo"]
    truth = (np.array(values) == "yes")[both]
    expected = roc_auc_score(truth, (odds["notes"] + odds["photo"])[both]) - roc_auc_score(
        truth, odds["notes"][both]
    )
    photo = next(one for one in judged().added if one.name == "photo")
    assert (photo.rows, photo.gain.value) == (both.sum(), pytest.approx(expected))


def test_rows_without_a_target_are_left_out_and_nothing_usable_is_counted():
    values, _, odds = evidence(60, gaps=0.0)
    scores = logits(odds["notes"])
    scores[:3] = np.nan
    one = judge_target("ill", Task.of(values), [*values[:-4], *[None] * 4], "sum", {"sum": scores}, {})
    assert (one.rows, one.left_out, one.unanswered) == (56, 4, 3)
    assert "4 rows had no target to judge by and were left out." in one.verdicts
    assert "3 rows held nothing usable and got the prior." in one.verdicts


def numbers(n=300):
    rng = np.random.default_rng(0)
    price = 100 + 20 * rng.standard_normal(n)
    task = Task.of(price.tolist())
    scores = task.code(price.tolist()) + 0.3 * rng.standard_normal((n, 1))
    return price, task, scores


def test_numbers_are_measured_in_their_own_units():
    price, task, scores = numbers()
    held = np.arange(300) % 5 != 0
    sets = [Sets(held, np.full(300, 12.0), 0.9)]
    outcome = judge_target("price", task, price.tolist(), "late", {"late": scores}, {}, sets=sets)
    error = task.numbers(scores)[:, 0] - price
    found = line(outcome, "late").measures
    assert outcome.main == "r2"
    assert found["mae"].value == pytest.approx(abs(error).mean())
    assert found["rmse"].value == pytest.approx((error**2).mean() ** 0.5)
    assert outcome.detail.residuals["0.95"] == pytest.approx(np.quantile(error, 0.95))
    assert len(outcome.detail.points) == 300
    assert outcome.lines[-1].name == "always the mean"
    assert outcome.coverage[0].measured.value == 0.8
    assert "90 % prediction intervals cover only 80.0 % of rows." in outcome.verdicts


def test_coverage_is_of_the_rows_that_got_a_set():
    """All held but 30 of 150 that got one; the others are neither held nor missed, whatever is said."""
    price, task, scores = numbers()
    size = np.where(np.arange(300) < 150, 12.0, np.nan)
    for rest in (False, True):
        held = np.where(np.arange(300) < 150, np.arange(300) >= 30, rest)
        (found,) = judge_target(
            "price", task, price.tolist(), "late", {"late": scores}, {}, sets=[Sets(held, size, 0.9)]
        ).coverage
        assert (found.measured.value, found.size) == (0.8, 12)
    none = [Sets(held, np.full(300, np.nan), 0.9)]
    assert not judge_target("price", task, price.tolist(), "late", {"late": scores}, {}, sets=none).coverage


def test_another_measure_may_be_gone_by():
    price, task, scores = numbers()
    outcome = judge_target(
        "price", task, price.tolist(), "late", {"late": scores}, {"a": scores}, main="rmse"
    )
    assert outcome.measures[0].name == outcome.main == "rmse"
    assert outcome.gains[0].gain.value == 0


def said_of(sharpness, n=200, repeats=1):
    """Calibrated log odds times `sharpness`, and the same rows so many times over, as groups."""
    rng = np.random.default_rng(5)
    odds = 3 * rng.standard_normal(n)
    ill = rng.random(n) < 1 / (1 + np.exp(-odds))
    values = np.repeat(np.where(ill, "ill", "fit"), repeats).tolist()
    scores = np.repeat(logits(-sharpness * odds), repeats, axis=0)[:, ::-1]
    groups = np.repeat(np.arange(n), repeats).tolist()
    return judge_target("state", Task.of(values), values, "f", {"f": scores}, {}, groups=groups)


def test_calibrated_probabilities_are_not_called_off():
    one = said_of(1.0)
    error = line(one, "f").measures["ece"]
    assert error.value > 0.02
    assert math.isnan(error.low)
    assert math.isnan(error.high)
    assert one.calibrated.low < error.value < one.calibrated.high
    assert "No miscalibration shown: probabilities seem off" in squeezed(printed(one))
    copied = said_of(1.0, repeats=5)
    assert line(copied, "f").measures["ece"].value == pytest.approx(error.value)
    assert copied.calibrated.high == pytest.approx(one.calibrated.high), "copies are no evidence"


def test_probabilities_off_by_more_than_chance_are_called_off():
    one = said_of(4.0)
    error = line(one, "f").measures["ece"].value
    assert error > one.calibrated.high
    words = squeezed(printed(one))
    assert f"Probabilities are off by {100 * error:.1f} points on average; calibrated ones would" in words


def squeezed(text):
    return " ".join(text.split())


def test_one_class_measures_name_their_class():
    titles = {one.name: one.title for one in said_of(1.0).measures}
    assert titles["f1"] == "F1 of ill"
    assert titles["average_precision"] == "average precision of ill"
    assert titles["accuracy"] == "accuracy"
    assert said_of(1.0).to_json()["positive"] == "ill"


@pytest.mark.parametrize(
    ("values", "kind", "name", "measured"),
    [
        (["a", "a", "a", "b"] * 9, "classes", "always the commonest", ("accuracy", 0.75)),
        ([1, 1, 2, 3, 3, 3, 3, 2, 1, 2] * 4, "order", "always the median", ("mae_steps", 0.7)),
        ([["a"], ["a", "b"], ["a"], []] * 9, "labels", "always the labels' shares", ("f1_micro", 0.75)),
        ([1.0, 2.0, 6.0] * 9, "number", "always the mean", ("mae", 2.0)),
    ],
)
def test_the_baseline_is_named_by_what_it_says(values, kind, name, measured):
    task = Task.of(values, kind)
    scores = np.random.default_rng(0).standard_normal((len(values), task.outputs))
    last = judge_target("y", task, values, "f", {"f": scores}, {}).lines[-1]
    measure, expected = measured  # 3 of 4; |1 2 3 - 2|: 7 of 10; 27 of 36 + 36 labels said or true, halved
    assert (last.role, last.name) == ("baseline", name)
    assert last.measures[measure].value == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["labels", "order", "numbers", "classes"])
def test_every_kind_of_target_is_judged_printed_and_kept(kind):
    rng = np.random.default_rng(0)
    values = {
        "labels": [["a"], ["a", "b"], ["c"], []] * 20,
        "order": [1, 2, 3, 2] * 20,
        "numbers": rng.standard_normal((80, 3)).tolist(),
        "classes": [f"class {i % 16}" for i in range(80)],
    }[kind]
    task = Task.of(values, kind)
    scores = rng.standard_normal((80, task.outputs))
    outcome = judge_target("y", task, values, "late", {"late": scores}, {"x": scores})
    again = Outcome.from_json(json.loads(json.dumps(outcome.to_json(), allow_nan=False)))
    assert again.to_json() == outcome.to_json()
    assert "late" in printed(outcome)


def printed(outcome, width=110):
    console = Console(width=width, file=io.StringIO())
    console.print(render(outcome, width))
    return console.file.getvalue()


def test_a_narrow_terminal_gets_fewer_measures_and_loses_no_end():
    outcome = judged()
    wide, narrow = printed(outcome), printed(outcome, 80)
    assert "balanced" in wide
    assert "balanced" not in narrow
    assert max(len(line) for line in narrow.splitlines()) <= 80
    for verdict in outcome.verdicts:
        assert verdict.split()[-1] in narrow
    for line in outcome.lines:
        value = line.measures[outcome.measures[0].name].value
        assert f"{100 * value:.1f}" in narrow


def test_the_table_is_a_page_a_person_reads():
    text = printed(judged())
    for word in (
        "sum ← chosen",
        "notes alone",
        "always the",
        "given notes +",
        "No modality is in all rows: notes alone",
    ):
        assert word in text


def test_a_document_survives_and_another_is_refused():
    outcome = judged()
    document = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    assert Outcome.from_json(document) == outcome
    with pytest.raises(DataError, match="outcome: not the document"):
        Outcome.from_json({**document, "rows": "many"})
    with pytest.raises(DataError, match="outcome: not the document"):
        Outcome.from_json({"target": "x"})
    earlier = [{"rows": 5, "said": 0.5, "right": 0.5}]
    with pytest.raises(DataError, match=r"detail\.calibration\.0\.confidence: Field required"):
        Outcome.from_json({**document, "detail": {**document["detail"], "calibration": earlier}})


def test_what_cannot_be_measured_is_null_and_comes_back():
    values = ["a"] * 9 + ["b"]
    task = Task.of(values)
    scores = {"x": np.where(np.arange(10)[:, None] < 5, 0.0, np.nan) * np.ones((10, 2))}
    outcome = judge_target("y", task, values, "f", {"f": np.zeros((10, 2))}, scores, {("x",): scores["x"]})
    assert math.isnan(line(outcome, "x").measures["auc"].value)
    document = outcome.to_json()
    assert document["patterns"][0]["gain"] == {"value": None, "low": None, "high": None}
    assert Outcome.from_json(document).to_json() == document
    assert any(said.startswith("Hardly any row to judge by of: b (1)") for said in outcome.verdicts)


def test_groups_are_drawn_whole():
    counts = Resample.of(6, ["a", "a", "b", "b", None, None]).counts
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 4] != counts[:, 5]).any()
    assert counts[:, ::2].sum() == 4 * len(counts) - counts[:, 5].sum()


def test_the_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(0).standard_normal(2000)
    found = Resample.of(2000).estimate(lambda W: W @ values / W.sum(axis=1), np.ones(2000, bool))
    assert found.high - found.low == pytest.approx(2 * 1.96 / 2000**0.5, rel=0.1)
    assert found.value == pytest.approx(values.mean())


def test_the_same_predictor_has_no_gain_at_all():
    outcome = judged(strength=(1.5,), gaps=0.0)
    assert dataclasses.astuple(outcome.gains[0].gain) == (0, 0, 0)


def test_patterns_are_all_or_the_commonest():
    some = np.ones(10, bool)
    assert len(patterns_of(dict.fromkeys("abcde", some))) == 31
    many = {name: some.copy() for name in "abcdef"}
    many["a"][:3] = False
    assert patterns_of(many) == [tuple("abcdef"), tuple("bcdef")]


def test_misuse_is_named():
    values, _, odds = evidence(20)
    scores = logits(odds["notes"])
    task = Task.of(values)
    with pytest.raises(UsageError, match="no predictor called 'lat'"):
        judge_target("y", task, values, "lat", {"late": scores}, {})
    with pytest.raises(ShapeError, match=r"late: expected scores \(20, 2\), got \(19, 2\)"):
        judge_target("y", task, values, "late", {"late": scores[1:]}, {})
    with pytest.raises(UsageError, match="no measure of classes called 'r2'"):
        judge_target("y", task, values, "late", {"late": scores}, {}, main="r2")
    with pytest.raises(DataError, match="no row has a value"):
        judge_target("y", task, [None] * 20, "late", {"late": scores}, {})
    with pytest.raises(UsageError, match="without scores of their own"):
        judge_target("y", task, values, "late", {"late": scores}, {}, {("x",): scores})


def test_a_thousand_rows_and_ten_lines_take_a_second_or_two():
    values, _, odds = evidence(1000, gaps=0.0)
    candidates = {f"f{i}": logits(odds["notes"] + i) for i in range(10)}
    start = time.process_time()
    judge_target("y", Task.of(values), values, "f0", candidates, {})
    assert time.process_time() - start < 6
