"""Judgement of a target: scores of held-out rows to an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.checks import check_known
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.heads.task import Task
from chiasm.judge.calibrated import calibrated_error
from chiasm.judge.detail import detail_of
from chiasm.judge.estimate import NOTHING, Estimate
from chiasm.judge.outcome import Coverage, Gain, Line, Outcome, Pattern
from chiasm.judge.resample import Resample
from chiasm.judge.verdicts import verdicts_on
from chiasm.measures import Measure, measures_for

Rows = NDArray[np.bool_]
Columns = tuple[str, ...]
PATTERNS = 31
"""Patterns judged at most: all of those that five columns have."""
BASELINES = {
    "classes": "always the commonest",
    "labels": "always the labels' shares",
    "order": "always the median",
    "number": "always the mean",
    "numbers": "always the mean",
}
"""What knows nothing of a row, by the kind of target: the prior, as its measures read it."""


@dataclass(frozen=True, eq=False)
class Sets:
    """Conformal sets or intervals of all rows: whether each holds the truth, its size, and the share that
    was promised to hold it. A row whose size is NaN got none, and is not judged."""

    covered: NDArray[np.bool_]
    size: Floats
    stated: float


def patterns_of(present: Mapping[str, NDArray[np.bool_]]) -> list[Columns]:
    """The patterns to judge, each sorted columns: all that can be where those are few, else the commonest.

    present : {column: (n,) whether the row has it}.
    """
    names = sorted(present)
    if 2 ** len(names) - 1 <= PATTERNS:
        return [some for size in range(len(names), 0, -1) for some in combinations(names, size)]
    has = np.array([present[name] for name in names]).T
    kinds, counts = np.unique(has, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    commonest = (tuple(np.array(names)[kinds[i]].tolist()) for i in order.tolist())
    return [some for some in commonest if some][:PATTERNS]


def judge_target(
    target: str,
    task: Task,
    values: Sequence[Any],
    chosen: str,
    candidates: Mapping[str, Floats],
    singles: Mapping[str, Floats],
    patterns: Mapping[Columns, Floats] | None = None,
    *,
    groups: Sequence[Any] | None = None,
    sets: Sequence[Sets] = (),
    main: str | None = None,
    left_out: int = 0,
    unlearned: Sequence[Sequence[Any]] = (),
    seed: int = 0,
) -> Outcome:
    """Judge scores (n, q) of rows that their makers did not learn from.

    values : (n,) the target; rows where it is None are counted and left out.
    chosen : the predictor in use, one of `candidates` or of `singles`.
    candidates : {fusion: scores}; where a row is NaN the prior answers.
    singles : {column: scores of that modality alone}, NaN where the row does not have it.
    patterns : {columns: scores of `chosen` shown these alone}, NaN where the row lacks one of them.
    groups : (n,) rows of one group are resampled together.
    sets : conformal sets or intervals of `chosen`, a level each.
    main : the measure to go by, else the first of `measures_for`.
    left_out : rows that were left out before, for want of a target; counted with these.
    unlearned : of each row left out because it holds classes or labels that were never learned, these.
    """
    known = np.array([value is not None for value in values], bool)
    if not known.any():
        raise DataError("no row has a value of the target", where=target)
    bench = _Bench.of(task, [v for v in values if v is not None], known, groups, main, seed)
    fusions = {name: bench.answers(s, name) for name, s in candidates.items()}
    alone = {name: bench.taken(s, name) for name, s in singles.items()}
    check_known(chosen, [*fusions, *alone], "predictor")
    fused = fusions.get(chosen, alone.get(chosen, bench.baseline))
    unanswered = int((~_there(bench.taken({**singles, **candidates}[chosen], chosen))).sum())
    fused = np.where(_there(fused)[:, None], fused, bench.baseline)
    shown = {key: bench.answers(s, " + ".join(key)) for key, s in (patterns or {}).items()}
    outcome = Outcome(
        target=target,
        kind=task.kind,
        outputs=task.outputs,
        rows=int(known.sum()),
        left_out=left_out + int((~known).sum()),
        unanswered=unanswered,
        main=bench.main.name,
        chosen=chosen,
        lines=tuple(_lines(bench, fusions, alone)),
        positive=str(task.classes[1]) if task.kind == "classes" and task.outputs == 2 else "",
        calibrated=bench.calibrated(fusions.get(chosen, alone.get(chosen, fused))),
        gains=tuple(bench.gain(name, fused, s) for name, s in alone.items() if name != chosen),
        added=tuple(_added(bench, fused, alone, shown)),
        patterns=tuple(_pattern(bench, columns, s, alone) for columns, s in shown.items()),
        coverage=tuple(one for each in sets for one in _coverage(bench, each, known)),
        detail=detail_of(task, bench.y, bench.read(fused)),
        unlearned=len(unlearned),
    )
    over_baseline = bench.gain("", fused, bench.baseline).gain
    names = sorted({str(one) for row in unlearned for one in row})
    said = verdicts_on(outcome, over_baseline, _rare(task, bench.y), bench.resample.units, names)
    return replace(outcome, verdicts=tuple(said))


@dataclass(frozen=True, eq=False)
class _Bench:
    """What every judgement of one target shares: the truth, the draws, the measures.

    known : (n,) rows that have a target; all else here is of those r rows.
    y : coded, numbers in their own units.  baseline : (r, q) scores that are always the prior.
    """

    task: Task
    known: Rows
    y: NDArray[Any]
    baseline: Floats
    resample: Resample
    measures: tuple[Measure, ...]
    main: Measure

    @classmethod
    def of(
        cls,
        task: Task,
        values: Sequence[Any],
        known: Rows,
        groups: Sequence[Any] | None,
        main: str | None,
        seed: int,
    ) -> _Bench:
        coded = task.code(values)
        y = task.numbers(coded) if task.is_number else coded
        baseline = np.tile(task.prior(coded), (len(y), 1))
        if groups is not None and len(groups) != len(known):
            raise ShapeError(f"expected one a row, {len(known)}, got {len(groups)}", where="groups")
        kept = None if groups is None else [groups[i] for i in np.flatnonzero(known).tolist()]
        measures = {one.name: one for one in measures_for(task.kind, task.outputs)}
        if main is not None:
            check_known(main, measures, f"measure of {task.kind}")
        first = measures[main] if main is not None else next(iter(measures.values()))
        return cls(task, known, y, baseline, Resample.of(len(y), kept, seed), (*measures.values(),), first)

    def taken(self, scores: Floats, name: str) -> Floats:
        """The scores (r, q) of rows that have a target."""
        expected = (len(self.known), self.task.outputs)
        if scores.shape != expected:
            raise ShapeError(f"expected scores {expected}, got {scores.shape}", where=name)
        return scores[self.known]

    def answers(self, scores: Floats, name: str) -> Floats:
        """`taken`, the baseline's where there are none."""
        own = self.taken(scores, name)
        return np.where(_there(own)[:, None], own, self.baseline)

    def read(self, scores: Floats) -> Floats:
        """Scores as measures take them: probabilities, or numbers in the target's own units."""
        return self.task.numbers(scores) if self.task.is_number else self.task.probabilities(scores)

    def estimate(self, measure: Measure, scores: Floats, rows: Rows) -> Estimate:
        """A measure on some rows, with its interval where the bootstrap has one for it."""
        y, p = self.y[rows], self.read(scores[rows])
        if not measure.resampled:
            return replace(NOTHING, value=measure(y, p))
        return self.resample.estimate(lambda W: measure.draws(y, p, W), rows)

    def calibrated(self, scores: Floats) -> Estimate:
        """What the calibration error of these scores would be, where there are any, were they calibrated."""
        rows = _there(scores)
        if self.task.is_number or not rows.any():
            return NOTHING
        return calibrated_error(self.read(scores[rows]), self.task.kind, self.resample.group[rows])

    def gain(self, name: str, ours: Floats, theirs: Floats, rows: Rows | None = None) -> Gain:
        """What `ours` has over `theirs` where `theirs` answers, by the main measure."""
        rows = _there(theirs) if rows is None else rows
        y, a, b = self.y[rows], self.read(ours[rows]), self.read(theirs[rows])
        difference: Callable[[Floats], Floats] = lambda W: self.main.gain(  # noqa: E731
            self.main.draws(y, a, W), self.main.draws(y, b, W)
        )
        return Gain(name, int(rows.sum()), self.resample.estimate(difference, rows))


