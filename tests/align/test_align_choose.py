"""The ladder: what is climbed, where it stops, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chiasm.align.anchors import Anchors
from chiasm.align.choose import OPTIONAL_RUNGS, Choice, climb, ladder
from chiasm.align.linear import CCA, Procrustes
from chiasm.align.moments import Moments
from chiasm.encode.features import Features
from chiasm.errors import UsageError
from chiasm.judge.relevance import relevance

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((600, 4)).astype(np.float32)
LOUD = RNG.standard_normal((2, 600, 30)).astype(np.float32)


def parts(values: dict[str, np.ndarray]) -> tuple[dict[str, Features], dict[str, Features]]:
    learned = {c: Features.of(v[:400]) for c, v in values.items()}
    return learned, {c: Features.of(v[400:]) for c, v in values.items()}


def climbed(rungs: list[tuple[str, Any]], values: dict[str, np.ndarray]) -> Choice:
    rows, valid = parts(values)
    right = {(q, a): relevance(valid[q], valid[a]).tocsr() for q in values for a in values if q != a}
    return climb(rungs, Moments.of(rows), rows, valid, right)


def drowned() -> dict[str, np.ndarray]:
    """What the columns share is small beside what they do not: principal directions miss it."""
    return {name: np.hstack([0.5 * LATENT, 3 * LOUD[i]]) for i, name in enumerate("ab")}


def plain() -> dict[str, np.ndarray]:
    """The same small content on both sides, so that the first rung finds every partner."""
    return {"a": LATENT, "b": (LATENT @ np.linalg.qr(RNG.standard_normal((4, 4)))[0]).astype(np.float32)}


def test_a_rung_that_pays_is_taken() -> None:
    found = climbed([("procrustes", Procrustes(4)), ("cca", CCA(4))], drowned())
    assert found.name == "cca"
    assert isinstance(found.aligner, CCA)
    assert found.rungs[1].low > 0
    assert "Alignment: cca is taken. Mean" in str(found)


def test_it_stops_where_the_next_does_not_pay() -> None:
    reached: list[str] = []

    class Noted(CCA):
        def fit_moments(self, moments: Moments) -> Any:
            reached.append("third")
            return super().fit_moments(moments)

    found = climbed([("cca", CCA(4)), ("procrustes", Procrustes(4)), ("third", Noted(4))], plain())
    assert found.name == "cca"
    assert [rung.name for rung in found.rungs] == ["cca", "procrustes"]
    assert reached == []
    assert str(found).startswith("Alignment: cca is taken; procrustes does not pay. Mean")


def test_what_is_chosen_is_fitted_and_tuned() -> None:
    values = drowned()
    found = climbed([("cca", CCA(4))], values)
    assert found.aligner.columns == ["a", "b"]
    assert found.aligner.get_params()["ridge"] == found.tuning.params["ridge"]
    assert set(found.tuning.hubness) == {"a", "b"}


def test_the_given_aligner_stays_as_it_was() -> None:
    given = CCA(4)
    climbed([("cca", given)], plain())
    assert given.state() == {}
    assert given.ridge == 1e-3


def test_the_ladder_begins_with_what_costs_least() -> None:
    rungs = ladder(8, Moments.of(plain()))
    assert [name for name, _ in rungs] == ["cca", "anchors", "kernel", "blend"]
    assert all(aligner.state() == {} for _, aligner in rungs)


def test_unpaired_rows_are_a_rung_where_they_are_the_most() -> None:
    values = {c: v.copy() for c, v in plain().items()}
    values["a"][100:300], values["b"][300:] = np.nan, np.nan
    names = [name for name, _ in ladder(8, Moments.of(values))]
    assert names == ["cca", "anchors", "transport", "kernel", "blend"]


def test_an_optional_rung_is_passed_by() -> None:
    passed = [(name, Procrustes(4)) for name in OPTIONAL_RUNGS]
    found = climbed([("cca", CCA(4)), *passed, ("last", Procrustes(4)), ("never", Procrustes(4))], plain())
    assert [rung.name for rung in found.rungs] == ["cca", *OPTIONAL_RUNGS, "last"]
    assert found.name == "cca"


def test_no_ladder_is_an_error() -> None:
    with pytest.raises(UsageError, match="one aligner at least"):
        climbed([], plain())


def test_rows_without_any_partner_do_not_count() -> None:
    values = {c: v.copy() for c, v in drowned().items()}
    values["a"][450:] = np.nan
    found = climbed([("anchors", Anchors(100)), ("cca", CCA(4))], values)
    assert 0 < found.rungs[1].score <= 1
