"""What is to be said of a target before it is learned: gaps, how it is read, shared names, giveaways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chiasm.heads.task import Task
from chiasm.judge.giveaway import giveaways
from chiasm.model.targets import targets_of
from chiasm.rows.numbering import DOUBT
from chiasm.rows.rows import Rows

SHARED = 0.9
"""Names fewer than this share of the rows that have one are names that rows share."""


def given_away(rows: Rows, target: str, values: Sequence[Any], columns: Sequence[str]) -> list[str]:
    """A warning for each number, category or date column that gives the target's values (n,) away."""
    plain = [c for c in columns if rows.schema[c].modality in ("number", "category", "date")]
    found = giveaways({c: targets_of(rows, c) for c in plain}, target, values)
    return [f"C{str(one)[1:]} Leave it out with --as {one.column}=name." for one in found]


def left_out(target: str, count: int) -> list[str]:
    if not count:
        return []
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return [f"Target {target!r}: {rows} without a usable value left out."]


def repeated(rows: Rows, target: str) -> list[str]:
    """A word on columns of names that several rows share, which may belong together."""
    found = []
    for column in rows.schema.of("name"):
        names = [value for value in rows.values(column) if isinstance(value, str)]
        count = len(set(names))
        if 1 < count <= SHARED * len(names):
            found.append(
                f"Column {column!r} has {count:,} names in {len(names):,} rows: if rows of one name belong "
                f"together, --by {column} keeps them on one side; else {target!r} looks easier than it is."
            )
    return found


def unnamed(rows: Rows, parted: bool) -> list[str]:
    """A word on a column called id that does not name the rows; parted : whether groups are spoken of."""
    advice = "" if parted else " If rows of one id belong together, --by {0} keeps them on one side."
    return [
        f"Column {c.name!r} is {c.why}: rows go by their numbers.{advice.format(c.name)}"
        for c in rows.schema.columns
        if not rows.schema.ids and c.modality == "name" and c.name.lower() == "id"
    ]


def doubted(rows: Rows, columns: Iterable[str]) -> list[str]:
    """A word on columns that are learned from and look like the numbers of the rows."""
    whys = {column: rows.schema[column].why.partition(DOUBT) for column in columns}
    return [f"Column {column!r}{DOUBT.strip(';')}{said}." for column, (_, here, said) in whys.items() if here]


def read_as(target: str, task: Task, stated: Mapping[str, Any]) -> list[str]:
    whole = all(isinstance(value, int | float) for value in task.classes)
    if task.kind == "classes" and whole and target not in stated:
        return [
            f"Target {target!r}: its {len(task.classes)} whole numbers are taken for classes; "
            f"--task {target}=number (or =order) reads them otherwise."
        ]
    if task.kind == "order" and stated.get(target) == "order" and not whole:
        steps = " < ".join(map(str, task.classes))
        return [f"Target {target!r} is an order: {steps}; --task {target}=LOW,…,HIGH states another."]
    return []
