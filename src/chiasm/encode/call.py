"""Any function as an encoder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_matrix
from chiasm.encode.encoder import Encoder, digest


class Function(Encoder):
    """A function of a list of decoded cells that returns vectors (n, d).

    A model folder cannot hold a function: `chiasm.load(path, encoders={column: function})` gives it back.

    function : list of cells → array-like (n, d), each line from its cell alone.
    modality : of the cells.
    name : tells the function apart in the cache; None takes its name and source.
    """

    def __init__(self, function: Callable[[list[Any]], Any], modality: str, name: str | None = None) -> None:
        self.function = function
        self.modality = modality  # type: ignore[misc]
        self.name = name

    def identity(self) -> str:
        """The given name, or module, qualified name and source of the function."""
        if self.name is not None:
            return digest("Function", self.name, self.modality)
        kind = self.function if inspect.isroutine(self.function) else type(self.function)
        try:
            source = inspect.getsource(kind)
        except (OSError, TypeError):
            source = ""
        return digest("Function", kind.__module__, kind.__qualname__, source, self.modality)

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """What the function returns, checked by the engine."""
        return np.asarray(check_matrix(self.function(list(cells)), "what the function returned"), np.float32)
