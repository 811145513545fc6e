"""The trained fusions: what no line can tell, both mask contracts, gradients, bits, and kinds of targets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from chiasm.encode.features import Features
from chiasm.errors import MissingExtra, UsageError
from chiasm.fuse.adversarial import Adversarial
from chiasm.fuse.attention import Attention
from chiasm.fuse.gated import Gated
from chiasm.fuse.nets import key
from chiasm.fuse.neural import BLOCK, MOST_INPUTS, Neural
from chiasm.fuse.tensor import Tensor
from chiasm.storage import read_tree, write_tree
from chiasm.train.adversary import reverse

ALL = [Gated, Tensor, Attention, Adversarial]
QUICK: dict[str, Any] = {"width": 8, "members": 2, "epochs": 3}
RNG = np.random.default_rng(0)
N = 120
LATENT = RNG.standard_normal((N, 2))
MASKS = {"a": RNG.random(N) < 0.8, "b": RNG.random(N) < 0.7, "c.d": RNG.random(N) < 0.6}
WIDTHS = {"a": 5, "b": 4, "c.d": 3}
VALUES = {
    c: (LATENT @ RNG.standard_normal((2, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
X = {c: Features.of(v, MASKS[c]) for c, v in VALUES.items()}
SOMETHING = np.any(list(MASKS.values()), axis=0)
Y = [None if i % 10 == 9 else "yes" if x > 0 else "no" for i, x in enumerate(LATENT[:, 0])]


def quick(cls: type[Neural], **more: Any) -> Neural:
    return cls(**{**QUICK, **more})


@pytest.fixture(scope="module", params=ALL, ids=lambda cls: cls.__name__)
def fitted(request: pytest.FixtureRequest) -> Neural:
    return quick(request.param).fit(X, Y)


def same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            same(one[name], other[name])
    elif isinstance(one, list):
        for left, right in zip(one, other, strict=True):
            same(left, right)
    else:
        np.testing.assert_array_equal(one, other)


# What they are for


def two_signs(n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The label is whether two hidden signs agree, one in each column: neither alone says anything."""
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], (n, 2))
    noise = 0.3 * rng.standard_normal((2, n, 4))
    columns = {name: noise[i] + signs[:, i : i + 1] * [1, 0.5, 0, 0] for i, name in enumerate("ab")}
    return columns, (signs.prod(axis=1) > 0).astype(int)


@pytest.mark.parametrize("cls", [Tensor, Attention, Adversarial])
def test_they_learn_what_no_sum_of_single_modalities_can(cls: type[Neural]) -> None:
    columns, y = two_signs(700)
    train, test = ({c: x[part] for c, x in columns.items()} for part in (slice(400), slice(400, None)))
    line = LogisticRegression().fit(np.hstack(list(train.values())), y[:400])
    assert line.score(np.hstack(list(test.values())), y[400:]) < 0.6
    said = cls(width=32, members=1, epochs=60, learning_rate=5e-3).fit(train, y[:400].tolist()).predict(test)
    assert np.mean(said == y[400:]) > 0.9


@pytest.mark.parametrize("cls", ALL)
def test_they_learn_with_gaps_and_from_any_column(cls: type[Neural]) -> None:
    known = [i for i in range(N) if SOMETHING[i]]
    fusion = cls(width=16, members=1, epochs=40, learning_rate=5e-3).fit(
        {c: f.take(known) for c, f in X.items()}, LATENT[known, 0]
    )
    for given in (X, {"a": X["a"]}, {"c.d": X["c.d"]}):
        scores = fusion.scores(given)[:, 0]
        here = ~np.isnan(scores)
        assert np.corrcoef(scores[here], LATENT[here, 0])[0, 1] > 0.6


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("y", "kind"),
    [
        ([["x", "y"][: i % 3] for i in range(N)], "labels"),
        (LATENT.tolist(), "numbers"),
        (LATENT[:, 1].tolist(), "number"),
        ([i % 4 for i in range(N)], "classes"),
    ],
)
def test_every_kind_of_target(cls: type[Neural], y: list[Any], kind: str) -> None:
    fusion = quick(cls, epochs=1, members=1).fit(X, y)
    assert fusion.task.kind == kind
    scores = fusion.scores(X)
    np.testing.assert_array_equal(np.isnan(scores).any(axis=1), ~SOMETHING)


# Contracts


