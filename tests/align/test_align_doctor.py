"""The doctor: kernel alignment against slow oracles, and a recommendation that one can foresee."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from chiasm.align.doctor import diagnose, linear_cka, rbf_cka
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((400, 5))


def view(noise: float, width: int = 12) -> np.ndarray:
    values = LATENT @ RNG.standard_normal((5, width)) + noise * RNG.standard_normal((400, width))
    return values.astype(np.float32)


GOOD, POOR, STRANGE = view(0.3), view(3.0), RNG.standard_normal((400, 12)).astype(np.float32)
OTHER = view(0.3, 9)


def test_independence_is_the_mean_over_four_different_rows() -> None:
    """HSIC as its definition (Song et al. 2012, equation 4): a U-statistic of degree four."""
    X, Y = GOOD[:7].astype(float), OTHER[:7].astype(float)

    def slow(A: np.ndarray, B: np.ndarray) -> float:
        K, L = A @ A.T, B @ B.T
        terms = [
            K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in itertools.permutations(range(7), 4)
        ]
        return float(np.mean(terms))

    assert linear_cka(X, Y) == pytest.approx(slow(X, Y) / math.sqrt(slow(X, X) * slow(Y, Y)), rel=1e-9)


@pytest.mark.parametrize("cka", [linear_cka, rbf_cka])
def test_alignment_ignores_rotation_scale_and_shift(cka: object) -> None:
    assert callable(cka)
    turned = 3 * GOOD @ np.linalg.qr(RNG.standard_normal((12, 12)))[0] + 7
    assert cka(GOOD, turned) == pytest.approx(1, abs=1e-5)
    assert cka(GOOD, OTHER) == pytest.approx(cka(OTHER, GOOD))
    assert cka(GOOD, OTHER) > cka(POOR, OTHER) + 0.1


def test_lists_are_rows_too() -> None:
    X, Y = np.random.default_rng(0).standard_normal((2, 20, 3))
    assert linear_cka(X.tolist(), Y.tolist()) == linear_cka(X, Y)
    with pytest.raises(ShapeError, match="rows: expected numbers"):
        linear_cka(X[:, 0], Y)


def test_wide_strangers_do_not_align() -> None:
    """The biased estimator gives two independent columns of 500 numbers about 0.9 at 60 rows."""
    rng = np.random.default_rng(1)
    found = [linear_cka(*rng.standard_normal((2, 60, 500))) for _ in range(20)]
    assert abs(np.mean(found)) < 0.02
    assert abs(rbf_cka(*rng.standard_normal((2, 200, 50)))) < 0.1


def test_a_kernel_that_does_not_vary_has_no_alignment() -> None:
    for cka in (linear_cka, rbf_cka):
        assert math.isnan(cka(np.ones((50, 3)), GOOD[:50]))
    with pytest.raises(ShapeError, match="same four rows or more"):
        linear_cka(GOOD[:3], OTHER[:3])


def test_the_better_encoder_is_recommended_and_a_stranger_comes_last() -> None:
    found = diagnose({"x": {"good": GOOD, "poor": POOR, "strange": STRANGE}, "y": {"only": OTHER}})
    assert found.encoders == {"x": "good", "y": "only"}
    assert [p.encoders[0] for p in found.pairings] == ["good", "poor", "strange"]
    assert found.pairings[0].rows == 400
    assert found.pairings[0].held == 80
    first, last = found.pairings[0], found.pairings[-1]
    assert first.best.recall_10 > 0.7
    assert last.interval[0] <= 10 / 80 + 0.05
    assert first.linear > found.pairings[1].linear > abs(last.linear)
    assert first.interval[0] <= first.best.recall_10 <= first.interval[1]
    assert (found.ridge, found.width) == (first.best.ridge, first.best.width)


def test_it_prints_and_is_json() -> None:
    found = diagnose({"x": {"flat": np.ones_like(GOOD)}, "y": {"only": OTHER}}, ridges=[1e-3], widths=[4])
    lines = found.lines()
    assert lines[0] == "Use x=flat, y=only; CCA of width 4, ridge 0.001."
    assert lines[1].startswith("x=flat with y=only: kernel alignment nan linear")
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["pairings"][0]["linear"] is None
    assert document["pairings"][0]["trials"][0]["width"] == 4
    assert document["encoders"] == {"x": "flat", "y": "only"}


def test_gaps_items_and_empty_columns() -> None:
    gaps = np.where(np.arange(400)[:, None] % 4 == 0, np.nan, GOOD)
    twice = Features(np.repeat(OTHER, 2, axis=0), np.repeat(np.arange(400), 2), np.tile([0, 1], 400), 400)
    empty = {"none": np.full((400, 3), np.nan)}
    plain = diagnose({"x": {"good": gaps}, "y": {"only": OTHER}})
    wider = diagnose({"a": empty, "x": {"good": gaps, **empty}, "y": {"only": twice}})
    assert plain.pairings[0].rows == 300
    assert wider.encoders == plain.encoders
    assert wider.pairings[0].best == plain.pairings[0].best


def test_three_columns_of_which_two_never_meet() -> None:
    early = np.arange(400) < 200
    X = {
        "x": {"good": np.where(early[:, None], GOOD, np.nan), "poor": np.where(early[:, None], POOR, np.nan)},
        "y": {"only": OTHER},
        "z": {"one": np.where(early[:, None], np.nan, GOOD)},
    }
    found = diagnose(X, widths=[4])
    assert found.encoders == {"x": "good", "y": "only", "z": "one"}
    assert {p.columns for p in found.pairings} == {("x", "y"), ("y", "z")}


def test_what_cannot_be_diagnosed_says_why() -> None:
    with pytest.raises(UsageError, match=r"expected \{column: \{encoder"):
        diagnose({"x": GOOD, "y": OTHER})  # type: ignore[dict-item]
    with pytest.raises(ShapeError, match="different numbers of rows"):
        diagnose({"x": {"one": GOOD}, "y": {"two": OTHER[:9]}})
    with pytest.raises(DataError, match="two columns with features are needed, got \\['x'\\]"):
        diagnose({"x": {"one": GOOD}})
    with pytest.raises(DataError, match="column 'x' shares fewer than 20 rows"):
        diagnose({"x": {"one": GOOD[:15]}, "y": {"two": OTHER[:15]}})
    for settings in ({"ridges": []}, {"widths": []}, {"widths": [0]}):
        with pytest.raises(UsageError):
            diagnose({"x": {"one": GOOD}, "y": {"two": OTHER}}, **settings)
