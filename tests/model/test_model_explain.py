"""Why a row is predicted so, and what would be worth collecting: shares that add up, words that decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patients import COLUMNS, WORDS, patients, row

import chiasm
from chiasm.errors import DataError, UsageError
from chiasm.fuse.late import Late
from chiasm.judge.collect import Worth
from chiasm.judge.explain import Explanation
from chiasm.model import Model

WHOLE = patients(20, seed=3, gaps=0.0)
TARGETS = ("sick", "dose", "signs", "stage")


def shown(i: int, *kept: str) -> dict[str, Any]:
    """The i-th whole row with some of its columns."""
    return {c: v for c, v in row(WHOLE, i).items() if c in ("id", *kept)}


def explained(model: Model, asked: dict[str, Any], target: str) -> Explanation:
    found = model.explain([asked], target=target)
    assert isinstance(found, Explanation)
    return found


@settings(max_examples=10, deadline=None)
@given(i=st.integers(0, 19), kept=st.sets(st.sampled_from(COLUMNS), min_size=1))
@pytest.mark.parametrize("target", TARGETS)
def test_shares_add_up_and_what_is_absent_has_none(
    clinic: Model, target: str, i: int, kept: set[str]
) -> None:
    asked = shown(i, *kept)
    found = explained(clinic, asked, target)
    assert found.base + sum(found.shares.values()) == pytest.approx(found.score, abs=1e-9)
    assert sorted(found.shares) == sorted(COLUMNS)  # a column of the table has a share of its own
    assert all(found.shares[column] == 0 for column in COLUMNS if column not in kept)
    assert found.exact
    said = clinic.predict([asked])[target][0]
    assert found.label == said.label
    expected = said.label if target == "dose" else said.score
    assert found.score == pytest.approx(expected, abs=1e-9)


def test_the_base_is_what_is_said_of_a_row_of_which_nothing_is_known(clinic: Model) -> None:
    """Whatever the row, a class starts from its share among the rows, a number from their mean."""
    learned = patients(120)
    for i in range(4):
        found = explained(clinic, shown(i, *COLUMNS), "sick")
        assert found.base == pytest.approx(np.mean([v == found.label for v in learned["sick"]]), abs=0.01)
        number = explained(clinic, shown(i, *COLUMNS), "dose")
        assert number.base == pytest.approx(np.mean(learned["dose"]), abs=1e-6)


def test_one_column_has_all_that_is_said(clinic: Model) -> None:
    """With one column shown, its share is the whole way from the base, and chance has next to none."""
    found = explained(clinic, shown(0, "note"), "sick")
    assert found.shares["note"] == found.score - found.base
    every = [explained(clinic, shown(i, *COLUMNS), "sick").shares for i in range(20)]
    mean = {column: np.mean([abs(shares[column]) for shares in every]) for column in COLUMNS}
    assert min(mean["note"], mean["scan"]) > 4 * mean["sex"]


def test_a_class_is_pulled_by_the_words_that_tell_of_it(clinic: Model) -> None:
    """Of 'fever and a cough on day 7' fever and cough say more of sickness than the day."""
    asked = {"id": "q", "note": f"{WORDS[1]} on day 7"}
    found = explained(clinic, asked, "sick")
    assert found.label == "yes"
    parts = {part.what: part.effect for part in found.parts["note"]}
    assert set(parts) == {"fever", "and", "a", "cough", "on", "day", "7"}
    assert min(parts["fever"], parts["cough"]) > max(abs(parts[word]) for word in ("on", "day", "7"))
    text = asked["note"]
    assert all(text[slice(*part.where)] == part.what for part in found.parts["note"])


def test_rows_are_explained_in_their_order(clinic: Model) -> None:
    data = [shown(i, *COLUMNS) for i in (4, 1)]
    found = clinic.explain(data, target="dose")
    assert found == [clinic.explain([one], target="dose") for one in data]


def test_a_row_with_nothing_is_named_by_every_verb(clinic: Model) -> None:
    for verb in (clinic.explain, clinic.collect):
        with pytest.raises(DataError, match=r"row lost: nothing to predict 'sick' from \(all absent\)"):
            verb([{"id": "lost"}], target="sick")


# What is worth collecting


@pytest.fixture(scope="module")
def clues() -> Model:
    """A hint that all have, a proof and some noise that half of the rows have."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 160)

    def column(distance: float, share: float) -> list[Any]:
        values = rng.standard_normal((160, 3)) + distance * y[:, None] * [1, 0, 0]
        return [v if rng.random() < share else None for v in values.tolist()]

    data = {"hint": column(1.0, 1.0), "proof": column(4.0, 0.6), "noise": column(0.0, 0.6)}
    return chiasm.fit({**data, "y": [f"c{v}" for v in y]}, target="y", fuse=Late(heads=("linear",)), folds=3)


def test_the_proof_is_worth_collecting_and_noise_is_not(clues: Model) -> None:
    proof, noise = clues.collect([{"hint": [0.5, 0.0, 0.0]}])
    assert (proof.column, proof.collect) == ("proof", True)
    assert proof.verdict.startswith("collect proof")
    assert proof.gain.low > 0
    assert proof.flips > 0.2
    assert (noise.column, noise.collect) == ("noise", False)
    assert noise.verdict.startswith("not worth collecting noise")
    assert noise.gain.low <= 0
    assert noise.change < proof.change


def test_what_is_sure_is_not_worth_asking_more_about(clues: Model) -> None:
    """Where the proof is there already, nothing else would change the decision."""
    found = clues.collect([{"hint": [3.0, 0.0, 0.0], "proof": [6.0, 0.0, 0.0]}])
    assert [(one.column, one.collect) for one in found] == [("noise", False)]
    assert found[0].flips == 0
    assert clues.collect([{"hint": [0.0] * 3, "proof": [0.0] * 3, "noise": [0.0] * 3}]) == []


def test_collecting_is_asked_of_one_row_and_of_every_kind_of_target(clinic: Model) -> None:
    with pytest.raises(UsageError, match="one row"):
        clinic.collect([shown(0, "note"), shown(1, "note")], target="sick")
    for target in TARGETS:
        found = clinic.collect([shown(0, "age")], target=target)
        assert sorted(one.column for one in found) == ["note", "scan"]
        assert all(isinstance(one, Worth) and 0 <= one.flips <= 1 for one in found)
