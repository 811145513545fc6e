"""A group of table columns takes an encoder by its name."""

from __future__ import annotations

import numpy as np
import pytest

import chiasm
from chiasm.encode import Table
from chiasm.errors import UsageError
from chiasm.fuse import Late


def test_the_encoder_of_a_group_is_named_by_the_group() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal(60)
    data = {"a": a.tolist(), "b": (a + rng.standard_normal(60)).tolist(), "y": [f"c{int(x > 0)}" for x in a]}
    quick = Late(heads=("linear",))
    model = chiasm.fit(data, target="y", fuse=quick, encoders={"table": Table(expected=True)})
    assert model.predictor().inputs.encoders["table"].expected
    own = chiasm.fit(
        data, target="y", fuse=quick, groups={"two": ["a", "b"]}, encoders={"two": Table(robust=True)}
    )
    assert own.predictor().inputs.encoders["two"].robust
    with pytest.raises(UsageError, match="no column called 'tabel'"):
        chiasm.fit(data, target="y", encoders={"tabel": Table()})
