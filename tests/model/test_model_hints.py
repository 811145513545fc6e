"""What an error advises serves whoever calls from Python and whoever types a command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from patients import patients

import chiasm
from chiasm.align import CCA, Semantic
from chiasm.errors import ChiasmError, FolderError, UsageError
from chiasm.model import Model

RNG = np.random.default_rng(0)
TWO = {"left": RNG.standard_normal((30, 3)), "right": RNG.standard_normal((30, 4))}


def test_a_folder_that_exists(clinic: Model, tmp_path: Path) -> None:
    path = clinic.save(tmp_path / "m")
    with pytest.raises(FolderError, match=r"overwrite=True \(--overwrite\)"):
        clinic.save(path)
    clinic.save(path, overwrite=True)


def test_a_model_without_a_target() -> None:
    with pytest.raises(UsageError, match=r"target='COL' \(--target COL\)"):
        chiasm.fit({c: x.tolist() for c, x in TWO.items()}).predict([{"left": [0.0] * 3}])


def test_an_aligner_that_needs_classes() -> None:
    with pytest.raises(UsageError, match=r"fit\(X, y\).*target='COL' \(--target COL\)"):
        Semantic().fit(TWO)


def test_columns_without_names_are_called_what_they_are() -> None:
    with pytest.raises(UsageError, match=r"got list. Such as fit"):
        CCA().fit(list(TWO.values()))
    streamed = CCA().fit([TWO])  # a list of tables is a stream
    assert np.allclose(streamed.correlations_, CCA().fit(TWO).correlations_)


def test_a_number_that_may_be_the_rows_own_is_doubted_where_it_is_learned_from() -> None:
    data = {**patients(40), "scan_id": [int(i) for i in RNG.permutation(40)]}
    said = "Column 'scan_id' looks like a row number: --as scan_id=name leaves it out."
    model = chiasm.fit(data, target="sick", fuse="concat", folds=2)
    assert said in model.notes
    assert said not in chiasm.fit(data, target="sick", fuse="none").notes  # numbers do not join the space


def test_a_column_read_otherwise() -> None:
    data = {"a": [float(x) for x in range(20)], "b": [float(x) for x in range(20)]}
    with pytest.raises(ChiasmError, match=r"modalities=\{'COL': 'text'\} \(--as COL=text\).*encoders="):
        chiasm.fit(data)


@pytest.mark.parametrize(("column", "hint"), [("note", "free text"), ("few", r"\(--task few=number\)")])
def test_a_target_of_which_nothing_is_there_twice(column: str, hint: str) -> None:
    data = {**patients(12, gaps=0.0), "note": [f"said on the {i}. day" for i in range(12)], "few": range(12)}
    with pytest.raises(ChiasmError, match=hint) as caught:
        chiasm.fit({c: list(v) for c, v in data.items()}, target=column)
    assert ("number" in str(caught.value).replace("of numbers", "")) == (column == "few")
