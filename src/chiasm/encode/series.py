"""Series without a download: shares of positive values of dilated convolutions, reduced by PCA."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chiasm.array_types import Floats32
from chiasm.checks import check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells, digest
from chiasm.encode.reduce import block_pca, project
from chiasm.errors import BrokenCell
from chiasm.rows.series import Series

KERNEL_LENGTH = 9  # six weights are -1, three are 2
STATISTICS = 3  # numbers of each channel beside its steps: level, spread, duration
LEARNED_FROM = 4096  # training series looked at for biases and components
BIASED_FROM = 32  # of them, those whose convolutions give the biases
BATCH = 32  # series convolved at a time, so that their convolutions stay in a processor's cache
CONSTANT_SHARE = 1e-6  # spread, as a share of the level, at which a channel does not vary
LARGEST_DEVIATION = 1e4  # standard deviations at which a value is cut, so that no product overflows

_GOLDEN = (np.sqrt(5) + 1) / 2
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


class Rocket(Encoder):
    """MiniRocket (Dempster, Schmidt and Webb 2021, arXiv 2012.08791) for series of any length and rate.

    Every series is brought to `steps` steps and put through the 84 kernels of the paper at growing dilations,
    each pass over the sum of some channels drawn at random. A feature is the share of steps at which a
    convolution lies above a bias, which is a quantile of what the training series give. What resampling
    loses stays: level, spread and duration. Unlike the paper, the kernels of a pass share its channels, and
    each has one bias: as many features then see more combinations of channels.

    steps : length to which series are brought, at least 9.
    features : convolution features before the reduction, roughly.
    dim : largest width of the features, by PCA; None leaves all of them.
    seed : of the channels drawn and of the sample that is learned from.
    """

    modality: ClassVar[str] = "series"

    mixes_: Floats32
    dilations_: NDArray[np.int64]
    biases_: Floats32
    centre_: Floats32
    scale_: Floats32
    mean_: Floats32
    projection_: Floats32

    def __init__(
        self, steps: int = 128, features: int = 10_000, dim: int | None = 256, seed: int = 0
    ) -> None:
        self.steps = steps
        self.features = features
        self.dim = dim
        self.seed = seed

    @property
    def cell_width(self) -> int | None:
        """The channels of the series it was fitted on."""
        return getattr(self, "channels_", None)

    @property
    def channel_width(self) -> int | None:
        """Numbers of a description for each channel of its series."""
        return self.steps + STATISTICS

    def identity(self) -> str:
        """All that a description depends on, which is `steps` alone."""
        return digest(self.kind, self.version, self.steps)

    def describe(self, cells: Sequence[Series]) -> Floats32:
        """(n, c (steps + 3)) of series of c channels: each channel resampled, then its statistics.

        BrokenCell where they differ in channels: the engine then asks for one at a time.
        """
        check_range(self.steps, "steps", KERNEL_LENGTH)
        widths = {cell.values.shape[1] for cell in cells}
        if len(widths) > 1:
            raise BrokenCell(f"series of {sorted(widths)} channels in one column")
        return np.stack([_described(cell, self.steps) for cell in cells])

    def fit(self, described: Descriptions) -> Self:
        """Learn scales of channels, biases and components; of many series from a random sample."""
        check_cells(described, self)
        self.forget()
        rng = np.random.default_rng(self.seed)
        sample = np.asarray(described, np.float32)
        sample = sample[np.sort(rng.permutation(len(sample))[:LEARNED_FROM])]
        self.channels_ = sample.shape[1] // (self.steps + STATISTICS)
        self._learn_scales(sample)
        self.mixes_, self.dilations_ = passes(self.channels_, self.steps, self.features, rng)
        self._learn_biases(self._parts(sample[rng.permutation(len(sample))[:BIASED_FROM]])[0])
        raw = np.concatenate([self._raw(part) for part in _batches(sample)])
        self._learn_components(raw)
        return self

    def _learn_scales(self, sample: Floats32) -> None:
        """Centre and scale of every number of a description; a channel's steps share theirs."""
        parts = sample.reshape(len(sample), self.channels_, -1).astype(np.float64)
        steps, rest = parts[:, :, : self.steps], parts[:, :, self.steps :]
        centre = np.c_[steps.mean(axis=(0, 2)), rest.mean(axis=0)]
        spread = np.c_[steps.std(axis=(0, 2)), rest.std(axis=0)]
        self.centre_ = centre.astype(np.float32)
        varies = spread > np.maximum(CONSTANT_SHARE * np.abs(centre), np.finfo(np.float32).tiny)
        self.scale_ = np.where(varies, 1 / np.where(varies, spread, 1), 0).astype(np.float32)

    def _learn_biases(self, steps: Floats32) -> None:
        """(passes, 84) a quantile of each convolution; they fill (0, 1) evenly, by the golden ratio."""
        count = len(self.dilations_) * 84
        wanted = ((np.arange(count) + 1) * _GOLDEN % 1).reshape(-1, 84)
        biases = np.empty(wanted.shape, np.float32)
        for place, found in enumerate(self._convolutions(steps)):
            ordered = np.sort(found.reshape(84, -1), axis=1)
            at = (wanted[place] * ordered.shape[1]).astype(np.int64)
            biases[place] = ordered[np.arange(84), at]
        self.biases_ = biases

    def _learn_components(self, raw: Floats32) -> None:
        if self.dim is None:
            self.width_ = raw.shape[1]
            return
        self.mean_, self.projection_ = block_pca(raw, [1] * raw.shape[1], self.dim)
        self.projection_ /= np.sqrt(np.float32(raw.shape[1]))
        self.width_ = self.projection_.shape[1]

    def transform(self, described: Descriptions) -> Floats32:
        """(n, d) of descriptions, some at a time."""
        self.require_fitted("width_")
        out = np.empty((len(described), self.width_), np.float32)
        for start in range(0, len(described), BATCH):
            raw = self._raw(np.asarray(described[start : start + BATCH], np.float32))
            reduced = raw if self.dim is None else project(raw, self.mean_, self.projection_)
            out[start : start + BATCH] = reduced
        return out

    def _parts(self, described: Floats32) -> tuple[Floats32, Floats32]:
        """Standardised steps (n, c, steps) and statistics (n, c STATISTICS)."""
        parts = described.reshape(len(described), self.channels_, -1)
        with np.errstate(over="ignore"):
            steps = (parts[:, :, : self.steps] - self.centre_[:, :1]) * self.scale_[:, :1]
            rest = (parts[:, :, self.steps :] - self.centre_[:, 1:]) * self.scale_[:, 1:]
        limit = np.float32(LARGEST_DEVIATION)
        return np.clip(steps, -limit, limit), np.clip(rest, -limit, limit).reshape(len(rest), -1)

    def _convolutions(self, steps: Floats32) -> Iterator[Floats32]:
        """Pass by pass (84, n, t); every other one is padded, so that edges count half."""
        mixed = np.matmul(self.mixes_, steps)  # (n, passes, steps)
        for place, dilation in enumerate(self.dilations_.tolist()):
            yield convolved(mixed[:, place], dilation, padded=place % 2 == 0)

    def _raw(self, described: Floats32) -> Floats32:
        """(n, features + c STATISTICS) before the reduction."""
        steps, rest = self._parts(described)
        shares = [
            positive_share(found, bias)
            for found, bias in zip(self._convolutions(steps), self.biases_, strict=True)
        ]
        return np.concatenate([*shares, rest], axis=1, dtype=np.float32)


