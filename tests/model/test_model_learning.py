"""Learning a target: nothing of a row judged was learned from, noise is told from news, a fusion must pay."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from patients import COLUMNS, patients

import chiasm
from chiasm.encode.encoder import Encoder
from chiasm.fuse.experts import Experts
from chiasm.fuse.late import Late
from chiasm.heads.conformal import Conformal
from chiasm.heads.task import Task
from chiasm.judge.estimate import Estimate
from chiasm.model import Model, learning
from chiasm.model.choice import chosen
from chiasm.model.inputs import choose_inputs
from chiasm.model.lesson import Lesson
from chiasm.model.trial import Candidate, Trial, run

QUICK = Late(heads=("linear",))
RNG = np.random.default_rng(0)


def main(model: Model, name: str) -> Estimate:
    """The main measure of a line of the only outcome."""
    (outcome,) = model.outcomes
    return next(line.measures[outcome.main] for line in outcome.lines if line.name == name)


# Leaks


class Recorder(Encoder):
    """Vectors as they are; keeps the first number of every cell it was fitted on, one list a fit."""

    modality = "vector"
    cached = False
    fits: ClassVar[list[set[int]]] = []

    def describe(self, cells: list[Any]) -> np.ndarray:
        return np.array(cells, np.float32)

    def fit(self, described: np.ndarray) -> Recorder:
        Recorder.fits.append({int(v) for v in described[:, 0]})
        self.width_ = 2
        return self

    def transform(self, described: np.ndarray) -> np.ndarray:
        return described


def recorded(n: int, groups: np.ndarray | None = None, times: Any = None) -> tuple[Trial, list[set[int]]]:
    """A trial of rows whose vectors hold their numbers, and the rows each encoder was fitted on."""
    y = RNG.integers(0, 2, n).tolist()
    rows = chiasm.read({"x": [[float(i), float(v)] for i, v in enumerate(y)], "y": y})
    inputs = choose_inputs(rows, {"x": Recorder()}, ["y"], None, ())
    lesson = Lesson(Task.of(y), y, inputs.describe(rows), groups, times=times)
    Recorder.fits.clear()
    trial = run(lesson, inputs, {"late": QUICK}, lesson.parted(4, seed=0))
    return trial, list(Recorder.fits)


def test_encoders_are_fitted_inside_the_folds() -> None:
    trial, fits = recorded(48)
    assert sorted(np.unique(trial.fold)) == [0, 1, 2, 3] == list(range(len(fits)))
    for number, learned in enumerate(fits):
        assert learned == set(np.flatnonzero(trial.fold != number).tolist())


def test_no_group_is_on_both_sides_of_a_fold() -> None:
    groups = RNG.permutation(np.repeat(np.arange(12), 4))
    trial, fits = recorded(48, groups=groups)
    for number, learned in enumerate(fits):
        judged = groups[trial.fold == number]
        assert len(judged)
        assert not set(judged) & set(groups[sorted(learned)])


def test_the_past_never_learns_from_the_future() -> None:
    times = RNG.permutation(48).tolist()
    trial, fits = recorded(48, times=times)
    assert len(fits) == 4
    assert (trial.fold == -1).any()  # the oldest are never judged
    for number, learned in enumerate(fits):
        judged = [times[i] for i in np.flatnonzero(trial.fold == number)]
        assert max(times[i] for i in learned) < min(judged)
        taught = trial.lesson.elsewhere(trial.fold, number)  # calibration and sets
        assert all(times[i] < min(judged) for i in np.flatnonzero(taught))
        assert taught.any() == (number > 0)


def test_coverage_is_judged_by_the_past_alone() -> None:
    """Each part of the rows is ten times as uncertain as the one before: intervals that the past taught hold
    one row in ten, those of the future would hold nearly all. The oldest fold has no past to be judged by."""
    n, parts, rng = 200, 5, np.random.default_rng(0)
    x, part = rng.standard_normal(n), np.repeat(np.arange(parts), n // parts)
    y = x + rng.standard_normal(n) * 10.0 ** (part - parts)
    data = {"x": [[v, 1.0] for v in x.tolist()], "y": y.tolist(), "t": [float(i) for i in range(n)]}
    (outcome,) = chiasm.fit(data, target="y", time="t", fuse=QUICK, folds=4).outcomes
    assert outcome.rows == 160
    (coverage,) = outcome.coverage
    assert coverage.measured.high < 0.4


def test_rows_that_hold_nothing_have_no_set_in_fit_and_on_other_rows() -> None:
    """What is held is the same whether or not a third of the rows have nothing to be predicted from."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(150)
    y = (x + 0.3 * rng.standard_normal(150)).tolist()
    whole = {"x": [[v, 1.0] for v in x.tolist()], "y": y}
    gaps = {"x": whole["x"] + [None] * 75, "y": y + y[:75]}
    full, holed = (chiasm.fit(data, target="y", fuse=QUICK, folds=4) for data in (whole, gaps))
    for outcome in (holed.outcomes[0], holed.evaluate(gaps).outcomes[0]):
        assert (outcome.rows, outcome.unanswered) == (225, 75)
        (found,) = outcome.coverage
        assert 0.8 < found.measured.value < 0.97
        assert found.size == pytest.approx(full.outcomes[0].coverage[0].size, rel=0.2)


