"""What a target is predicted from: columns, and groups of table columns, each with its encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm import plugins
from chiasm.encode.cache import Cache
from chiasm.encode.described import Described
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column
from chiasm.encode.features import Features
from chiasm.encode.group import GROUPED, describe_group
from chiasm.errors import Broken, DataError, UsageError
from chiasm.rows.augment import changer
from chiasm.rows.modality import SPACE
from chiasm.rows.rows import Rows

Encoders = Mapping[str, "str | Encoder | Callable[..., Any]"]
Progress = Callable[[int, int, str], None]

TABLE = "table"


@dataclass(frozen=True, eq=False)
class Inputs:
    """The modalities of a target.

    encoders : {modality: encoder}; a modality is a column, or the name of a group.
    groups : {name: its columns}, which are one modality together.
    """

    encoders: Mapping[str, Encoder]
    groups: Mapping[str, tuple[str, ...]]

    def columns_of(self, modality: str) -> tuple[str, ...]:
        """The columns that a modality is made of."""
        return self.groups.get(modality, (modality,))

    @property
    def columns(self) -> list[str]:
        """All columns, sorted."""
        return sorted(c for modality in self.encoders for c in self.columns_of(modality))

    def describe(
        self,
        rows: Rows,
        cache: Cache | None = None,
        progress: Progress | None = None,
        seed: int | None = None,
    ) -> dict[str, Described]:
        """{modality: its cells described}; a missing column is absent throughout.

        seed : describes changed copies of the cells (`rows/augment.py`), which are not cached.
        """
        found = {}
        for modality, encoder in self.encoders.items():
            if modality in self.groups:
                found[modality] = describe_group(rows, self.groups[modality], encoder)
                continue
            change = None if seed is None else changer(rows.schema[modality].modality, seed)
            found[modality] = describe_column(
                rows, modality, encoder, cache=cache, progress=progress, change=change
            )
        return found

    def fit(self, described: Mapping[str, Described], learned: NDArray[np.int64]) -> Inputs:
        """Fresh encoders fitted on the rows learned from; what has nothing there is left out."""
        fitted = {}
        for modality, encoder in self.encoders.items():
            part = described[modality].take(learned)
            if len(part.row):
                own: Encoder = clone(encoder)
                fitted[modality] = own.fit(part.values)
        return Inputs(fitted, {name: self.groups[name] for name in self.groups if name in fitted})

    def features(self, described: Mapping[str, Described]) -> dict[str, Features]:
        """φ: {modality: features} by the fitted encoders."""
        return {modality: described[modality].features(e) for modality, e in self.encoders.items()}


def choose_inputs(
    rows: Rows,
    named: Encoders,
    targets: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None,
    aside: Sequence[str | None],
) -> Inputs:
    """An encoder for each column, and one for all numbers, categories and dates that have none of their own.

    groups : {name: columns} in place of the one group 'table'.
    aside : columns that say how rows are parted, not what they hold.
    """
    out = {*targets, *aside, *([rows.schema.ids] if rows.schema.ids else [])}
    given = groups or {TABLE: ()}
    alone = {c for c in rows.schema.of(*SPACE) if c not in out} | (set(named) - set(given))
    chosen: dict[str, Encoder] = {
        c: clone(plugins.encoder(named.get(c), rows.schema[c].modality)) for c in sorted(alone)
    }
    free = [c for c in rows.schema.of(*GROUPED) if c not in out and c not in alone]
    found = _groups(rows, free, groups)
    chosen |= {name: clone(plugins.encoder(named.get(name), TABLE)) for name in found}
    if not chosen:
        kinds = ", ".join(f"{c.name} ({c.modality})" for c in rows.schema.columns)
        raise DataError(
            f"nothing to predict {', '.join(targets)} from; the columns are {kinds}",
            hint="modalities={'COL': 'text'} (--as COL=text) reads a column otherwise.",
        )
    return Inputs({name: chosen[name] for name in sorted(chosen)}, found)


def _groups(
    rows: Rows, free: Sequence[str], asked: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    if asked is None:
        name = TABLE
        while name in rows.columns:
            name += " columns"
        return {name: tuple(sorted(free))} if free else {}
    every = [column for columns in asked.values() for column in columns]
    if len(set(every)) < len(every):
        raise UsageError("a column is in two groups", where="groups", hint="Each belongs to one modality.")
    for name, columns in asked.items():
        if name in rows.columns:
            raise UsageError(f"a group needs a name that no column has, got {name!r}", where="groups")
        for column in columns:
            if column not in free:
                modality = rows.schema[column].modality
                raise UsageError(
                    f"column {column!r} ({modality}) cannot join a group",
                    where=f"group {name!r}",
                    hint="A group holds numbers, categories and dates that are no targets.",
                )
    return {name: tuple(sorted(columns)) for name, columns in sorted(asked.items())}


def named(broken: Iterable[Broken], rows: Rows) -> tuple[Broken, ...]:
    """Broken cells by the numbers that their rows have in the source, and their ids."""
    ids = rows.ids if rows.schema.ids else [""] * len(rows)
    return tuple(replace(one, row=int(rows.numbers[one.row]), id=ids[one.row]) for one in broken)
