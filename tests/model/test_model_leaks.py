"""Nothing of the rows scored on is learned from before they are judged, nor of those tuned on before tuning.

Every row's vectors carry a mark that tells its part: coordinate p is nonzero in the rows of part p alone.
What is learned from is looked at on its way in, so that a leak shows however little it changes the scores.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm.align import choose
from chiasm.align.aligner import Aligner
from chiasm.align.linear import LinearAligner
from chiasm.align.moments import Moments
from chiasm.align.semantic import Semantic
from chiasm.align.tune import Tuning
from chiasm.encode.encoder import Encoder
from chiasm.encode.features import Features
from chiasm.model import Model, fitting
from chiasm.model.space import Space

ROWS, SEED = 120, 4
PARTS = ("fit", "tune", "score")
Event = tuple[str, set[str]]
"""What was done, and the parts whose rows it was given."""


def table(parts: Mapping[str, Iterable[int]]) -> dict[str, list[Any]]:
    """Two columns of eight shared numbers and noise, marked by part, and a class a row."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((ROWS, 8))
    marks = np.zeros((ROWS, len(PARTS)))
    for place, rows in enumerate(parts[name] for name in PARTS):
        marks[list(rows), place] = rng.uniform(1, 2, len(list(rows)))
    columns = {c: np.hstack([marks, latent + 0.3 * rng.standard_normal(latent.shape)]) for c in "ab"}
    return {c: v.tolist() for c, v in columns.items()} | {"kind": ["xyz"[i % 3] for i in range(ROWS)]}


def marked(values: np.ndarray) -> set[str]:
    """The parts of rows (n, 11)."""
    return {name for place, name in enumerate(PARTS) if values[:, place].any()}


def marked_moments(moments: Moments) -> set[str]:
    """The parts that any column's products tell of."""
    diagonals = [np.diag(moments.products[c, c].value())[: len(PARTS)] for c in moments.columns]
    return {name for place, name in enumerate(PARTS) if any(d[place] > 0 for d in diagonals)}


def marked_features(part: Mapping[str, Features]) -> set[str]:
    return set.union(*(marked(f.values) for f in part.values()))


def marked_bank(space: Space, columns: Mapping[str, list[Any]]) -> set[str]:
    """The parts whose rows, and no others, lie in the space where the hubness bank lies."""
    found = set()
    for column, bank in space.hubness.bank_.items():
        values = np.array(columns[column], np.float32)
        vectors = space.aligner.project(column, values)
        for names in (set(c) for n in (1, 2, 3) for c in itertools.combinations(PARTS, n)):
            rows = [i for i, row in enumerate(values) if marked(row[None]) <= names]
            if len(rows) == len(bank) and np.allclose(vectors[rows], bank, atol=1e-5):
                found |= names
    return found


@pytest.fixture(scope="module")
def parts() -> dict[str, list[int]]:
    """The parts, which hang on the number of rows and the seed, not on what the rows say."""
    model = chiasm.fit(
        table({"fit": range(ROWS), "tune": (), "score": ()}), target="kind", fuse="none", seed=SEED
    )
    return {name: rows.tolist() for name, rows in model.facts["trained_rows"].items()}


def spied(patch: pytest.MonkeyPatch, columns: Mapping[str, list[Any]]) -> list[Event]:
    """The events of a fit to come, in order."""
    events: list[Event] = []

    def spy(owner: Any, name: str, note: Callable[..., Iterable[Event]]) -> None:
        real = getattr(owner, name)

        def noted(*args: Any) -> Any:
            events.extend(note(*args))
            return real(*args)

        patch.setattr(owner, name, noted)

    def tried(_: Aligner, moments: Moments, rows: Any, valid: Any, *rest: Any) -> Iterable[Event]:
        return [
            ("tune by", marked_features(valid)),
            ("tune with bank", marked_features(rows)),
            ("tune with moments", marked_moments(moments)),
        ]

    def judged(space: Space, baselines: Any, features: Mapping[str, Features], *rest: Any) -> list[Event]:
        return [("trial bank", marked_bank(space, columns)), ("judge", marked_features(features))]

    spy(Encoder, "fit", lambda _, described: [("encoder", marked(described))])
    spy(LinearAligner, "fit_moments", lambda _, moments: [("align", marked_moments(moments))])
    spy(Semantic, "fit_rows", lambda _, moments, X, *rest: [("align by class", marked_features(X))])
    spy(fitting, "judge", judged)
    tune = choose.tune

    def tune_noted(*args: Any) -> Tuning:
        events.extend(tried(*args))
        found = tune(*args)
        events.append(("tuned", set()))
        return found

    patch.setattr(choose, "tune", tune_noted)
    return events


@pytest.fixture(scope="module", params=["cca", "semantic"])
def run(request: pytest.FixtureRequest, parts: dict[str, list[int]]) -> tuple[Model, list[Event]]:
    """A model of marked rows, and what happened while it was fitted."""
    columns = table(parts)
    with pytest.MonkeyPatch.context() as patch:
        events = spied(patch, columns)
        model = chiasm.fit(columns, target="kind", fuse="none", align=request.param, seed=SEED)
    assert {name: rows.tolist() for name, rows in model.facts["trained_rows"].items()} == parts
    return model, events


def between(events: list[Event], start: str | None, end: str | None) -> list[Event]:
    names = [name for name, _ in events]
    first = 0 if start is None else names.index(start) + 1
    return events[first : len(events) if end is None else names.index(end)]


def test_encoders_learn_from_the_fitting_rows_alone(run: tuple[Model, list[Event]]) -> None:
    assert [seen for name, seen in run[1] if name == "encoder"] == [{"fit"}, {"fit"}]


def test_until_all_is_chosen_maps_are_learned_from_the_fitting_rows(run: tuple[Model, list[Event]]) -> None:
    before = [seen for name, seen in between(run[1], None, "tuned") if name.startswith("align")]
    assert len(before) > 1
    assert all(seen == {"fit"} for seen in before)


def test_tuning_scores_one_part_under_the_bank_of_another(run: tuple[Model, list[Event]]) -> None:
    happened = dict(run[1])
    assert happened["tune by"] == {"tune"}
    assert happened["tune with bank"] == happened["tune with moments"] == {"fit"}


def test_what_is_judged_has_learned_nothing_of_the_rows_scored(run: tuple[Model, list[Event]]) -> None:
    """Neither the trial space, nor its bank, nor the regressions it is compared with."""
    before = between(run[1], "tuned", "judge")
    assert {name for name, _ in before} >= {"align", "trial bank"}
    assert all(seen == {"fit", "tune"} for _, seen in before), before
    assert dict(run[1])["judge"] == {"score"}


def test_what_is_kept_has_learned_from_all_rows(
    run: tuple[Model, list[Event]], parts: dict[str, list[int]]
) -> None:
    model, events = run
    after = between(events, "judge", None)
    assert after
    assert all(seen == set(PARTS) for _, seen in after)
    assert marked_bank(model.space, table(parts)) == set(PARTS)
