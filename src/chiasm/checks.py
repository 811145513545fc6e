"""Shape checks that name what is wrong, and the base of every estimator."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from chiasm.errors import NotFitted, ShapeError, UsageError, did_you_mean

Made = TypeVar("Made")


class Unfitted(NotFitted, NotFittedError):  # type: ignore[misc]
    """`NotFitted` as scikit-learn knows it; made here, since `errors` is imported without scikit-learn."""


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Scikit-learn's conventions: the constructor only stores its parameters, `fit` checks them and returns
    self, and what `fit` learned is in attributes whose names end in `_`.

    Learned attributes are arrays, numbers, strings, and lists or dicts of them, so that `storage` can write
    any estimator as JSON and safetensors, and reading one runs no code from the folder.
    """

    def state(self) -> dict[str, Any]:
        """The learned attributes by name."""
        return {k: v for k, v in vars(self).items() if k.endswith("_") and not k.startswith("_")}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take over what `state` gave, forgetting what was learned before."""
        for name in state:
            if not name.endswith("_") or name.startswith("_") or hasattr(type(self), name):
                raise UsageError(f"{name!r} is nothing that {type(self).__name__} learns")
        self.forget()
        for name, value in state.items():
            setattr(self, name, value)
        return self

    def made_of(self, attribute: str, make: Callable[[Any], Made]) -> Made:
        """What `make` makes of a learned attribute, once for what was learned; no part of `state`."""
        learned = getattr(self, attribute)
        kept: tuple[Any, Made] | None = self.__dict__.get("_made")
        if kept is None or kept[0] is not learned:
            kept = self._made = (learned, make(learned))
        return kept[1]

    def forget(self) -> None:
        """Drop every learned attribute."""
        for name in self.state():
            delattr(self, name)

    def require_fitted(self, attribute: str) -> None:
        """Raise `NotFitted` unless `fit` has learned `attribute`."""
        if not hasattr(self, attribute):
            raise Unfitted("not fitted yet", where=type(self).__name__, hint="Call fit first.")


def check_matrix(values: Any, name: str, width: int | None = None) -> NDArray[Any]:
    """A two-dimensional float array (n, d), with d == width where given."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ShapeError("expected numbers (n, d), got lists of different lengths", where=name) from error
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise ShapeError(f"expected numbers (n, d), got {array.dtype} {array.shape}", where=name)
    if width is not None and array.shape[1] != width:
        raise ShapeError(f"expected (n, {width}), got {array.shape}", where=name)
    return array


def expanded(path: str | PurePath) -> Path:
    """The path with `~` as the home folder; as it is where no such user is known."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (pathlib's own raises RuntimeError)


def is_missing(value: Any) -> bool:
    """Whether a value is None, or NaN, NaT or NA as tables have them, which do not equal themselves."""
    if value is None:
        return True
    if not isinstance(value, Real) and hasattr(value, "__len__"):
        return False
    same = value == value
    return not isinstance(same, bool | np.bool_) or not same


def check_known(name: str, options: Any, what: str) -> None:
    """Raise `UsageError` with a suggestion unless `name` is one of `options`."""
    if name not in options:
        raise UsageError(f"no {what} called {name!r}", hint=did_you_mean(name, options))


def check_range(value: Any, name: str, low: float, high: float = float("inf")) -> None:
    """Raise `UsageError` unless a number and low <= value <= high."""
    if not isinstance(value, Real):
        raise UsageError(f"{name} must be a number, got {value!r}")
    if not low <= float(value) <= high:
        raise UsageError(f"{name} must lie between {low} and {high}, got {value}")


def check_count(value: Any, name: str, low: int = 1) -> None:
    """Raise `UsageError` unless a whole number, `low` or more."""
    check_range(value, name, low)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise UsageError(f"{name} must be a whole number, got {value}")
