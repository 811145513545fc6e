"""Estimators by name: made with defaults where they take them, kept as records and read back."""

from __future__ import annotations

import pytest

from chiasm.checks import Estimator
from chiasm.errors import UsageError
from chiasm.named import Named


class Scale(Estimator):
    """A number that was learned."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def fit(self, value: float) -> Scale:
        self.value_ = value * self.factor
        return self


class Stranger(Estimator):
    """Known by no name."""


SCALES: Named[Scale] = Named("scale", {"scale": f"{__name__}:Scale"})


def test_defaults_count_where_there_is_such_a_parameter_and_nothing_else_is_said() -> None:
    assert SCALES.made("scale", {}, {"factor": 2.0, "seed": 3}).factor == 2.0
    assert SCALES.made("scale", {"factor": 5.0}, {"factor": 2.0}).factor == 5.0


def test_a_record_gives_back_what_was_learned() -> None:
    kept = SCALES.record(Scale(3.0).fit(2.0))
    assert kept == {"name": "scale", "params": {"factor": 3.0}, "state": {"value_": 6.0}}
    assert SCALES.revive(kept).value_ == 6.0


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no scale called 'scael'\. Did you mean 'scale'"):
        SCALES.made("scael", {})
    with pytest.raises(UsageError, match="parameter of 'scale' called 'facto'"):
        SCALES.made("scale", {"facto": 1.0})
    with pytest.raises(UsageError, match="Stranger is no scale known by name"):
        SCALES.record(Stranger())  # type: ignore[arg-type]
