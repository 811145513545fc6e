"""What every benchmark shares: a table in Markdown, and a result with command, date, versions, processor."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
VERSIONED = ("chiasm", "numpy", "scipy", "scikit-learn", "faiss-cpu")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its columns padded, so that it reads well unrendered."""
    cells = [[str(cell) for cell in line] for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "| " + " | ".join("-" * w for w in widths) + " |", *lines[1:]])


def write_result(
    name: str, title: str, table: str, notes: str = "", seed: int = 0, also: Sequence[str] = ()
) -> Path:
    """Print the table and write it to `results/name.md` with what is needed to run it again.

    also : packages beside the core that took part.
    """
    packages = (*VERSIONED, *also)
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    head = [
        f"# {title}",
        f"`python benchmarks/{name}.py{''.join(' ' + a for a in sys.argv[1:])}` · seed {seed} · "
        f"{datetime.date.today():%Y-%m-%d} · Python {platform.python_version()}, {versions} · {processor()}",
    ]
    text = "\n\n".join(part for part in (*head, table, notes) if part) + "\n"
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.md"
    path.write_text(text, "utf-8")
    print(text)
    return path


def shared_data() -> Path:
    """The folder of the shared data: CHIASM_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("CHIASM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"shared data not found at {folder}: set CHIASM_DATA")
    return folder


def processor() -> str:
    """The processor's name as the system gives it, its threads, and how many of them were allowed."""
    limit = os.environ.get("OMP_NUM_THREADS")
    allowed = f", {limit} used" if limit else ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        if names:
            return f"{names[0]}, {len(names)} threads{allowed}"
    return (platform.processor() or platform.machine()) + allowed
