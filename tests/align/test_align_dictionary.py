"""Coupled dictionaries: atoms that are known to be there, and codes that are the lasso."""

from __future__ import annotations

import numpy as np
import pytest
from columns import VALUES, N

from chiasm.align.dictionary import Dictionary, coded
from chiasm.errors import UsageError

RNG = np.random.default_rng(0)


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


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="penalty must lie between"):
        Dictionary(penalty=0).fit(VALUES)
    with pytest.raises(UsageError, match="passes must lie between 1"):
        Dictionary(passes=0).fit(VALUES)
