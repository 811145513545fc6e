"""Every component in every variant that the contract tests hold to what all of its kind promise.

A component is found by its name, so a new one is held to the contracts with nothing written here: as it is
by default, but small. Where its settings take another way through the code, `VARIANTS` names them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from columns import WIDTHS, N

from chiasm import plugins
from chiasm.align.anchors import Anchors
from chiasm.encode.image import Gradients
from chiasm.encode.text import Lexical
from chiasm.encode.vector import Hellinger, Vector
from chiasm.model import records
from chiasm.storage import read_tree, write_tree


def lengths(cells: list[str]) -> np.ndarray:
    return np.array([[len(cell), cell.count(" ")] for cell in cells], np.float32)


SIZES: dict[str, dict[str, Any]] = {
    "align": {"dim": 3, "hidden": 8, "epochs": 2},
    "fuse": {"width": 4, "members": 1, "epochs": 2},
    "encode": {},
}
"""Of every component that has such a parameter, where its variant does not say: so it learns in no time."""
STEPS = {"batch": 20, "learning_rate": 1e-2, "dropout": 0.2}
MEMBERS = [
    ("cca", {"ridge": 1e-2}),
    ("learned", {"hidden": 4, "epochs": 1, "batch": 40}),
    ("csa", {"dim": 2}),
]

VARIANTS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "align": {
        "cca": {"": {}, "unweighted": {"weight": 0.0, "ridge": {**dict.fromkeys(WIDTHS, 1e-2), "a": 0.1}}},
        "anchors": {"sparse": {"dim": 30, "keep": 8}, "relative": {"dim": N, "keep": None, "power": 1.0}},
        "kernel": {
            "nystroem": {"size": 40, "ridge": 1e-2},
            "fourier": {"size": 40, "basis": "fourier"},
            "whole": {"ridge": 1e-2, "weight": 0.0},
        },
        "dictionary": {"thin": {"dim": 6, "passes": 2}, "thick": {"penalty": 0.3, "passes": 1}},
        "transport": {"whole": {}, "batches": {"rounds": 3, "batch": 10, "entropy": 0.05}},
        "adversarial": {"": {"batch": 30}},
        "learned": {
            "warm": STEPS,
            "cold linear": {**STEPS, "hidden": 0, "start": None, "loss": "sigmoid"},
            "kernel mixed": {
                "start": "kernel",
                "settings": {"ridge": 1e-2},
                "mixup": 1.0,
                "structure": 1.0,
                "learning_rate": 1e-2,
            },
        },
        "blend": {
            "": {"members": MEMBERS},
            "anchored": {"members": (("cca", {}), ("anchors", {"dim": 20}))},
        },
        "swapped": {"": {}, "of anchors": {"aligner": Anchors(dim=30, keep=None)}},
    },
    "fuse": {
        "mean": {"": {}, "weighted": {"weights": {"a": 2.0, "b": 0.5}}},
        "late": {"linear": {"heads": ("linear",)}},
        "experts": {"linear": {"heads": ("linear",)}},
    },
    "encode": {
        "function": {"": {"function": lengths, "modality": "text"}},
        "beside": {
            "": {"first": Lexical(dim=4), "second": Lexical(dim=3, letters=0.0)},
            "images": {"first": Gradients(dim=5), "second": Gradients(dim=2)},
            "vectors": {"first": Vector(), "second": Hellinger()},
        },
    },
}
"""{kind: {name: {variant: parameters}}}; a component that is not here is tested as it is by default."""


@dataclass(frozen=True)
class Case:
    """One variant of one component."""

    kind: str
    name: str
    variant: str
    given: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    @property
    def cls(self) -> Any:
        return plugins.get(self.kind, self.name, kept=True)

    @property
    def needed(self) -> list[str]:
        """Parameters without a default that the variant does not say either."""
        parameters = inspect.signature(self.cls).parameters.values()
        return [p.name for p in parameters if p.default is p.empty and p.name not in self.given]

    def made(self) -> Any:
        """A fresh component; what it cannot be without is something that only can be stored."""
        known = inspect.signature(self.cls).parameters
        small = {name: value for name, value in SIZES[self.kind].items() if name in known}
        return self.cls(**{**dict.fromkeys(self.needed, object()), **small, **self.given})


def cases(kind: str) -> list[Case]:
    """Every variant of every component of a kind, of what only a verb makes too."""
    names = sorted({*plugins.BUILT_IN[kind], *plugins.MADE.get(kind, {})})
    return [
        Case(kind, name, variant, given)
        for name in names
        for variant, given in VARIANTS[kind].get(name, {"": {}}).items()
    ]


def stored(kind: str, component: Any, folder: Path) -> Any:
    """The component that a model folder gives back, by its name, its parameters and what it learned."""
    write_tree(folder, "kept", records.of(kind, component))
    return records.component(kind, read_tree(folder, "kept"))
