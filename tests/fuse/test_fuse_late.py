"""Fusions in closed form: what they find, what gaps do, what a gradient carries back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chiasm.encode.features import as_features
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.fuse.concat import Concat, dropped
from chiasm.fuse.experts import Experts
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.late import Late
from chiasm.fuse.singles import TRIED, usable
from chiasm.fuse.stack import logistic_stack
from chiasm.fuse.weighted import Weighted
from chiasm.heads.task import Task

FUSIONS = (Late, Experts, Concat, Weighted)
RNG = np.random.default_rng(0)
N = 160
LATENT = RNG.standard_normal((N, 2))
NOISE = {c: RNG.standard_normal((N, 4)) for c in "abc"}
MAPS = {c: RNG.standard_normal((2, 4)) for c in "abc"}
X = {c: (LATENT @ MAPS[c] + NOISE[c]).astype(np.float32) for c in "ab"}
X["c"] = NOISE["c"].astype(np.float32)  # says nothing
MASKS = {c: RNG.random(N) < 0.75 for c in X}
GAPS = {c: np.where(MASKS[c][:, None], v, np.float32(np.nan)) for c, v in X.items()}
TARGETS: dict[str, list[Any]] = {
    "classes": [f"kind {int(a > 0)}{int(b > 0)}" for a, b in LATENT],
    "labels": [["up"] * int(a > 0) + ["right"] * int(b > 0) for a, b in LATENT],
    "number": [float(3 * a + 100) for a in LATENT[:, 0]],
    "numbers": LATENT.tolist(),
}


def small(cls: type[Fusion]) -> Fusion:
    return cls(heads=("linear",)) if "heads" in cls().get_params() else cls()


@pytest.mark.parametrize("cls", FUSIONS)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_gradient_is_the_finite_difference(cls: type[Fusion], kind: str) -> None:
    fusion = small(cls).fit(GAPS, TARGETS[kind])
    toward = RNG.standard_normal(fusion.scores(GAPS).shape)
    found = fusion.pull(GAPS, toward)
    for c, values in GAPS.items():
        step = 0.01 * RNG.standard_normal(values.shape).astype(np.float32)
        up, down = (fusion.scores({**GAPS, c: values + s}) for s in (step, -step))
        expected = np.nansum((up - down) / 2 * toward, axis=1)
        np.testing.assert_allclose((found[c] * step).sum(axis=1), expected, atol=1e-4)
        assert (found[c][~MASKS[c]] == 0).all()


@pytest.mark.parametrize("cls", FUSIONS)
@pytest.mark.parametrize("kind", TARGETS)
def test_a_row_is_scored_by_itself(cls: type[Fusion], kind: str) -> None:
    fusion = small(cls).fit(GAPS, TARGETS[kind])
    alone = np.vstack([fusion.scores({c: v[i : i + 1] for c, v in GAPS.items()}) for i in range(20)])
    np.testing.assert_allclose(alone, fusion.scores({c: v[:20] for c, v in GAPS.items()}), atol=1e-9)
    assert np.array_equal(
        fusion.scores({"a": GAPS["a"], "b": np.full_like(GAPS["b"], np.nan)}),
        fusion.scores({"a": GAPS["a"]}),
        equal_nan=True,
    )


@pytest.mark.parametrize("cls", FUSIONS)
def test_two_that_say_half_each_say_more_together(cls: type[Fusion]) -> None:
    y = [float(a + b) for a, b in LATENT]
    halves = {"a": LATENT[:, :1].astype(np.float32), "b": LATENT[:, 1:].astype(np.float32)}
    fusion = small(cls).fit({c: v[:100] for c, v in halves.items()}, y[:100])
    task = fusion.task

    def error(columns: str) -> float:
        said = task.numbers(fusion.scores({c: halves[c][100:] for c in columns}))[:, 0]
        return float(np.square(said - y[100:]).mean() / np.var(y[100:]))

    assert error("ab") < 0.15
    assert error("a") < 0.9
    assert error("b") < 0.9


@pytest.mark.parametrize("kind", ["classes", "number"])
def test_one_modality_alone_is_its_single_model(kind: str) -> None:
    """With others learned beside it or not, a row with one modality is scored by that modality's head."""
    both = Late(heads=("linear",)).fit({c: X[c] for c in "ab"}, TARGETS[kind])
    single = Late(heads=("linear",)).fit({"a": X["a"]}, TARGETS[kind])
    np.testing.assert_allclose(both.scores({"a": X["a"]}), single.scores({"a": X["a"]}), atol=0.02)


def test_a_modality_of_noise_changes_little() -> None:
    y = TARGETS["number"]
    plain, noisy = (Late().fit({c: X[c][:100] for c in names}, y[:100]) for names in ("a", "ac"))
    errors = [
        np.square(m.task.numbers(m.scores({c: X[c][100:] for c in "ac"}))[:, 0] - y[100:]).mean()
        for m in (plain, noisy)
    ]
    assert errors[1] < 1.1 * errors[0]


def test_independent_experts_multiply() -> None:
    """Two experts with errors of their own: the precision of their product is near the sum of theirs."""
    truth = RNG.standard_normal(2000)
    columns = {c: (truth + RNG.standard_normal(2000))[:, None].astype(np.float32) for c in "ab"}
    fusion = Experts(heads=("linear",)).fit(columns, truth.tolist())
    error = np.square(fusion.task.numbers(fusion.scores(columns))[:, 0] - truth).mean()
    assert error == pytest.approx(1 / 3, abs=0.03)  # 1 / (1 + 1 + 1): prior and two experts of precision 1