def test_what_lies_under_the_mask_has_no_say(fitted: Neural) -> None:
    rubbish = {c: np.where(MASKS[c][:, None], v, np.float32(1e30)) for c, v in VALUES.items()}
    other = quick(type(fitted)).fit({c: Features.of(v, MASKS[c]) for c, v in rubbish.items()}, Y)
    same(fitted.state(), other.state())
    dense = {c: np.where(MASKS[c][:, None], v, np.nan) for c, v in VALUES.items()}
    same(fitted.scores(X), other.scores(dense))


def test_an_empty_column_changes_nothing(fitted: Neural) -> None:
    empty = {"0 empty": np.full((N, 3), np.nan), "z empty": np.full((N, 2), np.nan)}
    wider = quick(type(fitted)).fit({**empty, **X}, Y)
    same(fitted.state(), wider.state())
    same(fitted.scores(X), wider.scores({**empty, **X}))
    same(
        fitted.scores({c: X[c] for c in ("a", "b")}),
        fitted.scores({**X, "c.d": np.full((N, 3), np.nan)}),
    )


def single(scores: np.ndarray) -> np.ndarray:
    return scores.astype(np.float32)


def test_a_row_is_scored_alone_as_in_company(fitted: Neural) -> None:
    exact = fitted.scores(X)
    order = np.random.default_rng(0).permutation(N)
    same(single(fitted.scores({c: f.take(order) for c, f in X.items()})), single(exact[order]))
    for i in range(0, N, 17):
        row = {c: f.take([i]) for c, f in X.items()}
        same(single(fitted.scores(row)), single(exact[[i]]))
        np.testing.assert_allclose(fitted.scores(row), exact[[i]], rtol=1e-12, atol=1e-12)


