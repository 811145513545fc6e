"""How a training is looked at and kept, apart from what is trained: progress, TensorBoard, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from chiasm.checks import expanded
from chiasm.errors import UsageError


@dataclass(frozen=True)
class Watch:
    """progress : a bar on stderr.
    log : folder for TensorBoard.
    resume : folder that keeps every training's last pass; the same call goes on from there after a kill.
    name : what is trained, before the bar.

    Files in `resume` are working files, of the size of what is trained and its optimiser; delete them freely.
    """

    progress: bool = False
    log: Path | None = None
    resume: Path | None = None
    name: str = ""


_WATCH = ContextVar("chiasm watch", default=Watch())  # noqa: B039 (frozen)


def watch() -> Watch:
    """What the innermost `watching` asks for."""
    return _WATCH.get()


@contextmanager
def watching(
    progress: bool = False, log: str | Path | None = None, resume: str | Path | None = None
) -> Iterator[Watch]:
    """What is trained by `train.paired` within is shown, logged and kept as asked; by default silently.

    progress : a bar on stderr of each training's passes.
    log : folder of loss and score, a step and a pass; read it with `tensorboard --logdir FOLDER`.
    resume : folder of every training's last pass. The same call, made again after a kill, goes on from there
        and ends where it would have ended. The files stay; delete them once the model is written.

    Raises UsageError where `log` or `resume` is a file.
    """
    asked = Watch(progress, _folder(log, "log"), _folder(resume, "resume"), watch().name)
    token = _WATCH.set(asked)
    try:
        yield asked
    finally:
        _WATCH.reset(token)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """What is trained within is shown by this name."""
    token = _WATCH.set(replace(watch(), name=name))
    try:
        yield
    finally:
        _WATCH.reset(token)


def _folder(given: str | Path | None, where: str) -> Path | None:
    """The folder that is asked for, which need not be there."""
    if given is None:
        return None
    path = expanded(Path(given)).absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{str(given)!r} is a file", where=where, hint="Name a folder, there or not.")
    return path
