"""docs/api.md names what exists, and every error; that every `__all__` is in it is held elsewhere."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

from chiasm import errors

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "api.md").read_text("utf-8")
NAMES = sorted(set(re.findall(r"`(chiasm(?:\.\w+)+)", PAGE)))


def resolve(name: str) -> object:
    """The object of a dotted name: the longest part that is a module, then its attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[end:], module)
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    assert resolve(name) is not None


def test_a_name_that_does_not_exist_is_seen() -> None:
    with pytest.raises(AttributeError):
        resolve("chiasm.rows.rows.Rows.splitt")
    with pytest.raises(AttributeError):
        resolve("chiasm.errors.NoSuchError")


def test_every_error_is_named() -> None:
    classes = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and found.__module__ == errors.__name__
    }
    assert {f"chiasm.errors.{name}" for name in classes} <= set(NAMES)
    assert len(classes) > 5
