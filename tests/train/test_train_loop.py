"""The loop: it finds what least squares finds, stops in time, and repeats to the bit."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from chiasm.train.loop import (
    VALIDATION,
    Recipe,
    dropout,
    generator,
    initialise,
    load,
    one_thread,
    state_of,
    train,
    validation_rows,
)
from chiasm.train.losses import squared_error

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 4)).astype(np.float32)
TRUTH = np.array([[1.0, -2.0, 0.5, 0.0]], np.float32)
Y = X @ TRUTH.T + 0.01 * RNG.standard_normal((200, 1)).astype(np.float32)


class Line(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.line = nn.Linear(width, 1)

    def forward(self, x):
        return self.line(x["x"])


def loss(module, x, y, weights):
    return squared_error(module(x), y, weights)


STEADY = Recipe(learning_rate=0.03, weight_decay=0.0)


def fit(recipe: Recipe = STEADY, y: np.ndarray = Y, **options):
    with torch.device("meta"):
        empty = Line()
    module = initialise(empty, recipe.seed)
    given = {"x": torch.tensor(X)}
    return train(module, loss, given, torch.tensor(y), torch.ones(len(y)), recipe=recipe, **options)


def test_it_finds_the_line() -> None:
    state = fit(validation=np.arange(0, 200, 6))
    np.testing.assert_allclose(state["line.weight"], TRUTH, atol=0.01)
    np.testing.assert_allclose(state["line.bias"], 0, atol=0.01)


def test_the_same_seed_gives_the_same_bits_whatever_torch_is_set_to() -> None:
    vary = dropout({"x": 0.0}, 0.2, 0.2)
    one = fit(Recipe(epochs=5), validation=np.arange(30), vary=vary)
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    other = fit(Recipe(epochs=5), validation=np.arange(30), vary=vary)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    for name, values in one.items():
        np.testing.assert_array_equal(other[name], values)
    third = fit(Recipe(epochs=5, seed=1), validation=np.arange(30), vary=vary)
    assert not np.array_equal(third["line.weight"], one["line.weight"])


def test_validation_rows_have_no_say_but_in_when_to_stop() -> None:
    changed = Y.copy()
    changed[:30] *= 100
    one = fit(Recipe(epochs=1), validation=np.arange(30))
    other = fit(Recipe(epochs=1), y=changed, validation=np.arange(30))
    np.testing.assert_array_equal(one["line.weight"], other["line.weight"])


def test_the_best_pass_on_the_validation_rows_is_kept() -> None:
    """Rows whose truth is the opposite: the less is learned the better, so the start is the best."""
    opposite = Y.copy()
    opposite[:50] *= -1
    module = initialise(Line(), 0)
    with torch.no_grad():
        module.line.weight.zero_()
    start = state_of(module)
    given = {"x": torch.tensor(X)}
    recipe = Recipe(epochs=40, learning_rate=0.1, patience=3)
    passes = []

    def counted(module, x, y, weights):
        passes.append(len(y))
        return loss(module, x, y, weights)

    held = np.arange(50)
    state = train(
        module, counted, given, torch.tensor(opposite), torch.ones(200), recipe=recipe, validation=held
    )
    assert passes.count(50) == 4  # the first is better than nothing known, then three without a better one
    assert np.abs(state["line.weight"]).sum() < 2 * np.abs(TRUTH).sum()
    np.testing.assert_array_equal(start["line.bias"], 0)
    np.testing.assert_array_equal(state_of(module)["line.weight"], state["line.weight"])


def test_a_parameter_depends_on_its_name_and_not_on_others() -> None:
    narrow = nn.ModuleDict({"b": nn.Linear(3, 2, device="meta")})
    wide = nn.ModuleDict({"a": nn.Linear(5, 2, device="meta"), "b": nn.Linear(3, 2, device="meta")})
    one, other = state_of(initialise(narrow, 0)), state_of(initialise(wide, 0))
    np.testing.assert_array_equal(one["b.weight"], other["b.weight"])
    assert not np.array_equal(other["a.weight"][:, :3], other["b.weight"])
    np.testing.assert_array_equal(one["b.bias"], 0)


def test_state_is_a_copy_and_comes_back() -> None:
    module = initialise(Line(), 0)
    state = state_of(module)
    again = load(Line(), state)
    with torch.no_grad():
        module.line.weight.zero_()
        again.line.bias += 1
    assert state["line.weight"].any()
    assert not state["line.bias"].any()


def test_groups_are_held_out_whole_and_every_part_is_another() -> None:
    groups = np.repeat(np.arange(30), 5)
    parts = [validation_rows(150, groups, part, seed=0) for part in range(VALIDATION)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(150))
    for rows in parts:
        assert len(rows) == 5 * len(np.unique(groups[rows]))
    assert len(validation_rows(100, np.zeros(100, np.int64), 0, 0)) == 0
    assert len(validation_rows(100, None, 0, 0)) == 17


def test_dropout_is_as_often_as_said_and_leaves_every_row_something() -> None:
    n = 4000
    x = {"a": torch.randn(n, 2), "b": torch.randn(n, 3)}
    x["b"][: n // 2] = torch.nan
    varied = dropout({"a": 0.0, "b": 0.5}, drop=0.3)(x, generator(0, "test"))
    a, b = (~varied[c][:, 0].isnan() for c in "ab")
    assert bool((a | b).all())
    assert bool(a[: n // 2].all())  # it is all these rows have
    assert not bool(b[: n // 2].any())
    both = (a & b)[n // 2 :].float().mean()
    assert abs(both - (0.7 * 0.5 + 0.3 * 0.5)) < 0.04  # b as often as its gaps; not both
    assert torch.equal(varied["a"][a], x["a"][a])


def test_corruption_sets_numbers_to_their_mean() -> None:
    x = {"a": torch.ones(2000, 5)}
    varied = dropout({"a": 0.0}, drop=0.0, corrupt=0.25)(x, generator(0, "test"))["a"]
    assert set(varied.unique().tolist()) == {0.0, 1.0}
    assert abs(float(varied.mean()) - 0.75) < 0.02


def test_one_thread_and_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
