"""Measures of predictions: accuracy, AUC, calibration, errors, each for many weightings of the rows at once.

A measure takes targets y, predictions p and weights W (b, n) and gives (b,) values: a bootstrap of 500 draws
is one call with 500 lines of counts. That is why these stand here; scikit-learn's, one sample a call, are
what the tests hold them against. Where a measure is not defined, as AUC of one class, its value is NaN.

y and p by kind of target: classes and order, int64 (n,) places and probabilities (n, q); labels, 0 and 1
(n, q) and probabilities (n, q); number and numbers, (n, q) each, in the target's own units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from chiasm.metrics import average_precision

Values = NDArray[np.float64]
Targets = NDArray[Any]
RowValues = Callable[[Targets, Values], Values]
Weighted = Callable[[Targets, Values, Values], Values]
BINS = 15
"""Bins of confidence, as many as Guo et al. 2017 use."""
MANY = 30
"""With more classes than this no area under a curve a class is taken."""


@dataclass(frozen=True)
class Measure:
    """One measure of predictions.

    name, title : for documents and for people.  percent : whether it is printed in percent.
    higher : whether more is better.  weighted : (y, p, W (b, n)) to (b,).
    rows : (y, p) to (n,), of measures that are means over rows; None of the others.
    of_one : whether it is of the positive class alone, the second of two.
    resampled : whether rows drawn again tell how far it could be off.
    """

    name: str
    title: str
    percent: bool
    higher: bool
    weighted: Weighted
    rows: RowValues | None = None
    of_one: bool = False
    resampled: bool = True

    def draws(self, y: Targets, p: Values, weights: Values) -> Values:
        """(b,) the measure under each line of weights (b, n); NaN where it is not defined."""
        if not len(y):
            return np.full(len(weights), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.weighted(y, p, weights), np.float64)

    def __call__(self, y: Targets, p: Values) -> float:
        """The measure over all rows, each counted once."""
        return float(self.draws(y, p, np.ones((1, len(y))))[0])

    def gain(self, ours: Any, theirs: Any) -> Any:
        """How much better `ours` is, positive where it is."""
        return ours - theirs if self.higher else theirs - ours


def measures_for(kind: str, outputs: int) -> tuple[Measure, ...]:
    """The measures of a kind of target with so many classes or numbers, the one that verdicts go by first."""
    if kind == "classes" and outputs == 2:
        return (AUC, ACCURACY, BALANCED, F1, PRECISION, LOG_LOSS, BRIER, ECE)
    many = outputs > MANY
    if kind == "classes":
        return (ACCURACY, BALANCED, F1_MACRO, *(() if many else (AUC,)), LOG_LOSS, BRIER, ECE)
    if kind == "labels":
        return (RANKING, LABELS_MICRO, LABELS_MACRO, *(() if many else (AUC,)), LABELS_LOSS, ECE)
    if kind == "order":
        return (STEPS, KAPPA, ORDER_ACCURACY, LOG_LOSS, ECE)
    return (R2, MAE, RMSE) if kind == "number" else (RMSE, MAE, R2)


def reliability(y: Targets, p: Values, bins: int = BINS) -> list[tuple[int, float, float]]:
    """(rows, mean confidence, share right) of every bin of confidence that holds a row, low to high."""
    sure, right = _confidence(y, p)
    place = bins_of(sure, bins)
    held = [place == i for i in range(bins)]
    return [(int(m.sum()), float(sure[m].mean()), float(right[m].mean())) for m in held if m.any()]


def bins_of(sure: Values, bins: int = BINS) -> NDArray[np.int64]:
    """The place of each confidence among equal bins of (0, 1]."""
    return np.asarray(np.ceil(sure * bins).astype(np.int64).clip(1, bins) - 1)


# Values of single rows


def _hits(y: Targets, p: Values) -> Values:
    return np.asarray(p.argmax(axis=1) == y, np.float64)


def _losses(y: Targets, p: Values) -> Values:
    return np.asarray(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-15)))


def _briers(y: Targets, p: Values) -> Values:
    """Σ (p − truth)² over the classes; half of it, (p₁ − y)², for two (Brier 1950)."""
    own = p[np.arange(len(y)), y]
    total = (p**2).sum(axis=1) - own**2 + (1 - own) ** 2
    return np.asarray(total / 2 if p.shape[1] == 2 else total)


def median_class(p: Values) -> NDArray[np.int64]:
    """(n,) the median of an order's classes by their probabilities (n, q)."""
    return np.asarray((np.cumsum(p, axis=1) < 0.5).sum(axis=1).clip(max=p.shape[1] - 1))


