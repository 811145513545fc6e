"""Learned heads: they begin as the closed form to the bit, and bend where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from columns import MASKS, VALUES, N, assert_same, gapped
from sklearn.base import clone

from chiasm.align import learned, nets
from chiasm.align.aligner import Aligner
from chiasm.align.kernel import KernelCCA
from chiasm.align.learned import Learned, closed_form, partners
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.near_duplicates import near_duplicate_ids, near_duplicates
from chiasm.align.nets import Objective, mixup, neighbourhood_divergence
from chiasm.align.tune import mrr_ties_last
from chiasm.encode.features import Features, as_features
from chiasm.errors import UsageError
from chiasm.train.pairs import Pair
from chiasm.train.watch import watching

RNG = np.random.default_rng(0)
SMALL = {"dim": 3, "hidden": 8, "epochs": 2, "batch": 20, "learning_rate": 1e-2, "dropout": 0.2}


def found(aligner: Aligner, part: dict[str, np.ndarray]) -> float:
    """Mean reciprocal rank of the partner, both ways."""
    features = {c: as_features(x) for c, x in part.items()}
    vectors = {c: aligner.project(c, f.values) for c, f in features.items()}
    right = partners(features)
    return float(np.mean([mrr_ties_last(vectors[q] @ vectors[a].T, r) for (q, a), r in right.items()]))


# Where it begins and where it ends


@pytest.mark.parametrize("hidden", [0, 8])
@pytest.mark.parametrize("columns", ["ab", "abc"])
def test_before_the_first_pass_it_is_the_closed_form(hidden: int, columns: str) -> None:
    X = {c: gapped(MASKS)[c] for c in columns}
    for start, closed in (
        ("cca", CCA(dim=3, ridge=1e-2, weight=0.5)),
        ("kernel", KernelCCA(dim=3, ridge=1e-2, weight=0.5)),
    ):
        given = {"dim": 3, "hidden": hidden, "start": start, "settings": {"ridge": 1e-2, "weight": 0.5}}
        before, after = Learned(**given, epochs=0).fit(X), Learned(**given, epochs=1).fit(X)
        expected = closed.fit(X).transform(X)
        if start == "cca":
            assert_same(before.transform(X), expected)
        for c, vectors in before.transform(X).items():
            np.testing.assert_allclose(vectors, expected[c], atol=1e-6)
            assert (after.transform(X)[c] != vectors)[MASKS[c]].any()


def test_numpy_projects_as_torch_learned() -> None:
    aligner = Learned(**SMALL).fit(VALUES)
    X = {c: Features.of(x) for c, x in VALUES.items()}
    head = aligner._net(X).heads[0].eval()
    with torch.no_grad():
        head.inner.copy_(torch.from_numpy(aligner.inner_["a"] / np.float32(aligner.scales_["a"])))
        head.bias.copy_(torch.from_numpy(aligner.bias_["a"]))
        head.outer.copy_(torch.from_numpy(aligner.outer_["a"]))
        expected = head(aligner._items("a", X["a"]).values).numpy()
    np.testing.assert_allclose(aligner.project("a", VALUES["a"]), expected, atol=1e-6)


def bent(n: int, seed: int) -> dict[str, np.ndarray]:
    """What the columns share is no linear function of them: an angle, and twice that angle."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    a, b = (np.stack([np.cos(k * angle), np.sin(k * angle)], axis=1) for k in (1, 2))
    other = rng.standard_normal((n, 2))
    return {"a": np.hstack([a, other]).astype(np.float32), "b": np.hstack([b, other]).astype(np.float32)}


def test_hidden_units_find_what_no_linear_map_can() -> None:
    train, valid, test = bent(600, 0), bent(100, 1), bent(100, 2)
    given = {"dim": 4, "epochs": 40, "patience": 40, "batch": 100, "learning_rate": 1e-2, "dropout": 0.0}
    closed = found(CCA(dim=4).fit(train), test)
    linear = found(Learned(hidden=0, **given).fit(train, valid=valid), test)
    deep = found(Learned(hidden=64, **given).fit(train, valid=valid), test)
    assert closed < linear < 0.9 < 0.97 < deep


def test_with_held_out_rows_it_never_keeps_what_is_worse_and_tells_its_passes() -> None:
    train, valid = bent(200, 0), bent(100, 1)
    given = {"dim": 4, "hidden": 32, "epochs": 12, "batch": 50, "learning_rate": 1e-2, "dropout": 0.0}
    aligner = Learned(**given).fit(train, valid=valid)
    features = {c: as_features(x) for c, x in valid.items()}
    rows = {c: as_features(x) for c, x in train.items()}
    closed = closed_form("cca", 4, None, Moments.of(rows), rows, features, 0)
    assert found(aligner, valid) > found(closed, valid)
    selected = aligner.selected_params()
    assert 0 < selected["stop_epoch"] <= 12
    assert selected["settings"]["ridge"] == closed.get_params()["ridge"]
    straight = {c: x[:50] for c, x in VALUES.items()}
    wild = Learned(**{**given, "learning_rate": 1e6}, settings={"ridge": 1e-3}).fit(straight, valid=VALUES)
    assert wild.selected_params()["stop_epoch"] == 0
    assert_same(wild.transform(VALUES), CCA(dim=4).fit(straight).transform(VALUES))


