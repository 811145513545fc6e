"""What every component promises, found through the table of names, those added later included.

What the components of one room promise besides is in test_contracts_encode, _align, _fuse, and _targets for
the fusions that predict; the variants that are tested are in contracts.py.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from contracts import VARIANTS, Case, cases
from sklearn.base import clone

import chiasm
from chiasm import plugins
from chiasm.align.aligner import Aligner
from chiasm.checks import Estimator
from chiasm.encode.encoder import Encoder
from chiasm.fuse.fusion import Fusion

BASES: dict[str, type[Any]] = {"align": Aligner, "fuse": Fusion, "encode": Encoder}


@pytest.mark.parametrize("case", [case for kind in plugins.BUILT_IN for case in cases(kind)], ids=str)
def test_the_constructor_only_stores(case: Case) -> None:
    component = case.made()
    assert isinstance(component, Estimator)
    assert plugins.name_of(case.kind, component) == case.name
    for parameter, value in component.get_params(deep=False).items():
        assert getattr(component, parameter) is value
    for parameter, value in case.given.items():
        assert getattr(component, parameter) is value
    again = clone(component, safe=False)
    assert again.get_params(deep=False).keys() == component.get_params(deep=False).keys()
    assert component.state() == {}


@pytest.mark.parametrize("kind", BASES)
def test_what_a_room_exports_has_a_name_and_so_is_tested(kind: str) -> None:
    room = importlib.import_module(f"chiasm.{kind}")
    exported = {getattr(room, name) for name in room.__all__}
    named = {case.cls for case in cases(kind)}
    components = {one for one in exported if inspect.isclass(one) and issubclass(one, BASES[kind])}
    assert {one for one in components if not inspect.isabstract(one)} - {BASES[kind]} <= named


def test_every_variant_is_one_of_a_component() -> None:
    for kind, variants in VARIANTS.items():
        assert variants.keys() <= {case.name for case in cases(kind)}
        assert all(variants.values()), "a component without a variant would not be tested"


def estimators() -> list[type[Estimator]]:
    """Every estimator that a room exports, and every component that has a name."""
    rooms = [f"chiasm.{p.parent.name}" for p in Path(chiasm.__file__).parent.glob("*/__init__.py")]
    modules = [importlib.import_module(room) for room in rooms]
    exported = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    classes = {one for one in exported if inspect.isclass(one) and issubclass(one, Estimator)}
    return sorted({*classes, *(case.cls for kind in BASES for case in cases(kind))}, key=str)


@pytest.mark.parametrize("cls", estimators())
def test_every_parameter_has_its_line_in_the_docstring(cls: type[Estimator]) -> None:
    """`name : what it is`, of several parameters `name, other : what they are`, in the class or in a base."""
    docs = "\n".join(base.__doc__ or "" for base in cls.__mro__ if issubclass(base, Estimator))
    names = cls._get_param_names()
    assert [name for name in names if not re.search(rf"(?:^|  |, ){name}(?:, \w+)* : ", docs, re.M)] == []
