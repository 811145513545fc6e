"""One model of four targets of different kinds, fitted once for the tests of predictions and explanations."""

from __future__ import annotations

import pytest
from patients import patients

import chiasm
from chiasm.fuse.late import Late
from chiasm.model import Model

KINDS = {"sick": "classes", "dose": "number", "signs": "labels", "stage": "order"}


@pytest.fixture(scope="session")
def clinic() -> Model:
    """Late fusion of linear heads on 120 patients, a fifth of whose cells are absent."""
    return chiasm.fit(patients(120), target=list(KINDS), task=KINDS, fuse=Late(heads=("linear",)), folds=3)
