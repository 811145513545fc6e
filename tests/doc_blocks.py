"""The code blocks of a Markdown page: found, compared and run in order, so that what the docs say is true.

A page's blocks run in one folder: ```python in one namespace, ```console lines that start with `$ ` as a
shell would. A block goes unrun only where the line before it says so and why: <!-- not run: reason -->
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from terminal import Ran, run

NOT_RUN = re.compile(r"<!-- not run: \S.*-->")
REDIRECTED = re.compile(r"\s([12]?)>\s*([\w./-]+)")
PLAIN = re.compile(rf"chiasm (?P<words>.*?)(?P<streams>(?:{REDIRECTED.pattern})*)")
SHELL = set("$`*?~\n")
FENCE = re.compile(r"^( *)(`{3,})([\w-]*)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, the line its text begins on, and whether it is run."""

    language: str
    text: str
    line: int
    run: bool


def blocks(page: str, languages: tuple[str, ...] = ("python", "console")) -> list[Block]:
    """The fenced blocks of a page in `languages`, in order."""
    lines, found, i = page.splitlines(), [], 0
    while i < len(lines):
        start = FENCE.match(lines[i])
        if start is None:
            i += 1
            continue
        indent, fence, language = start.groups()
        end = next((j for j in range(i + 1, len(lines)) if lines[j].strip() == fence), None)
        if end is None:
            raise ValueError(f"line {i + 1}: the block is never closed")
        text = "\n".join(line.removeprefix(indent) for line in lines[i + 1 : end])
        if language in languages:
            found.append(Block(language, text, i + 2, not (i and NOT_RUN.search(lines[i - 1]))))
        i = end + 1
    return found


def commands(console: str) -> list[str]:
    """The commands of a console block; a line that ends in a backslash goes on in the next."""
    joined = console.replace("\\\n", "")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def code_only(block: Block) -> tuple[str, str]:
    """What a translated page must share: the language and the code without comments and output."""
    text = "\n".join(commands(block.text)) if block.language == "console" else block.text
    lines = [re.sub(r"(^|\s+)#.*", "", line) for line in text.splitlines()]
    return block.language, "\n".join(line for line in lines if line.strip())


def run_page(page: Path, folder: Path) -> int:
    """Run the blocks of a page in `folder`, the present folder; return how many ran."""
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    todo = [block for block in blocks(page.read_text("utf-8")) if block.run]
    for block in todo:
        if block.language == "python":
            # Blank lines before it, so that a traceback names the page's own line.
            text = "\n" * (block.line - 1) + block.text
            exec(compile(text, str(page), "exec", dont_inherit=True), namespace)
        else:
            for command in commands(block.text):
                run_command(command, folder, f"{page}:{block.line}")
    return len(todo)


def run_command(command: str, folder: Path, where: str) -> None:
    """Run one command in `folder`; it must succeed. Plain calls of `chiasm` run in this process."""
    call = plain_call(command)
    ran = _in_shell(command, folder) if call is None else _here(call, folder)
    assert ran.code == 0, f"{where}: $ {command}\n{ran.out}{ran.err}"


class Call(NamedTuple):
    """The arguments of `chiasm`, and the files that what it prints goes into."""

    arguments: list[str]
    out: str | None
    err: str | None


def plain_call(command: str) -> Call | None:
    """A call of `chiasm`, its streams perhaps sent to files; None for what takes a shell to understand."""
    found = PLAIN.fullmatch(command)
    if found is None or SHELL & set(found["words"]):
        return None
    words = shlex.shlex(found["words"], posix=True, punctuation_chars=True)
    words.whitespace_split = True
    arguments = list(words)
    if any(not set(word) - set("();<>|&") for word in arguments if word):
        return None
    files = {stream or "1": file for stream, file in REDIRECTED.findall(found["streams"])}
    return Call(arguments, files.get("1"), files.get("2"))


def _here(call: Call, folder: Path) -> Ran:
    with contextlib.chdir(folder):
        ran = run(*call.arguments)
        for file, text in ((call.out, ran.out), (call.err, ran.err)):
            if file is not None:
                Path(file).write_text(text, "utf-8")
    return ran


def _in_shell(command: str, folder: Path) -> Ran:
    """Run a shell command with this interpreter's scripts first on the path."""
    env = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
