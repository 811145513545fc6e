"""The command line: its app, and what becomes of errors."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from chiasm.cli import show
from chiasm.cli.arguments import version
from chiasm.errors import ChiasmError, UsageError

VERBS = "chiasm.cli.looking", "chiasm.cli.verbs", "chiasm.cli.predicting", "chiasm.cli.swapping"
ORDER = ("inspect", "diagnose", "fit", "evaluate", "search", "predict", "explain", "collect", "map", "add",
         "remove", "swap", "cache", "demo")  # fmt: skip
"""As the verbs are listed."""
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM  # exit codes, as of a shell

app = typer.Typer(
    name="chiasm",
    help="Search and predict with rows of text, images, sound, series, tables and vectors, gaps included.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; any ChiasmError becomes one line and exit code 1, or 2 for wrong usage."""
    # idle threads that spin cost more than the work on a small machine; read when the first library loads
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started it
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal of few signs gets ? for the others
    try:
        with _terminable():
            for module in VERBS:
                importlib.import_module(module)
            app.registered_commands.sort(key=_place)
            app()
    except ChiasmError as error:
        show.problem(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        show.note(f"chiasm: {error}")
        sys.exit(1)
    except KeyboardInterrupt:  # before or after a verb, where typer does not look
        show.note("chiasm: interrupted")
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code in (INTERRUPTED, TERMINATED):
            show.note("chiasm: interrupted")
        raise


def _place(verb: Any) -> int:
    """Where a verb is listed."""
    return ORDER.index(verb.name or verb.callback.__name__)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as an exit with its code, so that what is written aside is cleared away."""
    if threading.current_thread() is not threading.main_thread():  # no other may say what signals do
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Search and predict with rows of text, images, sound, series, tables and vectors, gaps included."""
