"""What the plots of an outcome are drawn from: calibration, curves, confusion, residuals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats
from chiasm.heads.task import Task
from chiasm.judge.outcome import Bin, Confusion, Detail, ThresholdCurve
from chiasm.measures import median_class, reliability

NAMED, REST = 12, "others"
"""Classes named in a table of confusion; the rarer ones go together."""
POINTS = 400
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def detail_of(task: Task, y: NDArray[Any], p: Floats) -> Detail:
    """The plots of predictions p (n, q) beside the truth y, as `measures` takes them."""
    if task.is_number:
        error = (p - y).ravel()
        residuals = {f"{q:g}": float(np.quantile(error, q)) for q in QUANTILES}
        return Detail(residuals=residuals, points=_points(y, p) if task.kind == "number" else ())
    bins = tuple(Bin(*one) for one in reliability(y, p))
    if task.kind == "labels":
        return Detail(calibration=bins)
    said = p.argmax(axis=1) if task.kind == "classes" else median_class(p)
    names = [str(one) for one in task.classes]
    curves = _curves(y == 1, p[:, 1]) if task.kind == "classes" and p.shape[1] == 2 else ()
    return Detail(bins, _confusion(y, said, names), curves)


def _points(y: Floats, p: Floats) -> tuple[tuple[float, float], ...]:
    some = np.unique(np.linspace(0, len(y) - 1, min(len(y), POINTS)).astype(int))
    return tuple(zip(y[some, 0].tolist(), p[some, 0].tolist(), strict=True))


def _curves(truth: NDArray[np.bool_], score: Floats) -> tuple[ThresholdCurve, ...]:
    from sklearn.metrics import precision_recall_curve, roc_curve

    if truth.all() or not truth.any():
        return ()
    alarms, hits, _ = roc_curve(truth, score)
    precision, recall, _ = precision_recall_curve(truth, score)
    return _curve("ROC", alarms, hits), _curve("precision and recall", recall, precision)


def _curve(name: str, x: Floats, y: Floats) -> ThresholdCurve:
    """A curve of at most `POINTS` points."""
    some = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS)).astype(int))
    return ThresholdCurve(name, tuple(x[some].round(4).tolist()), tuple(y[some].round(4).tolist()))


def _confusion(y: NDArray[Any], said: NDArray[Any], names: list[str]) -> Confusion:
    """The table of the commonest classes, the rest as one."""
    if len(names) > NAMED:
        common = np.sort(np.argsort(-np.bincount(y, minlength=len(names)), kind="stable")[: NAMED - 1])
        place = np.full(len(names), NAMED - 1)
        place[common] = np.arange(NAMED - 1)
        y, said = place[y], place[said]
        names = [*(names[i] for i in common), f"{len(names) - NAMED + 1:,} {REST}"]
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (y, said), 1)
    return Confusion(tuple(names), tuple(tuple(row) for row in counts.tolist()))
