"""Any function as an encoder."""

from __future__ import annotations

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
    name : of the function in the cache; without one nothing is cached, since what a function reads beside
        its arguments cannot be known.
    """

    def __init__(self, function: Callable[[list[Any]], Any], modality: str, name: str | None = None) -> None:
        self.function = function
        self.modality = modality  # type: ignore[misc]
        self.name = name

    @property
    def cached(self) -> bool:  # type: ignore[override]
        """Only under a name."""
        return self.name is not None

    def identity(self) -> str:
        """The given name."""
        return digest("Function", self.name, self.modality)

    def __sklearn_clone__(self) -> Function:
        # a function may hold a session or a lock, which cannot be copied
        return type(self)(self.function, self.modality, self.name)

    def describe(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        """What the function returns; the engine checks it."""
        answer = self.function(list(cells))
        try:
            described: NDArray[np.float32] = np.asarray(answer)
        except ValueError as error:
            raise EncoderError(f"expected (n, d) numbers: {error}", where="Function") from error
        return described
