"""Hubness penalties against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm import numerics
from chiasm.align import Hubness
from chiasm.align.hubness import neighbourhood
from chiasm.errors import NotFitted, UsageError
from chiasm.numerics import unit_rows

RNG = np.random.default_rng(0)
GALLERY, BANK = unit_rows(RNG.standard_normal((23, 5))), unit_rows(RNG.standard_normal((11, 5)))


def slow(item: np.ndarray, bank: np.ndarray, k: int) -> float:
    return float(np.mean(sorted((float(item @ query) for query in bank), reverse=True)[:k]))


@pytest.mark.parametrize("tile", [1, 40, 10_000])
def test_the_neighbourhood_is_the_mean_of_the_highest_cosines(
    tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numerics, "TILE", tile)
    found = neighbourhood(GALLERY, BANK, [1, 3, 11, 50])
    for k, means in found.items():
        np.testing.assert_allclose(means, [slow(item, BANK, k) for item in GALLERY], atol=1e-6)


def test_penalties_of_each_direction() -> None:
    settings = {"text": {"photo": [3, 0.5], "clip": [1, 0.0]}, "clip": {"photo": [2, 1.0]}}
    hubness = Hubness().fit({"text": BANK, "clip": BANK[:4]}, settings)
    found = hubness.penalties("photo", GALLERY)
    assert list(found) == ["text", "clip"]
    np.testing.assert_allclose(found["text"], [0.5 * slow(item, BANK, 3) for item in GALLERY], atol=1e-6)
    np.testing.assert_allclose(found["clip"], [slow(item, BANK[:4], 2) for item in GALLERY], atol=1e-6)
    assert hubness.penalties("clip", GALLERY) == {}, "a strength of zero takes nothing off"
    assert hubness.penalties("text", GALLERY) == {}


def test_an_empty_bank_takes_nothing_off() -> None:
    hubness = Hubness().fit({"text": BANK[:0]}, {"text": {"photo": [3, 0.5]}})
    assert hubness.penalties("photo", GALLERY) == {}


def test_what_is_refused() -> None:
    with pytest.raises(NotFitted):
        Hubness().penalties("photo", GALLERY)
    with pytest.raises(UsageError, match="k must lie"):
        Hubness().fit({"text": BANK}, {"text": {"photo": [0, 0.5]}})
    with pytest.raises(UsageError, match="strength must lie"):
        Hubness().fit({"text": BANK}, {"text": {"photo": [1, -0.5]}})
    with pytest.raises(UsageError, match="strength must lie"):
        Hubness().fit({"text": BANK}, {"text": {"photo": [1, float("nan")]}})
    with pytest.raises(UsageError, match="no query column in the bank called 'text'"):
        Hubness().fit({"photo": BANK}, {"text": {"photo": [1, 0.5]}})
