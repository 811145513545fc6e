"""Beside: what each of two encoders says, side by side, as long as each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm import plugins, read
from chiasm.encode import Beside, Cache, Function, Lexical, LogMel, TextModel
from chiasm.encode.engine import describe_column
from chiasm.errors import UsageError

TEXTS = ["a dog barks", "two cats sleep", "the dog sleeps", "", "cats and dogs", "nobody is here"]


class Counted:
    """Lengths of texts, ten times as large as need be, and how many were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, cells: list[str]) -> Any:
        self.asked += len(cells)
        return [[10.0 * len(cell), 10.0 * cell.count(" ")] for cell in cells]


def features(encoder: Any, cells: list[Any], cache: Cache | None = None) -> Any:
    rows = read({"x": cells, "id": list(range(len(cells)))}, modalities={"x": "text"})
    described = describe_column(rows, "x", encoder, cache=cache)
    return described.features(encoder.fit(described.values))


def test_it_is_both_side_by_side_of_mean_square_length_one() -> None:
    counted = Function(Counted(), "text")
    one, other = features(Lexical(dim=3), TEXTS), features(counted, TEXTS)
    both = features(Beside(Lexical(dim=3), counted), TEXTS)
    parts = [x / np.sqrt(np.square(x).sum(axis=1).mean()) for x in (one.values, other.values)]
    np.testing.assert_allclose(both.values, np.hstack(parts), rtol=1e-5)
    assert both.row.tolist() == one.row.tolist()


def test_of_three_each_counts_as_much_as_another() -> None:
    doubled = Function(lambda cells: [[2.0 * len(cell)] for cell in cells], "text")
    three = features(Beside(Beside(Lexical(dim=3), Function(Counted(), "text")), doubled), TEXTS).values
    squares = np.square(three).mean(axis=0)
    np.testing.assert_allclose([squares[:-3].sum(), squares[-3:-1].sum(), squares[-1]], 1, rtol=1e-5)


def test_an_encoder_that_says_nothing_leaves_the_other_as_it_is() -> None:
    silent = Function(lambda cells: np.zeros((len(cells), 2)), "text")
    both = features(Beside(silent, Lexical(dim=3)), TEXTS)
    assert not both.values[:, :2].any()
    assert np.square(both.values).sum(axis=1).mean() == pytest.approx(1)


def test_those_given_stay_as_they_are() -> None:
    lexical = Lexical(dim=3)
    features(Beside(lexical, Lexical(dim=2)), TEXTS)
    assert lexical.state() == {}


def test_each_has_its_own_place_in_the_cache(tmp_path: Path) -> None:
    counted = Counted()
    cache, function = Cache(tmp_path), Function(counted, "text", name="lengths")
    alone = features(function, TEXTS, cache)
    asked = counted.asked
    both = features(Beside(Lexical(dim=3), function), TEXTS, cache)
    assert counted.asked == asked
    expected = alone.values / np.sqrt(np.square(alone.values).sum(axis=1).mean())
    np.testing.assert_allclose(both.values[:, -2:], expected, rtol=1e-5)


def test_a_cell_broken_for_one_is_broken() -> None:
    rows = read({"x": [[1.0, 2.0], [np.nan, 1.0], [2.0, 2.0]]}, modalities={"x": "vector"})
    encoder = plugins.encoder("vector+hellinger", "vector")
    described = describe_column(rows, "x", encoder)
    assert [one.row for one in described.broken] == [1]
    assert described.row.tolist() == [0, 2]


def test_names_joined_by_a_plus() -> None:
    three = plugins.encoder("lexical + lexical+lexical", "text")
    assert isinstance(three, Beside)
    assert isinstance(three.first, Beside)
    assert isinstance(three.second, Lexical)
    assert features(three, TEXTS).values.shape[1] == 3 * features(Lexical(), TEXTS).values.shape[1]
    with pytest.raises(UsageError, match=r"no encoder called 'lexica'.*lexical"):
        plugins.encoder("lexical+lexica", "text")
    with pytest.raises(UsageError, match=r"missing beside the \+ in 'lexical\+'"):
        plugins.encoder("lexical+", "text")


def test_a_plus_of_a_folder_is_its_own(tmp_path: Path) -> None:
    (folder := tmp_path / "a+b").mkdir()
    for given in (f"{folder}+lexical", f"lexical + {folder}"):
        both = plugins.encoder(given, "text")
        assert {type(one) for one in both.parts} == {TextModel, Lexical}
        assert str(folder) in {getattr(one, "name", "") for one in both.parts}


def test_two_modalities_are_no_one_column() -> None:
    with pytest.raises(UsageError, match="Lexical and LogMel take text and sound"):
        _ = Beside(Lexical(), LogMel()).modality
    with pytest.raises(UsageError, match="LogMel takes sound"):
        features(Beside(Lexical(), LogMel()), TEXTS)


@pytest.mark.parametrize("other", [len, "lexical", Lexical])
def test_what_is_no_encoder_is_refused(other: Any) -> None:
    with pytest.raises(UsageError, match="is no encoder"):
        features(Beside(Lexical(), other), TEXTS)


def test_features_next_to_nothing_stay_what_they_are() -> None:
    faint = Function(lambda cells: np.full((len(cells), 1), 1e-42), "text")
    assert np.isfinite(features(Beside(Lexical(dim=3), faint), TEXTS).values).all()


@pytest.mark.parametrize("named", [True, False], ids=["by name", "with a function"])
def test_a_model_keeps_it(named: bool, tmp_path: Path) -> None:
    given = "lexical+lexical" if named else Beside(Lexical(), Function(Counted(), "text"))
    colours = ["red", "green", "blue", "dark", "pale"]
    rng = np.random.default_rng(0)
    which = rng.integers(len(colours), size=60)
    table = {
        "text": [f"a {colours[i]} thing no {n % 7}" for n, i in enumerate(which)],
        "vector": (np.eye(5)[which] + 0.1 * rng.normal(size=(60, 5))).tolist(),
    }
    model = chiasm.fit(table, encoders={"text": given}, seed=0)
    model.save(tmp_path / "model")
    again = chiasm.load(tmp_path / "model", encoders=None if named else {"text": given})
    asked = {"text": "a blue thing"}
    assert [hit.row for hit in again.search(asked)] == [hit.row for hit in model.search(asked)]
