"""A swapped column: what the closed form is, what stays as it was, and what every aligner promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from chiasm.align.anchors import Anchors
from chiasm.align.csa import CSA
from chiasm.align.linear import CCA
from chiasm.align.swap import Settings, Swapped, swapped, tuned_swap
from chiasm.encode.features import Features
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.judge.relevance import relevance
from chiasm.storage import read_tree, write_tree

N, WIDTHS = 300, {"a": 12, "b": 10, "c": 8}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 5))


def seen(width: int, noise: float = 0.3) -> np.ndarray:
    """What an encoder of this width sees of the rows."""
    made = LATENT @ RNG.standard_normal((5, width)) + noise * RNG.standard_normal((N, width))
    return made.astype(np.float32)


VALUES = {c: seen(d) for c, d in WIDTHS.items()}
NEW = seen(9)
FITTED = [CCA(dim=5), Anchors(dim=40, keep=None), CSA(dim=4)]
each = pytest.mark.parametrize("aligner", FITTED, ids=lambda one: type(one).__name__)


def holes(values: np.ndarray, rows: slice) -> np.ndarray:
    out = values.copy()
    out[rows] = np.nan
    return out


def assert_same(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def rank(aligner: Any, query: str, asked: np.ndarray, answer: str, given: np.ndarray) -> float:
    """The median rank of the right row."""
    scores = aligner.project(query, asked) @ aligner.project(answer, given).T
    return float(np.median((scores > np.diagonal(scores)[:, None]).sum(axis=1)))


@each
def test_the_column_is_found_by_its_new_encoder_and_the_others_stay(aligner: Any) -> None:
    learned, asked = slice(0, 200), slice(200, N)
    fitted = clone(aligner).fit({c: v[learned] for c, v in VALUES.items()})
    vectors = fitted.transform({c: v[learned] for c, v in VALUES.items()})
    made = swapped(fitted, "a", NEW[learned], vectors)
    assert made.columns == ["a", "b", "c"]
    assert made.space_width == fitted.space_width
    assert_same(made.transform({c: VALUES[c] for c in "bc"}), fitted.transform({c: VALUES[c] for c in "bc"}))
    for other in "bc":
        given = VALUES[other][asked]
        before = rank(fitted, "a", VALUES["a"][asked], other, given)
        assert rank(made, "a", NEW[asked], other, given) <= before + 3
        assert rank(made, other, given, "a", NEW[asked]) <= before + 3


def test_the_map_is_a_ridge_regression_at_unit_length() -> None:
    fitted = CCA(dim=5).fit(VALUES)
    vectors = fitted.transform(VALUES)
    made = swapped(fitted, "a", NEW, {"a": vectors["a"]}, Settings(ridge=0.01, share=1.0, root=1.0))
    x, y = NEW - NEW.mean(axis=0), vectors["a"] - vectors["a"].mean(axis=0)
    penalty = 0.01 * np.trace(x.T @ x) * np.eye(9)
    w = np.linalg.solve(x.T @ x + penalty, x.T @ y)
    w *= np.linalg.norm(y) / np.linalg.norm(x @ w)
    expected = x @ w + vectors["a"].mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(made.project("a", NEW), expected, atol=1e-4)


def test_the_same_encoder_onto_its_own_vectors_gives_them_back() -> None:
    fitted = CCA(dim=5).fit(VALUES)
    vectors = fitted.transform(VALUES)
    made = swapped(fitted, "a", VALUES["a"], vectors, Settings(ridge=0.0, share=1.0, root=1.0))
    cosines = (made.project("a", VALUES["a"]) * vectors["a"]).sum(axis=1)
    assert cosines.min() > 0.95  # the map was linear before its vectors were cut to unit length
    assert cosines.mean() > 0.99


def test_the_root_of_a_regression_on_the_other_column_is_the_canonical_map() -> None:
    """Onto coordinates scaled by ρ a regression gives ρ² where the map has ρ; the root takes that back."""
    two = {c: VALUES[c] for c in "ab"}
    fitted = CCA(dim=5, ridge=1e-6, weight=1.0).fit(two)
    made = swapped(
        fitted, "a", VALUES["a"], {"b": fitted.transform(two)["b"]}, Settings(1e-6, share=0.0, root=0.5)
    )
    cosines = (made.project("a", VALUES["a"]) * fitted.project("a", VALUES["a"])).sum(axis=1)
    assert np.median(cosines) > 0.99


def test_cells_are_matched_by_row_and_place_and_gaps_take_what_is_there() -> None:
    fitted = CCA(dim=5).fit(VALUES)
    vectors = fitted.transform(VALUES)
    row, item = np.repeat(np.arange(N), 2), np.tile([0, 1], N)
    twice = Features(np.repeat(NEW, 2, axis=0), row, item, N)
    old = Features(np.repeat(vectors["a"], 2, axis=0), row, item, N)
    one = swapped(fitted, "a", twice, {**vectors, "a": old})
    np.testing.assert_allclose(one.maps_["a"], swapped(fitted, "a", NEW, vectors).maps_["a"], rtol=1e-4)
    alone = swapped(fitted, "a", NEW, {"a": vectors["a"]})
    gapped = {"a": vectors["a"], "b": np.full_like(vectors["b"], np.nan)}
    assert_same(swapped(fitted, "a", NEW, gapped).maps_, alone.maps_)
    half = {c: holes(v, slice(0, 150)) if c == "a" else holes(v, slice(100, N)) for c, v in vectors.items()}
    found = swapped(fitted, "a", NEW, half)
    known = np.r_[0:100, 150:N]
    part = {c: v[known] for c, v in half.items()}
    np.testing.assert_allclose(found.maps_["a"], swapped(fitted, "a", NEW[known], part).maps_["a"], rtol=1e-4)


def test_more_features_than_cells_are_solved_where_the_cells_span() -> None:
    fitted = CCA(dim=5).fit(VALUES)
    vectors = fitted.transform(VALUES)
    few = slice(0, 40)
    wide = np.hstack([NEW, np.zeros((N, 60), np.float32)])
    part = {c: v[few] for c, v in vectors.items()}
    found = swapped(fitted, "a", wide[few], part).project("a", wide)
    np.testing.assert_allclose(found, swapped(fitted, "a", NEW[few], part).project("a", NEW), atol=1e-4)


def test_settings_are_chosen_on_rows_held_out() -> None:
    learned, held = slice(0, 200), slice(200, N)
    rows = {c: Features.of(v[learned]) for c, v in {**VALUES, "a": NEW}.items()}
    valid = {c: Features.of(v[held]) for c, v in {**VALUES, "a": NEW}.items()}
    fitted = CCA(dim=5).fit({c: v[learned] for c, v in VALUES.items()})
    vectors = {
        c: Features.of(v) for c, v in fitted.transform({c: v[learned] for c, v in VALUES.items()}).items()
    }
    right = {(q, a): relevance(valid[q], valid[a]).tocsr() for q, a in (("a", "b"), ("b", "a"))}
    made, settings = tuned_swap(fitted, "a", rows, vectors, valid, right)
    assert_same(made.maps_, swapped(fitted, "a", rows["a"], vectors, settings).maps_)
    nothing = {pair: matrix * 0 for pair, matrix in right.items()}
    for matrix in nothing.values():
        matrix.eliminate_zeros()
    _, settings = tuned_swap(fitted, "a", rows, vectors, valid, nothing)
    assert settings == Settings()


# What every aligner promises


@each
def test_it_comes_back_from_disk_and_swaps_again(aligner: Any, tmp_path: Path) -> None:
    fitted = clone(aligner).fit(VALUES)
    vectors = fitted.transform(VALUES)
    first = swapped(fitted, "a", NEW, vectors)
    before = first.project("a", NEW)
    second = swapped(first, "b", VALUES["c"], vectors)
    write_tree(tmp_path, "state", second.state())
    back = clone(second).restore(read_tree(tmp_path, "state"))
    X = {"a": NEW, "b": VALUES["c"], "c": VALUES["c"]}
    assert_same(back.transform(X), second.transform(X))
    np.testing.assert_array_equal(second.project("a", NEW), before)
    np.testing.assert_array_equal(first.project("b", VALUES["b"]), fitted.project("b", VALUES["b"]))


def test_a_fit_is_that_of_what_it_wraps_and_forgets_the_swap() -> None:
    plain = CCA(dim=5).fit(VALUES)
    for made in (Swapped(dim=5), Swapped(CCA(dim=5))):
        assert made.state() == {}
        with pytest.raises(NotFitted, match="Call fit first"):
            made.project("a", VALUES["a"])
        assert_same(made.fit(VALUES).transform(VALUES), plain.transform(VALUES))
    again = swapped(made, "a", NEW, plain.transform(VALUES)).fit(VALUES)
    assert again.maps_ == {}
    assert_same(again.transform(VALUES), plain.transform(VALUES))


def test_wrong_use_is_named() -> None:
    fitted = CCA(dim=5).fit(VALUES)
    vectors = fitted.transform(VALUES)
    with pytest.raises(UsageError, match="no column called 'd'"):
        swapped(fitted, "d", NEW, vectors)
    with pytest.raises(UsageError, match="share must lie between"):
        swapped(fitted, "a", NEW, vectors, Settings(share=1.5))
    with pytest.raises(DataError, match="fewer than two cells are known"):
        swapped(fitted, "a", NEW, {c: np.full_like(v, np.nan) for c, v in vectors.items()})
