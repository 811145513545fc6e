"""Coupled dictionaries: atoms that are known to be there, and what gaps, empty columns and the disk leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from chiasm.align.dictionary import Dictionary, coded
from chiasm.encode.features import Features
from chiasm.errors import NotFitted, UsageError
from chiasm.storage import read_tree, write_tree

N, WIDTHS = 80, {"a": 6, "b": 5, "c": 4}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 3))
VALUES = {
    c: (LATENT @ RNG.standard_normal((3, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
MASKS = {c: RNG.random(N) < 0.75 for c in WIDTHS}
EMPTY = {"0 empty": np.full((N, 7), np.nan, np.float32), "z empty": np.full((N, 2), np.nan)}
MADE = [Dictionary(dim=6, passes=2), Dictionary(dim=3, penalty=0.3, passes=1)]
dictionaries = pytest.mark.parametrize("aligner", MADE, ids=["thin", "thick"])


def gapped(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {c: np.where(masks[c][:, None], v, np.float32(np.nan)) for c, v in VALUES.items()}


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts, numbers and arrays that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


# What is computed


def made_of_atoms(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows that are one or two of eight atoms, whose two columns share the code."""
    rng = np.random.default_rng(seed)
    code = np.zeros((n, 8))
    for row in code:
        row[rng.choice(8, 2, replace=False)] = rng.choice([-1, 1], 2) * rng.uniform(0.5, 2, 2)
    atoms = {
        c: np.random.default_rng(i).standard_normal((8, d)) for i, (c, d) in enumerate((("a", 20), ("b", 16)))
    }
    return {c: (code @ d).astype(np.float32) for c, d in atoms.items()}, code


def test_a_code_is_the_lasso_written_out() -> None:
    """On orthonormal atoms the lasso is the product, drawn to zero by the penalty."""
    atoms = np.linalg.qr(RNG.standard_normal((6, 6)))[0][:4]
    items = RNG.standard_normal((10, 6))
    products = items @ atoms.T
    expected = np.sign(products) * np.maximum(np.abs(products) - 0.3, 0)
    np.testing.assert_allclose(coded(items, atoms, 0.3), expected, atol=1e-6)


def test_one_column_finds_the_code_that_the_other_shares() -> None:
    train, _ = made_of_atoms(400, 0)
    test, _ = made_of_atoms(60, 1)
    aligner = Dictionary(dim=24, penalty=0.05, passes=10).fit(train)
    a, b = (aligner.project(c, test[c]) for c in "ab")
    assert np.mean((a @ b.T).argmax(axis=1) == np.arange(60)) > 0.6
    assert (np.diff(aligner.errors_) < 1e-3).all()
    assert aligner.errors_[-1] < 0.02


def test_the_larger_the_penalty_the_sparser() -> None:
    used = [
        (Dictionary(dim=20, penalty=p).fit(VALUES).project("a", VALUES["a"]) != 0).mean() for p in (0.01, 0.3)
    ]
    assert used[1] < 0.6 * used[0]


def test_rows_of_one_column_teach_that_column() -> None:
    """With few pairs the atoms of a column lie nearer to its rows where unpaired ones are there too."""
    full, _ = made_of_atoms(300, 0)
    paired = {c: v[:30] for c, v in full.items()}
    alone = {"a": np.vstack([full["a"], np.full((0, 20), np.nan)]), "b": full["b"].copy()}
    alone["b"][30:] = np.nan
    test, _ = made_of_atoms(100, 1)

    def missed(aligner: Dictionary) -> float:
        items = test["a"] - aligner.means_["a"]
        items /= np.linalg.norm(items, axis=1, keepdims=True)
        codes = coded(items.astype(float), aligner.atoms_["a"].astype(float), 0.01)
        return float(((codes @ aligner.atoms_["a"] - items) ** 2).sum(axis=1).mean())

    few, more = (Dictionary(dim=24, passes=8).fit(X) for X in (paired, alone))
    assert missed(more) < 0.8 * missed(few)


def test_a_column_of_equal_items_and_huge_ones_are_survived() -> None:
    X = {"a": VALUES["a"] * np.float32(1e18), "b": np.ones((N, 2), np.float32), "c": VALUES["c"]}
    for vectors in Dictionary(dim=5, passes=2).fit(X).transform(X).values():
        assert np.isfinite(vectors).all()


# What every aligner promises


@dictionaries
def test_an_unfitted_one_says_so_and_the_constructor_only_stores(aligner: Dictionary) -> None:
    fresh = clone(aligner)
    assert fresh.state() == {}
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.transform(VALUES)
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.project("a", VALUES["a"])


@dictionaries
@settings(max_examples=5, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(aligner: Dictionary, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    rubbish = {c: rng.choice([np.nan, np.inf, -1e30, 7.0], v.shape) for c, v in VALUES.items()}
    mixed = {c: np.where(masks[c][:, None], v, rubbish[c]).astype(np.float32) for c, v in VALUES.items()}
    other = {c: Features.of(mixed[c], masks[c]) for c in VALUES}
    left, right = clone(aligner).fit(gapped(masks)), clone(aligner).fit(other)
    assert_same(left.state(), right.state())
    assert_same(left.transform(gapped(masks)), right.transform(other))
    for c, vectors in left.transform(other).items():
        np.testing.assert_array_equal(np.isnan(vectors).any(axis=1), ~masks[c])
        lengths = np.linalg.norm(vectors[masks[c]], axis=1)  # 0 where the penalty leaves nothing
        assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()


@dictionaries
def test_an_empty_or_missing_column_changes_nothing(aligner: Dictionary) -> None:
    X = gapped(MASKS)
    plain, wider = clone(aligner).fit(X), clone(aligner).fit({**EMPTY, **X})
    assert_same(plain.state(), wider.state())
    expected, all_of_them = plain.transform(X), wider.transform({**EMPTY, **X})
    assert_same({c: all_of_them[c] for c in X}, expected)
    for empty in EMPTY:
        assert np.isnan(all_of_them[empty]).all()
    gone = plain.transform({**X, "b": np.full_like(X["b"], np.nan)})
    assert np.isnan(gone.pop("b")).all()
    assert_same(gone, plain.transform({c: X[c] for c in ("a", "c")}))


@dictionaries
def test_a_second_fit_forgets_the_first_and_the_disk_gives_it_back(
    aligner: Dictionary, tmp_path: Path
) -> None:
    X = gapped(MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    again = clone(aligner).fit(X).fit(fewer)
    assert_same(again.state(), clone(aligner).fit(fewer).state())
    write_tree(tmp_path, "state", again.state())
    back = clone(aligner).restore(read_tree(tmp_path, "state"))
    assert_same(back.transform(fewer), again.transform(fewer))


@dictionaries
def test_an_item_alone_lies_where_it_lies_among_others(aligner: Dictionary) -> None:
    fitted = clone(aligner).fit(gapped(MASKS))
    np.testing.assert_allclose(
        fitted.project("a", VALUES["a"][7:8]), fitted.project("a", VALUES["a"])[7:8], atol=1e-5
    )


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="penalty must lie between"):
        Dictionary(penalty=0).fit(VALUES)
    with pytest.raises(UsageError, match="passes must lie between 1"):
        Dictionary(passes=0).fit(VALUES)
    with pytest.raises(UsageError, match="dim must lie between 1"):
        Dictionary(dim=0).fit(VALUES)