def _there(scores: Floats) -> Rows:
    """(r,) rows that have scores."""
    return np.asarray(np.isfinite(scores).all(axis=1))


def _lines(bench: _Bench, fusions: Mapping[str, Floats], alone: Mapping[str, Floats]) -> list[Line]:
    """Fusions and singles, each from the best down, and the baseline."""

    def line(name: str, role: str, scores: Floats) -> Line:
        rows = _there(scores)
        values = {one.name: bench.estimate(one, scores, rows) for one in bench.measures}
        return Line(name, role, int(rows.sum()), values)

    def worst_first(one: Line) -> float:
        value = one.measures[bench.main.name].value
        return -bench.main.gain(value, 0.0) if np.isfinite(value) else np.inf

    groups = (("fusion", fusions), ("single", alone))
    found = [
        one
        for role, some in groups
        for one in sorted((line(n, role, s) for n, s in some.items()), key=worst_first)
    ]
    return [*found, line(BASELINES[bench.task.kind], "baseline", bench.baseline)]


def _pattern(bench: _Bench, columns: Columns, fused: Floats, alone: Mapping[str, Floats]) -> Pattern:
    """One pattern, on the rows that have all its columns."""
    unknown = [column for column in columns if column not in alone]
    if unknown or not columns:
        raise UsageError(f"a pattern of columns without scores of their own: {unknown}", where="patterns")
    has = {column: _there(scores) for column, scores in alone.items()}
    rows = np.logical_and.reduce([has[column] for column in columns])
    others = [has[column] for column in alone if column not in columns]
    exact = rows & ~np.logical_or.reduce([*others, np.zeros(len(rows), bool)])
    y = bench.y[rows]
    value = {column: bench.main(y, bench.read(alone[column][rows])) for column in columns}
    best = max(columns, key=lambda column: np.nan_to_num(bench.main.gain(value[column], 0.0), nan=-np.inf))
    return Pattern(
        columns=columns,
        rows=int(rows.sum()),
        exact=int(exact.sum()),
        fused=bench.estimate(bench.main, fused, rows),
        best=best,
        single=bench.estimate(bench.main, alone[best], rows),
        gain=bench.gain(best, fused, alone[best], rows).gain,
    )


