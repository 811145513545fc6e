"""A sound cell to mono samples: libsndfile first, FFmpeg for the containers that it does not know."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell
from chiasm.rows.content import load_bytes

HOURS_LIMIT = 4
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,aac,mp3,flac,wav,aiff,asf,amr,caf"
"""Formats that hold the sound themselves: a playlist could name any address."""
# What PyAV raises on hostile files, besides its own FFmpegError.
_AV_ERRORS = (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError)


@dataclass(frozen=True, eq=False)
class Sound:
    """Mono sound: `samples` (t,) float32 in [-1, 1] at `rate` Hz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate


def decode_sound(value: bytes | str) -> Sound:
    """Mono sound (the mean of the channels) of any common container; silence is valid, no samples is not."""
    import soundfile

    data = load_bytes(value)
    try:
        samples, rate = _read_soundfile(data)
    except soundfile.LibsndfileError:
        samples, rate = read_track(data)
    return mono(samples, rate)


def mono(samples: NDArray[np.float32], rate: int) -> Sound:
    """The sound of samples (t, channels), t > 0 and all of them finite."""
    if len(samples) == 0:
        raise BrokenCell("sound of 0 samples")
    mean = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mean).all():
        raise BrokenCell("sound holds NaN or infinite samples")
    return Sound(np.clip(mean, -1, 1), rate)


def _read_soundfile(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Samples (t, channels) and rate through libsndfile."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(data)) as file:
        check_hours(file.frames / file.samplerate, "sound")
        return file.read(dtype="float32", always_2d=True), int(file.samplerate)


def read_track(data: bytes, formats: str = CONTAINERS) -> tuple[NDArray[np.float32], int]:
    """Samples (t, channels) and rate of the first sound track, through FFmpeg."""
    with opened(data, formats, "sound") as container:
        if not container.streams.audio:
            raise BrokenCell("no sound track in it")
        return _samples(container)


@contextmanager
def opened(data: bytes, formats: str, what: str) -> Iterator[Any]:
    """The container in `data`, one of `formats`; what FFmpeg trips over while it is open is `BrokenCell`."""
    import av

    try:
        with av.open(
            io.BytesIO(data),
            options={"format_whitelist": formats},
            metadata_errors="replace",  # tags are no UTF-8 in many an old file
        ) as container:
            if container.duration is not None:
                check_hours(container.duration / av.time_base, what)
            yield container
    except BrokenCell:
        raise
    except (av.FFmpegError, *_AV_ERRORS) as error:
        raise BrokenCell(f"not a {what} file that can be read: starts with {data[:12]!r}") from error


def _samples(container: Any) -> tuple[NDArray[np.float32], int]:
    import av

    stream = container.streams.audio[0]
    rate = int(stream.rate)
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)
    blocks, total = [], 0
    for frame in container.decode(stream):
        for part in resampler.resample(frame):
            block = part.to_ndarray()  # (channels, t)
            total += block.shape[1]
            check_hours(total / rate, "sound")
            blocks.append(block.T)
    empty = np.zeros((0, 1), np.float32)
    return np.concatenate(blocks) if blocks else empty, rate


def check_hours(seconds: float, what: str) -> None:
    """Raise `BrokenCell` for what is longer than `HOURS_LIMIT`."""
    if seconds > HOURS_LIMIT * 3600:
        raise BrokenCell(f"{what} of {seconds / 3600:.1f} hours, more than {HOURS_LIMIT}")
