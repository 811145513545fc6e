"""How predictions hold out when features are noisy, go missing, or are pushed the worst way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_known, check_range
from chiasm.encode.features import as_features
from chiasm.errors import DataError, ShapeError
from chiasm.fuse.fusion import Fusion
from chiasm.judge import harm
from chiasm.judge.estimate import Estimate
from chiasm.judge.outcome import interval, jsonable, read_document, shown, titled
from chiasm.judge.resample import Resample
from chiasm.measures import Measure, measures_for

if TYPE_CHECKING:
    from rich.table import Table

Some = tuple[str, ...]
Harm = Callable[[Some, float], harm.Arrays]
NOISE = (0.0, 0.25, 0.5, 1.0, 2.0)
MISSING = (0.0, 0.25, 0.5, 0.75)
ATTACK = (0.0, 0.05, 0.1, 0.25)
STEPS = 10
"""Of projected gradient descent."""
STEPPED = "Gradient attacks do not apply to {}: scores are steps in its features, which proves no strength."


@dataclass(frozen=True)
class Curve:
    """One measure at growing levels of one harm.

    kind : noise (levels in spreads of each feature), missing (share of cells), FGSM or PGD (the furthest a
        feature is pushed, in its spreads).  columns : those that were harmed.
    """

    kind: str
    columns: tuple[str, ...]
    levels: tuple[float, ...]
    values: tuple[Estimate, ...]


@dataclass(frozen=True)
class Stress:
    """The curves of one fusion on some rows; measure, kind, outputs : as in `Outcome`."""

    target: str
    kind: str
    outputs: int
    measure: str
    rows: int
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> Measure:
        """What the curves measure."""
        return next(one for one in measures_for(self.kind, self.outputs) if one.name == self.measure)

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads; what could not be measured is null."""
        document: dict[str, Any] = jsonable(asdict(self))
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Stress:
        """The table of `to_json`; `DataError` where the document is not one."""
        found: Stress = read_document(cls, document, "stress table")
        return found