def test_more_rows_than_one_block(fitted: Neural) -> None:
    many = {c: np.vstack([f.dense()] * (BLOCK // N + 2)) for c, f in X.items()}
    scores, few = single(fitted.scores(many)), single(fitted.scores(X))
    same(scores[:N], few)
    same(scores[-N:], few)
    pulled = fitted.pull(many, np.ones((len(scores), 2)))
    np.testing.assert_allclose(pulled["a"][-N:], fitted.pull(X, np.ones((N, 2)))["a"], atol=1e-12)


def test_what_was_learned_comes_back_from_disk_to_the_bit(fitted: Neural, tmp_path: Path) -> None:
    write_tree(tmp_path, "state", fitted.state())
    again = clone(fitted).restore(read_tree(tmp_path, "state"))
    same(again.scores(X), fitted.scores(X))
    again.restore(quick(type(fitted), seed=1).fit(X, Y).state())
    assert not np.array_equal(again.scores(X), fitted.scores(X), equal_nan=True)


def test_no_global_number_is_drawn(fitted: Neural) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = quick(type(fitted)).fit(X, Y)
    assert torch.equal(torch.get_rng_state(), before)
    same(again.state(), fitted.state())


def test_weights_count_rows_and_groups_stay_whole() -> None:
    none = np.where(np.arange(N) < N // 2, 1.0, 0.0)
    wrong = [y if i < N // 2 else "no" for i, y in enumerate(Y)]
    groups = [i // 4 for i in range(N)]
    base = quick(Gated).fit(X, wrong, weights=none, groups=groups)
    flipped = [y if i < N // 2 or y is None else "yes" for i, y in enumerate(wrong)]
    same(base.scores(X), quick(Gated).fit(X, flipped, weights=none, groups=groups).scores(X))


# Gradients


def test_pull_is_the_gradient(fitted: Neural) -> None:
    gradient = np.random.default_rng(0).standard_normal((N, 2))
    pulled = fitted.pull(X, gradient)
    step = 1e-3
    for c, f in X.items():
        assert pulled[c].shape == (N, f.width)
        np.testing.assert_array_equal(pulled[c][~f.present], 0)
        moved = np.zeros((N, f.width), np.float32)
        moved[:, 1] = step
        up, down = (
            np.nansum(
                gradient * fitted.scores({**X, c: f.with_values(f.values + s * moved[f.present])}), axis=1
            )
            for s in (1, -1)
        )
        np.testing.assert_allclose((up - down) / (2 * step), pulled[c][:, 1], atol=2e-3)


def test_pull_of_nothing_known(fitted: Neural) -> None:
    assert fitted.pull({"other": np.ones((3, 2))}, np.ones((3, 2))) == {}


def test_a_reversed_gradient() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    out = reverse(x, 0.5)
    out.backward()
    assert float(out.detach()) == 2.0
    assert float(x.grad) == -0.5


def test_the_adversary_makes_columns_harder_to_tell_apart() -> None:
    """With a strong reversed gradient, the codes say less about the column they come from."""
    columns = {c: x + 2 for c, x in two_signs(300)[0].items()}
    y = two_signs(300)[1].tolist()

    def told(strength: float) -> float:
        fusion = Adversarial(width=8, members=1, epochs=30, drop=0.0, strength=strength).fit(columns, y)
        codes = codes_of(fusion, columns)
        which = np.repeat([0, 1], 300)
        return float(LogisticRegression().fit(codes, which).score(codes, which))

    assert told(1.0) <= told(0.0)


def codes_of(fusion: Neural, columns: dict[str, np.ndarray]) -> np.ndarray:
    (net,) = fusion._nets()
    given = {c: fusion._standard(c, torch.tensor(np.asarray(x, np.float64))) for c, x in columns.items()}
    with torch.no_grad():
        codes = torch.tanh(net.maps(given)[0])
    return np.vstack([codes[:, i].numpy() for i in range(2)])


def test_gates_of_what_a_row_has_add_up_to_one() -> None:
    fusion = quick(Gated).fit(X, Y)
    gates = fusion.gates(X)
    total = np.nansum([gates[c] for c in X], axis=0)
    np.testing.assert_allclose(total[SOMETHING], 1, atol=1e-12)
    for c in X:
        np.testing.assert_array_equal(np.isnan(gates[c]), ~MASKS[c])
    np.testing.assert_array_equal(fusion.gates({"a": X["a"]})["a"][MASKS["a"]], 1)


# Wide columns


def test_of_wide_columns_the_leading_components_are_seen() -> None:
    """No more than there are rows; a gradient goes through them to every number."""
    wide = np.float32(LATENT @ np.random.default_rng(2).standard_normal((2, MOST_INPUTS + 5)))
    columns = {"a": X["a"], "wide": np.where(MASKS["b"][:, None], wide, np.nan)}
    fusion = quick(Gated, width=16, epochs=40).fit(columns, LATENT[:, 0].tolist())
    assert fusion.axes_["wide"].shape == (MOST_INPUTS + 5, min(MOST_INPUTS, int(MASKS["b"].sum())))
    found = fusion.scores({"wide": columns["wide"]})[MASKS["b"], 0]
    assert np.corrcoef(found, LATENT[MASKS["b"], 0])[0, 1] > 0.9
    pulled = fusion.pull(columns, np.ones((N, 1)))["wide"]
    assert pulled.shape == wide.shape
    assert (np.abs(pulled).sum(axis=1) > 0).tolist() == MASKS["b"].tolist()


# Edges


@pytest.mark.parametrize("cls", ALL)
def test_constant_and_wild_columns(cls: type[Neural]) -> None:
    columns = {"same": np.full((N, 2), 3.0), "wild": np.where(np.arange(N)[:, None] == 5, 1e30, VALUES["a"])}
    fusion = quick(cls).fit(columns, Y)
    assert np.isfinite(fusion.scores(columns)).all()
    assert np.isfinite(fusion.scores({"same": np.full((2, 2), -1e30)})).all()


@pytest.mark.parametrize("cls", ALL)
def test_two_rows_are_enough(cls: type[Neural]) -> None:
    fusion = quick(cls).fit({"a": np.eye(2)}, ["x", "y"])
    assert np.isfinite(fusion.scores({"a": np.eye(2)})).all()


@pytest.mark.parametrize(
    "wrong",
    [{"width": 0}, {"members": 0}, {"drop": 1.0}, {"corrupt": -0.1}, {"epochs": 0}, {"learning_rate": -1.0}],
)
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Gated(**wrong).fit(X, Y)


def test_heads_divide_the_width() -> None:
    with pytest.raises(UsageError, match="3 heads do not divide a width of 64"):
        Attention(heads=3).fit(X, Y)


def test_torch_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"chiasm\[neural\]"):
        Gated().fit(X, Y)


def test_names_of_columns_are_kept_apart() -> None:
    names = ["a.b", "a%2Eb", "a b", "keys", "", "é"]
    assert len({key(name) for name in names}) == len(names)
    columns = {name: VALUES["a"] + i for i, name in enumerate(names)}
    assert np.isfinite(quick(Attention).fit(columns, Y).scores(columns)).all()
