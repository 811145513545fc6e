"""What heads and fusions share: predictions of their scores, by the names that scikit-learn has for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import Estimator, is_missing
from chiasm.errors import DataError, ShapeError
from chiasm.heads.task import Task
from chiasm.measures import median_class


class TaskEstimator(Estimator, ABC):
    """An estimator with scores (n, q) of a target, NaN in rows of which nothing is known.

    task_ : JSON of the `Task` it was fitted on.
    """

    task_: dict[str, Any]

    @abstractmethod
    def scores(self, X: Any) -> Floats:
        """(n, q) float64: logits of classes or labels, numbers in standard units."""

    @property
    def task(self) -> Task:
        """The task it was fitted on."""
        self.require_fitted("task_")
        return Task.from_json(self.task_)

    @property
    def classes_(self) -> NDArray[Any]:
        """(q,) the classes or labels, in the order of `predict_proba`; AttributeError of numbers."""
        if self.task.is_number:
            raise AttributeError("a target of numbers has no classes")
        return as_array(self.task.classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) the likeliest class, the middle of an order, a number, or a list of the labels likelier than
        not; (n, q) of several numbers. A row with nothing is None, of numbers NaN."""
        scores = self.scores(X)
        if self.task.is_number:
            values = self.task.numbers(scores)
            return values[:, 0] if self.task.kind == "number" else values
        return as_array(labels_of(self.task, scores))

    def predict_proba(self, X: Any) -> Floats:
        """(n, q) probabilities of `classes_`; NaN for a row with nothing."""
        if self.task.is_number:
            raise DataError("numbers have no probabilities", where=type(self).__name__)
        return self.task.probabilities(self.scores(X))

    def score(self, X: Any, y: Sequence[Any] | NDArray[Any]) -> float:
        """Accuracy, of numbers R², on the rows with a target (not None) and something to predict it from."""
        scores, values = self.scores(X), listed(y)
        rows = [i for i, v in enumerate(values) if v is not None and np.isfinite(scores[i]).all()]
        known = [values[i] for i in rows]
        if self.task.is_number:
            from sklearn.metrics import r2_score

            return float(r2_score(self.task.code(known), scores[rows]))
        said = labels_of(self.task, scores[rows])
        if self.task.kind == "labels":
            return float(np.mean([set(a) == set(b) for a, b in zip(said, known, strict=True)]))
        return float(np.mean([a == b for a, b in zip(said, known, strict=True)]))


def labels_of(task: Task, scores: Floats) -> list[Any]:
    """What scores (n, q) predict, in the values of the target; None for NaN rows."""
    found: NDArray[np.bool_] = np.asarray(np.isfinite(scores).all(axis=1))
    filled = np.where(found[:, None], scores, 0.0)
    if task.is_number:
        values = task.numbers(filled).tolist()
        said: list[Any] = [v[0] for v in values] if task.kind == "number" else values
    elif task.kind == "labels":
        said = [[c for c, s in zip(task.classes, row, strict=True) if s > 0] for row in filled]
    elif task.kind == "order":
        said = [task.classes[i] for i in median_class(task.probabilities(filled))]
    else:
        said = [task.classes[i] for i in filled.argmax(axis=1)]
    return [one if here else None for one, here in zip(said, found, strict=True)]


def listed(y: Sequence[Any] | NDArray[Any]) -> list[Any]:
    """Plain Python values, which arrays and pandas columns hold otherwise; None for every missing one."""
    values: list[Any] = y.tolist() if hasattr(y, "tolist") else list(y)
    return [None if is_missing(value) else value for value in values]


def check_each(values: Any, n: int, name: str) -> None:
    """Raise ShapeError unless there is one for each of n rows, or None at all."""
    if values is not None and len(values) != n:
        raise ShapeError(f"expected one per row, {n}, got {len(values)}", where=name)


def checked_weights(weights: Any, n: int) -> Floats | None:
    """(n,) finite weights, none below zero, not all zero; None where there are none."""
    if weights is None:
        return None
    own = np.asarray(weights, np.float64)
    check_each(own, n, "weights")
    if own.ndim != 1 or not np.isfinite(own).all() or (own < 0).any() or not own.any():
        raise DataError("expected finite weights (n,), none below zero, not all zero", where="weights")
    return own


def as_array(values: Sequence[Any]) -> NDArray[Any]:
    """(n,) of the values' own type, objects where there are several or they are lists."""
    kinds = {type(value) for value in values}
    plain = len(kinds) == 1 and not kinds & {list, tuple, type(None)}
    return np.array(values) if plain else np.fromiter(values, object, len(values))
