"""Aligners that are part of another one: made by name, kept as records in its state."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from chiasm.align.aligner import Aligner
from chiasm.checks import check_known
from chiasm.errors import UsageError

MEMBERS = {
    "anchors": "chiasm.align.anchors:Anchors",
    "cca": "chiasm.align.linear:CCA",
    "csa": "chiasm.align.csa:CSA",
    "kernel": "chiasm.align.kernel:Kernel",
    "learned": "chiasm.align.learned:Learned",
}
Record = dict[str, Any]


def made(name: str, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Aligner:
    """An aligner of `MEMBERS`; defaults count only where it has such a parameter."""
    check_known(name, MEMBERS, "aligner that can be a member")
    module, _, attribute = MEMBERS[name].partition(":")
    cls: type[Aligner] = getattr(importlib.import_module(module), attribute)
    known = cls._get_param_names()
    for parameter in given:
        check_known(parameter, known, f"parameter of {name!r}")
    return cls(**{**{k: v for k, v in defaults.items() if k in known}, **given})


def record(aligner: Aligner) -> Record:
    """{"name", "params", "state"} of a fitted aligner, arrays and JSON values only."""
    path = f"{type(aligner).__module__}:{type(aligner).__qualname__}"
    known = {place: name for name, place in MEMBERS.items()}
    if path not in known:
        raise UsageError(f"{type(aligner).__name__} is no aligner known by name, so it cannot be a member")
    return {"name": known[path], "params": aligner.get_params(deep=False), "state": aligner.state()}


def revive(kept: Record) -> Aligner:
    """The aligner of a record."""
    return made(kept["name"], {}, kept["params"]).restore(kept["state"])
