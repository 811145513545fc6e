"""The scoreboard of a target: the chosen fusion beside every other, every modality alone, every pattern."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chiasm.errors import DataError
from chiasm.judge.estimate import NOTHING, Estimate
from chiasm.measures import Measure, measures_for


@dataclass(frozen=True)
class Line:
    """One predictor on the rows it can be judged on.

    role : fusion, single (one modality alone) or baseline (the prior, named by what it says).
    measures : {name: its estimate}.
    """

    name: str
    role: str
    rows: int
    measures: dict[str, Estimate]


@dataclass(frozen=True)
class Gain:
    """The chosen predictor less another, by the main measure on the same rows; positive: better."""

    name: str
    rows: int
    gain: Estimate


@dataclass(frozen=True)
class Pattern:
    """The chosen predictor shown these columns alone, on every row that has them all.

    exact : rows that have these and no others.
    best, single : the best modality among them on these rows, and its estimate.
    gain : the chosen less that one, paired; positive where it is better.
    """

    columns: tuple[str, ...]
    rows: int
    exact: int
    fused: Estimate
    best: str
    single: Estimate
    gain: Estimate


@dataclass(frozen=True)
class Coverage:
    """How often conformal sets or intervals hold the truth.  size : mean classes in a set, or mean width."""

    stated: float
    measured: Estimate
    size: float


@dataclass(frozen=True)
class Bin:
    """Rows of like confidence: how sure they were said to be on average, and the share that was right."""

    rows: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ThresholdCurve:
    """What two shares become as the threshold of a score moves, to be drawn through points (x, y)."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Confusion:
    """counts[i][j] rows of class names[i] that were called names[j]; empty for a target without classes."""

    names: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Detail:
    """What the plots of an outcome show; each part empty where the kind of target has none.

    residuals : {quantile: predicted less true}.  points : (true, predicted) of a sample of rows.
    """

    calibration: tuple[Bin, ...] = ()
    confusion: Confusion = Confusion()
    curves: tuple[ThresholdCurve, ...] = ()
    residuals: dict[str, float] = field(default_factory=dict)
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How well a target is predicted, on rows that were not learned from.

    kind, outputs : of the `Task`.  rows : judged;  left_out : without a target;
    unanswered : judged rows for which the chosen predictor had nothing and the baseline answered.
    main : name of the measure that gains, patterns and verdicts go by.
    chosen : name of the predictor in use.
    positive : of two classes the one that F1, average precision and curves are of, the second as they sort.
    calibrated : the calibration error that the chosen predictor would seem to have were its probabilities
        right (`calibrated_error`); NaN of numbers.
    gains : over every modality alone, on the rows that have it.
    added : what each column adds to the others, on the rows that have it and another.
    unlearned : rows of classes or labels that were never learned: certain errors, not among those judged.
    """

    target: str
    kind: str
    outputs: int
    rows: int
    left_out: int
    unanswered: int
    main: str
    chosen: str
    lines: tuple[Line, ...]
    positive: str = ""
    calibrated: Estimate = NOTHING
    gains: tuple[Gain, ...] = ()
    added: tuple[Gain, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    detail: Detail = Detail()
    verdicts: tuple[str, ...] = ()
    unlearned: int = 0

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures of its kind, the main one first."""
        known = sorted(measures_for(self.kind, self.outputs), key=lambda one: one.name != self.main)
        of = f" of {self.positive}"
        return tuple(replace(one, title=one.title + of) if one.of_one else one for one in known)

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads; what could not be measured is null."""
        document: dict[str, Any] = jsonable(asdict(self))
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Outcome:
        """The outcome of `to_json`; `DataError` where the document is not one."""
        found: Outcome = read_document(cls, document, "outcome")
        return found


def jsonable(value: Any) -> Any:
    """Lists for tuples, null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_document(kind: type, document: Mapping[str, Any], where: str) -> Any:
    """The frozen value that `jsonable(asdict(value))` came from; `DataError` where it came from another."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(_measured(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"not the document it should be ({place}: {first['msg']})", where=where) from error


def shown(value: float, percent: bool) -> str:
    """A measured value in print: in percent, else three figures."""
    if not math.isfinite(value):
        return "–"
    if percent:
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 4) + 0.0:.3g}"


def signed(value: float, percent: bool) -> str:
    """A difference in print, with its sign."""
    text = shown(value, percent)
    return f"+{text}" if value > 0 else text


def interval(one: Estimate, percent: bool) -> str:
    """An interval in print."""
    return f"{shown(one.low, percent)} to {shown(one.high, percent)}"


def titled(measure: Measure) -> str:
    """A measure's title, with % where it is printed so."""
    return f"{measure.title} %" if measure.percent else measure.title


def promised(one: Coverage, kind: str) -> str:
    """What a prediction leaves open, by the coverage stated: "90 % prediction sets"."""
    what = "intervals" if kind in ("number", "numbers") else "sets"
    return f"{100 * one.stated:g} % prediction {what}"


def calibration(outcome: Outcome) -> str:
    """Whether probabilities are off by more than calibrated ones would seem to be."""
    found = [line.measures["ece"].value for line in outcome.lines if line.name == outcome.chosen]
    error, by_chance = found[0], outcome.calibrated
    off = f"{shown(error, True)} points on average"
    usual = interval(by_chance, True)
    if error > by_chance.high:
        return f"Probabilities are off by {off}; calibrated ones would seem off by {usual}."
    return f"No miscalibration shown: probabilities seem off by {off}, calibrated ones would by {usual}."


def labelled(line: Line, chosen: str) -> str:
    """A line's name with what it is."""
    role = {"single": f"{line.name} alone", "baseline": line.name}.get(line.role, line.name)
    return f"{role} ← chosen" if line.name == chosen and line.role != "baseline" else role


def _measured(document: Any) -> Any:
    """The document with NaN for null."""
    if isinstance(document, Mapping):
        return {key: _measured(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_measured(one) for one in document]
    return math.nan if document is None else document
