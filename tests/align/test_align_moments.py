"""Second moments against slow loops: gaps, lists, chunks, parts and large means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chiasm.align import moments as module
from chiasm.align.moments import Moments
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError

RNG = np.random.default_rng(0)


def table(n: int = 50, seed: int = 0, share: float = 0.3, shift: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    out = {}
    for name, width in {"a": 4, "b": 3, "c": 2}.items():
        out[name] = (rng.standard_normal((n, width)) + shift).astype(np.float32)
        out[name][rng.random(n) < share] = np.nan
    return out


def slow_covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Over the rows that have both, one by one, in double precision."""
    both = [
        (x, y) for x, y in zip(a.astype(float), b.astype(float), strict=True) if not np.isnan(x[0] + y[0])
    ]
    mean_a, mean_b = (np.mean(side, axis=0) for side in zip(*both, strict=True))
    return sum(np.outer(x - mean_a, y - mean_b) for x, y in both) / len(both)


def assert_equal(one: Moments, other: Moments, tolerance: float = 1e-5) -> None:
    assert one.columns == other.columns
    for a, b in itertools.product(one.columns, repeat=2):
        assert one.pairs(a, b) == other.pairs(a, b)
        np.testing.assert_allclose(one.covariance(a, b), other.covariance(a, b), atol=tolerance)
        if one.pairs(a, b):
            np.testing.assert_allclose(
                one.mean(a, b) + one.shift[a], other.mean(a, b) + other.shift[a], 1e-5, 1e-5
            )


