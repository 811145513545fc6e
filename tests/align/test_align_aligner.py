"""Every aligner: the units of a column are a convention, from 1e-30 to 1e+30."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from chiasm.align import (
    CCA,
    CSA,
    Aligner,
    Anchors,
    Dictionary,
    Kernel,
    Learned,
    Procrustes,
    Ridge,
    Semantic,
    Transport,
)
from chiasm.errors import DataError

RNG = np.random.default_rng(0)
N, WIDTHS = 60, {"a": 6, "b": 5}
LATENT = RNG.standard_normal((N, 3))
VALUES = {
    c: (LATENT @ RNG.standard_normal((3, d)) + 0.3 * RNG.standard_normal((N, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
LABELS = ["xyz"[i % 3] for i in range(N)]
ALIGNERS = [
    CCA(dim=3),
    CSA(dim=3),
    Ridge(dim=3),
    Procrustes(dim=3),
    Semantic(dim=3),
    Transport(dim=3, rounds=2, entropy=0.1),
    Kernel(dim=3),
    Anchors(),
    Dictionary(dim=6),
    Learned(dim=3, hidden=8, epochs=1),
]


def cosines(made: Aligner, sizes: dict[str, float]) -> np.ndarray:
    """Of all items with each other in the space of columns with gaps, so many times as large."""
    sized = {c: v * np.float32(sizes[c]) for c, v in VALUES.items()}
    gaps = {c: v.copy() for c, v in sized.items()}
    gaps["a"][45:], gaps["b"][:10] = np.nan, np.nan
    aligner = clone(made).fit(gaps, LABELS)
    vectors = np.vstack([aligner.project(c, v) for c, v in sized.items()])
    return vectors @ vectors.T


@pytest.mark.parametrize("made", ALIGNERS, ids=lambda made: type(made).__name__)
def test_the_size_of_numbers_changes_nothing(made: Aligner) -> None:
    if isinstance(made, Learned):
        pytest.importorskip("lightning")
    if isinstance(made, Transport):
        pytest.importorskip("ot")
    plain = cosines(made, {"a": 1.0, "b": 1.0})
    for sizes in ({"a": 1e-30, "b": 1e-30}, {"a": 1e30, "b": 1e30}, {"a": 1e-12, "b": 1e12}):
        np.testing.assert_allclose(cosines(made, sizes), plain, atol=2e-3, err_msg=str(sizes))


def test_one_item_beyond_all_measure_keeps_its_direction() -> None:
    fitted = CCA(dim=3).fit(VALUES)
    far = VALUES["a"][:1].astype(np.float64) * 1e200
    near = fitted.project("a", VALUES["a"][:1] * np.float32(1e12))
    np.testing.assert_allclose(fitted.project("a", far), near, atol=1e-5)


def test_what_no_map_in_single_precision_can_hold_says_so() -> None:
    apart = {"a": VALUES["a"] * np.float32(1e-30), "b": VALUES["b"] * np.float32(1e30)}
    with pytest.raises(DataError, match="column 'a': numbers too small, alone or beside another column"):
        Ridge(dim=3, target="b").fit(apart)