def _steps(y: Targets, p: Values) -> Values:
    return np.asarray(abs(median_class(p) - y), np.float64)


def _label_losses(y: Targets, p: Values) -> Values:
    sure = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(-(y * np.log(sure) + (1 - y) * np.log1p(-sure)).mean(axis=1))


def _ranking(y: Targets, p: Values) -> Values:
    """Average precision of the ranking of labels; NaN for a row without any."""
    return average_precision(p, y > 0)


def _errors(y: Targets, p: Values) -> Values:
    return np.asarray(abs(y - p).mean(axis=1))


# Values over rows


def _mean_of(rows: RowValues) -> Weighted:
    """The weighted mean of row values, those that are NaN left out."""

    def weighted(y: Targets, p: Values, W: Values) -> Values:
        values = rows(y, p)
        known = ~np.isnan(values)
        return np.asarray(W[:, known] @ values[known] / W[:, known].sum(axis=1))

    return weighted


def _rmse(y: Targets, p: Values, W: Values) -> Values:
    return np.asarray(np.sqrt(W @ ((y - p) ** 2).mean(axis=1) / W.sum(axis=1)))


def _r2(y: Targets, p: Values, W: Values) -> Values:
    """Mean over outputs of 1 − Σ(y − p)² / Σ(y − ȳ)²; outputs that do not vary are left out."""
    total, centred = W.sum(axis=1, keepdims=True), y - y.mean(axis=0)
    spread = W @ centred**2 - (W @ centred) ** 2 / total  # (b, q)
    varies = spread > 1e-12 * (W @ y**2)
    return _mean_where(1 - W @ (y - p) ** 2 / np.where(varies, spread, 1.0), varies)


def _balanced(y: Targets, p: Values, W: Values) -> Values:
    right, true, _ = _tallies(y, p.argmax(axis=1), W)
    return _mean_where(right / true, true > 0)


def _f1_macro(y: Targets, p: Values, W: Values) -> Values:
    right, true, said = _tallies(y, p.argmax(axis=1), W)
    return _mean_where(2 * right / (true + said), true + said > 0)


def _f1(y: Targets, p: Values, W: Values) -> Values:
    """F1 of the positive class, the second of two."""
    said = p.argmax(axis=1) == 1
    return np.asarray(2 * (W @ (said & (y == 1))) / (W @ (y == 1) + W @ said))


def _kappa(y: Targets, p: Values, W: Values) -> Values:
    """1 less E(a − b)² over what it would be for independent a and b of these shares (Cohen 1968)."""
    a, b, total = y.astype(float), median_class(p).astype(float), W.sum(axis=1)
    means = W @ a * (W @ b) / total**2
    return np.asarray(1 - (W @ (a - b) ** 2 / total) / (W @ (a**2 + b**2) / total - 2 * means))


def _ece(y: Targets, p: Values, W: Values) -> Values:
    """Mean |confidence − share right| over bins of confidence (Guo et al. 2017)."""
    sure, right = _confidence(y, p)
    per_row = sure.reshape(W.shape[1], -1)
    place = bins_of(sure).reshape(per_row.shape)
    gap = (per_row - right.reshape(per_row.shape)) / per_row.shape[1]
    sums = [W @ np.where(place == i, gap, 0.0).sum(axis=1) for i in range(BINS)]
    return np.asarray(np.abs(sums).sum(axis=0) / W.sum(axis=1))


def _auc(y: Targets, p: Values, W: Values) -> Values:
    """Of two classes the area under the ROC; of more, and of labels, the mean of each against the rest."""
    if y.ndim == 1 and p.shape[1] == 2:
        return _area(y == 1, p[:, 1], W)
    truths = enumerate(y.T > 0) if y.ndim == 2 else ((c, y == c) for c in np.unique(y).tolist())
    each = np.array([_area(truth, p[:, c], W) for c, truth in truths]).T
    return _mean_where(each, ~np.isnan(each))


def _precision(y: Targets, p: Values, W: Values) -> Values:
    return _step_area(y == 1, p[:, 1], W)


def _labels_micro(y: Targets, p: Values, W: Values) -> Values:
    said = p > 0.5
    return np.asarray(2 * (W @ (y * said).sum(axis=1)) / (W @ (y.sum(axis=1) + said.sum(axis=1))))