class Loud(Late):
    """Four times as sure as it should be, so that calibration has work to do."""

    def _score(self, columns: Any) -> Any:
        return 4 * super()._score(columns)


@pytest.mark.parametrize("time", [None, "t"])
def test_the_sets_in_use_are_learned_from_the_scores_they_were_judged_by(
    time: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials: list[Trial] = []
    real = learning.run

    def spied(*args: Any) -> Trial:
        trials.append(real(*args))
        return trials[-1]

    monkeypatch.setattr(learning, "run", spied)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 250)
    data = {"x": (rng.standard_normal((250, 2)) + y[:, None]).tolist(), "y": [f"c{v}" for v in y]}
    data |= {} if time is None else {time: [float(i) for i in range(250)]}
    model = chiasm.fit(data, target="y", fuse=Loud(heads=("linear",)), folds=4, time=time)
    (trial,), own = trials, model.predictors["y"]
    used = trial.singles["x"]
    scores = used.scores.copy()
    if time is not None:  # nothing taught the oldest fold's calibration: it has that of all rows
        assert used.calibrations[0] is None
        oldest = trial.fold == 0
        scores[oldest] = own.calibration.transform(used.raw[oldest], ["x"] * oldest.sum())
    expected = Conformal().fit(scores, trial.lesson.coded, own.task, ["x"] * 250)
    assert own.conformal.thresholds_ == expected.thresholds_
    in_sample = own.calibration.transform(used.raw, ["x"] * 250)
    assert not np.allclose(in_sample[trial.fold > 0], used.scores[trial.fold > 0])


def test_copies_of_one_row_in_several_folds_are_what_groups_are_for() -> None:
    """Noise, sixty rows three times over: by chance alone a target is known only where copies are learned."""
    rng = np.random.default_rng(0)
    noise, y = rng.standard_normal((60, 40)), rng.permutation(np.repeat([0, 1], 30))
    times = np.repeat(np.arange(60), 3)
    data = {
        "x": (noise[times] + 0.01 * rng.standard_normal((180, 40))).tolist(),
        "y": [f"c{y[i]}" for i in times],
        "g": [f"patient {i}" for i in times],
    }
    (loose,) = chiasm.fit({c: data[c] for c in "xy"}, target="y", fuse=QUICK, folds=3).outcomes
    (strict,) = chiasm.fit(
        data, target="y", by="g", fuse=QUICK, folds=3, modalities={"g": "category"}
    ).outcomes
    assert loose.lines[0].measures["auc"].low > 0.6
    kept = strict.lines[0].measures["auc"]
    assert kept.low < 0.5 < kept.high


# Noise, and whether a fusion pays


def test_noise_beside_a_modality_is_told_and_left_alone() -> None:
    y = RNG.integers(0, 2, 80)
    clear = RNG.standard_normal((80, 2)) + 1.8 * y[:, None]
    data = {"clear": clear.tolist(), "noise": RNG.standard_normal((80, 3)).tolist()}
    model = chiasm.fit({**data, "y": [f"c{v}" for v in y]}, target="y", folds=3)
    (outcome,) = model.outcomes
    assert outcome.chosen == "clear"
    assert "Fusion did not help: use clear alone." in outcome.verdicts
    assert main(model, "noise").low < 0.5 < main(model, "clear").low
    found = model.predict({c: v[:3] for c, v in data.items()})
    assert [one.used for one in found] == [("clear",)] * 3
    (without,) = model.predict({"noise": data["noise"][:1]})  # what a row has is better than an error
    assert (without.used, without.absent) == (("noise",), ("clear",))


