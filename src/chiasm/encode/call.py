"""Any function as an encoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.encoder import Encoder, digest
from chiasm.errors import EncoderError


class Function(Encoder):
    """A function of a list of decoded cells that returns vectors (n, d).

    A model folder cannot hold a function: `chiasm.load(path, encoders={column: function})` gives it back.

    function : list of cells → array-like (n, d), each line from its cell alone.
    modality : of the cells.
    name : tells the function apart in the cache. Without one a plain function goes by its name and source,
        and what else decides the result (a closure, a bound object, a partial) is not cached at all.
    """

    def __init__(self, function: Callable[[list[Any]], Any], modality: str, name: str | None = None) -> None:
        self.function = function
        self.modality = modality  # type: ignore[misc]
        self.name = name

    @property
    def cached(self) -> bool:  # type: ignore[override]
        """Whether the name, or the source alone, tells what the function gives."""
        return self.name is not None or _source(self.function) != ""

    def identity(self) -> str:
        """The given name, or the module and source of the function."""
        if self.name is not None:
            return digest("Function", self.name, self.modality)
        return digest("Function", self.function.__module__, _source(self.function), self.modality)

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """What the function returns; the engine checks it."""
        answer = self.function(list(cells))
        try:
            described: NDArray[np.float32] = np.asarray(answer)
        except ValueError as error:
            raise EncoderError(f"expected (n, d) numbers: {error}", where="Function") from error
        return described


def _source(function: Any) -> str:
    """The text of a plain function; "" where there is none or more than its text decides what it gives."""
    if not inspect.isfunction(function) or function.__closure__ or function.__name__ == "<lambda>":
        return ""
    try:
        return inspect.getsource(function)
    except OSError:
        return ""
