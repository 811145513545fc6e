"""What an outcome's intervals say, in words."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.judge.estimate import FEW, Estimate
from chiasm.judge.outcome import Coverage, Gain, Outcome, Pattern, interval, shown

NEARLY = 0.9
"""A modality that this share of the rows has could answer alone."""
LIKELY = 1 / 3
"""A gain of more than this share of its interval's upper end is not told from zero, but is likelier one."""
SELDOM = 5
"""Classes with fewer rows than this are named."""
LISTED = 5


def verdicts_on(outcome: Outcome, over_baseline: Estimate, classes: Mapping[str, int]) -> list[str]:
    """Sentences, the gravest first.

    over_baseline : the chosen predictor's gain over the prior.  classes : rows of each class.
    """
    return [
        *_skill(outcome, over_baseline),
        *_fusion(outcome),
        *_added(outcome),
        *(_below(one) for one in outcome.patterns if one.gain.high < 0),
        *(_promise(one) for one in outcome.coverage if not _kept(one)),
        *_rows(outcome, classes),
    ]


def _skill(outcome: Outcome, gain: Estimate) -> list[str]:
    if gain.low > 0:
        return []
    return [f"No better than {outcome.lines[-1].name}: do not use it."]


def _fusion(outcome: Outcome) -> list[str]:
    """Whether joining modalities is worth it, and which to use alone where it is not."""
    singles = {line.name: line for line in outcome.lines if line.role == "single"}
    if outcome.chosen in singles:
        return [f"Fusion did not help: use {outcome.chosen} alone."] if len(singles) > 1 else []
    if len(singles) < 2 or not outcome.gains:
        return []
    able = [one for one in outcome.gains if one.rows >= NEARLY * outcome.rows]
    rival = min(able, key=_nearest, default=None)
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
        for one in outcome.gains
        if one is not rival and one.gain.high < 0
    ]
    if rival is None and not said:
        most = max(outcome.gains, key=lambda one: one.rows)
        counts = f"{most.name} alone can answer {most.rows:,} of {outcome.rows:,} rows"
        said.append(f"No modality is in all rows: {counts}, fusion {outcome.rows - outcome.unanswered:,}.")
    ties = [one for one in outcome.gains if not one.gain.low > 0]
    if not ties:
        closest = min(outcome.gains, key=_nearest)
        said.append(f"Fusion helps: closest is {closest.name} alone{_by(outcome, closest.gain)}.")
    elif not said:
        names = ", ".join(f"{one.name} alone ({_counted(one.rows)})" for one in ties)
        said.append(f"Fusion helps; where it is there, it cannot be told from {names}.")
    return said


def _nearest(one: Gain) -> float:
    """The gain, with those that could not be measured last."""
    return one.gain.value if one.gain.value == one.gain.value else float("inf")


def _added(outcome: Outcome) -> list[str]:
    """Columns without which the same rows are predicted as well, or better."""
    columns = [line.name for line in outcome.lines if line.role == "single"]
    said = []
    for one in outcome.added:
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


def _promise(one: Coverage) -> str:
    held, stated = shown(one.measured.value, True), shown(one.stated, True)
    return f"Sets that should hold the truth in {stated} % of the rows hold it in {held} %."


def _kept(one: Coverage) -> bool:
    """Whether the promised share could be the true one."""
    return not one.measured.high < one.stated


def _rows(outcome: Outcome, classes: Mapping[str, int]) -> list[str]:
    """What to know of the rows themselves."""
    said = []
    if outcome.rows < FEW:
        said.append(f"Few rows, {outcome.rows:,}: rough intervals.")
    seldom = [f"{name} ({count})" for name, count in classes.items() if count < SELDOM]
    if seldom:
        more = f" and {len(seldom) - LISTED:,} more" if len(seldom) > LISTED else ""
        said.append(f"Hardly any row to judge by of: {', '.join(seldom[:LISTED])}{more}.")
    if outcome.unanswered:
        said.append(f"{_counted(outcome.unanswered)} held nothing usable and got the baseline.")
    if outcome.left_out:
        said.append(f"{_counted(outcome.left_out)} had no target to judge by and were left out.")
    return said


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _by(outcome: Outcome, gain: Estimate) -> str:
    """In brackets the gain that a verdict goes by."""
    main = outcome.measures[0]
    unit = " points" if main.share else ""
    return f" ({main.title} gain {interval(gain, main.share)}{unit})"
