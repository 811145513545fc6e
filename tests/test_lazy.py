"""Lazy public names are those of the modules, found late, listed, and no module is hidden by one."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import chiasm
from chiasm import align, encode, fuse, heads, judge, rows, train

LATE = [chiasm, rows, train, encode, align, heads, fuse, judge]


def seen_by_type_checkers(package: ModuleType) -> set[tuple[str, str]]:
    """(module, name) of what a package imports for type checkers alone."""
    tree = ast.parse(Path(str(package.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        (str(line.module), alias.name)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }


@pytest.mark.parametrize("package", LATE)
def test_a_type_checker_and_a_program_find_the_same(package: ModuleType) -> None:
    promised = seen_by_type_checkers(package)
    assert {name for _, name in promised} == set(package.__all__)
    for module, name in promised:
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
    assert set(package.__all__) <= set(dir(package))


@pytest.mark.parametrize("package", LATE)
def test_no_name_hides_a_module(package: ModuleType) -> None:
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules & set(package.__all__) == set()


@pytest.mark.parametrize("package", LATE)
def test_a_name_that_is_not_there_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nonsense'"):
        package.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {package.__name__} import nonsense")


def test_rooms_are_at_hand_without_an_import() -> None:
    assert chiasm.judge is judge
    assert "metrics" in dir(chiasm)
