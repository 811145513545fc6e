"""Heads by name, and their records: what a fusion keeps of them in its own state."""

from __future__ import annotations

import importlib
from typing import Any

from chiasm.checks import check_known
from chiasm.errors import UsageError
from chiasm.heads.head import Head

HEADS = {
    "linear": "chiasm.heads.linear:Linear",
    "forest": "chiasm.heads.forest:Forest",
    "ordinal": "chiasm.heads.ordinal:Ordinal",
    "kernel": "chiasm.heads.kernel:Kernel",
}
Record = dict[str, Any]


def head_class(name: str) -> type[Head]:
    """The class of a name in `HEADS`; UsageError with a suggestion where there is none."""
    check_known(name, HEADS, "head")
    module, _, attribute = HEADS[name].partition(":")
    found: type[Head] = getattr(importlib.import_module(module), attribute)
    return found


def record(head: Head) -> Record:
    """{"name", "params", "state"} of a fitted head, arrays and JSON values only."""
    path = f"{type(head).__module__}:{type(head).__qualname__}"
    known = {place: name for name, place in HEADS.items()}
    if path not in known:
        raise UsageError(f"{type(head).__name__} is no head known by name, so it cannot be kept")
    return {"name": known[path], "params": head.get_params(deep=False), "state": head.state()}


def revive(kept: Record) -> Head:
    """The head of a record."""
    return head_class(kept["name"])(**kept["params"]).restore(kept["state"])