def _added(
    bench: _Bench, fused: Floats, alone: Mapping[str, Floats], shown: Mapping[Columns, Floats]
) -> list[Gain]:
    """For each column, all that a row has against the same without it, where a row has something else too.

    Rows whose pattern without the column was not judged are left out.
    """
    has = np.array([_there(scores) for scores in alone.values()]).T.reshape(len(bench.y), len(alone))
    names = list(alone)
    found = []
    for j, name in enumerate(names):
        without = np.full_like(fused, np.nan)
        for columns, scores in shown.items():
            just = np.array([column in columns for column in names])
            if not just[j]:
                rows = has[:, j] & (np.delete(has, j, axis=1) == np.delete(just, j)).all(axis=1)
                without[rows] = scores[rows]
        if _there(without).any():
            found.append(bench.gain(name, fused, without))
    return found


def _coverage(bench: _Bench, sets: Sets, known: Rows) -> list[Coverage]:
    """The coverage of the rows that got a set; none where no row did."""
    if not len(sets.covered) == len(sets.size) == len(known):
        raise ShapeError(f"expected one a row, {len(known)}", where="sets")
    size = sets.size[known]
    rows = ~np.isnan(size)
    if not rows.any():
        return []
    held = sets.covered[known][rows].astype(float)

    def share(W: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # a draw may hold none of the rows
            return np.asarray(W @ held / W.sum(axis=1))

    return [Coverage(sets.stated, bench.resample.estimate(share, rows), float(np.mean(size[rows])))]


def _rare(task: Task, y: NDArray[Any]) -> dict[str, int]:
    """Rows of each class, of targets that have classes."""
    if task.is_number:
        return {}
    counts = y.sum(axis=0) if y.ndim == 2 else np.bincount(y, minlength=task.outputs)
    return {str(name): int(count) for name, count in zip(task.classes, counts, strict=True)}
