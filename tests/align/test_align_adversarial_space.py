"""Adversarial alignment: a judge that is fooled, and what is learned where it is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from columns import VALUES, N
from sklearn.base import clone

from chiasm.align.adversarial import Adversarial
from chiasm.align.kernel import nearness
from chiasm.align.linear import CCA
from chiasm.align.nets import Fooling, mover
from chiasm.errors import UsageError
from chiasm.numerics import unit_rows
from chiasm.train.adversary import told_apart
from chiasm.train.pairs import Pair
from chiasm.train.watch import watching

SMALL = Adversarial(dim=3, hidden=4, epochs=2, batch=30, ridge=1e-3)


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


def test_another_seed_learns_another_move() -> None:
    one, other = (clone(SMALL).set_params(seed=seed).fit(VALUES) for seed in (0, 1))
    assert (one.outer_["a"] != other.outer_["a"]).any()


def test_what_cannot_be_learned_says_why() -> None:
    with pytest.raises(UsageError, match="strength must lie between 0"):
        Adversarial(strength=-1).fit(VALUES)
    with pytest.raises(UsageError, match="batch must lie between 2"):
        Adversarial(batch=1).fit(VALUES)


def test_a_resumed_training_heeds_the_held_out_rows(tmp_path: Path) -> None:
    with watching(resume=tmp_path):
        for part in (slice(0, 20), slice(20, 40)):
            clone(SMALL).fit(VALUES, valid={c: v[part] for c, v in VALUES.items()})
        assert len(list(tmp_path.iterdir())) == 2
