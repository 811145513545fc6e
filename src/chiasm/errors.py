"""Every error Chiasm raises: one tree, each saying what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

NAMES_COMPARED, NAMES_LISTED = 2_000, 12  # names looked at for a suggestion, and named


class ChiasmError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what : what is wrong, one sentence without its full stop.
    where : file, row, column or argument concerned.
    hint : what the person can do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(what, where, hint)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.hint}" if self.hint else head


class UsageError(ChiasmError, ValueError):
    """The call itself is wrong: an unknown name, a value out of range (exit code 2)."""


class DataError(ChiasmError, ValueError):
    """The data cannot be read as a table of rows, or holds too little for what was asked."""


class ShapeError(ChiasmError, ValueError):
    """An array does not have the shape its name promises."""


class EncoderError(ChiasmError, RuntimeError):
    """An encoder cannot be loaded, or gives something other than finite vectors (n, d)."""


class NotFitted(ChiasmError, ValueError, AttributeError):
    """An estimator was asked for what only `fit` can give it; `except ValueError` catches it too."""


class FolderError(ChiasmError, OSError):
    """A folder or file cannot be written, or a model folder is damaged, foreign or of an unknown version."""


class MissingExtra(ChiasmError, ImportError):
    """A library of an extra is not installed; the hint says which `pip install` brings it."""


class BrokenCell(ChiasmError, ValueError):
    """One cell that is there but cannot be used; readers count it and go on."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The record of one broken cell: its place, its source, the reason, and the row's id if any."""

    row: int
    column: str
    item: int
    source: str
    why: str
    id: str = ""

    def __str__(self) -> str:
        source = f" ({self.source})" if self.source else ""
        return f"row {self.id or self.row}, column {self.column!r}{source}: {self.why}"


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """A hint for a misspelt `name`: the nearest of `options`, or the first of them."""
    known = sorted(options)
    near = difflib.get_close_matches(name, known[:NAMES_COMPARED], n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not known:
        return ""
    more = f" … and {len(known) - NAMES_LISTED:,} more" if len(known) > NAMES_LISTED else ""
    return f"Known here: {', '.join(known[:NAMES_LISTED])}{more}."


def require_extra(module: str, extra: str) -> None:
    """Raise `MissingExtra` unless `module` can be found."""
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise MissingExtra(
            f"{module} is not installed",
            hint=f"pip install 'chiasm[{extra}]' brings it.",
        )
