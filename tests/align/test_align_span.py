"""Few rows, wide columns: solved where the rows span, the maps give what the whole problem gives."""

from __future__ import annotations

import numpy as np
import pytest

from chiasm.align import CCA, Ridge
from chiasm.align.moments import Moments
from chiasm.align.span import fit_spanned, spans
from chiasm.encode.features import Features

RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((40, 4))
WIDTHS = {"a": 90, "b": 70, "c": 3}
VALUES = {
    c: (LATENT @ RNG.standard_normal((4, d)) + 0.3 * RNG.standard_normal((40, d))).astype(np.float32)
    for c, d in WIDTHS.items()
}
ROWS = {c: Features.of(v, RNG.random(40) < 0.9) for c, v in VALUES.items()}
NEW = {c: RNG.standard_normal((9, d)).astype(np.float32) for c, d in WIDTHS.items()}


@pytest.mark.parametrize("columns", [("a", "b"), ("a", "b", "c")])
@pytest.mark.parametrize("made", [CCA(dim=3, ridge=1e-2), Ridge(dim=3, ridge=1e-2)])
def test_it_is_the_same_solution(columns: tuple[str, ...], made: CCA | Ridge) -> None:
    rows = {c: ROWS[c] for c in columns}
    moments = Moments.of(rows)
    assert sorted(spans(made, moments, rows)) == ["a", "b"]
    whole = type(made)(**made.get_params()).fit_moments(moments).transform(rows)
    found = type(made)(**made.get_params())
    assert fit_spanned(found, moments, rows) is found
    for c in columns:  # up to the sign of each coordinate, which is a convention
        signs = np.sign(np.nansum(whole[c] * found.transform(rows)[c], axis=0))
        np.testing.assert_allclose(found.transform(rows)[c] * signs, whole[c], atol=2e-3)


def test_narrow_columns_are_solved_as_ever() -> None:
    rows = {c: Features.of(VALUES[c][:, :3]) for c in VALUES}
    assert spans(CCA(dim=2), Moments.of(rows), rows) == {}
