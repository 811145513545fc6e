"""Adversarial alignment: a judge that is fooled, and what gaps, empty columns and the disk leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from chiasm.align.adversarial import Adversarial
from chiasm.align.kernel import nearness
from chiasm.align.linear import CCA
from chiasm.align.nets import Fooling, mover
from chiasm.encode.features import Features
from chiasm.errors import NotFitted, UsageError
from chiasm.numerics import unit_rows
from chiasm.storage import read_tree, write_tree
from chiasm.train.adversary import told_apart
from chiasm.train.pairs import Pair
from chiasm.train.watch import watching

N, WIDTHS = 80, {"a": 6, "b": 5, "c": 4}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 3))
VALUES = {
    c: (LATENT @ RNG.standard_normal((3, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
MASKS = {c: RNG.random(N) < 0.75 for c in WIDTHS}
EMPTY = {"0 empty": np.full((N, 7), np.nan, np.float32), "z empty": np.full((N, 2), np.nan)}
MADE = [Adversarial(dim=3, hidden=4, epochs=2, batch=30, ridge=1e-3)]
heads = pytest.mark.parametrize("aligner", MADE, ids=["small"])


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


def test_the_judge_learns_and_the_codes_learn_the_reverse() -> None:
    judge = torch.nn.Linear(2, 2)
    codes = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    column = torch.tensor([0, 0, 0, 1, 1, 1])
    told_apart(judge, codes, column, 0.5).backward()
    given, seen = codes.grad.clone(), judge.weight.grad.clone()
    codes.grad, judge.weight.grad = None, None
    torch.nn.functional.cross_entropy(judge(codes), column).backward()
    torch.testing.assert_close(given, -0.5 * codes.grad)
    torch.testing.assert_close(seen, judge.weight.grad)


def test_heads_climb_where_the_judge_descends() -> None:
    """What strength adds to the heads' gradient is the judge's loss, upwards."""
    items = {c: torch.from_numpy(unit_rows(VALUES[c][:, :4])) for c in "ab"}
    pairs = [Pair(("a", "b"), items["a"], items["b"], torch.arange(N))]
    slopes = []
    for strength in (0.0, 2.0):
        net = mover(["a", "b"], 4, 3, strength, seed=0)
        Fooling(items, batch=N)(net, pairs).backward()
        slopes.append(net.outer[0].weight.grad.clone())
    net.zero_grad()
    told_apart(
        net.judge, torch.cat([net(c, items[c]) for c in "ab"]), torch.arange(2).repeat_interleave(N), -1.0
    ).backward()
    # with the whole column drawn by chance, with repeats, the two agree in direction
    extra = (slopes[1] - slopes[0]).flatten()
    assert torch.cosine_similarity(extra, -net.outer[0].weight.grad.flatten(), dim=0) > 0.8


def test_held_out_pairs_lie_no_farther_than_where_they_started() -> None:
    train, held = ({c: VALUES[c][part] for c in "ab"} for part in (slice(0, 60), slice(60, N)))
    start, moved = (Adversarial(dim=4, epochs=e, batch=20).fit(train, valid=held) for e in (0, 5))
    assert nearness(moved.transform(held)) >= nearness(start.transform(held))
    assert moved.settled() == {"epochs": moved.epochs_, "ridge": start.ridge_}


def test_without_a_pass_it_is_the_closed_form() -> None:
    two = {c: VALUES[c] for c in "ab"}
    start, closed = Adversarial(dim=3, ridge=1e-3, epochs=0).fit(two), CCA(3, 1e-3).fit(two)
    np.testing.assert_allclose(start.project("a", two["a"]), closed.project("a", two["a"]), atol=1e-6)


def test_rows_of_one_column_are_seen_by_the_judge_alone() -> None:
    """They change what is learned, but only where the judge is heard."""
    X = {c: VALUES[c].copy() for c in "ab"}
    X["b"][40:] = np.nan
    other = {"a": X["a"].copy(), "b": X["b"]}
    other["a"][40:] = other["a"][40:][::-1] * [1, -1, 1, -1, 1, -1]
    other["a"][40:] += X["a"][40:].mean(axis=0) - other["a"][40:].mean(axis=0)
    given = {"dim": 2, "hidden": 4, "epochs": 2, "batch": 20, "ridge": 1e-3}
    one, two = (Adversarial(strength=1.0, **given).fit(x) for x in (X, other))
    assert np.abs(one.outer_["a"] - two.outer_["a"]).max() > 0


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (clone(MADE[0]).fit(VALUES) for _ in range(2))
    torch.manual_seed(5)
    assert_same(one.state(), two.state())
    assert (one.outer_["a"] != clone(MADE[0]).set_params(seed=1).fit(VALUES).outer_["a"]).any()


# What every aligner promises


@heads
def test_an_unfitted_one_says_so_and_the_constructor_only_stores(aligner: Adversarial) -> None:
    fresh = clone(aligner)
    assert fresh.state() == {}
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.transform(VALUES)
    with pytest.raises(NotFitted, match="Call fit first"):
        fresh.project("a", VALUES["a"])


@heads
@settings(max_examples=3, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say(aligner: Adversarial, share: float, seed: int) -> None:
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
        np.testing.assert_allclose(np.linalg.norm(vectors[masks[c]], axis=1), 1, atol=1e-5)


@heads
def test_an_empty_or_missing_column_changes_nothing(aligner: Adversarial) -> None:
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


@heads
def test_a_second_fit_forgets_the_first_and_the_disk_gives_it_back(
    aligner: Adversarial, tmp_path: Path
) -> None:
    X = gapped(MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    again = clone(aligner).fit(X).fit(fewer)
    assert_same(again.state(), clone(aligner).fit(fewer).state())
    write_tree(tmp_path, "state", again.state())
    back = clone(aligner).restore(read_tree(tmp_path, "state"))
    assert_same(back.transform(fewer), again.transform(fewer))


@heads
def test_an_item_alone_lies_where_it_lies_among_others(aligner: Adversarial) -> None:
    fitted = clone(aligner).fit(gapped(MASKS))
    np.testing.assert_allclose(
        fitted.project("a", VALUES["a"][7:8]), fitted.project("a", VALUES["a"])[7:8], atol=1e-5
    )


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="strength must lie between 0"):
        Adversarial(strength=-1).fit(VALUES)
    with pytest.raises(UsageError, match="batch must lie between 2"):
        Adversarial(batch=1).fit(VALUES)


def test_a_resumed_training_heeds_the_held_out_rows(tmp_path: Path) -> None:
    with watching(resume=tmp_path):
        for part in (slice(0, 20), slice(20, 40)):
            clone(MADE[0]).fit(VALUES, valid={c: v[part] for c, v in VALUES.items()})
        assert len(list(tmp_path.iterdir())) == 2
