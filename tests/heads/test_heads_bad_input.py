"""Heads and fusions used alone, on what people hand them: pandas columns, gaps, wrong lengths, NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chiasm.errors import ChiasmError, DataError, ShapeError
from chiasm.fuse.concat import Concat
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.late import Late
from chiasm.heads.forest import Forest
from chiasm.heads.head import Head
from chiasm.heads.kernel import Kernel
from chiasm.heads.linear import Linear
from chiasm.heads.ordinal import Ordinal
from chiasm.heads.task import LARGEST, Task

N = 60
RNG = np.random.default_rng(0)
WORDS = ["low", "high"] * (N // 2)
Z = (RNG.standard_normal((N, 3)) + 4 * (np.array(WORDS) == "high")[:, None]).astype(np.float32)
HEADED: list[Callable[[], Head]] = [Linear, Forest, Kernel, Ordinal]
ALONE: list[Callable[[], Any]] = [*HEADED, Late, Concat]


@pytest.fixture(params=ALONE, ids=lambda make: make.__name__)
def learner(request: pytest.FixtureRequest) -> Head | Fusion:
    made: Head | Fusion = request.param()
    return made


def given(learner: Head | Fusion, values: Any) -> Any:
    return values if isinstance(learner, Head) else {"table": values}


def test_a_pandas_column_is_read_by_place(learner: Head | Fusion) -> None:
    """Its labels are shuffled, as `sample` and `train_test_split` leave them."""
    labels = np.random.default_rng(1).permutation(N)
    y = pd.Series(WORDS, index=labels)
    expected = type(learner)().fit(given(learner, Z), WORDS).scores(given(learner, Z))
    found = learner.fit(given(learner, Z), y).scores(given(learner, Z))
    np.testing.assert_array_equal(found, expected)
    assert learner.score(given(learner, Z), y) > 0.9


@pytest.mark.parametrize("fusion", [Late, Concat])
@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_target_is_no_class(fusion: type[Fusion], gap: Any) -> None:
    y = pd.Series(WORDS, dtype=object)
    y[::3] = gap
    found = fusion().fit({"table": Z}, y, groups=pd.Series(range(N), index=range(100, 100 + N)))
    assert found.classes_.tolist() == ["high", "low"]
    some = np.arange(N) % 3 > 0
    expected = fusion().fit({"table": Z[some]}, np.array(WORDS)[some], groups=np.arange(N)[some])
    np.testing.assert_array_equal(found.scores({"table": Z}), expected.scores({"table": Z}))


def test_a_head_names_the_row_without_a_target() -> None:
    for head in HEADED:
        with pytest.raises(DataError, match="row 2 has none"):
            head().fit(Z, ["low", "high", None, *WORDS[3:]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_head_refuses_what_is_no_number(bad: float) -> None:
    values = Z.copy()
    values[3, 1] = bad
    for head in HEADED:
        with pytest.raises(DataError, match="NaN or infinity"):
            head().fit(values, WORDS)


def test_lists_are_arrays(learner: Head | Fusion) -> None:
    expected = type(learner)().fit(given(learner, Z), WORDS).scores(given(learner, Z))
    found = learner.fit(given(learner, Z.tolist()), WORDS).scores(given(learner, Z.tolist()))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["weights", "groups"])
def test_one_weight_and_one_group_per_row(learner: Head | Fusion, name: str) -> None:
    with pytest.raises(ShapeError, match=f"{name}.*60, got 59"):
        learner.fit(given(learner, Z), WORDS, **{name: np.ones(N - 1, int)})
    with pytest.raises(ShapeError, match="60, got 58"):
        learner.fit(given(learner, Z), WORDS[:-2])


@pytest.mark.parametrize("weights", [np.zeros(N), np.full(N, np.nan), -np.ones(N), np.ones((N, 2))])
def test_weights_that_weigh_nothing_are_refused(learner: Head | Fusion, weights: np.ndarray) -> None:
    with pytest.raises(DataError, match="weights"):
        learner.fit(given(learner, Z), WORDS, weights=weights)


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"a": 2}] * 5,
        [b"x", b"y"] * 5,
        list(pd.to_datetime(["2024-01-01", "2024-01-02"])) * 5,
        [1.0, 10 * LARGEST, *range(30)],
        [1.0, float("inf"), *range(30)],
        [object(), object()] * 5,
    ],
)
def test_a_target_of_something_else_is_named(values: list[Any]) -> None:
    with pytest.raises(ChiasmError):
        Task.of(values)
    with pytest.raises(ChiasmError):
        Task.of(values, "classes") if not isinstance(values[0], float) else Task.of(values, "number")


@pytest.mark.parametrize("columns", [None, Z, {1: Z, "a": Z}, [Z, Z]])
def test_a_fusion_takes_columns_by_name(columns: Any) -> None:
    with pytest.raises(ChiasmError, match="column"):
        Late().fit(columns, WORDS)
