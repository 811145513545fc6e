"""The command line in this process: what a call prints, and the code it ends with."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any, NamedTuple
from unittest import mock

from chiasm.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object) -> Ran:
    """`chiasm` with these arguments, neither stream being a terminal."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = mock.patch.object(sys, "argv", ["chiasm", *map(str, arguments)])
    with argv, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def said(ran: Ran, code: int, *parts: str) -> None:
    """It failed with one line on stderr, the last, that holds all parts."""
    assert ran.code == code, ran
    assert "Traceback" not in ran.err
    last = ran.err.strip().splitlines()[-1]
    for part in parts:
        assert part in last, ran.err
    assert len(last) < 700
