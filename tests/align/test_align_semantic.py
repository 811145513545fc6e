"""Class posteriors as the space: two classes and more, unlabelled rows, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas
import pytest

from chiasm.align import CCA, Moments, Semantic
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError


def classed(classes: int, n: int = 120, seed: int = 0) -> tuple[dict[str, np.ndarray], list[str]]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = {c: 2 * rng.standard_normal((classes, d)) for c, d in {"a": 6, "b": 5}.items()}
    X = {c: (m[y] + rng.standard_normal((n, m.shape[1]))).astype(np.float32) for c, m in centres.items()}
    return X, [f"kind {k}" for k in y]


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_posteriors_sum_to_one_and_name_the_class(classes: int) -> None:
    X, y = classed(classes)
    aligner = Semantic(8).fit(X, y)
    assert aligner.classes_ == sorted(set(y))
    for column, values in X.items():
        found = aligner.posteriors(column, values)
        assert found.shape == (120, classes)
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        named = np.array(aligner.classes_)[found.argmax(axis=1)]
        assert (named == np.array(y)).mean() > 0.85
        centred = found - found.mean(axis=1, keepdims=True)
        expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
        np.testing.assert_allclose(aligner.project(column, values), expected, atol=1e-5)


def test_posteriors_are_those_of_a_logistic_regression_on_canonical_coordinates() -> None:
    from sklearn.linear_model import LogisticRegression

    for classes in (2, 3):
        X, y = classed(classes)
        cca = CCA(4).fit(X)
        coordinates = (X["a"] - cca.means_["a"]) @ cca.scaled_map("a")
        expected = LogisticRegression(max_iter=1000).fit(coordinates, y).predict_proba(coordinates)
        np.testing.assert_allclose(Semantic(4).fit(X, y).posteriors("a", X["a"]), expected, atol=1e-4)


@pytest.mark.parametrize("nothing", [None, "", float("nan"), pandas.NA])
def test_unlabelled_rows_inform_the_correlations_alone(nothing: object) -> None:
    X, y = classed(3)
    some = [label if i < 60 else nothing for i, label in enumerate(y)]
    aligner = Semantic(4).fit(X, some)
    assert aligner.classes_ == sorted(set(y))
    np.testing.assert_array_equal(aligner.correlations_, CCA(4).fit(X).correlations_)
    labelled = Semantic(4).fit_rows(Moments.of(X), {c: v[:60] for c, v in X.items()}, y[:60])
    np.testing.assert_array_equal(aligner.coefficients_["a"], labelled.coefficients_["a"])


def test_what_cannot_be_learned_says_why() -> None:
    X, y = classed(2)
    with pytest.raises(UsageError, match=r"Semantic needs the class of each row.*--target"):
        Semantic().fit(X)
    with pytest.raises(UsageError, match="not a stream"):
        Semantic().fit([X], y)
    with pytest.raises(DataError, match="two classes or more"):
        Semantic().fit(X, ["one"] * 120)
    with pytest.raises(ShapeError, match="expected 120 labels, one a row, got 100"):
        Semantic().fit(X, y[:100])
    X["a"][::2] = np.nan
    with pytest.raises(DataError, match="column 'a': rows of fewer than two classes"):
        Semantic().fit(X, y)


def test_a_class_that_a_column_never_showed_gets_no_odds() -> None:
    X, y = classed(3)
    labels = np.array(y, dtype=object)
    X["a"][labels == labels[0]] = np.nan
    aligner = Semantic().fit(X, y)
    place = aligner.classes_.index(str(labels[0]))
    shown = X["a"][~np.isnan(X["a"]).any(axis=1)]
    assert aligner.posteriors("a", shown)[:, place].max() == 0
    assert aligner.posteriors("b", X["b"])[:, place].max() > 0.5


def test_an_item_said_nine_times_in_its_row_is_said_once() -> None:
    X, y = classed(3)
    times = np.where(np.arange(120) < 40, 9, 1)
    row = np.repeat(np.arange(120), times)
    item = np.concatenate([np.arange(count) for count in times])
    once, often = (
        Semantic(4).fit({"a": X["a"], "b": b}, y) for b in (X["b"], Features(X["b"][row], row, item, 120))
    )
    np.testing.assert_allclose(often.coefficients_["b"], once.coefficients_["b"], atol=5e-3)
    np.testing.assert_allclose(often.project("b", X["b"]), once.project("b", X["b"]), atol=2e-3)


def test_an_item_beyond_all_measure_is_of_the_class_it_points_to() -> None:
    X, y = classed(3)
    aligner = Semantic(4).fit(X, y)
    far = 1e200 * np.sign(X["a"][:5]).astype(np.float64)
    expected = aligner.posteriors("a", far / 1e190)
    np.testing.assert_allclose(aligner.posteriors("a", far), expected, atol=1e-5)
