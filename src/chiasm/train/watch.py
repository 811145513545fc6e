"""How a training is looked at and kept, apart from what is trained: progress, TensorBoard, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Watch:
    """progress : a bar on stderr.
    log : folder for TensorBoard.
    resume : folder that keeps every training's last pass; the same call goes on from there after a kill.

    Files in `resume` are working files, of the size of what is trained and its optimiser; delete them freely.
    """

    progress: bool = False
    log: Path | None = None
    resume: Path | None = None


_WATCH = ContextVar("chiasm watch", default=Watch())  # noqa: B039 (frozen)


def watch() -> Watch:
    """What the innermost `watching` asks for."""
    return _WATCH.get()


@contextmanager
def watching(
    progress: bool = False, log: str | Path | None = None, resume: str | Path | None = None
) -> Iterator[Watch]:
    """What is trained by `train.paired` within is shown, logged and kept as asked; by default silently."""
    asked = Watch(
        progress, None if log is None else Path(log), None if resume is None else Path(resume).absolute()
    )
    token = _WATCH.set(asked)
    try:
        yield asked
    finally:
        _WATCH.reset(token)