def test_covariances_of_every_pair_over_the_rows_that_have_it() -> None:
    X = table()
    found = Moments.of(X)
    for a, b in itertools.product("abc", repeat=2):
        np.testing.assert_allclose(found.covariance(a, b), slow_covariance(X[a], X[b]), atol=1e-5)
        assert found.pairs(a, b) == sum(~np.isnan(X[a][:, 0] + X[b][:, 0]))
    np.testing.assert_allclose(found.center("a"), np.nanmean(X["a"], axis=0), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(masks=arrays(bool, (2, 12)), cut=st.integers(0, 12), shift=st.sampled_from([0.0, 300.0]))
def test_parts_add_up_to_the_whole(masks: np.ndarray, cut: int, shift: float) -> None:
    X = {c: table(12, share=0, shift=shift)[c] for c in "ab"}
    for values, mask in zip(X.values(), masks, strict=True):
        values[~mask] = np.nan
    X["b"][6:] += 50  # the parts then take off different means
    parts = [Moments.of({c: v[rows] for c, v in X.items()}) for rows in (slice(0, cut), slice(cut, None))]
    assert_equal(parts[0] + parts[1], Moments.of(X), tolerance=5e-3)


def test_parts_with_different_shifts_lose_nothing() -> None:
    near, far = table(40, share=0), table(40, seed=1, share=0, shift=5000.0)
    total = Moments.of(near) + Moments.of(far)
    assert not Moments.of(near).shift["a"].any()
    assert Moments.of(far).shift["a"].all()
    both = np.concatenate([near["a"], far["a"]]), np.concatenate([near["b"], far["b"]])
    np.testing.assert_allclose(total.covariance("a", "b"), slow_covariance(*both), rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X = table()
    whole = Moments.of(X)
    lists = {c: Features.of(v) for c, v in X.items()}
    monkeypatch.setattr(module, "CHUNK", chunk)
    assert_equal(Moments.of(X), whole)
    assert_equal(Moments.of(lists), whole)
    assert_equal(Moments.of({c: v[i : i + 9] for c, v in X.items()} for i in range(0, 50, 9)), whole)


def test_items_of_a_list_count_as_pairing_all_with_all() -> None:
    counts = [3, 0, 1, 2, 5]
    row = np.repeat(np.arange(5), counts)
    item = np.concatenate([np.arange(c) for c in counts])
    captions = Features(RNG.standard_normal((11, 3)).astype(np.float32), row, item, 5)
    photos = RNG.standard_normal((5, 2)).astype(np.float32)
    photos[2] = np.nan
    found = Moments.of({"caption": captions, "photo": photos})
    own, cross, mean_c, mean_p = np.zeros((3, 3)), np.zeros((3, 2)), np.zeros(3), np.zeros(2)
    for caption, r in zip(captions.values.astype(float), row, strict=True):
        own += np.outer(caption, caption) / counts[r] / 4
        if r != 2:
            cross += np.outer(caption, photos[r]) / counts[r] / 3
            mean_c += caption / counts[r] / 3
            mean_p += photos[r] / counts[r] / 3
    centre = captions.dense()[[0, 2, 3, 4]].astype(float).mean(axis=0)
    assert (found.pairs("caption", "caption"), found.pairs("photo", "caption")) == (4, 3)
    np.testing.assert_allclose(
        found.covariance("caption", "photo"), cross - np.outer(mean_c, mean_p), atol=1e-6
    )
    np.testing.assert_allclose(
        found.covariance("caption", "caption"), own - np.outer(centre, centre), atol=1e-6
    )


def test_large_means_lose_no_digits() -> None:
    X = table(2000, share=0.1, shift=1e4)
    found = Moments.of(X)
    for a, b in itertools.product("ab", repeat=2):
        np.testing.assert_allclose(found.covariance(a, b), slow_covariance(X[a], X[b]), atol=1e-4)
    np.testing.assert_allclose(found.center("a"), np.nanmean(X["a"].astype(float), axis=0), rtol=1e-7)


def test_half_precision_keeps_correlations_within_a_thousandth() -> None:
    pytest.importorskip("torch")
    from chiasm.align import CCA

    latent = RNG.standard_normal((40_000, 8))
    X = {c: (latent @ RNG.standard_normal((8, 20)) + RNG.standard_normal((40_000, 20))) for c in "ab"}
    X = {c: v.astype(np.float32) for c, v in X.items()}
    full, half = (CCA(8).fit_moments(Moments.of(X, precision)) for precision in ("float32", "bfloat16"))
    np.testing.assert_allclose(half.correlations_, full.correlations_, atol=1e-3)


def test_some_columns_alone_are_apart_from_the_rest() -> None:
    X = table()
    whole = Moments.of(X)
    part = whole.only("a", "b")
    assert_equal(part, Moments.of({c: X[c] for c in "ab"}))
    before = whole.covariance("a", "b")
    part.add({c: X[c] for c in "ab"})
    np.testing.assert_array_equal(whole.covariance("a", "b"), before)
    assert part.pairs("a", "b") == 2 * whole.pairs("a", "b")


def test_a_pair_that_never_met_has_no_covariance() -> None:
    X = table(20, share=0)
    X["a"][:10], X["b"][10:] = np.nan, np.nan
    found = Moments.of(X)
    assert found.pairs("a", "b") == 0
    np.testing.assert_array_equal(found.covariance("a", "b"), np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("a", "error", "says"),
    [
        (np.ones((49, 2)), ShapeError, "different numbers of rows"),
        (np.ones(50), ShapeError, r"column 'a': expected numbers \(n, d\)"),
        ([["x"]] * 50, ShapeError, "column 'a': expected numbers"),
        ([[1.0], [1.0, 2.0]] * 25, ShapeError, "lists of different lengths"),
        (np.full((50, 2), np.inf, np.float32), ShapeError, "NaN or infinity"),
        (np.full((50, 2), 1e300), ShapeError, "too large for single precision"),
    ],
)
def test_what_is_no_column_is_refused(a: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Moments.of({"a": a, "b": np.ones((50, 2))})  # type: ignore[dict-item]


def test_another_width_in_a_later_batch_is_refused() -> None:
    with pytest.raises(ShapeError, match="column 'a': expected width 2, got 3"):
        Moments.of([{"a": np.ones((4, 2))}, {"a": np.ones((4, 3))}])


@pytest.mark.parametrize("size", [1e-36, 1e-30, 1e-15, 1e15, 1e30, 1e35])
def test_numbers_of_any_size_are_multiplied(size: float) -> None:
    X = table()
    sized = {**X, "a": X["a"] * np.float32(size)}
    plain, found = Moments.of(X), Moments.of(sized) + Moments.of(sized)
    np.testing.assert_allclose(
        found.covariance("a", "a") / size**2, plain.covariance("a", "a"), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        found.covariance("a", "b") / size, plain.covariance("a", "b"), rtol=1e-4, atol=1e-6
    )


def test_numbers_too_large_to_be_summed_are_named() -> None:
    X = {"a": np.repeat(np.float32([[3e38], [-3e38]]), [30, 10], axis=0)}
    with pytest.raises(DataError, match="column 'a': numbers too large to be summed"):
        Moments.of(X).covariance("a", "a")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="'float32' or 'bfloat16', got 'half'"):
        Moments("half")


def test_a_bad_number_is_named_by_column_and_row() -> None:
    """The row is that of the table, also beyond the first chunk."""
    X = np.zeros((module.CHUNK + 10, 2), np.float32)
    X[module.CHUNK + 3, 1] = np.inf
    with pytest.raises(ShapeError, match=f"column 'a', row {module.CHUNK + 3}"):
        Moments.of({"a": X, "b": np.zeros_like(X)})
