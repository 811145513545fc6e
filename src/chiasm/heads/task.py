"""What a target asks for: one of several classes, several labels at once, an order, a number, or numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from chiasm.array_types import Floats
from chiasm.checks import check_known, is_missing
from chiasm.errors import DataError
from chiasm.numerics import softmax

KINDS = ("classes", "labels", "order", "number", "numbers")
MOST_NUMERIC_CLASSES = 20
"""A target of whole numbers with more distinct values than this is a number, not classes."""

LARGEST = 1e100
"""A number in a target beyond this is a slip, and its square has no room in float64 sums."""


@dataclass(frozen=True)
class Task:
    """The kind of a target and the code of its values.

    kind : classes (one per row), labels (any number per row), order (classes from low to high),
        number, numbers (a vector or a piece of a series).
    classes : of the first three kinds, sorted; the values as they stand in the data.
    centre, scale : of numbers, one per output: scores are in units of `scale` from `centre`.
    """

    kind: str
    classes: tuple[Any, ...] = ()
    centre: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_known(self.kind, KINDS, "kind of target")

    @classmethod
    def of(cls, values: Sequence[Any], kind: str | None = None) -> Task:
        """The task of a target's values, one per row, None where a row has none; `kind` None infers it.

        Raises DataError where nothing can be learned: no value at all, one class or one number only.
        """
        known = [value for value in values if not is_missing(value)]
        if not known:
            raise DataError("no row has a value", hint="A target needs values to learn from.")
        kind = kind or inferred(known)
        if kind in ("number", "numbers"):
            return cls._of_numbers(known, kind)
        flat = [one for value in known for one in value] if kind == "labels" else known
        wrong = next((one for one in flat if not isinstance(one, str | Real | np.bool_)), None)
        if wrong is not None:
            raise DataError(f"a class is a word or a number, not a {type(wrong).__name__}", where="target")
        classes = tuple(sorted(set(flat), key=_order))
        if len(classes) < 2 and kind != "labels":
            raise DataError(f"one class only, {classes[0]!r}", hint="A target needs two classes or more.")
        return cls(kind, classes)

    @classmethod
    def _of_numbers(cls, known: Sequence[Any], kind: str) -> Task:
        table = _numbers(known)
        spread = table.std(axis=0)
        if not (spread > 0).any():
            raise DataError("one value only", hint="A target needs values that differ.")
        scale = np.where(spread > 0, spread, 1.0)
        return cls(kind, (), tuple(table.mean(axis=0).tolist()), tuple(scale.tolist()))

    @property
    def outputs(self) -> int:
        """q, the scores of one row."""
        return len(self.classes) or len(self.centre)

    @property
    def is_number(self) -> bool:
        """Whether scores stand for numbers, else for probabilities."""
        return self.kind in ("number", "numbers")

    def code(self, values: Sequence[Any]) -> NDArray[Any]:
        """The code of values, none of them None: int64 (n,) places in `classes` (classes, order), float64
        (n, q) of 0 and 1 (labels) or standard units (numbers). DataError names a value never seen."""
        if self.is_number:
            return np.asarray((_numbers(values) - np.array(self.centre)) / np.array(self.scale))
        place = {value: i for i, value in enumerate(self.classes)}
        rows = values if self.kind == "labels" else [[value] for value in values]
        unseen = {one for row in rows for one in row if one not in place}
        if unseen:
            raise DataError(f"classes never learned: {sorted(map(str, unseen))[:5]}")
        if self.kind != "labels":
            return np.array([place[value] for value in values], np.int64)
        coded = np.zeros((len(rows), len(self.classes)))
        for line, row in zip(coded, rows, strict=True):
            line[[place[one] for one in row]] = 1.0
        return coded

    def probabilities(self, scores: Floats) -> Floats:
        """(n, q) of scores (n, q): softmax of classes and order, sigmoid of labels; NaN rows stay NaN."""
        return np.asarray(expit(scores) if self.kind == "labels" else softmax(scores)[0], np.float64)

    def numbers(self, scores: Floats) -> Floats:
        """(n, q) the target's own units of scores."""
        return np.asarray(scores * np.array(self.scale) + np.array(self.centre), np.float64)

    def losses(self, scores: Floats, y: NDArray[Any]) -> Floats:
        """(n,) the loss of each row: minus log likelihood of classes, order and labels (summed),
        squared error of numbers in standard units (mean over the outputs); NaN rows stay NaN."""
        if self.is_number:
            return np.asarray(((scores - y) ** 2).mean(axis=1), np.float64)
        if self.kind == "labels":
            return np.asarray(np.logaddexp(0, np.where(y > 0, -scores, scores)).sum(axis=1), np.float64)
        return np.asarray(softmax(scores)[1] - scores[np.arange(len(y)), y], np.float64)

    def prior(self, y: NDArray[Any], weights: Floats | None = None) -> Floats:
        """(q,) the scores of a row of which nothing is known, from coded targets."""
        if self.is_number:
            return np.asarray(np.average(y, axis=0, weights=weights), np.float64)
        if self.kind == "labels":
            share = (np.average(y, axis=0, weights=weights) * len(y) + 0.5) / (len(y) + 1)
            return np.asarray(np.log(share / (1 - share)), np.float64)
        counts = np.bincount(y, weights, minlength=self.outputs) + 0.5
        return np.asarray(np.log(counts / counts.sum()), np.float64)

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Task:
        """The task of `to_json`."""
        parts = {name: tuple(document[name]) for name in ("classes", "centre", "scale")}
        return cls(str(document["kind"]), **parts)


def inferred(known: Sequence[Any]) -> str:
    """The kind of values: words, booleans and few whole numbers are classes, lists of words labels, other
    numbers number, lists of numbers numbers."""
    if all(isinstance(value, list | tuple | np.ndarray) for value in known):
        words = any(isinstance(one, str) for value in known for one in value)
        return "labels" if words else "numbers"
    if any(isinstance(value, str | bool) for value in known):
        return "classes"
    wrong = next((value for value in known if not isinstance(value, Real)), None)
    if wrong is not None:
        raise DataError(f"holds words, numbers or lists, not {type(wrong).__name__}", where="target")
    whole = all(float(value).is_integer() for value in known if math.isfinite(float(value)))
    return "classes" if whole and len(set(known)) <= MOST_NUMERIC_CLASSES else "number"


def _numbers(values: Sequence[Any]) -> Floats:
    """(n, q) float64 of numbers or of equally long lists of them; DataError where they are not finite."""
    try:
        table = np.array(values, np.float64).reshape(len(values), -1)
    except (TypeError, ValueError) as error:
        raise DataError("expected numbers, as many in every row") from error
    if not np.isfinite(table).all():
        raise DataError("holds NaN or infinity")
    if len(table) and np.abs(table).max() > LARGEST:
        raise DataError(f"holds {np.abs(table).max():.0e}, more than can be squared and summed")
    return table


def _order(value: Any) -> tuple[bool, Any]:
    """Numbers in their order before words in theirs."""
    number = isinstance(value, int | float)
    return not number, value if number else str(value)
