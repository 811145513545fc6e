"""The ordinal head on classes cut from one line, where its model is the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad

from chiasm.errors import DataError
from chiasm.heads.linear import Linear
from chiasm.heads.ordinal import Ordinal
from chiasm.heads.task import Task

ORDER = Task("order", (1, 2, 3, 4, 5))
CUTS = np.array([-3.0, -1.0, 1.0, 3.0])


def cut(n: int, seed: int = 0, d: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, d)).astype(np.float32)
    level = 2 * Z[:, 0] - Z[:, 1]
    return Z, (level + rng.logistic(size=n) > CUTS[:, None]).sum(axis=0)


def test_the_line_and_its_cuts_are_found() -> None:
    head = Ordinal(ridge=1e-6).fit(*cut(20_000), ORDER)
    assert np.allclose(head.coef_, [2, -1, 0, 0, 0, 0, 0, 0], atol=0.1)
    assert np.allclose(head.thresholds_ + head.mean_ @ head.coef_, CUTS, atol=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_a_softmax_where_classes_are_ordered(seed: int) -> None:
    Z, y = cut(150, seed)
    new, truth = cut(5000, 99)
    ordinal, softmax = (head.fit(Z, y, ORDER).scores(new) for head in (Ordinal(), Linear()))
    assert ORDER.losses(ordinal, truth).mean() < ORDER.losses(softmax, truth).mean()


def test_scores_are_log_probabilities_also_far_out() -> None:
    Z, y = cut(300)
    scores = Ordinal().fit(Z, y, ORDER).scores(np.concatenate([Z, 1e4 * Z]))
    assert np.isfinite(scores).all()
    assert np.allclose(np.exp(scores).sum(axis=1), 1)


def test_pull_is_the_derivative() -> None:
    Z, y = cut(300)
    head = Ordinal(ridge=0.01).fit(Z, y, ORDER)
    weights = np.arange(5.0)

    def score(flat: np.ndarray) -> float:
        return float(head.scores(flat[None])[0] @ weights)

    def slope(flat: np.ndarray) -> np.ndarray:
        return head.pull(flat[None], weights[None])[0]

    assert check_grad(score, slope, Z[0].astype(float)) < 1e-5


def test_a_class_nobody_has_and_a_constant_feature() -> None:
    Z, y = cut(200)
    Z[:, 3] = 7
    y = np.where(y == 2, 1, y)
    scores = Ordinal(ridge=0.01).fit(Z, y, ORDER).scores(Z)
    assert np.exp(scores[:, 2]).max() < 0.1


def test_weights_count_rows() -> None:
    Z, y = cut(200)
    twice = Ordinal(ridge=0.01).fit(np.concatenate([Z, Z[:50]]), np.append(y, y[:50]), ORDER)
    weighted = Ordinal(ridge=0.01).fit(Z, y, ORDER, np.where(np.arange(200) < 50, 2.0, 1.0))
    assert np.allclose(twice.coef_, weighted.coef_, atol=0.05)


def test_what_is_no_order_is_refused() -> None:
    with pytest.raises(DataError, match="expected an order, got classes"):
        Ordinal().fit(*cut(50), Task("classes", (1, 2, 3, 4, 5)))
