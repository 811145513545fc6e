"""The schema: what each column holds; read once by `infer`, saved with the model, never guessed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from chiasm.checks import check_known
from chiasm.errors import DataError, did_you_mean
from chiasm.rows import columns
from chiasm.rows.clean import cleaner
from chiasm.rows.columns import ROW
from chiasm.rows.modality import MODALITIES


@dataclass(frozen=True)
class Column:
    """One column: its modality, whether a cell holds several items, and why it was read so.

    written : of dates whose year comes last, "day first" or "month first".
    clean : names of cleaning steps (`rows/clean.py`) that every cell goes through once it is decoded.
    """

    name: str
    modality: str
    many: bool = False
    why: str = ""
    written: str = ""
    clean: Sequence[str] = ()

    def __post_init__(self) -> None:
        cleaner(self.modality, self.clean, f"column {self.name!r}")
        object.__setattr__(self, "clean", tuple(self.clean))  # JSON has lists


@dataclass(frozen=True)
class Schema:
    """The columns in their order; `ids` names the one whose values name the rows ("" for row numbers)."""

    columns: tuple[Column, ...]
    ids: str = ""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Column:
        check_known(name, self.names, "column")
        return next(column for column in self.columns if column.name == name)

    def of(self, *modalities: str) -> list[str]:
        """The names of the columns of these modalities."""
        return [column.name for column in self.columns if column.modality in modalities]

    def cleaned(self, steps: Mapping[str, Sequence[str]]) -> Schema:
        """The same with `{column: steps}` as what cleans these columns; UsageError names a wrong one."""
        for name in steps:
            check_known(name, self.names, "column")
        found = (replace(c, clean=steps[c.name]) if c.name in steps else c for c in self.columns)
        return replace(self, columns=tuple(found))

    def table_lines(self) -> list[tuple[str, str, str]]:
        """(column, modality, why) for printing; "text, many" where a cell holds several."""
        return [(c.name, c.modality + ", many" * c.many, c.why) for c in self.columns]

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads."""
        return {"ids": self.ids, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Schema:
        """The schema of `to_json`; `DataError` where the document is not one."""
        try:
            found = tuple(Column(**column) for column in document["columns"])
            schema = cls(found, str(document["ids"]))
        except (KeyError, TypeError) as error:
            raise DataError(f"not a schema: {error}") from error
        for column in found:
            check_known(column.modality, MODALITIES, "modality")
        return schema


def apply(table: pa.Table, schema: Schema) -> pa.Table:
    """The table read as a saved schema says: missing columns are absent throughout, others are dropped."""
    if not set(schema.names) & set(table.column_names):
        near = (did_you_mean(name, schema.names) for name in table.column_names)
        hint = next((one for one in near if one.startswith("Did")), "")
        raise DataError(
            f"none of the columns is known: {', '.join(table.column_names)}",
            hint=hint or f"Expected some of: {', '.join(schema.names)}.",
        )
    given = dict(zip(table.column_names, table.columns, strict=True))
    absent = pa.chunked_array([pa.nulls(table.num_rows)])
    found = {c.name: columns.conform(given.get(c.name, absent), c) for c in schema.columns}
    if ROW in given:
        found[ROW] = given[ROW]
    return pa.table(found)
