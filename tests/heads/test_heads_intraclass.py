"""How much rows of a group count: copies as one, strangers each for itself."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.heads.intraclass import group_weights, intraclass_correlation

RNG = np.random.default_rng(3)
GROUPS = np.repeat(np.arange(200), 4)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_correlation_is_the_share_of_variance_between_groups(share: float) -> None:
    of_group = RNG.standard_normal((200, 20))[GROUPS]
    own = RNG.standard_normal((800, 20))
    values = np.sqrt(share) * of_group + np.sqrt(1 - share) * own
    assert intraclass_correlation(values, GROUPS) == pytest.approx(share, abs=0.03)


def test_copies_count_as_one_row() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    values = np.array([[0.0], [1.0], [5.0]])[groups]
    assert group_weights(values, groups, None) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])
    assert group_weights(values, groups, np.full(6, 2.0)) == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 1, 1])


def test_without_groups_of_several_rows_nothing_changes() -> None:
    values, own = RNG.standard_normal((5, 2)), np.arange(1.0, 6.0)
    assert group_weights(values, None, own) is own
    assert np.array_equal(group_weights(values, np.arange(5), own), own)
    assert np.array_equal(group_weights(values, np.zeros(5, np.int64), None), np.ones(5))
    assert np.array_equal(group_weights(np.ones((4, 2)), np.array([0, 0, 1, 1]), None), np.ones(4))
