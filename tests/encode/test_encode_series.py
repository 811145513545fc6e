"""Rocket against explicit loops; any length, rate and width; what the engine makes of odd cells."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm import read
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.series import Rocket, convolved, kernels, passes, positive_share, resampled
from chiasm.errors import ChiasmError, UsageError
from chiasm.rows.series import Series

RNG = np.random.default_rng(0)


def small(**params: Any) -> Rocket:
    return Rocket(**{"steps": 32, "features": 500, "dim": 8} | params)


def waves(n: int = 40, channels: int = 3) -> list[Series]:
    """Two classes that differ in frequency alone, of many lengths."""
    found = []
    for i in range(n):
        t = RNG.integers(40, 200)
        phase = np.linspace(0, (2, 5)[i % 2] * 2 * np.pi, t)[:, None] + RNG.uniform(0, 6, channels)
        found.append(Series((np.sin(phase) + RNG.normal(0, 0.1, (t, channels))).astype(np.float32)))
    return found


def test_the_kernels_are_those_of_the_paper() -> None:
    assert kernels().shape == (84, 9)
    assert (kernels().sum(axis=1) == 0).all()
    assert len({tuple(kernel) for kernel in kernels().tolist()}) == 84


@pytest.mark.parametrize(("dilation", "padded"), [*itertools.product((1, 2, 3), (True, False))])
def test_convolutions_are_those_of_a_loop(dilation: int, padded: bool) -> None:
    line = RNG.normal(size=(2, 30)).astype(np.float32)
    found = convolved(line, dilation, padded)
    reach = 4 * dilation
    centres = range(30) if padded else range(reach, 30 - reach)
    for k, n in itertools.product((0, 17, 83), range(2)):
        for place, centre in enumerate(centres):
            slow = 0.0
            for j, weight in enumerate(kernels()[k]):
                at = centre + (j - 4) * dilation
                slow += float(weight) * (float(line[n, at]) if 0 <= at < 30 else 0.0)
            assert found[k, n, place] == pytest.approx(slow, abs=1e-4)


def test_the_share_of_positive_values_is_that_of_a_loop() -> None:
    found = RNG.normal(size=(84, 3, 21)).astype(np.float32)
    biases = RNG.normal(size=84).astype(np.float32)
    slow = [[np.mean([v > biases[k] for v in found[k, n]]) for k in range(84)] for n in range(3)]
    np.testing.assert_allclose(positive_share(found, biases), slow, atol=1e-6)


def test_resampling_draws_lines_and_takes_means() -> None:
    np.testing.assert_allclose(resampled(np.array([[0.0], [2.0]], np.float32), 5)[:, 0], [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(resampled(np.arange(6, dtype=np.float32)[:, None], 3)[:, 0], [0.5, 2.5, 4.5])
    whole = resampled(np.arange(7, dtype=np.float32)[:, None], 2)[:, 0]  # the middle step is halved
    np.testing.assert_allclose(whole, [(0 + 1 + 2 + 1.5) / 3.5, (1.5 + 4 + 5 + 6) / 3.5])


@given(st.integers(1, 300), st.integers(9, 64))
@settings(max_examples=40, deadline=None)
def test_a_constant_stays_itself_at_any_length(t: int, steps: int) -> None:
    np.testing.assert_allclose(resampled(np.full((t, 2), 3.5, np.float32), steps), 3.5, rtol=1e-6)


def test_passes_take_each_some_channels() -> None:
    mixes, dilations = passes(60, 128, 10_000, np.random.default_rng(0))
    assert len(mixes) == len(dilations)
    assert 8_000 < 84 * len(mixes) < 12_000
    assert set(mixes.sum(axis=1)) <= set(range(1, 10))
    assert dilations.max() * 8 < 128


def test_features_tell_frequencies_apart() -> None:
    described = small().describe(waves())
    encoder = small().fit(described[:20])
    values = encoder.transform(described)
    side = np.arange(40) % 2
    middles = np.stack([values[:20][side[:20] == k].mean(axis=0) for k in (0, 1)])
    nearest = ((values[20:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == side[20:]).mean() > 0.9


def test_same_seed_same_features_and_rows_do_not_mix() -> None:
    described = small().describe(waves())
    one, two = small().fit(described), small().fit(described)
    np.testing.assert_array_equal(one.transform(described), two.transform(described))
    np.testing.assert_allclose(one.transform(described)[3:5], one.transform(described[3:5]), atol=1e-5)
    assert not np.allclose(small(seed=1).fit(described).transform(described), one.transform(described))


def test_state_is_all_there_is() -> None:
    described = small().describe(waves())
    encoder = small().fit(described)
    other = small().restore(encoder.state())
    np.testing.assert_array_equal(other.transform(described), encoder.transform(described))
    assert encoder.cell_width == 3
    assert small(dim=None).fit(described).transform(described).shape[1] > 400


def test_constant_and_wild_series_stay_finite() -> None:
    flat = [Series(np.full((50, 2), v, np.float32)) for v in (0, 0, 1)]
    encoder = small().fit(small().describe(flat))
    wild = [Series(np.full((5, 2), 3e38, np.float32)), Series(np.array([[1e-30, -3e38]], np.float32))]
    for cells in (flat, wild):
        assert np.isfinite(encoder.transform(encoder.describe(cells))).all()


def test_ten_million_steps_take_a_moment() -> None:
    start = time.perf_counter()
    described = Rocket().describe([Series(np.ones((10_000_000, 1), np.float32))])
    assert described.shape == (1, 131)
    assert time.perf_counter() - start < 10


def test_series_of_other_channels_are_broken() -> None:
    cells = [RNG.normal(size=(20 + i, 3)) for i in range(6)]
    rows = read({"id": list("abcdefg"), "s": [*cells[:3], np.zeros((9, 2)), None, *cells[4:]]})
    described = describe_column(rows, "s", small())
    assert [(b.row, b.why) for b in described.broken] == [(3, "2 channels, expected 3")]
    assert described.row.tolist() == [0, 1, 2, 5, 6]
    encoder = small().fit(described.values)
    query = read({"id": ["x", "y"], "s": [np.zeros((9, 2)), np.ones((9, 2))]})
    features = encode_column(query, "s", encoder)
    assert len(features.broken) == 2
    assert not features.present.any()


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="steps"):
        Rocket(steps=8).describe(waves(2))
    with pytest.raises(ChiasmError):
        Rocket().transform(np.zeros((1, 131), np.float32))
