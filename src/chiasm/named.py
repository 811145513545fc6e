"""Estimators by name, and their records: what one estimator keeps of another in its own state."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from chiasm.checks import Estimator, check_known
from chiasm.errors import UsageError

One = TypeVar("One", bound=Estimator)
Record = dict[str, Any]


class Named(Generic[One]):
    """A table of classes that may be part of another estimator; none is imported before one is made.

    what : a word for any of them;  places : {name: "module:class"}.
    """

    def __init__(self, what: str, places: Mapping[str, str]) -> None:
        self.what, self.places = what, places

    def made(self, name: str, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> One:
        """A fresh one; defaults count only where it has such a parameter.

        Raises UsageError with a suggestion where there is no such name or parameter.
        """
        check_known(name, self.places, self.what)
        cls: type[One] = imported(self.places[name])
        known = cls._get_param_names()
        for parameter in given:
            check_known(parameter, known, f"parameter of {name!r}")
        return cls(**{**{k: v for k, v in (defaults or {}).items() if k in known}, **given})

    def record(self, one: One) -> Record:
        """{"name", "params", "state"} of a fitted one, arrays and JSON values only."""
        known = {place: name for name, place in self.places.items()}
        if place_of(one) not in known:
            raise UsageError(f"{type(one).__name__} is no {self.what} known by name, so it cannot be kept")
        return {"name": known[place_of(one)], "params": one.get_params(deep=False), "state": one.state()}

    def revive(self, kept: Record) -> One:
        """The one of a record."""
        return self.made(kept["name"], kept["params"]).restore(kept["state"])


def imported(place: str) -> Any:
    """What stands at "module:attribute"."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def place_of(one: Any) -> str:
    """ "module:class" of an object."""
    return f"{type(one).__module__}:{type(one).__qualname__}"