def test_what_is_dropped_leaves_something() -> None:
    mask = np.array([MASKS[c] for c in "abc"])
    kept = dropped(mask, 0.9, seed=0)
    assert (kept <= mask).all()
    assert np.array_equal(kept.any(axis=0), mask.any(axis=0))
    assert 1 - dropped(np.ones((3, 5000), bool), 0.3, seed=0).mean() == pytest.approx(
        0.3 - 0.3**3 / 3, abs=0.02
    )


def test_groups_stay_together() -> None:
    """Every row four times: without groups the copies would betray their targets."""
    y = RNG.integers(2, size=30)
    noise = RNG.standard_normal((30, 40)).astype(np.float32)
    fusion = Late(heads=("linear",)).fit(
        {"a": np.repeat(noise, 4, axis=0)},
        np.repeat(y, 4).tolist(),
        groups=np.repeat(np.arange(30), 4).tolist(),
    )
    sure = fusion.predict_proba({"a": RNG.standard_normal((200, 40)).astype(np.float32)}).max(axis=1)
    assert np.median(sure) < 0.8


def test_ten_thousand_classes_are_refused() -> None:
    y = [f"name {i}" for i in range(2000)]
    with pytest.raises(DataError, match="2,000 classes"):
        Late().fit({"a": RNG.standard_normal((2000, 2))}, y, task=Task.of(y))


@pytest.mark.parametrize("cls", FUSIONS)
@pytest.mark.parametrize("kind", ["classes", "number"])
def test_one_group_alone_learns_as_no_group_does(cls: type[Fusion], kind: str) -> None:
    """Held-out scores of one group would be the mean, and the fusion would learn to say nothing; masked
    copies of a row would be on both sides."""
    grouped, plain = (small(cls).fit(X, TARGETS[kind], groups=g).scores(X) for g in (["A"] * N, None))
    np.testing.assert_allclose(grouped, plain)


def test_a_column_of_one_group_only_has_a_say() -> None:
    """Whatever fold its group is in: rows of the column are then held out one by one."""
    groups = np.repeat(["A", "B"], N // 2)
    only = {"a": np.where((groups == "A")[:, None], X["a"], np.float32(np.nan)), "c": X["c"]}
    fusion = Late(heads=("linear",)).fit(only, TARGETS["number"], groups=groups.tolist())
    assert fusion.scores(only)[: N // 2].std() > 0.3


@pytest.mark.parametrize("cls", FUSIONS)
def test_an_output_that_never_varies_is_said(cls: type[Fusion]) -> None:
    y = [[float(a), 7.0] for a in LATENT[:, 0]]
    fusion = small(cls).fit(GAPS, y)
    said = fusion.predict(GAPS)
    there = np.isfinite(fusion.scores(GAPS)).all(axis=1)
    np.testing.assert_allclose(said[there, 1], 7.0)
    assert np.isfinite(said[there]).all()
    assert np.isnan(said[~there]).all()


def test_weights_of_rows_reach_the_prior_expert() -> None:
    weights = np.where(LATENT[:, 0] > 0, 1.0, 0.0) + 1e-6
    fusion = Experts(heads=("linear",)).fit(X, TARGETS["number"], weights=weights)
    y = fusion.task.code(TARGETS["number"])
    spread = np.average(np.square(y - fusion.base_), axis=0, weights=weights)
    np.testing.assert_allclose(1 / fusion.precision_[-1], spread)


def test_held_out_scores_are_joined_and_forgotten() -> None:
    late = Late(heads=("linear",)).fit(X, TARGETS["classes"])
    experts = Experts(heads=("linear",)).fit_like(late)
    np.testing.assert_array_equal(
        experts.scores(X), Experts(heads=("linear",)).fit(X, TARGETS["classes"]).scores(X)
    )
    late.forget_held()
    late.forget_held()
    with pytest.raises(NotFitted, match="held-out"):
        Experts(heads=("linear",)).fit_like(late)


def test_weights_of_many_rows_are_those_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the rows, every class among them, teaches nearly the same shared weights."""
    n, task = 3000, Task("classes", ("a", "b", "rare"))
    rng = np.random.default_rng(0)
    y = np.where(rng.random(n) < 0.01, 2, rng.integers(2, size=n))
    T = np.eye(3)[y]
    S = np.array([T * scale + rng.standard_normal((n, 3)) for scale in (2.0, 1.0)])
    S[1, ::3] = np.nan
    args = S, T, task, task.prior(y), np.ones(n), [(0,), (1,), (0, 1)]
    whole = logistic_stack(*args)
    monkeypatch.setattr("chiasm.fuse.stack.SHARED_ROWS", 600)
    some = logistic_stack(*args)
    np.testing.assert_allclose(some[()][0], whole[()][0], rtol=0.15)
    np.testing.assert_allclose(some[0, 1][0], whole[0, 1][0], rtol=0.02)


def test_a_dimension_too_few_is_named() -> None:
    with pytest.raises(UsageError, match="dim"):
        Weighted(dim=0).fit(X, TARGETS["number"])


def test_no_heads_to_try_are_said() -> None:
    with pytest.raises(UsageError, match=r"no heads to try. Name some of: linear, ordinal, kernel, forest"):
        Late(heads=()).fit({"a": np.arange(20.0)[:, None]}, list(range(20)))


def test_a_forest_is_not_tried_on_rows_without_number() -> None:
    few, many = (as_features(np.zeros((n, 3), np.float32)) for n in (100, 20_001))
    assert usable(TRIED, few, Task.of([1.5, 2.5])) == ["linear", "kernel", "forest"]
    assert usable(TRIED, many, Task.of([1.5, 2.5])) == ["linear"]
