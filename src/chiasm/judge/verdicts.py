"""What an outcome's intervals say, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chiasm.judge.estimate import FEW, Estimate
from chiasm.judge.outcome import Coverage, Outcome, Pattern, interval, promised, shown

NEARLY = 0.9
"""A modality that this share of the rows that can be answered has could answer alone."""
LIKELY = 1 / 3
"""A gain of more than this share of its interval's upper end is not told from zero, but is likelier one."""
SELDOM = 5
"""Classes with fewer rows than this are named."""
LISTED = 5
WHY = {
    "classes": "one class only",
    "order": "one class only",
    "labels": "no label that some rows have and others have not",
    "number": "one value only",
    "numbers": "one value only",
}
"""What a target's rows are like where a measure is not defined."""


def verdicts_on(
    outcome: Outcome,
    over_baseline: Estimate,
    classes: Mapping[str, int],
    units: int,
    unlearned: Sequence[str] = (),
) -> list[str]:
    """Sentences, the gravest first. Without an interval nothing is sure, so nothing goes by such a gain.

    over_baseline : the chosen predictor's gain over the prior.  classes : rows of each class.
    units : groups, or rows without one, that the intervals are drawn from.
    unlearned : names of classes or labels that rows hold and that were never learned.
    """
    skill = _skill(outcome, over_baseline)
    return [
        *skill,
        *([] if skill else _fusion(outcome)),
        *_added(outcome),
        *(_below(one) for one in outcome.patterns if len(one.columns) > 1 and one.gain.high < 0),
        *(_promise(one, outcome.kind) for one in outcome.coverage if not _kept(one)),
        *_rows(outcome, classes, units),
        *_left_out(outcome, unlearned),
    ]


def _skill(outcome: Outcome, gain: Estimate) -> list[str]:
    """Whether it is worth anything at all."""
    if math.isnan(gain.value):
        title = outcome.measures[0].title
        return [f"{title[0].upper()}{title[1:]} cannot be measured: {WHY[outcome.kind]}."]
    if not gain.bounded or gain.low > 0:
        return []
    return [f"No better than {outcome.lines[-1].name}: do not use it."]


def _fusion(outcome: Outcome) -> list[str]:
    """Whether joining modalities is worth it, and which to use alone where it is not."""
    singles = {line.name: line for line in outcome.lines if line.role == "single"}
    if outcome.chosen in singles:
        return [f"Fusion did not help: use {outcome.chosen} alone."] if len(singles) > 1 else []
    gains = [one for one in outcome.gains if one.gain.bounded]
    if len(singles) < 2 or not gains:
        return []
    answered = outcome.rows - outcome.unanswered
    able = [one for one in gains if one.rows >= NEARLY * answered]
    rival = min(able, key=lambda one: (one.gain.low > 0, one.gain.value), default=None)
    said = []
    if rival is not None and not rival.gain.low > 0:
        by = f"{rival.name} alone{_by(outcome, rival.gain)}"
        if rival.gain.high < 0:
            said.append(f"Fusion is worse than its best modality: use {by}.")
        else:
            likely = rival.gain.value > LIKELY * rival.gain.high
            word = "It is not shown that fusion helps over" if likely else "Fusion did not help: use"
            said.append(f"{word} {by}.")
    said += [
        f"Where {one.name} is there it is better alone{_by(outcome, one.gain)}."
        for one in gains
        if one is not rival and one.gain.high < 0
    ]
    if rival is None and not said:
        most = max(gains, key=lambda one: one.rows)
        counts = f"{most.name} alone can answer {most.rows:,} of {outcome.rows:,} rows"
        said.append(f"No modality is in all rows: {counts}, fusion {answered:,}.")
    ties = [one for one in gains if not one.gain.low > 0]
    if not ties:
        closest = min(gains, key=lambda one: one.gain.value)
        said.append(f"Fusion helps: closest is {closest.name} alone{_by(outcome, closest.gain)}.")
    elif not said:
        names = ", ".join(f"{one.name} alone ({_counted(one.rows)})" for one in ties)
        said.append(f"Fusion helps; where it is there, it cannot be told from {names}.")
    return said


def _added(outcome: Outcome) -> list[str]:
    """Columns without which the same rows are predicted as well, or better."""
    columns = [line.name for line in outcome.lines if line.role == "single"]
    said = []
    for one in (gain for gain in outcome.added if gain.gain.bounded):
        others = [column for column in columns if column != one.name]
        rest = others[0] if len(others) == 1 else "the others"
        if one.gain.high < 0:
            said.append(f"{one.name} harms: without it predictions are better{_by(outcome, one.gain)}.")
        elif not one.gain.low > 0:
            said.append(f"{one.name} adds nothing measurable to {rest}{_by(outcome, one.gain)}.")
    return said


def _below(one: Pattern) -> str:
    given = ", ".join(one.columns)
    return f"Pattern {{{given}}}: below its best single modality, {one.best}, beyond the interval."


def _promise(one: Coverage, kind: str) -> str:
    return f"{promised(one, kind)} cover only {shown(one.measured.value, True)} % of rows."


def _kept(one: Coverage) -> bool:
    """Whether the promised share could be the true one."""
    return not one.measured.high < one.stated


def _rows(outcome: Outcome, classes: Mapping[str, int], units: int) -> list[str]:
    """What to know of the rows themselves."""
    said = []
    what = "group" if units < outcome.rows else "row"
    if units == 1:
        said.append(f"One {what} only: no intervals, so nothing is sure.")
    elif units < FEW:
        said.append(f"Few {what}s, {units:,}: rough intervals.")
    seldom = [f"{name} ({count})" for name, count in classes.items() if count < SELDOM]
    if seldom:
        said.append(f"Hardly any row to judge by of: {listed(seldom)}.")
    if outcome.unanswered:
        said.append(f"{_counted(outcome.unanswered)} held nothing usable and got the prior.")
    return said


def _left_out(outcome: Outcome, unlearned: Sequence[str]) -> list[str]:
    """Rows that no measure counts."""
    said = []
    if outcome.unlearned:
        rows = rows_unlearned(outcome.kind, outcome.unlearned, unlearned)
        said.append(f"{rows}: certain errors that no measure here counts.")
    if outcome.left_out:
        said.append(f"{_counted(outcome.left_out)} had no target to judge by and were left out.")
    return said


def rows_unlearned(kind: str, rows: int, names: Sequence[str]) -> str:
    """Rows whose target was never learned, and what it is: "2 rows of classes never learned (c)"."""
    what = "labels" if kind == "labels" else "classes"
    return f"{_counted(rows)} of {what} never learned ({listed(names)})"


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _by(outcome: Outcome, gain: Estimate) -> str:
    """In brackets the gain that a verdict goes by."""
    main = outcome.measures[0]
    unit = " points" if main.percent else ""
    return f" ({main.title} gain {interval(gain, main.percent)}{unit})"