def _batches(rows: Floats32) -> list[Floats32]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _described(series: Series, steps: int) -> Floats32:
    """(c (steps + STATISTICS),) one channel after the other."""
    values = series.values
    level = values.mean(axis=0, dtype=np.float64)
    spread = values.std(axis=0, dtype=np.float64)
    duration = np.log(len(values) / (series.rate or 1.0))
    statistics = np.stack([level, np.log(spread + 1e-6), np.full(len(level), duration)], axis=1)
    return np.concatenate([resampled(values, steps).T, statistics], axis=1, dtype=np.float32).ravel()


def resampled(values: Floats32, steps: int) -> Floats32:
    """(steps, c) of values (t, c): on lines between them where t <= steps, else means of equal parts, which
    leave out what `steps` cannot hold."""
    t = len(values)
    if t <= steps:
        places = np.linspace(0, t - 1, steps)
        return np.stack([np.interp(places, np.arange(t), line) for line in values.T], 1).astype(np.float32)
    edges = np.linspace(0, t, steps + 1)
    return np.stack([_part_means(line, edges) for line in values.T], axis=1).astype(np.float32)


def _part_means(line: Floats32, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(steps,) means of a line (t,) between edges, a value cut by an edge counting in parts on both sides."""
    sums = np.concatenate([[0.0], np.cumsum(line, dtype=np.float64)])
    whole = np.minimum(edges.astype(np.int64), len(line) - 1)
    at_edges = sums[whole] + (edges - whole) * line[whole]
    return np.asarray(np.diff(at_edges) / np.diff(edges))


def passes(
    channels: int, steps: int, features: int, rng: np.random.Generator
) -> tuple[Floats32, NDArray[np.int64]]:
    """What is convolved: channels (p, c) as 0 or 1, of which each pass takes the sum, and its dilation (p,).

    Dilations grow exponentially up to the length of the series; a subset holds up to nine channels.
    """
    longest = np.log2((steps - 1) / (KERNEL_LENGTH - 1))
    dilations = np.unique(2 ** np.linspace(0, longest, 32) // 1).astype(np.int64)
    each = max(1, round(features / (84 * len(dilations))))
    mixes = np.zeros((len(dilations) * each, channels), np.float32)
    for mix in mixes:
        size = int(2 ** rng.uniform(0, np.log2(min(channels, KERNEL_LENGTH) + 1)))
        mix[rng.permutation(channels)[:size]] = 1
    return mixes, np.repeat(dilations, each)


def kernels() -> Floats32:
    """(84, 9) all ways to give three of nine weights the value 2, the others -1."""
    bank = np.full((84, KERNEL_LENGTH), -1, np.float32)
    for kernel, places in zip(bank, itertools.combinations(range(KERNEL_LENGTH), 3), strict=True):
        kernel[list(places)] = 2
    return bank


def convolved(lines: Floats32, dilation: int, padded: bool) -> Floats32:
    """(84, n, t) of lines (n, t) with every kernel; unpadded t is shorter by 8 dilations."""
    reach = (KERNEL_LENGTH - 1) * dilation
    if padded:
        lines = np.pad(lines, ((0, 0), (reach // 2, reach // 2)))
    t = lines.shape[1] - reach
    shifted = np.stack([lines[:, place : place + t] for place in range(0, reach + 1, dilation)])
    return np.asarray((kernels() @ shifted.reshape(KERNEL_LENGTH, -1)).reshape(84, len(lines), t))


def positive_share(found: Floats32, biases: Floats32) -> Floats32:
    """(n, 84) the shares of t at which convolutions (84, n, t) lie above biases (84,).

    Bits are counted eight at a time: several times faster than a sum of booleans.
    """
    packed = np.packbits(found > biases[:, None, None], axis=-1)
    return np.asarray(_ONES[packed].sum(axis=-1).T / found.shape[2], np.float32)
