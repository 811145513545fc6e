"""Small real video files, made with PyAV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SOUND_RATE = 16_000


def video(
    frames: Sequence[Pixels],
    rate: float = 10,
    sound: NDArray[np.float32] | None = None,
    container: str = "mp4",
    codec: str = "libx264",
) -> bytes:
    """A file of RGB frames (h, w, 3), even sides, with a mono sound track at 16 kHz where there is one."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        picture = file.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
        picture.height, picture.width = frames[0].shape[:2]
        picture.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        track = None if sound is None else file.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for pixels in frames:
            file.mux(picture.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")))
        file.mux(picture.encode(None))
        if track is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.pts = SOUND_RATE, 0
            file.mux(track.encode(frame))
            file.mux(track.encode(None))
    return out.getvalue()


def sound_only(sound: NDArray[np.float32]) -> bytes:
    """An mp4 with a sound track and no pictures."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        track = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = SOUND_RATE, 0
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return out.getvalue()


def tone(hertz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    """A sine at half of full scale."""
    time = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * time), np.float32)


def fading(count: int = 30, shape: tuple[int, int] = (48, 64)) -> list[Pixels]:
    """Grey frames from black to white: a frame's brightness tells its place."""
    return [np.full((*shape, 3), round(255 * i / max(count - 1, 1)), np.uint8) for i in range(count)]


def moving(count: int = 12, step: tuple[int, int] = (0, 3), side: int = 12) -> list[Pixels]:
    """A bright square on black that moves by `step` pixels (down, right) a frame."""
    frames = []
    for i in range(count):
        frame = np.zeros((48, 64, 3), np.uint8)
        top, left = 10 + i * step[0], 10 + i * step[1]
        frame[top : top + side, left : left + side] = 220
        frames.append(frame)
    return frames