@pytest.mark.parametrize("begin", ["cca", None])
def test_a_refit_on_the_same_rows_learns_what_was_validated(begin: str | None) -> None:
    """The learning rates of the planned passes, of which only the best ones are taken again."""
    train, valid = bent(200, 0), bent(100, 1)
    given = {"dim": 4, "hidden": 32, "epochs": 8, "batch": 50, "learning_rate": 0.1, "dropout": 0.0}
    aligner = Learned(start=begin, **given).fit(train, valid=valid)
    assert 0 < aligner.epochs_ < 8
    again = clone(aligner).set_params(**aligner.selected_params()).fit(train)
    assert_same(again.state(), aligner.state())


@pytest.mark.parametrize("items", [1, 5, 50])
def test_held_out_queries_have_their_partners_among_the_answers(
    items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many rows, some without one column: as many queries as were asked for, not those met by chance."""
    rng = np.random.default_rng(0)
    n = 3_000
    photo, text = rng.standard_normal((n, 3)), rng.standard_normal((n * items, 2))
    photo[rng.random(n) < 0.1] = np.nan
    row, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
    valid = {"a": as_features(photo), "b": Features(text.astype(np.float32), row, item, n)}
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        learned,
        "mrr_ties_last",
        lambda scores, right: asked.append((*scores.shape, int((np.diff(right.indptr) > 0).sum()))) or 0.0,
    )
    two = {"a": VALUES["a"][:, :3], "b": VALUES["b"][:, :2]}
    Learned(dim=2, hidden=2, start=None, epochs=1).fit(two, valid=valid)
    rows = min(2_000, 10_000 // items)
    assert asked[:2] == [(rows, rows * items, rows), (rows * items, rows, rows * items)]


def test_held_out_rows_of_a_rare_pair_of_columns_are_taken() -> None:
    """Of 9,000 rows with a and b, and 100 with b and c, some half of each; rows with one column never."""
    here = {"a": np.arange(10_000) < 9_000, "b": np.arange(10_000) < 9_100, "c": np.arange(10_000) >= 9_000}
    part = {c: Features.of(np.ones((10_000, 2), np.float32), mask) for c, mask in here.items()}
    some = learned.some_linked(part, 0)
    assert some["b"].present.sum() == some["b"].n == 2_000
    assert some["c"].present.sum() == 100


def test_held_out_rows_without_a_pair_judge_nothing() -> None:
    apart = {c: gapped({"a": np.arange(N) < 40, "b": np.arange(N) >= 40, "c": MASKS["c"]})[c] for c in "ab"}
    X = {c: VALUES[c] for c in "ab"}
    assert_same(Learned(**SMALL).fit(X, valid=apart).state(), Learned(**SMALL).fit(X).state())


def test_several_items_take_turns_and_all_count_as_held_out() -> None:
    row = np.repeat(np.arange(N), 2)
    items = np.repeat(VALUES["b"], 2, axis=0) + 0.1 * RNG.standard_normal((2 * N, 5)).astype(np.float32)
    X = {"a": VALUES["a"], "b": Features(items, row, np.tile([0, 1], N), N)}
    aligner = Learned(**SMALL).fit(X, valid=X)
    assert aligner.transform(X)["b"].shape == (N, 3)
    one = Learned(**SMALL).fit({**X, "b": items[::2]})
    assert (one.inner_["b"] != aligner.inner_["b"]).any()


# The losses


def pair(b: int = 6) -> Pair:
    own = torch.Generator().manual_seed(0)
    left, right = torch.randn(b, 6 + 3, generator=own), torch.randn(b, 5 + 3, generator=own)
    return Pair(("a", "b"), left, right, torch.arange(b) // 2)


def start(**given: Any) -> Any:
    """Heads of columns a and b before they learn, of random numbers."""
    X = {c: Features.of(VALUES[c]) for c in "ab"}
    return Learned(**{**SMALL, "start": None, "dropout": 0.0, "epochs": 0, **given}).fit(X)._net(X)


def test_mixed_rows_are_mixed_alike_in_both_columns() -> None:
    given = pair()
    torch.manual_seed(0)
    out = mixup(Pair(given.columns, given.left, given.left * 3, given.ids), 1.0, rows=3)
    torch.testing.assert_close(out.right, out.left * 3)
    assert not torch.allclose(out.left, given.left)


def test_mixtures_of_different_batches_share_an_id_only_where_they_mix_the_same() -> None:
    """Each process mixes a batch of its own, so an id tells both rows whatever else is in the batch."""
    rows = 9
    for ids in ([0, 1, 2], [2, 8, 5]):
        given = Pair(("a", "a"), *torch.eye(3).expand(2, 3, 3), torch.tensor(ids))
        for seed in range(5):
            torch.manual_seed(seed)
            out = mixup(given, 1.0, rows)
            own, other = out.ids // rows, out.ids % rows
            assert own.tolist() == ids
            assert sorted(other.tolist()) == sorted(ids)


def test_neighbourhoods_that_stay_cost_nothing() -> None:
    x = torch.nn.functional.normalize(pair().left - pair().left.mean(dim=0), dim=1)
    assert float(neighbourhood_divergence(pair().left, x)) == pytest.approx(0, abs=1e-6)
    turned = x @ torch.linalg.qr(torch.randn(9, 9))[0]
    assert float(neighbourhood_divergence(pair().left, turned)) == pytest.approx(0, abs=1e-4)
    assert 0.1 < float(neighbourhood_divergence(pair().left, torch.full_like(x, 9**-0.5))) <= np.log(2)


@pytest.mark.parametrize(("loss", "structure"), [("info_nce", 0.0), ("sigmoid", 0.0), ("info_nce", 2.0)])
def test_finite_differences_agree(loss: str, structure: float) -> None:
    net = start(loss=loss).double()
    given = pair()
    exact = Pair(given.columns, given.left.double(), given.right.double(), given.ids)
    objective = Objective(loss, N, structure=structure)
    objective(net, [exact]).backward()
    for values in net.parameters():
        flat = values.data.view(-1)
        for place in range(0, len(flat), 7):
            moved = []
            for step in (1e-5, -1e-5):
                flat[place] += step
                moved.append(float(objective(net, [exact]).detach()))
                flat[place] -= step
            expected = (moved[0] - moved[1]) / 2e-5
            assert float(values.grad.view(-1)[place]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_large_batches_by_tiles_are_the_same_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    net, losses = start(), []
    for tiled in (99, 1):
        monkeypatch.setattr(nets, "TILED", tiled)
        losses.append(Objective("info_nce", N)(net, [pair(40)]))
    torch.testing.assert_close(*losses)


def test_copies_and_near_duplicates_belong_together() -> None:
    rng = np.random.default_rng(0)
    photo = rng.standard_normal((200, 64)).astype(np.float32)
    text = rng.standard_normal((200, 4)).astype(np.float32)
    photo[7] = photo[3] + 0.01 * rng.standard_normal(64).astype(np.float32)  # a near-duplicate
    text[9] = text[7]  # a copy, and so a chain 3, 7, 9
    text[20] = text[21] + 1e-4  # near, in a column too narrow to say so
    ids = near_duplicate_ids({"photo": Features.of(photo), "text": Features.of(text)})
    assert len(np.unique(ids)) == 198
    assert ids[3] == ids[7] == ids[9]
    units = photo - photo.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    slow = {(i, j) for i, j in zip(*np.nonzero(units @ units.T >= 0.99), strict=True) if i != j}
    assert {(i, j) for i, j in near_duplicates(photo).T} == slow == {(3, 7), (7, 3)}


def test_bad_settings_say_what_is_wrong() -> None:
    for wrong, message in (
        ({"loss": "triplet"}, "no loss called"),
        ({"dropout": 1.0}, "dropout"),
        ({"stop_epoch": -1}, "stop_epoch"),
        ({"batch": 0}, "batch"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
    ):
        with pytest.raises(UsageError, match=message):
            Learned(**wrong).fit(VALUES)


def test_a_width_in_a_record_makes_no_room() -> None:
    """Without a start the space is as wide as what was learned, whatever `dim` a hostile folder says."""
    for hidden in (0, 8):
        cold = Learned(**{**SMALL, "start": None, "hidden": hidden}).fit(VALUES)
        forged = Learned(**{**SMALL, "start": None, "hidden": hidden, "dim": 10**13}).restore(cold.state())
        np.testing.assert_array_equal(forged.project("a", VALUES["a"]), cold.project("a", VALUES["a"]))


def test_a_resumed_training_heeds_the_held_out_rows(tmp_path: Path) -> None:
    fitted, others = (Learned(**SMALL, settings={"ridge": 0.01, "weight": 1.0}) for _ in range(2))
    with watching(resume=tmp_path):
        fitted.fit(VALUES, valid={c: v[:20] for c, v in VALUES.items()})
        others.fit(VALUES, valid={c: v[20:40] for c, v in VALUES.items()})
        assert len(list(tmp_path.iterdir())) == 2
