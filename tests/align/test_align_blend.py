"""Blend: its cosine is the mean of its members', and those it has by default."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from columns import MASKS, VALUES, gapped

from chiasm.align.blend import Blend
from chiasm.align.csa import CSA
from chiasm.align.linear import CCA
from chiasm.errors import UsageError


def test_its_cosine_is_the_mean_of_theirs() -> None:
    X = gapped(MASKS)
    members = [CCA(dim=3, ridge=1e-2).fit(X), CSA(dim=2).fit(X)]
    blend = Blend(dim=3, members=[("cca", {"ridge": 1e-2}), ("csa", {"dim": 2})]).fit(X)
    expected = [m.project("a", VALUES["a"]) @ m.project("b", VALUES["b"]).T for m in members]
    found = blend.project("a", VALUES["a"]) @ blend.project("b", VALUES["b"]).T
    np.testing.assert_allclose(found, (expected[0] + expected[1]) / 2, atol=1e-5)
    assert blend.space_width == sum(m.space_width for m in members)


def test_by_default_heads_of_several_seeds_begin_with_one_choice_of_settings() -> None:
    X = gapped(MASKS)
    blend = Blend(dim=3).fit(X, valid=X)
    seeds = [kept["params"]["seed"] for kept in blend.members_]
    assert len(set(seeds)) == len(seeds) > 1
    chosen = [kept["params"]["settings"] for kept in blend.members_ if kept["params"]["start"] == "kernel"]
    assert all(one == chosen[0] for one in chosen)
    again = Blend(dim=3).set_params(**blend.selected_params()).fit(X)
    assert [m["params"]["stop_epoch"] for m in again.members_] == [
        m["state"]["epochs_"] for m in blend.members_
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"members": [("ccaa", {})]}, "Did you mean 'cca'"),
        ({"members": [("cca", {"rigde": 1})]}, "Did you mean 'ridge'"),
        ({"members": []}, "a member at least"),
    ],
)
def test_bad_settings_say_what_is_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Blend(**wrong).fit(VALUES)
