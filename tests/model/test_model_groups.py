"""A group of table columns takes an encoder by its name; rows held out by group are judged by group."""

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


def test_a_search_is_judged_by_the_groups_it_was_parted_by() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((240, 4))
    clinics = np.repeat([f"c{i:02}" for i in range(24)], 10)
    data = {"a": a.tolist(), "b": (a @ rng.standard_normal((4, 4))).tolist(), "clinic": clinics.tolist()}
    kinds = {"a": "vector", "b": "vector", "clinic": "category"}
    model = chiasm.fit(data, by="clinic", modalities=kinds, dim=4)
    held = set(clinics[model.facts["trained_rows"]["score"]])
    assert 1 < len(held) < 8
    assert [one.groups for one in model.report.directions] == [len(held)] * 2
    assert f"a → b {len(held)} groups" in " ".join(model.report.notes)
    assert [one.groups for one in model.evaluate(data).directions] == [24, 24]
    assert [one.groups for one in model.swap("b", chiasm.encode.Vector()).report.directions] == [
        len(held)
    ] * 2
    unnamed = {name: data[name] for name in "ab"}
    assert [one.groups for one in model.evaluate(unnamed).directions] == [0, 0]
    apart = chiasm.fit(data, modalities=kinds, dim=4)
    assert [one.groups for one in apart.report.directions] == [0, 0]
