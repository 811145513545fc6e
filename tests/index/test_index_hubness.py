"""Hubness: penalties by a slow loop, and a hub that stops answering every query."""

import numpy as np
import pytest
from sklearn.base import clone

from chiasm.errors import ShapeError, UsageError
from chiasm.index import Gallery, Hubness, neighbourhood


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_the_neighbourhood_is_the_mean_of_the_highest_cosines():
    rng = np.random.default_rng(0)
    items, bank = unit(rng.standard_normal((30, 6))), unit(rng.standard_normal((25, 6)))
    found = neighbourhood(items, bank, [1, 5, 100])
    for i, item in enumerate(items):
        cosines = sorted((float(item @ query) for query in bank), reverse=True)
        for k in (1, 5, 100):
            assert found[k][i] == pytest.approx(np.mean(cosines[:k]), abs=1e-5)


def test_a_hub_no_longer_answers_what_is_not_its_own():
    rng = np.random.default_rng(1)
    places = unit(rng.standard_normal((200, 100)) + 1.0)
    hub = unit(places.mean(axis=0, keepdims=True))
    items = np.concatenate([unit(places + 0.1 * rng.standard_normal((200, 100))), hub])
    queries = unit(places + 0.1 * rng.standard_normal((200, 100)))
    bank = unit(places + 0.1 * rng.standard_normal((200, 100)))
    hubness = Hubness(k=10, strength=1.0).fit({"caption": bank})
    penalties = {"caption": hubness.penalties(items, hubness.bank_["caption"])}
    one = Gallery.build(items, np.arange(201), np.zeros(201, int), penalties=penalties)
    hits = {}
    for name, mix in {"raw": None, "corrected": {"caption": 1.0}}.items():
        first = one.search(queries, 1, mix)[1][:, 0]
        hits[name] = (first == np.arange(200)).mean()
        assert ((first == 200).mean() > 0.3) == (name == "raw")
    assert hits["corrected"] > 1.4 * hits["raw"]


def test_strength_zero_costs_nothing_and_looks_at_nothing():
    assert not Hubness().penalties(np.ones((4, 3), np.float32), np.empty((0, 3), np.float32)).any()


def test_the_oath_and_the_errors():
    hubness = Hubness(k=3, strength=0.5).fit({"b": np.ones((2, 4)), "a": np.ones((1, 4))})
    assert list(hubness.bank_) == ["a", "b"]
    assert not hasattr(clone(hubness), "bank_")
    assert Hubness().restore(hubness.state()).bank_ is hubness.bank_
    with pytest.raises(UsageError, match="k must"):
        Hubness(k=0).fit({})
    with pytest.raises(UsageError, match="empty"):
        hubness.penalties(np.ones((1, 4), np.float32), np.empty((0, 4), np.float32))
    with pytest.raises(ShapeError, match="bank"):
        hubness.penalties(np.ones((1, 4), np.float32), np.empty((1, 5), np.float32))
