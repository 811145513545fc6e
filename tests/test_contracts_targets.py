"""What every fusion that predicts promises, in all its variants, of numbers and of classes.

What lies under the mask changes nothing, nor does an empty column or the disk: all bit for bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from columns import EMPTY, LATENT, MASKS, N, assert_same, gapped, under
from contracts import Case, cases, stored
from sklearn.metrics import accuracy_score, r2_score

from chiasm.fuse.fusion import Fusion

TARGETS: dict[str, list[Any]] = {
    "number": [None if i % 10 == 9 else float(x) for i, x in enumerate(LATENT[:, 0])],
    "classes": [
        None if i % 10 == 9 else "abc"[int(x > -0.5) + int(x > 0.5)] for i, x in enumerate(LATENT[:, 0])
    ],
}


PREDICTING = [case for case in cases("fuse") if issubclass(case.cls, Fusion)]
Fitted = tuple[Case, list[Any], Fusion]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((case, y), id=f"{case}-{kind}") for case in PREDICTING for kind, y in TARGETS.items()
    ],
)
def predicting(request: pytest.FixtureRequest) -> Fitted:
    """A fusion, a target, and the fusion fitted to it on columns with gaps."""
    case, y = request.param
    return case, y, case.made().fit(gapped(MASKS), y)


def test_what_lies_under_the_mask_has_no_say_in_a_target(predicting: Fitted) -> None:
    case, y, fitted = predicting
    scores = fitted.scores(gapped(MASKS))
    np.testing.assert_array_equal(np.isnan(scores).any(axis=1), ~np.any(list(MASKS.values()), axis=0))
    for seed in (1, 2):
        X = under(MASKS, seed)
        np.testing.assert_array_equal(fitted.scores(X), scores)
    assert_same(case.made().fit(X, y).state(), fitted.state())


def test_an_empty_and_a_missing_column_are_one_to_a_target(predicting: Fitted) -> None:
    case, y, fitted = predicting
    X = gapped(MASKS)
    assert_same(case.made().fit({**EMPTY, **X}, y).state(), fitted.state())
    np.testing.assert_array_equal(fitted.scores({**EMPTY, **X}), fitted.scores(X))
    for gone in X:
        rest = {c: v for c, v in X.items() if c != gone}
        empty = {**rest, gone: np.full_like(X[gone], np.nan)}
        np.testing.assert_array_equal(fitted.scores(empty), fitted.scores(rest))


def test_a_fitted_target_comes_back_from_disk_to_the_bit(predicting: Fitted, tmp_path: Path) -> None:
    _, _, fitted = predicting
    again = stored("fuse", fitted, tmp_path)
    X = gapped(MASKS)
    assert_same(again.scores(X), fitted.scores(X))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_a_fusion_predicts_arrays_as_scikit_learn_names_them(predicting: Fitted) -> None:
    _, y, fitted = predicting
    X, there = gapped(MASKS), np.any(list(MASKS.values()), axis=0)
    said = fitted.predict(X)
    assert said.shape == (N,)
    known = [one is not None and one == one for one in said]
    assert known == there.tolist()
    assert fitted.score(X, said) == 1
    use = [i for i in range(N) if there[i] and y[i] is not None]
    measure = r2_score if fitted.task.is_number else accuracy_score
    assert fitted.score(X, y) == pytest.approx(measure([y[i] for i in use], said[use].tolist()))
    if fitted.task.is_number:
        assert not hasattr(fitted, "classes_")
    else:
        assert fitted.classes_.tolist() == ["a", "b", "c"]
        likeliest = fitted.classes_[fitted.predict_proba(X)[there].argmax(axis=1)]
        assert said[there].tolist() == likeliest.tolist()


def test_a_row_scored_alone_or_among_others_in_any_order_scores_the_same(predicting: Fitted) -> None:
    _, _, fitted = predicting
    X = gapped(MASKS)
    scores, order = fitted.scores(X), np.random.default_rng(0).permutation(N)
    np.testing.assert_allclose(fitted.scores({c: v[order] for c, v in X.items()}), scores[order], atol=1e-6)
    alone = np.vstack([fitted.scores({c: v[i : i + 1] for c, v in X.items()}) for i in range(8)])
    np.testing.assert_allclose(alone, scores[:8], atol=1e-6)


def test_a_gradient_carried_back_is_the_finite_difference(predicting: Fitted) -> None:
    _, _, fitted = predicting
    X = gapped(MASKS)
    rng = np.random.default_rng(0)
    toward = np.nan_to_num(fitted.scores(X)) + rng.standard_normal((N, len(fitted.base_)))
    found = fitted.pull(X, toward)
    assert sorted(found) == sorted(X)
    for c, values in X.items():
        step = 1e-2 * rng.standard_normal(values.shape).astype(np.float32)
        up, down = (fitted.scores({**X, c: values + s}) for s in (step, -step))
        expected = np.nansum((up - down) / 2 * toward, axis=1)
        carried = (found[c] * step).sum(axis=1)
        assert (found[c][~MASKS[c]] == 0).all()
        scale = max(float(np.abs(expected).max()), 1e-3)
        assert np.median(np.abs(carried - expected)) < 1e-2 * scale


def test_the_same_seed_learns_the_same_to_the_bit(predicting: Fitted) -> None:
    case, y, fitted = predicting
    assert_same(case.made().fit(gapped(MASKS), y).state(), fitted.state())
