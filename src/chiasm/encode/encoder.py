"""The encoder: cells → descriptions (stateless, kept on disk) → features (fitted on the training rows)."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import Estimator, check_matrix
from chiasm.errors import DataError

Descriptions = NDArray[np.float32] | list[Any]


class Encoder(Estimator, ABC):
    """φ of one column, in two steps, so that the costly one is done once for each content.

    `describe` depends on nothing but the cells it is given, so that descriptions can be cached by content and
    `identity()`. `fit` and `transform` work on descriptions; `fit` needs at least one.

    Attributes
    ----------
    modality : what `describe` takes: text (str), image (uint8 (h, w, 3)), sound (`Sound`), video (`Video`),
        series (`Series`), vector (float32 (d,)), number and date (float32 (1,), dates in days), category
        (str), table ({column: value} of a row).
    cached : whether a description is worth keeping on disk; it is then an array.
    version : to be raised whenever the same parameters begin to give other descriptions.
    width_ : length of one feature vector, known once fitted.
    """

    modality: ClassVar[str]
    cached: ClassVar[bool] = True
    version: ClassVar[int] = 1

    @property
    def parts(self) -> tuple[Encoder, ...]:
        """The two encoders it is made of, which describe and are kept each on their own; for most none."""
        return ()

    @property
    def cell_width(self) -> int | None:
        """Length that a ready vector must have, or channels of a series, or the cell is broken; None: any."""
        return None

    @property
    def channel_width(self) -> int | None:
        """Numbers of a description for each channel of a series; None where channels do not show."""
        return None

    def identity(self) -> str:
        """Hex digest of all that a description depends on beside the cell; nothing fitted enters it."""
        return digest(self.kind, self.version, self.get_params())

    @property
    def kind(self) -> str:
        """Module and name of the class."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    @abstractmethod
    def describe(self, cells: Sequence[Any]) -> Descriptions:
        """Descriptions (n, d0) float32, or a list of n, of decoded cells; each depends on its cell alone."""

    def fit(self, described: Descriptions) -> Self:
        """Learn from the descriptions of the training rows; here only their width."""
        check_cells(described, self)
        self.forget()
        self.width_ = int(check_matrix(described, type(self).__name__).shape[1])
        return self

    def transform(self, described: Descriptions) -> NDArray[np.float32]:
        """Features (n, d) float32 of descriptions; here the descriptions themselves."""
        self.require_fitted("width_")
        values = check_matrix(described, type(self).__name__, self.width_)
        return np.ascontiguousarray(values, np.float32)


def digest(*parts: Any) -> str:
    """Hex blake2b of JSON-able parts and arrays."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        content = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return [str(value.dtype), value.shape, content.hexdigest()]
    return str(value)


def check_cells(described: Descriptions, encoder: Encoder) -> None:
    """Raise `DataError` where there is nothing to learn from."""
    if len(described) == 0:
        raise DataError(
            "no cell to learn from",
            where=type(encoder).__name__,
            hint="Leave out a column whose training rows are all absent or broken.",
        )
