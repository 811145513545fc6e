"""Benchmarks are not run here; what they take from Chiasm must be there, or a renaming leaves them broken."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).parents[1].glob("benchmarks/*.py"))


def test_there_are_benchmarks() -> None:
    assert len(SCRIPTS) > 20


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(script: Path) -> None:
    tree = ast.parse(script.read_text("utf-8"))
    wanted = [
        (node.module, name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chiasm"
        for name in node.names
    ]
    for place, name in wanted:
        try:
            importlib.import_module(f"{place}.{name}")  # a module
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(place), name), f"{place} has no {name}"
