"""What every aligner promises, in all its variants (contracts.py): bit for bit where nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from columns import EMPTY, LABELS, MASKS, VALUES, N, assert_same, gapped, under
from contracts import Case, cases, stored
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.align.aligner import Aligner
from chiasm.align.dictionary import Dictionary
from chiasm.align.swap import Swapped, swapped
from chiasm.errors import DataError, NotFitted, ShapeError, UsageError

X = gapped(MASKS)
Table = Mapping[str, Any]

ROUNDING = {
    "kernel": 1e-5,  # items that lie near each other count much, and against each other
    "learned": 1e-5,  # may start with kernels
    "csa": 1e-5,  # the root of what is missing to length 1, where little is
    "blend": 1e-5,  # has CSA in it
}
"""What a coordinate may differ by where products are summed in another order; 1e-6 where nothing is said."""


@pytest.fixture(scope="module", params=cases("align"), ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def fitted(case: Case) -> Aligner:
    """Fitted to columns with gaps; nobody may change it."""
    return learned(case.made(), X)


def learned(aligner: Aligner, table: Table, y: Any = LABELS, valid: Table | None = None) -> Aligner:
    """The aligner after its fit; of what a verb makes, after the verb: a column solved anew."""
    assert aligner.fit(table, y, valid) is aligner
    if isinstance(aligner, Swapped):
        return swapped(aligner, "a", table["a"], aligner.transform(table))
    return aligner


# Before, after and again


def test_an_unfitted_aligner_says_so(case: Case) -> None:
    fresh = case.made()
    asked = [
        lambda: fresh.transform(VALUES),
        lambda: fresh.project("a", VALUES["a"]),
        lambda: fresh.space_width,
        lambda: fresh.columns,
    ]
    if type(fresh).selected_params is not Aligner.selected_params:  # else there is nothing to select
        asked.append(fresh.selected_params)
    for ask in asked:
        with pytest.raises(NotFitted, match="Call fit first"):
            ask()


def test_a_second_fit_forgets_the_first(case: Case) -> None:
    fewer, y = {c: X[c][:50] for c in ("a", "b")}, LABELS[:50]
    once, twice = learned(case.made(), fewer, y), learned(case.made(), X)
    twice.transform(X)  # which may build what it asks again
    twice = learned(twice, fewer, y)
    assert_same(twice.state(), once.state())
    assert_same(twice.transform(fewer), once.transform(fewer))


def test_the_same_seed_learns_the_same_whatever_was_drawn_elsewhere(case: Case, fitted: Aligner) -> None:
    np.random.seed(7)
    torch.manual_seed(7)
    assert_same(learned(case.made(), X).state(), fitted.state())


def test_an_aligner_comes_back_from_disk(fitted: Aligner, tmp_path: Path) -> None:
    again = stored("align", fitted, tmp_path)
    assert_same(again.transform(X), fitted.transform(X))
    assert again.columns == fitted.columns
    assert again.selected_params().keys() == fitted.selected_params().keys()


# Gaps


@settings(max_examples=8, deadline=None)
@given(columns=st.sampled_from(["ab", "abc"]), share=st.floats(0, 0.6), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(case: Case, columns: str, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in columns}
    clean, rubbish = gapped(masks), under(masks, seed)
    left, right = (learned(case.made(), table) for table in (clean, rubbish))
    assert_same(right.state(), left.state())
    space = left.transform(clean)
    assert_same(right.transform(rubbish), space)
    for c, vectors in space.items():
        assert vectors.dtype == np.float32
        assert vectors.shape == (N, left.space_width)
        np.testing.assert_array_equal(np.isnan(vectors).all(axis=1), ~masks[c])
        assert_unit(case, vectors[masks[c]])


def assert_unit(case: Case, vectors: np.ndarray) -> None:
    """Rows of length 1; a sparse code may be empty, where the penalty leaves nothing."""
    lengths = np.linalg.norm(vectors, axis=1)
    nothing = (lengths == 0) if case.cls is Dictionary else np.zeros(len(lengths), bool)
    np.testing.assert_allclose(lengths[~nothing], 1, atol=1e-5)


def test_masked_cells_and_empty_columns_of_held_out_rows_have_no_say(case: Case) -> None:
    masks = {c: mask[::-1] for c, mask in MASKS.items()}
    left = learned(case.made(), X, valid=gapped(masks))
    right = learned(case.made(), {**EMPTY, **X}, valid={**EMPTY, **under(masks, 3)})
    assert_same(right.state(), left.state())
    assert_same(right.selected_params(), left.selected_params())


def test_an_empty_column_changes_nothing(case: Case, fitted: Aligner) -> None:
    wider = learned(case.made(), {**EMPTY, **X})
    assert_same(wider.state(), fitted.state())
    expected, found = fitted.transform(X), wider.transform({**EMPTY, **X})
    assert_same({c: found[c] for c in X}, expected)
    for empty in EMPTY:
        assert found[empty].shape == expected["a"].shape
        assert np.isnan(found[empty]).all()


def test_a_missing_column_is_an_empty_one(fitted: Aligner) -> None:
    without = fitted.transform({c: X[c] for c in ("a", "c")})
    empty = fitted.transform({**X, "b": np.full_like(X["b"], np.nan)})
    assert np.isnan(empty.pop("b")).all()
    assert_same(empty, without)


# Items


def test_an_item_alone_lies_where_it_lies_among_others_in_any_order(case: Case, fitted: Aligner) -> None:
    order, some = np.random.default_rng(0).permutation(N), range(0, N, 4)
    within = ROUNDING.get(case.name, 1e-6)
    for c, values in VALUES.items():
        whole = fitted.project(c, values)
        assert_unit(case, whole)  # before `transform` makes them so
        alone = np.vstack([fitted.project(c, values[i : i + 1]) for i in some])
        np.testing.assert_allclose(alone, whole[some], rtol=0, atol=within)
        np.testing.assert_allclose(fitted.project(c, values[order]), whole[order], rtol=0, atol=within)
        assert fitted.project(c, values[:0]).shape == (0, fitted.space_width)


# Units


@pytest.mark.parametrize(
    "sizes", [(1e-30, 1e-30, 1e-30), (1e30, 1e30, 1e30), (1e-12, 1e12, 1.0)], ids=["small", "large", "apart"]
)
def test_the_units_of_a_column_are_a_convention(
    case: Case, fitted: Aligner, sizes: tuple[float, float, float]
) -> None:
    factors = {c: np.float32(size) for c, size in zip(X, sizes, strict=True)}
    sized = learned(case.made(), {c: x * factors[c] for c, x in X.items()})
    plain = np.vstack([fitted.project(c, v) for c, v in VALUES.items()])
    found = np.vstack([sized.project(c, v * factors[c]) for c, v in VALUES.items()])
    np.testing.assert_allclose(found @ found.T, plain @ plain.T, atol=2e-3)


# Bad input


def test_what_cannot_be_aligned_is_refused(case: Case) -> None:
    gone = np.full_like(VALUES["b"], np.nan)
    with pytest.raises(DataError, match=r"alignment needs two columns with features, got \['a'\]"):
        case.made().fit({"a": VALUES["a"], "b": gone}, LABELS)
    apart = {"a": X["a"], "b": np.where(MASKS["a"][:, None], np.nan, VALUES["b"])}
    with pytest.raises(DataError, match="column 'a' shares fewer than two rows with every other"):
        case.made().fit(apart, LABELS)
    if case.made().from_rows:
        with pytest.raises(UsageError, match="not a stream"):
            case.made().fit([X], LABELS)
    for table in (None, 3, VALUES["a"], {"a": None, "b": gone}, {"a": np.float64(3), "b": gone}, {1: gone}):
        with pytest.raises(UsageError, match=r"expected \{column: array \(n, d\)\}|not a stream"):
            case.made().fit(table, LABELS)
    if "aligner" not in case.given:  # which has its own
        for dim in (0, -1, 2.5, "a", None, True):
            with pytest.raises(UsageError, match="dim must"):
                case.made().set_params(dim=dim).fit(X, LABELS)


def test_what_was_not_fitted_is_refused(fitted: Aligner) -> None:
    for ask in (lambda: fitted.transform({"d": VALUES["a"]}), lambda: fitted.project("d", VALUES["a"])):
        with pytest.raises(UsageError, match="no column called 'd'"):
            ask()
    for ask in (lambda: fitted.transform({"a": VALUES["b"]}), lambda: fitted.project("a", VALUES["b"])):
        with pytest.raises(ShapeError, match=r"column 'a': expected \(n, 6\), got \(\d+, 5\)"):
            ask()
