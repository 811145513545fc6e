"""Adversarial alignment: a discriminator that is fooled, and what is learned where it is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from columns import VALUES, N, assert_same
from sklearn.base import clone

from chiasm.align.adversarial import Adversarial
from chiasm.align.kernel import nearness
from chiasm.align.linear import CCA
from chiasm.align.nets import LARGEST, AdversarialLoss, residual_heads
from chiasm.errors import UsageError
from chiasm.numerics import unit_rows
from chiasm.train.adversary import discriminator_loss
from chiasm.train.pairs import Pair
from chiasm.train.watch import watching

SMALL = Adversarial(dim=3, hidden=4, epochs=2, batch=30, ridge=1e-3)


def test_the_discriminator_learns_and_the_codes_learn_the_reverse() -> None:
    discriminator = torch.nn.Linear(2, 2)
    codes = torch.randn(6, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    column = torch.tensor([0, 0, 0, 1, 1, 1])
    discriminator_loss(discriminator, codes, column, 0.5).backward()
    given, seen = codes.grad.clone(), discriminator.weight.grad.clone()
    codes.grad, discriminator.weight.grad = None, None
    torch.nn.functional.cross_entropy(discriminator(codes), column).backward()
    torch.testing.assert_close(given, -0.5 * codes.grad)
    torch.testing.assert_close(seen, discriminator.weight.grad)


def test_heads_climb_where_the_discriminator_descends() -> None:
    """What strength adds to the heads' gradient is the discriminator's loss, upwards."""
    items = {c: torch.from_numpy(unit_rows(VALUES[c][:, :4])) for c in "ab"}
    pairs = [Pair(("a", "b"), items["a"], items["b"], torch.arange(N))]
    slopes = []
    for strength in (0.0, 2.0):
        net = residual_heads(["a", "b"], 4, 3, strength, seed=0)
        AdversarialLoss(items, batch=N)(net, pairs).backward()
        slopes.append(net.outer[0].weight.grad.clone())
    net.zero_grad()
    vectors, column = torch.cat([net(c, items[c]) for c in "ab"]), torch.arange(2).repeat_interleave(N)
    discriminator_loss(net.discriminator, vectors, column, -1.0).backward()
    # with the whole column drawn by chance, with repeats, the two agree in direction
    extra = (slopes[1] - slopes[0]).flatten()
    assert torch.cosine_similarity(extra, -net.outer[0].weight.grad.flatten(), dim=0) > 0.8


def test_held_out_pairs_lie_no_farther_than_where_they_started() -> None:
    train, held = ({c: VALUES[c][part] for c in "ab"} for part in (slice(0, 60), slice(60, N)))
    start, moved = (Adversarial(dim=4, epochs=e, batch=20).fit(train, valid=held) for e in (0, 5))
    assert nearness(moved.transform(held)) >= nearness(start.transform(held))
    assert moved.selected_params() == {"stop_epoch": moved.epochs_, "ridge": start.ridge_}


def test_a_refit_on_the_same_rows_learns_what_was_validated() -> None:
    """The learning rates of the planned passes, of which only the best ones are taken again."""
    train, held = ({c: VALUES[c][part] for c in "ab"} for part in (slice(0, 60), slice(60, N)))
    given = {"dim": 4, "hidden": 16, "epochs": 8, "batch": 20, "learning_rate": 1e-2}
    moved = Adversarial(patience=4, **given).fit(train, valid=held)
    assert 0 < moved.epochs_ < 8
    assert_same(clone(moved).set_params(**moved.selected_params()).fit(train).state(), moved.state())


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_without_a_pass_it_is_the_closed_form_of_any_ridge(ridge: float) -> None:
    two = {c: VALUES[c] for c in "ab"}
    start, closed = Adversarial(dim=3, ridge=ridge, epochs=0).fit(two), CCA(3, ridge).fit(two)
    np.testing.assert_allclose(start.project("a", two["a"]), closed.project("a", two["a"]), atol=1e-6)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_rows_of_one_column_have_a_say_where_the_discriminator_is_heard_alone(strength: float) -> None:
    """Half of the rows have a alone. Around their mean, which is zero, they are turned to the other side: all
    moments, and so the closed form, stay as they are. In whole numbers no sum is rounded."""
    X = {c: np.round(8 * VALUES[c]) for c in "ab"}
    X["a"][-1] -= X["a"][40:].sum(axis=0)
    X["b"][40:] = np.nan
    turned = {**X, "a": np.vstack([X["a"][:40], -X["a"][40:]])}
    given = {"dim": 2, "hidden": 4, "epochs": 2, "batch": 20, "ridge": 1e-3, "strength": strength}
    one, other = (Adversarial(**given).fit(x) for x in (X, turned))
    np.testing.assert_array_equal(one.maps_["a"], other.maps_["a"])
    assert np.abs(one.outer_["a"]).max() > 0
    assert (np.abs(one.outer_["a"] - other.outer_["a"]).max() > 0) == (strength > 0)


def test_a_scale_beyond_the_largest_counts_as_the_largest() -> None:
    items = {c: torch.from_numpy(unit_rows(VALUES[c][:, :4])) for c in "ab"}
    pairs = [Pair(("a", "b"), items["a"], items["b"], torch.arange(N))]
    net, losses = residual_heads(["a", "b"], 4, 3, 0.0, seed=0), []
    for scale in (LARGEST, 10 * LARGEST):
        torch.manual_seed(0)
        with torch.no_grad():
            net.scale.fill_(scale).log_()
            losses.append(float(AdversarialLoss(items, batch=N)(net, pairs)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


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
