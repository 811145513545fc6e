"""The head: the features of one modality to scores of a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import Estimator
from chiasm.heads.task import KINDS, Task

Floats = NDArray[np.float64]


class Head(Estimator, ABC):
    """T of one modality: features (n, d), every row present, to scores (n, q) as `Task` reads them.

    kinds : the kinds of target it can learn.
    """

    kinds: ClassVar[tuple[str, ...]] = KINDS

    @abstractmethod
    def fit(
        self,
        Z: NDArray[np.float32],
        y: NDArray[Any],
        task: Task,
        weights: Floats | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn from features (n, d), coded targets (`Task.code`) and weights of rows (n,).

        groups : (n,) rows of one group are never on both sides of an inner split.
        """

    @abstractmethod
    def scores(self, Z: NDArray[np.float32]) -> Floats:
        """(n, q) float64: logits of classes or labels, numbers in standard units."""

    @abstractmethod
    def pull(self, Z: NDArray[np.float32], gradient: Floats) -> Floats:
        """(n, d): a gradient by scores (n, q) carried back to the features; zero where scores are steps."""