def stress(
    target: str,
    fusion: Fusion,
    X: Mapping[str, Any],
    values: Sequence[Any],
    *,
    noise: Sequence[float] = NOISE,
    missing: Sequence[float] = MISSING,
    attack: Sequence[float] = ATTACK,
    main: str | None = None,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> Stress:
    """Judge a fitted fusion on held-out rows as each column, and then all of them, are harmed.

    X : {column: Features or (n, d) array};  values : (n,) the target, None where there is none.
    noise : Gaussian, in units of each feature's standard deviation over these rows.
    missing : shares of the cells taken away at random; a row left with nothing is predicted as the prior.
    attack : the fast gradient sign method (Goodfellow et al. 2014, arXiv 1412.6572) and projected gradient
        descent from a random start (Madry et al. 2017, arXiv 1706.06083), within so many standard deviations
        of each feature. A column whose gradient is zero throughout is named in `notes` and not attacked.
    """
    for level in (*noise, *attack):
        check_range(level, "level", 0.0)
    for level in missing:
        check_range(level, "missing", 0.0, 1.0)
    rig = _Rig.of(target, fusion, X, values, main, groups, seed)
    alone: list[Some] = [(column,) for column in rig.columns]
    chosen = [*alone, tuple(rig.columns)] if len(alone) > 1 else alone
    smooth = harm.smooth(fusion, rig.y, rig.columns)
    pushed = [some for some in chosen if smooth.issuperset(some)]
    spreads = {c: np.nanstd(v, axis=0) for c, v in rig.columns.items()}

    def attacked(steps: int) -> Harm:
        return lambda some, level: harm.attacked(
            fusion, rig.y, rig.columns, {c: level * spreads[c] for c in some}, steps, seed
        )

    plan: list[tuple[str, list[Some], Sequence[float], Harm]] = [
        ("noise", chosen, noise, lambda some, x: harm.noisy(rig.columns, spreads, some, x, seed)),
        ("missing", chosen, missing, lambda some, x: harm.gapped(rig.columns, some, x, seed)),
        ("FGSM", pushed, attack, attacked(1)),
        ("PGD", pushed, attack, attacked(STEPS)),
    ]
    curves = [rig.curve(kind, some, levels, do) for kind, which, levels, do in plan for some in which]
    stepped = ", ".join(column for column in rig.columns if column not in smooth)
    notes = (STEPPED.format(stepped),) if stepped and len(attack) else ()
    task = fusion.task
    return Stress(target, task.kind, task.outputs, rig.main.name, len(rig.y), tuple(curves), notes)


def render(stress: Stress) -> Table:
    """The curves as a table for the terminal, the levels of a curve below each other."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    main = stress.main
    table = Table(
        title=Text(f"{stress.target} under stress: {stress.rows:,} rows, 95 % intervals"),
        caption=Text("\n".join(stress.notes)),
        caption_justify="left",
        box=box.SIMPLE,
    )
    for head in ("harm", "to", "level"):
        table.add_column(head, overflow="fold")
    for head in (titled(main), "interval"):
        table.add_column(head, justify="right", no_wrap=True)
    for curve in stress.curves:
        names = [curve.kind, " + ".join(curve.columns)]
        for level, one in zip(curve.levels, curve.values, strict=True):
            cells = (f"{level:g}", shown(one.value, main.percent), interval(one, main.percent))
            table.add_row(*(Text(name) for name in names), *cells)
            names = ["", ""]
        table.add_section()
    return table


@dataclass(frozen=True, eq=False)
class _Rig:
    """A fusion with the r rows that it is judged on.

    columns : {name: (r, d) float32, NaN rows absent}, those it learned from that hold anything.
    y : (r,) or (r, q), coded.
    """

    fusion: Fusion
    columns: harm.Arrays
    y: NDArray[Any]
    main: Measure
    resample: Resample

    @classmethod
    def of(
        cls,
        target: str,
        fusion: Fusion,
        X: Mapping[str, Any],
        values: Sequence[Any],
        main: str | None,
        groups: Sequence[Any] | None,
        seed: int,
    ) -> _Rig:
        task = fusion.task
        use = np.flatnonzero([value is not None for value in values])
        dense = {c: as_features(X[c]).dense() for c in sorted(X) if c in fusion.widths_}
        rows = {**{c: len(v) for c, v in dense.items()}, "groups": len(values if groups is None else groups)}
        for name, length in rows.items():
            if length != len(values):
                raise ShapeError(f"expected {len(values)} rows, got {length}", where=name)
        columns = {c: v[use] for c, v in dense.items() if not np.isnan(v[use]).all()}
        if not len(use) or not columns:
            raise DataError("no row has a value of the target and a column to predict it from", where=target)
        measures = {one.name: one for one in measures_for(task.kind, task.outputs)}
        name = next(iter(measures)) if main is None else main
        check_known(name, measures, f"measure of {task.kind}")
        kept = None if groups is None else [groups[i] for i in use.tolist()]
        coded = task.code([values[i] for i in use.tolist()])
        return cls(fusion, columns, coded, measures[name], Resample.of(len(use), kept, seed))

    def curve(self, kind: str, some: Some, levels: Sequence[float], do: Harm) -> Curve:
        """The measure at every level of one harm done to some columns."""
        found = [self.estimate(do(some, level) if level else self.columns) for level in levels]
        return Curve(kind, some, tuple(float(level) for level in levels), tuple(found))

    def estimate(self, columns: harm.Arrays) -> Estimate:
        """The measure of what is said from these columns; a row with nothing left is said to be the prior."""
        task = self.fusion.task
        scores = self.fusion.scores(columns)
        scores = np.where(np.isfinite(scores), scores, self.fusion.base_)
        p = task.numbers(scores) if task.is_number else task.probabilities(scores)
        y = task.numbers(self.y) if task.is_number else self.y
        return self.resample.estimate(lambda W: self.main.draws(y, p, W), np.arange(len(y)))
