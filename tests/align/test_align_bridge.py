"""Blocks never seen against Gaussians whose covariance is known whole, and what an alignment gains."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import linalg

from chiasm.align.bridge import bridges, completed, seen
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments

WIDTHS = {"a": 3, "b": 4, "c": 2, "d": 3}
SPANS = {c: slice(s, s + w) for (c, w), s in zip(WIDTHS.items(), (0, 3, 7, 9), strict=True)}
Pair = tuple[str, str]


def correlations(unlinked: list[Pair], seed: int = 0) -> dict[Pair, np.ndarray]:
    """Whitened cross-covariances of a Gaussian in which such pairs are independent given all other columns.

    That is a zero in the inverse covariance, and the definition of what is to be found.
    """
    width = sum(WIDTHS.values())
    inverse = np.eye(width) * 4 + 0.8 * np.random.default_rng(seed).uniform(-1, 1, (width, width))
    inverse = (inverse + inverse.T) / 2
    for a, b in unlinked:
        inverse[SPANS[a], SPANS[b]], inverse[SPANS[b], SPANS[a]] = 0, 0
    whole = np.linalg.inv(inverse)
    factors = {c: np.linalg.cholesky(whole[s, s]) for c, s in SPANS.items()}
    return {
        (a, b): linalg.solve(factors[a], linalg.solve(factors[b], whole[SPANS[b], SPANS[a]]).T)
        for a, b in combinations(WIDTHS, 2)
    }


@pytest.mark.parametrize(
    ("columns", "unlinked"),
    [
        ("abcd", [("a", "d"), ("b", "d"), ("a", "c")]),  # a – b – c – d, a chain of three
        ("abcd", [("a", "d")]),  # over b and c together, which tell of each other
        ("abcd", [("a", "c"), ("a", "d"), ("c", "d")]),  # a star around b
    ],
    ids=["chain", "two bridges", "star"],
)
def test_what_was_never_seen_is_what_the_gaussian_has(columns: str, unlinked: list[Pair]) -> None:
    truth = correlations(unlinked)
    known = set(truth) - set(unlinked)
    blocks = {pair: block if pair in known else np.zeros_like(block) for pair, block in truth.items()}
    found = completed(blocks, known)
    assert found.keys() == truth.keys()
    for pair, block in truth.items():
        np.testing.assert_allclose(found[pair], block, atol=1e-10)
    assert all(not blocks[pair].any() for pair in unlinked), "what was given stays as it was"


def test_islands_stay_apart() -> None:
    known = {("a", "b"), ("c", "d")}
    blocks = {pair: np.full((WIDTHS[pair[0]], WIDTHS[pair[1]]), float(pair in known) / 9)
              for pair in combinations(WIDTHS, 2)}  # fmt: skip
    assert bridges("abcd", known) == {}
    found = completed(blocks, known)
    assert all((found[pair] == block).all() for pair, block in blocks.items())


def test_bridges_are_the_columns_known_with_both() -> None:
    known = {("a", "b"), ("b", "c"), ("b", "d"), ("c", "d")}
    assert bridges("dcba", known) == {("a", "c"): ["b"], ("a", "d"): ["b"]}
    assert bridges("abcd", known | {("a", "c")}) == {("a", "d"): ["b", "c"]}


def test_one_row_in_common_is_not_seen_together() -> None:
    x = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    y = x.copy()
    y[1:] = np.nan
    z = x.copy()
    z[2:] = np.nan
    assert seen(Moments.of({"x": x, "y": y, "z": z})) == {("x", "z")}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_bridged_columns_find_each_other_as_if_they_had_been_paired(weight: float) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((900, 4))
    whole = {
        c: (hidden @ rng.standard_normal((4, d)) + 0.3 * rng.standard_normal((900, d))).astype(np.float32)
        for c, d in {"image": 9, "sound": 8, "text": 7}.items()
    }
    learned, held = ({c: v[part] for c, v in whole.items()} for part in (slice(700), slice(700, 900)))
    gaps = {c: v.copy() for c, v in learned.items()}
    gaps["sound"][:350], gaps["image"][350:] = np.nan, np.nan
    found = {}
    for name, table in (("paired", learned), ("bridged", gaps)):
        space = CCA(4, weight=weight).fit(table).transform(held)
        ranks = (space["image"] @ space["sound"].T).argsort(axis=1)[:, ::-1]
        found[name] = np.mean([i in row[:5] for i, row in enumerate(ranks)])
    assert found["bridged"] > 0.9 * found["paired"] > 0.5


def test_two_bridges_with_gaps_of_their_own() -> None:
    """More correlation than there can be, from rows that hardly overlap, still gives finite maps."""
    rng = np.random.default_rng(3)
    columns = {c: rng.standard_normal((40, 30)).astype(np.float32) for c in "abcd"}
    masks = {"a": slice(20, 40), "d": slice(0, 20), "b": slice(35, 40), "c": slice(0, 3)}
    for c, gone in masks.items():
        columns[c][gone] = np.nan
    assert ("a", "d") in bridges("abcd", seen(Moments.of(columns)))
    maps = CCA(5, ridge=1e-6).fit(columns).maps_
    assert all(np.isfinite(w).all() for w in maps.values())