def _labels_macro(y: Targets, p: Values, W: Values) -> Values:
    said = p > 0.5
    either = W @ (y + said)
    return _mean_where(2 * (W @ (y * said)) / either, either > 0)


# What they are made of


def _area(truth: Targets, score: Values, W: Values) -> Values:
    """(b,) the chance that a positive scores above a negative, ties for half."""
    positive, negative = _by_level(truth, score, W)
    below = negative[:, ::-1].cumsum(axis=1)[:, ::-1] - negative / 2
    return np.asarray((positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1)))


def _step_area(truth: Targets, score: Values, W: Values) -> Values:
    """(b,) average precision: Σ (recall gained) · precision over the distinct scores, from the highest."""
    positive, negative = _by_level(truth, score, W)
    hits = positive.cumsum(axis=1)
    seen = hits + negative.cumsum(axis=1)
    share = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return np.asarray((positive * share).sum(axis=1) / hits[:, -1])


def _by_level(truth: Targets, score: Values, W: Values) -> tuple[Values, Values]:
    """(b, levels) weights of the positives and of the negatives at each distinct score, the highest first."""
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    W = W[:, order]
    positive = np.add.reduceat(W * truth[order], starts, axis=1)
    return positive, np.add.reduceat(W, starts, axis=1) - positive


def _tallies(y: Targets, said: Targets, W: Values) -> tuple[Values, Values, Values]:
    """(b, classes) weights of right, true and predicted rows of every class that occurs."""
    used, codes = np.unique(np.concatenate([y, said]), return_inverse=True)
    truth, guess = np.split(codes, 2)
    n, right = np.arange(len(y)), (truth == guess).astype(float)
    shape = (len(y), len(used))
    tables = [(right, truth), (np.ones(len(y)), truth), (np.ones(len(y)), guess)]
    a, b, c = (np.asarray(W @ csr_array((weight, (n, code)), shape)) for weight, code in tables)
    return a, b, c


def _mean_where(values: Values, use: NDArray[np.bool_]) -> Values:
    """(b,) means of the values (b, c) in use; NaN where none is."""
    return np.asarray(np.where(use, values, 0.0).sum(axis=1) / use.sum(axis=1))


def _confidence(y: Targets, p: Values) -> tuple[Values, Values]:
    """How likely the likeliest class was said to be, and whether it was right; of labels, of every label."""
    if y.ndim == 2:
        return np.maximum(p, 1 - p).ravel(), ((p > 0.5) == (y > 0)).astype(float).ravel()
    return p.max(axis=1), _hits(y, p)


def _of_rows(name: str, title: str, percent: bool, higher: bool, rows: RowValues) -> Measure:
    return Measure(name, title, percent, higher, _mean_of(rows), rows)


ACCURACY = _of_rows("accuracy", "accuracy", True, True, _hits)
BALANCED = Measure("balanced_accuracy", "balanced accuracy", True, True, _balanced)
F1 = Measure("f1", "F1", True, True, _f1, of_one=True)
F1_MACRO = Measure("f1_macro", "F1 macro", True, True, _f1_macro)
AUC = Measure("auc", "AUC", True, True, _auc)
PRECISION = Measure("average_precision", "average precision", True, True, _precision, of_one=True)
LOG_LOSS = _of_rows("log_loss", "log loss", False, False, _losses)
BRIER = _of_rows("brier", "Brier score", False, False, _briers)
ECE = Measure("ece", "calibration error", True, False, _ece, resampled=False)
RANKING = _of_rows("label_ranking_average_precision", "label ranking average precision", True, True, _ranking)
LABELS_MICRO = Measure("f1_micro", "F1 micro", True, True, _labels_micro)
LABELS_MACRO = Measure("f1_macro", "F1 macro", True, True, _labels_macro)
LABELS_LOSS = _of_rows("log_loss", "log loss", False, False, _label_losses)
STEPS = _of_rows("mae_steps", "mean absolute error, steps", False, False, _steps)
KAPPA = Measure("kappa", "quadratic weighted kappa", False, True, _kappa)
ORDER_ACCURACY = _of_rows(
    "accuracy", "accuracy", True, True, lambda y, p: np.asarray(median_class(p) == y, float)
)
R2 = Measure("r2", "R²", False, True, _r2)
MAE = _of_rows("mae", "mean absolute error", False, False, _errors)
RMSE = Measure("rmse", "root mean square error", False, False, _rmse)
