"""Measures of predictions: scikit-learn's beside them, weights that are counts, and what is not defined."""

import math
import warnings

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as sk

from chiasm import measures
from chiasm.measures import measures_for, median_class

RNG = np.random.default_rng(0)
N = 80
COUNTS = RNG.multinomial(N, np.full(N, 1 / N), size=6).astype(float)


def classes(q, ties=False):
    y = RNG.integers(0, q, N)
    logits = RNG.standard_normal((N, q)) + np.eye(q)[y]
    return y, softmax(np.round(logits) if ties else logits, axis=1)


def labels():
    y = (RNG.random((N, 4)) < 0.4).astype(float)
    y[:, 0] = np.maximum(y[:, 0], y.sum(axis=1) == 0)  # scikit-learn calls a row without labels perfect
    return y, np.clip(0.3 * y + 0.7 * RNG.random((N, 4)), 0.01, 0.99)


def numbers(q):
    y = RNG.standard_normal((N, q)) * 3 + 100
    return y, y + RNG.standard_normal((N, q))


def middle(p):
    return np.array([next(i for i in range(len(row)) if row[: i + 1].sum() >= 0.5) for row in p])


def each_class(y, p, w):
    return np.mean([sk.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in range(p.shape[1])])


THEIRS = {
    "classes": {
        "auc": each_class,
        "accuracy": lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w),
        "balanced_accuracy": lambda y, p, w: sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=w),
        "f1": lambda y, p, w: sk.f1_score(y, p.argmax(1), sample_weight=w),
        "f1_macro": lambda y, p, w: sk.f1_score(y, p.argmax(1), average="macro", sample_weight=w),
        "average_precision": lambda y, p, w: sk.average_precision_score(y, p[:, 1], sample_weight=w),
        "log_loss": lambda y, p, w: sk.log_loss(y, p, labels=range(p.shape[1]), sample_weight=w),
    },
    "order": {
        "mae_steps": lambda y, p, w: sk.mean_absolute_error(y, middle(p), sample_weight=w),
        "kappa": lambda y, p, w: sk.cohen_kappa_score(y, middle(p), weights="quadratic", sample_weight=w),
        "accuracy": lambda y, p, w: sk.accuracy_score(y, middle(p), sample_weight=w),
    },
    "labels": {
        "label_ranking_average_precision": lambda y, p, w: sk.label_ranking_average_precision_score(
            y, p, sample_weight=w
        ),
        "f1_micro": lambda y, p, w: sk.f1_score(y, p > 0.5, average="micro", sample_weight=w),
        "f1_macro": lambda y, p, w: sk.f1_score(y, p > 0.5, average="macro", sample_weight=w),
        "auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
        "log_loss": lambda y, p, w: np.mean(
            [sk.log_loss(y[:, j], p[:, j], sample_weight=w) for j in range(4)]
        ),
    },
    "number": {
        "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
        "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
        "rmse": lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w) ** 0.5,
    },
}
THEIRS["numbers"] = THEIRS["number"]
CASES = {
    "two classes": ("classes", *classes(2)),
    "two classes, tied scores": ("classes", *classes(2, ties=True)),
    "four classes": ("classes", *classes(4)),
    "four classes, tied scores": ("classes", *classes(4, ties=True)),
    "order": ("order", *classes(5)),
    "labels": ("labels", *labels()),
    "number": ("number", *numbers(1)),
    "numbers": ("numbers", *numbers(3)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_measure_is_scikit_learns_under_any_counts(case):
    kind, y, p = CASES[case]
    compared = [m for m in measures_for(kind, p.shape[1]) if m.name in THEIRS[kind]]
    assert len(compared) >= 3
    for measure in compared:
        theirs = THEIRS[kind][measure.name]
        expected = [theirs(y, p, w) for w in (np.ones(N), *COUNTS)]
        assert measure(y, p) == pytest.approx(expected[0], abs=1e-9), measure.name
        assert measure.draws(y, p, COUNTS) == pytest.approx(expected[1:], abs=1e-9), measure.name


@pytest.mark.parametrize("case", CASES)
def test_counting_a_row_twice_is_having_it_twice(case):
    kind, y, p = CASES[case]
    again = np.repeat(np.arange(N), COUNTS[0].astype(int))
    for measure in measures_for(kind, p.shape[1]):
        assert measure.draws(y, p, COUNTS[:1])[0] == pytest.approx(measure(y[again], p[again])), measure.name


@pytest.mark.parametrize("case", CASES)
def test_row_values_have_the_measure_as_their_mean(case):
    kind, y, p = CASES[case]
    for measure in measures_for(kind, p.shape[1]):
        if measure.rows is not None:
            assert measure(y, p) == pytest.approx(np.nanmean(measure.rows(y, p)))


def test_brier_of_two_classes_and_of_more():
    y, p = CASES["two classes"][1:]
    assert measures.BRIER(y, p) == pytest.approx(sk.brier_score_loss(y, p[:, 1]))
    y, p = CASES["four classes"][1:]
    assert measures.BRIER(y, p) == pytest.approx(((p - np.eye(4)[y]) ** 2).sum(axis=1).mean())


def test_calibration_error_of_two_bins_by_hand():
    # ten rows said to be 60 % sure of which 4 are right, ten said to be 90 % sure, all right
    p = np.repeat([[0.6, 0.4], [0.9, 0.1]], 10, axis=0)
    y = np.array([0] * 4 + [1] * 6 + [0] * 10)
    assert measures.ECE(y, p) == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert measures.reliability(y, p) == [
        (10, pytest.approx(0.6), 0.4),
        (10, pytest.approx(0.9), 1.0),
    ]


def test_what_is_not_defined_is_nan_and_never_an_error():
    one_class, p = np.zeros(5, np.int64), np.full((5, 2), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(measures.AUC(one_class, p))
        assert math.isnan(measures.PRECISION(one_class, p))
        assert math.isnan(measures.F1(one_class, p))
        assert measures.ACCURACY(one_class, p) == 1
        assert math.isnan(measures.KAPPA(one_class, np.eye(2)[one_class]))
        assert math.isnan(measures.R2(np.ones((5, 1)), np.zeros((5, 1))))
        assert math.isnan(measures.RANKING(np.zeros((5, 2)), p))
        assert math.isnan(measures.AUC(np.zeros((5, 2)), p))


@pytest.mark.parametrize("case", CASES)
def test_no_rows_and_no_weight_are_nan(case):
    kind, y, p = CASES[case]
    for measure in measures_for(kind, p.shape[1]):
        assert math.isnan(measure(y[:0], p[:0]))
        assert math.isnan(measure.draws(y, p, np.zeros((1, N)))[0])


def test_a_class_that_is_not_there_is_left_out_of_the_means():
    y, p = classes(3)
    keep = y < 2
    expected = np.mean([sk.roc_auc_score(y[keep] == c, p[keep, c]) for c in range(2)])
    assert measures.AUC(y[keep], p[keep]) == pytest.approx(expected)


def test_a_constant_score_has_no_skill():
    y = RNG.integers(0, 2, N)
    assert measures.AUC(y, np.full((N, 2), 0.5)) == 0.5
    values = RNG.standard_normal((N, 1))
    assert measures.R2(values, np.full((N, 1), values.mean())) == pytest.approx(0)


def test_which_measures_a_target_has():
    names = {kind: [m.name for m in measures_for(kind, 3)] for kind in THEIRS}
    assert [m.name for m in measures_for("classes", 2)][:2] == ["auc", "accuracy"]
    assert {kind: found[0] for kind, found in names.items()} == {
        "classes": "accuracy",
        "labels": "label_ranking_average_precision",
        "order": "mae_steps",
        "number": "r2",
        "numbers": "rmse",
    }
    assert "auc" not in [m.name for m in measures_for("classes", 10_000)]


def test_ten_thousand_classes_are_measured_in_no_time():
    y = np.arange(2000) % 1000
    p = softmax(np.eye(10_000, dtype=np.float32)[y][:, :10_000] * 5, axis=1)
    for measure in measures_for("classes", 10_000):
        assert np.isfinite(measure.draws(y, p, np.ones((3, 2000)))).all()


def test_the_median_class_is_where_half_is_reached() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.4, 0.2, 0.4], [0.0, 0.0, 0.4]])  # the last sums to less than half
    assert median_class(p).tolist() == [0, 1, 2]
