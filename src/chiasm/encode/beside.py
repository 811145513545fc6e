"""Two encoders of one column side by side: one may describe what the other leaves out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.array_types import Floats32
from chiasm.encode.encoder import Descriptions, Encoder, check_cells, digest
from chiasm.errors import UsageError

NEGLIGIBLE_LENGTH = 1e-30
"""Features this short stay as they are: divided by their length they would overflow."""


class Beside(Encoder):
    """The features of two encoders, each of mean square length 1 on the training rows, as one vector.

    A sentence model gives paraphrases nearly the same vector, and words beside it tell them apart again: on
    Flickr8k's test part, CCA of photos and captions finds more at first rank with both than with MiniLM alone
    (benchmarks/results/flickr8k_rungs.md). Of three, `Beside(Beside(a, b), c)`, each has length 1 too.
    Scikit-learn's FeatureUnion for cells, with the descriptions of each kept in the cache on their own; a
    cell that one of them cannot use is broken.

    first, second : encoders of one modality; they stay as they are, copies of them learn.

    scales_ : what the features of each are multiplied by;  states_ : what each learned.
    """

    cached: ClassVar[bool] = False  # those of its parts are

    scales_: list[float]
    states_: list[dict[str, Any]]

    def __init__(self, first: Encoder, second: Encoder) -> None:
        self.first = first
        self.second = second

    @property
    def modality(self) -> str:  # type: ignore[override]
        """That of both; UsageError where they differ."""
        one, other = (part.modality for part in self._both())
        if one != other:
            names = f"{type(self.first).__name__} and {type(self.second).__name__}"
            raise UsageError(f"{names} take {one} and {other}: no column holds both", where="Beside")
        return one

    @property
    def parts(self) -> tuple[Encoder, ...]:
        """Both, fitted once this one is."""
        if not hasattr(self, "states_"):
            return self._both()
        return self.made_of("states_", self._revived)

    @property
    def cell_width(self) -> int | None:
        """What either asks for."""
        widths = [one.cell_width for one in self.parts]
        return next((width for width in widths if width is not None), None)

    def identity(self) -> str:
        """Of both."""
        return digest(self.kind, self.version, self.first.identity(), self.second.identity())

    def describe(self, cells: Sequence[Any]) -> list[Any]:
        """Pairs of descriptions, as the engine makes them part by part."""
        return list(zip(*(one.describe(cells) for one in self.parts), strict=True))

    def fit(self, described: Descriptions) -> Self:
        """Learn both from n >= 1 pairs of descriptions, and how long their features are."""
        check_cells(described, self)
        self.forget()
        scales, states = [], []
        for one, own in zip(self._both(), self._parted(described), strict=True):
            fitted = copy.copy(one).fit(own)
            length = np.sqrt(np.square(fitted.transform(own), dtype=np.float64).sum(axis=1).mean())
            ready = isinstance(one, Beside) or length <= NEGLIGIBLE_LENGTH  # which has scaled its own
            scales.append(1.0 if ready else float(1 / length))
            states.append(fitted.state())
        self.scales_, self.states_ = scales, states
        self.width_ = sum(one.width_ for one in self.parts)
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, Σ d) of pairs of descriptions."""
        self.require_fitted("states_")
        each = zip(self.parts, self._parted(described), self.scales_, strict=True)
        return np.hstack([one.transform(own) * np.float32(scale) for one, own, scale in each])

    def _both(self) -> tuple[Encoder, Encoder]:
        """Those given; UsageError where one is no encoder."""
        given: tuple[Any, Any] = (self.first, self.second)
        for one in given:
            if not isinstance(one, Encoder):
                hint = "Give encoders, such as Lexical() or Function(f, 'text')."
                raise UsageError(f"{one!r} is no encoder", where="Beside", hint=hint)
        return self.first, self.second

    def _revived(self, states: list[dict[str, Any]]) -> tuple[Encoder, ...]:
        """Copies that share what is loaded."""
        return tuple(copy.copy(one).restore(state) for one, state in zip(self._both(), states, strict=True))

    def _parted(self, described: Descriptions) -> list[Descriptions]:
        """The descriptions of each part: an array where they are kept as one, else a list."""
        sides = zip(*described, strict=True) if len(described) else ((), ())
        return [
            np.stack(side) if one.cached and len(side) else list(side)
            for one, side in zip(self._both(), sides, strict=True)
        ]
