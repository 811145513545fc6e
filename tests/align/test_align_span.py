"""Few rows, wide columns: solved where the rows span, the maps give what the whole problem gives."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from chiasm.align import (
    CCA,
    CSA,
    Aligner,
    Anchors,
    Dictionary,
    KernelCCA,
    Procrustes,
    Ridge,
    Semantic,
    Transport,
)
from chiasm.align import product as module
from chiasm.align.moments import Moments
from chiasm.align.span import projected
from chiasm.encode.features import Features
from chiasm.errors import DataError

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((40, 4))
WIDTHS = {"a": 90, "b": 70, "c": 3}
VALUES = {
    c: (LATENT @ RNG.standard_normal((4, d)) + 0.3 * RNG.standard_normal((40, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
ROWS = {c: Features.of(v, RNG.random(40) < 0.9) for c, v in VALUES.items()}
LABELS = ["xyz"[i % 3] for i in range(40)]
CLOSED = [
    CCA(dim=3, ridge=1e-2),
    CSA(dim=3, ridge=1e-2),
    Ridge(dim=3, ridge=1e-2),
    Procrustes(dim=3),
    Semantic(dim=3, ridge=1e-2),
    Transport(dim=3, ridge=1e-2, rounds=2, entropy=0.1),
]


def cosines(aligner: Aligner, rows: dict[str, Features]) -> np.ndarray:
    """Of all items with each other: what a space says, whatever the signs of its coordinates."""
    vectors = np.vstack([aligner.project(c, f.values) for c, f in rows.items()])
    return vectors @ vectors.T


@pytest.mark.parametrize("columns", ["ab", "abc"])
@pytest.mark.parametrize("made", CLOSED, ids=lambda made: type(made).__name__)
def test_it_is_the_same_solution(columns: str, made: Aligner, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {c: ROWS[c] for c in columns}
    assert sorted(Moments.of(rows).axes()) == ["a", "b"]
    found = cosines(clone(made).fit(rows, LABELS), rows)
    monkeypatch.setattr(Moments, "axes", lambda self: {})
    near = 1e-2 if isinstance(made, Semantic) else 2e-3  # its regressions stop where they are near enough
    np.testing.assert_allclose(found, cosines(clone(made).fit(rows, LABELS), rows), atol=near)


def test_narrow_columns_are_solved_as_ever() -> None:
    rows = {c: Features.of(VALUES[c][:, :3]) for c in VALUES}
    assert Moments.of(rows).axes() == {}


@pytest.mark.parametrize("far", [0.0, 300.0], ids=["near", "far means, each part its own shift"])
def test_moments_of_few_rows_are_those_of_many_in_parts_and_projected(far: float) -> None:
    shifted = {
        c: np.where(f.present[:, None], VALUES[c] + far, np.nan).astype(np.float32) for c, f in ROWS.items()
    }
    whole = Moments.of(shifted)
    added = sum(
        (Moments.of({c: v[rows] for c, v in shifted.items()}) for rows in (slice(9, 20), slice(20, 40))),
        start=Moments.of({c: v[:9] for c, v in shifted.items()}),
    )
    dense = {c: v[np.repeat(np.arange(40), 3)] for c, v in shifted.items()}  # more rows, the same moments
    axes = whole.axes()
    small = whole.projected(axes)
    assert whole.products["a", "a"].factors
    assert not Moments.of(dense).products["a", "b"].factors
    for a, b in (("a", "a"), ("a", "b"), ("b", "a"), ("a", "c"), ("c", "c")):
        expected = Moments.of(dense).covariance(a, b)
        for other in (whole, added, whole.only(*{a, b})):
            np.testing.assert_allclose(other.covariance(a, b), expected, atol=1e-3 if far else 1e-5)
        left, right = (axes.get(c, np.eye(WIDTHS[c])) for c in (a, b))
        np.testing.assert_allclose(
            small.covariance(a, b), left.T @ expected @ right, atol=1e-2 if far else 1e-4
        )


def test_rows_given_to_moments_may_be_changed_afterwards() -> None:
    batch = {c: v.copy() for c, v in VALUES.items()}
    kept = Moments.of(batch)
    before = kept.covariance("a", "b")
    again = kept.covariance("a", "b")
    np.testing.assert_array_equal(before, again)
    for values in batch.values():
        values[:] = 7
    np.testing.assert_array_equal(kept.covariance("a", "b"), before)


def test_features_are_projected_item_by_item() -> None:
    axes = Moments.of(ROWS).axes()
    few = projected(ROWS, axes)
    np.testing.assert_allclose(few["a"].values @ axes["a"].T, ROWS["a"].values, atol=1e-5)
    assert few["c"] is ROWS["c"]


@pytest.mark.parametrize(
    "made", [*CLOSED, Anchors(), KernelCCA(dim=3), Dictionary(dim=6)], ids=lambda m: type(m).__name__
)
def test_few_rows_of_very_wide_columns_take_the_memory_of_rows(made: Aligner) -> None:
    wide = 8_000  # a covariance of these features would take 512 million bytes
    mixing = RNG.standard_normal((4, wide)).astype(np.float32)
    rows = {c: LATENT.astype(np.float32) @ np.roll(mixing, turn, axis=1) for turn, c in enumerate("ab")}
    tracemalloc.start()
    clone(made).fit(rows, LABELS).transform(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 80e6, peak


def test_a_product_that_leaves_no_memory_is_refused_by_the_names_of_its_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "memory", lambda: 8 * module.AT_ONCE * 30 * 30)
    many = {"fits": RNG.standard_normal((99, 30)), "wide": RNG.standard_normal((99, 31))}
    CCA().fit({**many, "wide": many["wide"][:, :30]})
    with pytest.raises(DataError, match=r"column 'wide' \(31 features\): .* Reduce the features"):
        CCA().fit(many)
    CCA().fit({"fits": many["fits"][:20], "wide": many["wide"][:20]})  # fewer rows than features


def test_this_machine_says_how_much_memory_it_has() -> None:
    assert 2**28 < module.memory() < 2**50
