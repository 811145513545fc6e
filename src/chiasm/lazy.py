"""Lazy public names: a package looks them up when first used, so that importing it is fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def attach(
    package: str, names: Mapping[str, Sequence[str]], rooms: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package.

    names : {module: the public names in it}, modules by their names within the package.
    rooms : modules that are themselves public.
    """
    places = {name: f"{package}.{module}" for module, inside in names.items() for name in inside}

    def look_up(name: str) -> Any:
        if name in places:
            return getattr(importlib.import_module(places[name]), name)
        if name in rooms:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def listed() -> list[str]:
        return sorted({*vars(importlib.import_module(package)), *places, *rooms})

    return look_up, listed
