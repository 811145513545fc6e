"""The plots of outcomes and of stress, each a figure with its words."""

from __future__ import annotations

import html
from collections.abc import Iterator

from chiasm.judge.outcome import Outcome, calibration, shown, titled
from chiasm.judge.stress import Curve, Stress
from chiasm.judge.svg import Frame, Series, legend, plot, spanning

UNIT = (0.0, 1.0)
LEVELS = {
    "noise": ("Noise on the features", "standard deviations"),
    "missing": ("Cells gone at random", "share of the cells"),
    "FGSM": ("Attack in one step (FGSM)", "furthest push, standard deviations"),
    "PGD": ("Attack in many steps (PGD)", "furthest push, standard deviations"),
}


def figures_of(outcome: Outcome) -> Iterator[str]:
    """Calibration, curves, predicted beside true: what the kind of target has."""
    detail = outcome.detail
    if detail.calibration:
        x = [one.confidence for one in detail.calibration]
        y = [one.accuracy for one in detail.calibration]
        series = [Series(UNIT, UNIT, "guide"), Series(x, y), Series(x, y, "dots")]
        drawn = plot(series, "confidence", "accuracy", Frame(UNIT, UNIT), "Calibration")
        words = f"On the dashed line, 70 % sure is right 7 times of 10. {calibration(outcome)}"
        yield figure("Calibration", words, drawn)
    for curve in detail.curves:
        roc = curve.name == "ROC"
        titles = ("false positive rate", "true positive rate") if roc else ("recall", "precision")
        series = [*([Series(UNIT, UNIT, "guide")] if roc else []), Series(curve.x, curve.y)]
        words = "Along the dashed line a guess is as good." if roc else "Of those found, how many are right."
        name = f"{curve.name[0].upper()}{curve.name[1:]} of {outcome.positive}"
        yield figure(name, words, plot(series, *titles, Frame(UNIT, UNIT), name))
    if detail.points:
        yield _predicted(outcome)


def _predicted(outcome: Outcome) -> str:
    true, said = zip(*outcome.detail.points, strict=True)
    over = spanning([*true, *said])
    drawn = plot(
        [Series(over, over, "guide"), Series(true, said, "dots")],
        "true",
        "predicted",
        Frame(over, over),
        "Fit",
    )
    quantiles = [f"{float(q):.0%}: {shown(v, False)}" for q, v in outcome.detail.residuals.items()]
    return figure("Predicted and true", f"Predicted less true, quantiles: {', '.join(quantiles)}.", drawn)


def stress_figures(stress: Stress) -> Iterator[str]:
    """One plot a kind of harm, one line for each column harmed and one for all of them."""
    values = [v for curve in stress.curves for one in curve.values for v in (one.value, one.low, one.high)]
    over = spanning(values)
    names = list(dict.fromkeys(curve.columns for curve in stress.curves))
    for kind, (title, unit) in LEVELS.items():
        curves = [curve for curve in stress.curves if curve.kind == kind and curve.levels]
        if curves:
            reach = (min(c.levels[0] for c in curves), max(c.levels[-1] for c in curves))
            frame = Frame(reach if reach[0] < reach[1] else spanning(reach), over)
            series = [_line(curve, names.index(curve.columns)) for curve in curves]
            title_of_y = titled(stress.main).removesuffix(" %")
            words = legend([" + ".join(columns) for columns in names])
            yield figure(title, "", plot(series, unit, title_of_y, frame, title) + words)


def _line(curve: Curve, colour: int) -> Series:
    values, low, high = zip(*((one.value, one.low, one.high) for one in curve.values), strict=True)
    return Series(curve.levels, values, "line", colour, "", low, high)


def figure(title: str, words: str, drawn: str) -> str:
    """A drawing under its title and words."""
    caption = f"<b>{html.escape(title)}</b>{html.escape(words)}"
    return f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"