def test_two_halves_are_joined() -> None:
    """Each column tells one of two signs, and the target is their sum: together they know it."""
    halves = RNG.standard_normal((90, 2))
    data = {"left": halves[:, :1] + np.zeros((90, 2)), "right": halves[:, 1:] + np.zeros((90, 2))}
    model = chiasm.fit(
        {**{c: v.tolist() for c, v in data.items()}, "y": halves.sum(axis=1).tolist()}, target="y", folds=3
    )
    (outcome,) = model.outcomes
    assert outcome.chosen in ("late", "concat", "experts", "weighted")
    assert any(said.startswith("Fusion helps") for said in outcome.verdicts)
    assert main(model, outcome.chosen).value > 0.95
    assert main(model, "left").value < 0.7


def trial_of(fused: np.ndarray, single: np.ndarray, other: np.ndarray) -> Trial:
    """A trial of a number whose truth is 0 throughout: scores are errors."""
    n = len(fused)
    task = Task("number", centre=(0.0,), scale=(1.0,))
    fusions = {"fused": Candidate(fused[:, None], fused[:, None], [])}
    scores = {"single": single, "other": other}
    singles = {m: Candidate(s[:, None], s[:, None], [], m) for m, s in scores.items()}
    return Trial(Lesson(task, [0.0] * n, {}), fusions, singles, np.zeros(n, int), [])


def test_the_choice_takes_a_fusion_only_where_it_pays() -> None:
    error = RNG.standard_normal(200)
    worse = 2 * RNG.standard_normal(200)
    assert chosen(trial_of(0.5 * error, error, worse)) == ("fused", False)
    assert chosen(trial_of(error[::-1].copy(), error, worse)) == ("single", True)
    assert chosen(trial_of(worse, error, worse)) == ("single", True)
    gaps = np.where(np.arange(200) < 20, np.nan, error)  # as good, but there in fewer rows
    assert chosen(trial_of(error[::-1].copy(), gaps, worse)) == ("fused", False)


def test_a_fusion_that_is_named_is_used_and_judged_beside_the_modalities() -> None:
    data = patients(60)
    inputs = {c: data[c] for c in ("scan", "age", "dose")}
    model = chiasm.fit(inputs, target="dose", fuse=Experts(heads=("linear",)), folds=3)
    (outcome,) = model.outcomes
    assert outcome.chosen == "experts"
    roles = {line.name: line.role for line in outcome.lines}
    assert roles == {
        "experts": "fusion",
        "late": "fusion",
        "scan": "single",
        "table": "single",
        "always the mean": "baseline",
    }
    assert {pattern.columns for pattern in outcome.patterns} == {("scan",), ("table",), ("scan", "table")}


# Settings


def test_balance_lets_a_rare_class_weigh_as_much() -> None:
    y = np.arange(100) % 10 == 0
    data = {
        "x": (RNG.standard_normal((100, 2)) + y[:, None]).tolist(),
        "y": ["rare" if v else "common" for v in y],
    }
    plain, fair = (
        chiasm.fit(data, target="y", fuse=QUICK, folds=3, balance=balance).predictors["y"]
        for balance in (False, True)
    )
    assert plain.task.probabilities(plain.fusion.base_[None])[0] == pytest.approx([0.9, 0.1], abs=0.02)
    assert fair.task.probabilities(fair.fusion.base_[None])[0] == pytest.approx([0.5, 0.5], abs=0.02)


def test_a_group_of_columns_is_one_modality() -> None:
    data = {c: v for c, v in patients(60).items() if c in ("age", "sex", "scan", "dose")}
    model = chiasm.fit(data, target="dose", groups={"person": ["age", "sex"]}, fuse=QUICK, folds=3)
    assert model.predictors["dose"].modalities == ["person", "scan"]
    (found,) = model.predict([{"age": 60.0}])
    assert (found.used, found.absent) == (("age",), ("scan", "sex"))


def test_the_same_seed_gives_the_same_model() -> None:
    data = {c: v for c, v in patients(60).items() if c in ("id", *COLUMNS, "dose")}
    one, other = (chiasm.fit(data, target="dose", fuse=QUICK, folds=3, seed=3) for _ in range(2))
    assert one.predict(data) == other.predict(data)
    assert one.outcomes == other.outcomes


# On rows of other people


