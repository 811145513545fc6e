"""Videos without a download: what the frames show, how they change, where they move, and how they sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import numpy as np

from chiasm.array_types import Floats32
from chiasm.checks import check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells, digest
from chiasm.encode.image import WIDTHS, Gradients, Pixels
from chiasm.encode.reduce import block_pca, project
from chiasm.encode.sound import LogMel, segment_means
from chiasm.rows.video import Video

SIDE = 128  # pixels to which the longer side of a frame is reduced before it is described
SEGMENTS = 4  # equal parts in time, whose means keep the order of events
CAMERA_NOISE = 8.0  # levels of 255 below which a change is the noise of the camera and of the codec
# Of the blocks of an image the coarse shapes and the small thumbnail, enough for the course over time.
COARSE = slice(WIDTHS[0], sum(WIDTHS[:3]))
COARSE_WIDTH = sum(WIDTHS[1:3])


class Frames(Encoder):
    """Frames and motion maps (Yang, Zhang and Tian 2012: the sum of the differences between frames), both
    described as `Gradients` describes images, over the whole video and by parts in time; the sound track as
    `LogMel` describes it.

    count : frames taken evenly from the whole length; fewer where a video has fewer.
    dim : largest width of the features; fewer where the training videos have less variance.

    A video without a sound track is not a silent one: its sound is the mean of the training videos that have
    one, and a separate indicator says that it has none.
    """

    modality: ClassVar[str] = "video"

    mean_: Floats32
    projection_: Floats32
    usual_: Floats32  # description of the mean sound track of the training videos that have one

    def __init__(self, count: int = 16, dim: int = 256) -> None:
        self.count = count
        self.dim = dim

    def identity(self) -> str:
        """All that a description depends on, which `dim` is not."""
        return digest(self.kind, self.version, self.count, Gradients().identity(), LogMel().identity())

    def describe(self, cells: Sequence[Video]) -> Floats32:
        """(n, d0) of videos of any size and length. BrokenCell where one turns out damaged on the way."""
        check_range(self.count, "count", 1)
        out = np.zeros((len(cells), sum(_widths())), np.float32)
        for line, video in zip(out, cells, strict=True):
            np.concatenate([*_seen(video.frames(self.count, SIDE)), _heard(video)], out=line)
        return out

    def fit(self, described: Descriptions) -> Self:
        """Learn the usual sound, the weights of the blocks and the principal components from (n, d0)."""
        check_cells(described, self)
        self.forget()
        values = np.asarray(described, np.float32)
        with_sound = values[values[:, -1] > 0]
        self.usual_ = _sound_of(with_sound if len(with_sound) else values).mean(axis=0)
        self.mean_, self.projection_ = block_pca(self._filled(values), _widths(), self.dim)
        self.width_ = self.projection_.shape[1]
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, k) of descriptions (n, d0)."""
        self.require_fitted("projection_")
        return project(self._filled(np.asarray(described, np.float32)), self.mean_, self.projection_)

    def _filled(self, values: Floats32) -> Floats32:
        """Descriptions (n, d0) with the usual sound where there is none."""
        filled = values.copy()
        _sound_of(filled)[values[:, -1] == 0] = self.usual_
        return filled


def _widths() -> list[int]:
    """Blocks: the frames' mean, spread and course, the motion's whole and course, the sound, whether any."""
    course = SEGMENTS * COARSE_WIDTH
    return [*WIDTHS, *WIDTHS, course, *WIDTHS, course, *LogMel().widths, 1]


def _sound_of(values: Floats32) -> Floats32:
    """The view (n, d) of the sound's blocks in descriptions (n, d0)."""
    return values[:, -1 - sum(LogMel().widths) : -1]


def _seen(frames: Pixels) -> Iterator[Floats32]:
    """Descriptions of what frames (t, h, w, 3) show and of where they move."""
    shown = Gradients().describe(list(frames))
    yield from (shown.mean(axis=0), shown.std(axis=0))
    yield segment_means(shown[:, COARSE], SEGMENTS).ravel()
    moved = Gradients().describe(list(_motion(frames)))
    yield from (moved[0], moved[1:, COARSE].ravel())


def _motion(frames: Pixels) -> Iterator[Pixels]:
    """Pictures (h, w, 3) of how much each point of frames (t, h, w, 3) changes: in all, then by segments."""
    grey = frames.mean(axis=3, dtype=np.float32)
    changes = np.abs(np.diff(grey, axis=0)) if len(grey) > 1 else np.zeros_like(grey)
    for change in (changes.mean(axis=0), *segment_means(changes, SEGMENTS)):
        bright = 255 / max(change.max(), CAMERA_NOISE) * change
        yield np.repeat(bright.round().astype(np.uint8)[:, :, None], 3, axis=2)


def _heard(video: Video) -> Floats32:
    """(d + 1,) the sound track and 1; zeros where there is none."""
    sound = video.sound()
    if sound is None:
        return np.zeros(sum(LogMel().widths) + 1, np.float32)
    return np.append(LogMel().describe([sound])[0], np.float32(1))
