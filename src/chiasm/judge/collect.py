"""Which missing column would most change a decision, and whether it is worth collecting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.errors import ShapeError
from chiasm.judge.estimate import Estimate
from chiasm.judge.outcome import interval, signed
from chiasm.measures import Measure

LIKE = 50
"""Training rows most like the row whose values are tried in it."""
SELDOM = 0.05
"""Below this share of changed decisions a column does not change this one."""
Plugged = Callable[[str, NDArray[np.int64]], tuple[Sequence[Any], Any]]


@dataclass(frozen=True)
class Worth:
    """What a missing column would do to one decision, and does to such rows in general.

    flips : share of values tried that change the decision;  change : mean absolute change of the score.
        None where no training row has the column beside what the row has.
    gain : of the main measure, on held-out rows that have the column and anything else, over the same rows
        without it, whatever else they have; None where it was not measured.
    rows : training rows whose values were tried.
    collect : whether it is worth it;  verdict : the same in words, with the reason.
    """

    column: str
    flips: float | None
    change: float | None
    gain: Estimate | None
    rows: int
    collect: bool
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def worth_collecting(
    label: Any,
    score: float,
    scores: Floats,
    missing: Mapping[str, NDArray[np.bool_]],
    training_scores: Floats,
    plugged: Plugged,
    measure: Measure,
    gains: Mapping[str, Estimate] | None = None,
) -> list[Worth]:
    """The columns that a row lacks, those worth collecting first, then by how much they would change.

    What the row's cell would hold is not known, so cells of like rows are tried in it: of the training rows
    that have the column and all that the row has, those whose scores by what the row has are nearest (the
    value of information by sampling the missing part given the known, after Howard 1966).

    label, score : the decision now and its score, with what the row has.
    scores (q,) : of all labels, by which rows are alike: probabilities, or standard units of numbers.
    missing : {column: (n,) whether a training row has it}.
    training_scores : (n, q) of the training rows by the columns that this row has; NaN where one lacks any.
    plugged : a column and the places of r training rows → r labels of this row with their cells plugged in,
        and (r,) the scores of the label it has now. Of numbers, the score is the number and the label whether
        it stays within the interval it has now, so that not every change is a flip.
    measure : that gains are of.  gains : {column: what it adds where rows have it, more is better}.
    """
    scores = np.asarray(scores, np.float64).reshape(-1)
    known = np.asarray(training_scores, np.float64)
    if known.ndim != 2 or known.shape[1] != len(scores):
        raise ShapeError(f"expected (n, {len(scores)}), got {known.shape}", where="training_scores")
    found = []
    for column, has in missing.items():
        rows = like_rows(scores, known, np.asarray(has, bool))
        flips, change = _tried(label, score, plugged, column, rows)
        gain = (gains or {}).get(column)
        collect, verdict = _verdict(column, flips, gain, measure)
        found.append(Worth(column, flips, change, gain, len(rows), collect, verdict))
    return sorted(found, key=lambda one: (not one.collect, -(one.flips or 0), -(one.change or 0), one.column))


def like_rows(scores: Floats, known: Floats, has: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Up to `LIKE` rows of `known` (n, q), finite and with `has` (n,), nearest to `scores` (q,) first."""
    if has.shape != (len(known),):
        raise ShapeError(f"expected ({len(known)},), got {has.shape}", where="missing")
    usable = np.flatnonzero(has & np.isfinite(known).all(axis=1))
    apart = np.square(known[usable] - scores).sum(axis=1)
    return usable[np.argsort(apart, kind="stable")[:LIKE]]


def _tried(
    label: Any, score: float, plugged: Plugged, column: str, rows: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """(flips, change) of plugging in the cells of rows; None where there are none."""
    if not len(rows):
        return None, None
    labels, moved = plugged(column, rows)
    scores = np.asarray(moved, np.float64)
    if len(labels) != len(rows) or scores.shape != (len(rows),):
        raise ShapeError(
            f"expected {len(rows)} labels and scores, got {len(labels)} and {scores.shape}", where="plugged"
        )
    return float(np.mean([one != label for one in labels])), float(np.abs(scores - score).mean())


def _verdict(column: str, flips: float | None, gain: Estimate | None, measure: Measure) -> tuple[bool, str]:
    """Whether to collect, and the reason in words: first what rows in general gain, then this decision."""
    if gain is None or not gain.bounded:
        return False, f"cannot say whether to collect {column}: its gain was not measured"
    if flips is None:
        return (
            False,
            f"cannot say whether to collect {column}: no training row has it beside what this row has",
        )
    told = _told(gain, measure)
    if gain.high < 0:
        return False, f"not worth collecting {column}: rows that have it are predicted worse with it ({told})"
    if gain.low <= 0:
        return False, f"not worth collecting {column}: {told}, cannot be told from zero"
    if flips < SELDOM:
        return (
            False,
            f"not worth collecting {column}: it would hardly change this decision ({flips:.0%} of trials)",
        )
    return True, f"collect {column}: it would change this decision in {flips:.0%} of trials; {told}"


def _told(gain: Estimate, measure: Measure) -> str:
    """The gain with its measure: "accuracy gain +3.1, 1.0 to 5.2 points"."""
    points = " points" if measure.percent else ""
    ends = interval(gain, measure.percent)
    return f"{measure.title} gain {signed(gain.value, measure.percent)}, {ends}{points}"