def test_new_rows_are_judged_as_the_held_out_ones_were(clinic: Model) -> None:
    fresh = patients(200, seed=9)
    fresh["sick"] = [None if i < 20 else v for i, v in enumerate(fresh["sick"])]
    report = clinic.evaluate(fresh, stress=True)
    assert [one.target for one in report.outcomes] == ["sick", "dose", "signs", "stage"]
    sick, held_out = report.outcomes[0], clinic.outcomes[0]
    assert (sick.rows, sick.left_out) == (180, 20)
    assert any("20 rows had no target" in said for said in sick.verdicts)
    now, then = (one.lines[0].measures[one.main] for one in (sick, held_out))
    assert now.value == pytest.approx(then.value, abs=0.1)
    said = clinic.predict({c: fresh[c] for c in ("id", *COLUMNS)})["sick"]
    right = np.mean([p.label == t for p, t in zip(said[20:], fresh["sick"][20:], strict=True)])
    assert sick.lines[0].measures["accuracy"].value == pytest.approx(right)
    assert [one.target for one in report.stresses] == ["sick", "dose", "signs", "stage"]
    assert not clinic.evaluate(fresh).stresses


def test_rows_of_classes_never_learned_are_counted_apart(clinic: Model) -> None:
    fresh = {c: patients(60, seed=4)[c] for c in ("id", *COLUMNS, "sick", "signs")}
    fresh["sick"] = [("unheard of", None)[i % 2] if i < 10 else v for i, v in enumerate(fresh["sick"])]
    fresh["signs"] = [[*v, "new"] if i < 3 else v for i, v in enumerate(fresh["signs"])]
    sick, signs = clinic.evaluate(fresh).outcomes
    assert (sick.rows, sick.left_out, sick.unlearned) == (50, 5, 5)
    told = "5 rows of classes never learned (unheard of): certain errors that no measure here counts."
    assert told in sick.verdicts
    assert (signs.rows, signs.left_out, signs.unlearned) == (57, 0, 3)
    assert any(said.startswith("3 rows of labels never learned (new)") for said in signs.verdicts)


def test_a_target_that_no_row_tells_is_a_note_and_takes_no_other_with_it(clinic: Model) -> None:
    fresh = {c: patients(60, seed=4)[c] for c in ("id", *COLUMNS, "sick", "stage")}
    (alone,) = clinic.evaluate({c: v for c, v in fresh.items() if c != "stage"}).outcomes
    report = clinic.evaluate({**fresh, "stage": [99] * 60})
    assert report.outcomes == (alone,)
    notes = [note for note in report.notes if "is not judged" in note]
    assert "Target 'stage': no row has a value that was learned (found: 99), so it is not judged." in notes
    assert "Target 'dose': no row has a value, so it is not judged." in notes


def told_known(model: Model, data: dict[str, Any]) -> list[str]:
    return [note for note in model.evaluate(data).notes if "among the indexed" in note]


def test_rows_are_said_to_be_known_where_they_are_and_only_there() -> None:
    """New patients share sex and site with those learned from, as all of few kinds do: that is no news."""

    def drawn(seed: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        scan = rng.standard_normal((80, 3))
        return {
            "scan": scan.tolist(),
            "sex": rng.choice(["f", "m"], 80).tolist(),
            "site": [f"site {one}" for one in rng.integers(0, 12, 80)],
            "y": np.where(scan[:, 0] + rng.standard_normal(80) > 0, "yes", "no").tolist(),
        }

    learned, fresh = drawn(0), drawn(1)
    model = chiasm.fit(learned, target="y", fuse=QUICK, folds=3)
    assert not told_known(model, fresh)
    half = {c: v[:40] + fresh[c][:40] for c, v in learned.items()}
    assert told_known(model, half) == [
        "About 50 % of these rows are among the indexed ones: that tells nothing of new rows."
    ]
    words = {c: v for c, v in learned.items() if c != "scan"}  # 24 kinds of rows, and new ones of each
    plain = chiasm.fit(words, target="y", fuse=QUICK, folds=3)
    assert not told_known(plain, {c: v for c, v in fresh.items() if c != "scan"})
    named = chiasm.fit({**words, "id": [f"a{i}" for i in range(80)]}, target="y", fuse=QUICK, folds=3)
    assert told_known(named, {**words, "id": [f"a{i}" for i in range(80)]})
    assert not told_known(named, {**words, "id": [f"b{i}" for i in range(80)]})


def test_stress_draws_the_same_groups_as_the_scoreboard() -> None:
    rng = np.random.default_rng(0)
    site = np.repeat(np.arange(8), 15)
    x = rng.standard_normal(120) + rng.standard_normal(8)[site]
    y = x + rng.standard_normal(8)[site]
    data = {"x": [[v, 1.0] for v in x.tolist()], "y": y.tolist(), "site": [f"site {i}" for i in site]}
    report = chiasm.fit(data, target="y", by="site", fuse=QUICK, folds=4).evaluate(data, stress=True)
    (outcome,), (stress,) = report.outcomes, report.stresses
    assert stress.curves[0].values[0] == outcome.lines[0].measures["r2"]
