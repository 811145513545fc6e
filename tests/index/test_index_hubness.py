"""Penalties in the gallery do what they are for: a hub stops answering what is not its own."""

import numpy as np

from chiasm.align.hubness import Hubness
from chiasm.index import Gallery


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_a_hub_no_longer_answers_what_is_not_its_own():
    rng = np.random.default_rng(1)
    places = unit(rng.standard_normal((200, 100)) + 1.0)
    hub = unit(places.mean(axis=0, keepdims=True))
    items = np.concatenate([unit(places + 0.1 * rng.standard_normal((200, 100))), hub])
    queries, bank = (unit(places + 0.1 * rng.standard_normal((200, 100))) for _ in range(2))
    hubness = Hubness().fit({"caption": bank}, {"caption": {"photo": [10, 1.0]}})
    penalties = hubness.penalties("photo", items)
    one = Gallery.build(items, np.arange(201), np.zeros(201, int), penalties=penalties)
    hits = {}
    for name, mix in {"raw": None, "corrected": {"caption": 1.0}}.items():
        first = one.search(queries, 1, mix)[1][:, 0]
        hits[name] = (first == np.arange(200)).mean()
        assert ((first == 200).mean() > 0.3) == (name == "raw")
    assert hits["corrected"] > 1.4 * hits["raw"]
