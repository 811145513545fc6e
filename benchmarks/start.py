"""How long `chiasm --help` takes as a whole process, beside an empty Python, and what it loads."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from _common import markdown_table, write_result

RUNS = 15
HEAVY = ("numpy", "scipy", "sklearn", "pyarrow", "faiss", "torch", "PIL")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import chiasm'": [sys.executable, "-c", "import chiasm"],
    "chiasm --help": [str(Path(sys.executable).with_name("chiasm")), "--help"],
}


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    lines = [
        (name, f"{statistics.median(t[1:]):.3f}", f"{min(t[1:]):.3f}", f"{max(t[1:]):.3f}")
        for name, t in times.items()
    ]
    loaded = ", ".join(heavy()) or "none"
    notes = f"Bar: at most 0.15 s, no numpy. Of {', '.join(HEAVY)}, `chiasm --help` loads: {loaded}. {RUNS} runs in turn."
    write_result(
        "start",
        "Starting the command line",
        markdown_table(("command", "median s", "min", "max"), lines),
        notes,
    )


def heavy() -> list[str]:
    """The heavy libraries that the help page loads."""
    code = (
        "import sys; from chiasm.cli import main; sys.argv = ['chiasm', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return out.rsplit("LOADED", 1)[1].split()


if __name__ == "__main__":
    main()
