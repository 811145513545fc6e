"""Blend: its cosine is the mean of its members', and it keeps what every aligner promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from chiasm.align.blend import Blend
from chiasm.align.csa import CSA
from chiasm.align.linear import CCA
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
QUICK = {"hidden": 4, "epochs": 1, "batch": 40}
BLEND = Blend(dim=3, members=[("cca", {"ridge": 1e-2}), ("learned", QUICK), ("csa", {"dim": 2})])


def gapped(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {c: np.where(masks[c][:, None], v, np.float32(np.nan)) for c, v in VALUES.items()}


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts, lists, arrays and numbers that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        np.testing.assert_array_equal(one, other)


def test_its_cosine_is_the_mean_of_theirs() -> None:
    X = gapped(MASKS)
    members = [CCA(dim=3, ridge=1e-2).fit(X), CSA(dim=2).fit(X)]
    blend = Blend(dim=3, members=[("cca", {"ridge": 1e-2}), ("csa", {"dim": 2})]).fit(X)
    expected = [m.project("a", VALUES["a"]) @ m.project("b", VALUES["b"]).T for m in members]
    found = blend.project("a", VALUES["a"]) @ blend.project("b", VALUES["b"]).T
    np.testing.assert_allclose(found, (expected[0] + expected[1]) / 2, atol=1e-5)
    assert blend.space_width == sum(m.space_width for m in members)


def test_by_default_heads_of_several_seeds_begin_with_one_choice_of_settings() -> None:
    X = gapped(MASKS)
    blend = Blend(dim=3).fit(X, valid=X)
    seeds = [kept["params"]["seed"] for kept in blend.members_]
    assert len(set(seeds)) == len(seeds) > 1
    chosen = [kept["params"]["settings"] for kept in blend.members_ if kept["params"]["start"] == "kernel"]
    assert all(one == chosen[0] for one in chosen)
    again = Blend(dim=3).set_params(**blend.settled()).fit(X)
    assert [m["params"]["epochs"] for m in again.members_] == [m["state"]["epochs_"] for m in blend.members_]


def test_an_unfitted_one_says_so_and_the_constructor_only_stores() -> None:
    fresh = clone(BLEND)
    assert fresh.state() == {}
    for ask in (lambda: fresh.transform(VALUES), lambda: fresh.project("a", VALUES["a"]), fresh.settled):
        with pytest.raises(NotFitted, match="Call fit first"):
            ask()


@settings(max_examples=4, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    rubbish = {c: rng.choice([np.nan, np.inf, -1e30, 7.0], v.shape) for c, v in VALUES.items()}
    mixed = {c: np.where(masks[c][:, None], v, rubbish[c]).astype(np.float32) for c, v in VALUES.items()}
    other = {c: Features.of(mixed[c], masks[c]) for c in VALUES}
    left, right = clone(BLEND).fit(gapped(masks)), clone(BLEND).fit(other)
    assert_same(left.state(), right.state())
    assert_same(left.transform(gapped(masks)), right.transform(other))
    for c, vectors in left.transform(other).items():
        np.testing.assert_array_equal(np.isnan(vectors).any(axis=1), ~masks[c])
        np.testing.assert_allclose(np.linalg.norm(vectors[masks[c]], axis=1), 1, atol=1e-5)


def test_an_empty_or_missing_column_changes_nothing() -> None:
    X = gapped(MASKS)
    plain, wider = clone(BLEND).fit(X), clone(BLEND).fit({**EMPTY, **X})
    assert_same(plain.state(), wider.state())
    expected, out = plain.transform(X), wider.transform({**EMPTY, **X})
    assert_same({c: out[c] for c in X}, expected)
    assert all(np.isnan(out[empty]).all() for empty in EMPTY)


def test_a_second_fit_forgets_the_first_and_the_disk_gives_it_back(tmp_path: Path) -> None:
    X = gapped(MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    again = clone(BLEND).fit(X).fit(fewer)
    assert_same(again.state(), clone(BLEND).fit(fewer).state())
    write_tree(tmp_path, "all", {"params": again.get_params(deep=False), "state": again.state()})
    kept = read_tree(tmp_path, "all")
    assert_same(Blend(**kept["params"]).restore(kept["state"]).transform(fewer), again.transform(fewer))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"members": [("ccaa", {})]}, "Did you mean 'cca'"),
        ({"members": [("cca", {"rigde": 1})]}, "Did you mean 'ridge'"),
        ({"members": []}, "a member at least"),
        ({"dim": 0}, "dim must lie"),
    ],
)
def test_bad_settings_say_what_is_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Blend(**wrong).fit(VALUES)
