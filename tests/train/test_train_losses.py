"""Losses against their formulas written out, and weights that count rows twice or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_softmax

from chiasm.errors import UsageError
from chiasm.train.losses import OF_KIND, binary, cross_entropy, loss_of, squared_error

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((6, 3))
CLASSES = np.array([0, 2, 1, 1, 0, 2])
LABELS = (RNG.random((6, 3)) > 0.5).astype(float)
NUMBERS = RNG.standard_normal((6, 3))
WEIGHTS = np.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0])


def value(loss, y, weights=WEIGHTS, scores=SCORES) -> float:
    return float(loss(torch.tensor(scores), torch.tensor(y), torch.tensor(weights)))


def test_each_is_its_formula() -> None:
    each = -log_softmax(SCORES, axis=1)[np.arange(6), CLASSES]
    assert value(cross_entropy, CLASSES) == pytest.approx(np.average(each, weights=WEIGHTS))
    each = -(LABELS * log_expit(SCORES) + (1 - LABELS) * log_expit(-SCORES)).sum(axis=1)
    assert value(binary, LABELS) == pytest.approx(np.average(each, weights=WEIGHTS))
    each = ((SCORES - NUMBERS) ** 2).sum(axis=1)
    assert value(squared_error, NUMBERS) == pytest.approx(np.average(each, weights=WEIGHTS))


@pytest.mark.parametrize(
    ("loss", "y"), [(cross_entropy, CLASSES), (binary, LABELS), (squared_error, NUMBERS)]
)
def test_a_weight_counts_rows(loss, y) -> None:
    twice = np.array([0, 1, 1, 3])
    once = np.array([1.0, 2.0, 0.0, 1.0, 0.0, 0.0])
    expected = value(loss, y[twice], np.ones(4), SCORES[twice])
    assert value(loss, y, once) == pytest.approx(expected)


def test_rows_without_any_weight_lose_nothing() -> None:
    assert value(cross_entropy, CLASSES, np.zeros(6)) == 0


def test_every_kind_of_target_has_a_loss() -> None:
    from chiasm.heads.task import KINDS

    assert set(OF_KIND) == set(KINDS)
    with pytest.raises(UsageError, match="Did you mean 'labels'"):
        loss_of("label")
