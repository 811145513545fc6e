"""CSA: the paper's similarity by hand, its contrast to weighted CCA, and the width that separates best."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.align import CCA, Moments
from chiasm.align.csa import CSA
from chiasm.errors import DataError

Table = dict[str, np.ndarray]


def table(n: int, noise: float = 0.5, shared: int = 4, seed: int = 0) -> Table:
    """Columns of 12 and 10 numbers that share `shared` directions; the maps are the same for every seed."""
    maps = np.random.default_rng(99)
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, shared))
    return {
        c: (latent @ maps.standard_normal((shared, d)) + noise * rng.standard_normal((n, d))).astype(
            np.float32
        )
        for c, d in {"a": 12, "b": 10}.items()
    }


def test_the_cosine_across_columns_is_the_papers_similarity() -> None:
    X = table(200)
    aligner, cca = CSA(dim=6).fit(X), CCA(dim=6, weight=0.0).fit(X)
    x, y = ((X[c] - cca.means_[c]) @ cca.scaled_map(c) for c in "ab")
    lengths = np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    expected = (x * cca.correlations_) @ y.T / lengths
    found = aligner.transform(X)
    np.testing.assert_allclose(found["a"] @ found["b"].T, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found["a"], axis=1), 1, atol=1e-5)
    assert found["a"].shape == (200, aligner.space_width) == (200, 8)


def test_what_the_other_column_does_not_share_is_like_nothing() -> None:
    X = table(2_000, shared=1)
    own = np.random.default_rng(5).standard_normal((2_000, 1)).astype(np.float32)
    X["a"] = np.hstack([X["a"], 3 * own])
    item = np.zeros((1, 13), np.float32)
    item[0, -1] = 30.0
    item += X["a"].mean(axis=0)
    fitted = CSA(4).fit(X), CCA(4).fit(X)
    best = {type(m): float((m.project("a", item) @ m.transform(X)["b"].T).max()) for m in fitted}
    assert best[CSA] < 0.3 < best[CCA]


def test_more_than_two_columns_have_a_coordinate_each() -> None:
    X = table(300)
    X["c"] = X["a"][:, :5] + X["b"][:, :5]
    found = CSA(dim=3).fit(X).transform(X)
    assert {c: v.shape for c, v in found.items()} == dict.fromkeys("abc", (300, 6))
    np.testing.assert_array_equal(found["b"][:, [3, 5]], 0)


def test_separation_is_the_distance_of_pairs_from_strangers_in_rows_not_seen() -> None:
    aligner = CSA(dim=5, ridge=1e-6).fit(table(400))
    X = table(1_500, seed=1)
    found = aligner.separations(Moments.of(X))["a", "b"]
    x, y = ((X[c] - X[c].mean(axis=0)) @ aligner.maps_[c] for c in "ab")
    for s in (1, 3, 5):
        scores = (x[:, :s] * aligner.correlations_[:s]) @ y[:, :s].T
        strangers = scores[~np.eye(len(scores), dtype=bool)]
        expected = (np.diagonal(scores).mean() - strangers.mean()) / strangers.std()
        assert found[s - 1] == pytest.approx(expected, rel=1e-2)


def test_narrow_drops_what_was_only_noise() -> None:
    aligner = CSA(dim=10, ridge=1e-6).fit(table(60, shared=3))
    before = aligner.maps_["a"].copy()
    aligner.narrow(Moments.of(table(2_000, shared=3, seed=1)))
    width = len(aligner.correlations_)
    assert 3 <= width <= 5
    np.testing.assert_array_equal(aligner.maps_["a"], before[:, :width])
    assert aligner.transform(table(5))["b"].shape == (5, width + 2)


def test_narrow_needs_rows_that_have_both() -> None:
    X = table(60)
    aligner = CSA(dim=4).fit(X)
    with pytest.raises(DataError, match="no two columns share two held-out rows"):
        aligner.narrow(Moments.of({"a": X["a"]}))
