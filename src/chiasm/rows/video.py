"""A video cell: opened and checked, its frames and its sound track decoded only when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import check_range
from chiasm.errors import BrokenCell
from chiasm.rows.content import load_bytes
from chiasm.rows.sound import Sound, check_hours, mono, opened, read_track

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,avi,asf,flv,mpeg,mpegts,mpegvideo,gif"
"""Containers that hold the video themselves: a playlist could name any address."""
PIXEL_LIMIT = 40_000_000  # in one frame; 8K has 33 million
SEEK_SECONDS = 4.0  # ahead from which jumping there is quicker than decoding up to it
MOST_CUT = 0.1, 0.5  # share of the stated length, and seconds, that may be missing at the end
DEFAULT_RATE = 25.0  # frames per second where a file states none


@dataclass(frozen=True, eq=False)
class Video:
    """A video that was opened once and holds at least one frame; what is asked of it is decoded anew.

    data : the bytes of the file.
    seconds : how long its pictures run.  rate : frames per second, on average.
    size : (height, width) of an upright frame.  length : number of frames.
    """

    data: bytes
    seconds: float
    rate: float
    size: tuple[int, int]
    length: int

    def frames(self, count: int, side: int | None = None) -> NDArray[np.uint8]:
        """(min(count, length), h, w, 3) upright RGB frames, on show at the middles of equal parts of it.

        side : the longer side in pixels down to which larger frames are reduced. BrokenCell where the file
        turns out damaged on the way.
        """
        check_range(count, "count", 1)
        count = min(count, self.length)
        times = (np.arange(count) + 0.5) * self.seconds / count
        shrunk = min(1.0, (side or math.inf) / max(self.size))
        with opened(self.data, FORMATS, "video") as container:
            shown = _on_show(container, _pictures(container), times.tolist(), 1 / self.rate)
            return np.stack([_pixels(frame, shrunk) for frame in shown])

    def sound(self) -> Sound | None:
        """The first sound track; None where there is none. BrokenCell where it does not decode."""
        with opened(self.data, FORMATS, "video") as container:
            if not container.streams.audio:
                return None
        try:
            return mono(*read_track(self.data, FORMATS))
        except BrokenCell as problem:
            raise BrokenCell(f"its sound track: {problem.what}") from problem


def decode_video(value: bytes | str) -> Video:
    """The video in bytes or in the file at a path, after its first frame was decoded and its end was found.

    Raises `BrokenCell` for what is no video, has no pictures, too many pixels or hours, or was cut off.
    """
    data = load_bytes(value)
    with opened(data, FORMATS, "video") as container:
        stream = _pictures(container)
        _check_pixels(stream.codec_context)
        seconds, length = _extent(container, stream)
    with opened(data, FORMATS, "video") as container:
        first = next(container.decode(_pictures(container)), None)
        if first is None:
            raise BrokenCell("video of 0 frames")
        size = (first.width, first.height) if _turns(first) % 2 else (first.height, first.width)
    return Video(data, seconds, length / seconds, size, length)


def _pictures(container: Any) -> Any:
    """The video stream; the picture on the cover of a sound is none."""
    from av.stream import Disposition

    cover = Disposition.attached_pic
    found = next((s for s in container.streams.video if not s.disposition & cover), None)
    if found is None:
        raise BrokenCell("no pictures in it, only sound: read the column with --as COL=sound")
    return found


def _check_pixels(context: Any) -> None:
    if context.width * context.height > PIXEL_LIMIT:
        most = PIXEL_LIMIT // 1_000_000
        raise BrokenCell(f"video of {context.width} x {context.height} pixels, more than {most} megapixels")


class _Packet(NamedTuple):
    start: float  # seconds
    end: float
    pictured: bool


def _extent(container: Any, stream: Any) -> tuple[float, int]:
    """(seconds, frames) of the stream, counted by its packets: stated lengths may be absent or untrue."""
    import av

    packets = list(_packets(container, stream))
    pictures = [packet for packet in packets if packet.pictured]
    if not pictures:
        raise BrokenCell("video of 0 frames")
    usual = 1 / float(stream.average_rate or DEFAULT_RATE)
    stated = max((container.duration or 0) / av.time_base, stream.frames * usual)
    there = max(packet.end for packet in packets) - min(packet.start for packet in packets)
    if there < stated - max(MOST_CUT[0] * stated, MOST_CUT[1]):
        raise BrokenCell(f"video cut off: {there:.1f} of {stated:.1f} seconds are there")
    seconds = max(p.end for p in pictures) - min(p.start for p in pictures)
    check_hours(seconds, "video")
    return max(seconds, usual), len(pictures)


def _packets(container: Any, stream: Any) -> Iterator[_Packet]:
    """The packets of every track that say their time; those of pictures that do not, by their order."""
    usual, last = 1 / float(stream.average_rate or DEFAULT_RATE), 0.0
    for packet in container.demux():
        if not packet.size:
            continue
        pictured = packet.stream_index == stream.index
        if packet.pts is None and not pictured:
            continue
        start = last if packet.pts is None else float(packet.pts * packet.time_base)
        length = float((packet.duration or 0) * packet.time_base) or (usual if pictured else 0.0)
        last = max(last, start + length) if pictured else last
        yield _Packet(start, start + length, pictured)


class _Timed(NamedTuple):
    time: float  # seconds from the first frame
    frame: Any


def _on_show(container: Any, stream: Any, times: Sequence[float], usual: float) -> Iterator[Any]:
    """The frame on show at each of ascending times, jumping over what lies far between."""
    frames = _timed(container, stream, usual, -usual)
    now = next(frames, None)
    if now is None:
        raise BrokenCell("video of 0 frames")
    start, after = now.time, next(frames, None)
    for time in (start + t for t in times):
        if after is not None and time - after.time > SEEK_SECONDS:
            container.seek(int(time / stream.time_base), stream=stream)
            frames = _timed(container, stream, usual, after.time)
            now, after = next(frames, now), next(frames, None)
        while after is not None and after.time <= time:
            now, after = after, next(frames, None)
        yield now.frame


def _timed(container: Any, stream: Any, usual: float, last: float) -> Iterator[_Timed]:
    """Decoded frames from here on; one that does not say its time follows the one before."""
    for frame in container.decode(stream):
        last = last + usual if frame.time is None else float(frame.time)
        yield _Timed(last, frame)


def _turns(frame: Any) -> int:
    """Quarter turns to the left that make a frame upright: phones film as they are held."""
    return round(float(frame.rotation) / 90) % 4


def _pixels(frame: Any, shrunk: float) -> NDArray[np.uint8]:
    """(h, w, 3) of a decoded frame."""
    _check_pixels(frame)
    if frame.is_corrupt:  # what FFmpeg guessed in its place is no picture
        raise BrokenCell("video damaged on the way")
    width, height = (max(1, round(side * shrunk)) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), _turns(frame)), np.uint8)
