"""The whole `chiasm.fit(target=..., fuse="auto")` on houses with features cached: space, fusions, choice, all of it.

Table and four photos, complete rows, log price. Features are put into the cache first; the clock starts after. Once
with the threads as they come, once with one thread a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from _common import markdown_table, write_result
from houses import PHOTOS, Photo, encoder_file, houses

import chiasm

BAR = 60.0


def main() -> None:
    fitted()  # fills the cache
    lines = []
    for name, given in (("as they come", {}), ("one", {"OMP_NUM_THREADS": "1"})):
        run = subprocess.run([sys.executable, __file__, "--once"], env={**os.environ, **given}, text=True,
                             capture_output=True, check=True)  # fmt: skip
        wall, cpu, chosen = run.stdout.split()
        lines.append((name, f"{float(wall):.1f}", f"{float(cpu):.1f}", chosen))
    table = markdown_table(("threads", "seconds", "CPU seconds", "chosen"), lines)
    notes = f"535 houses, {os.cpu_count()} cores. Bar: {BAR:.0f} s on two cores. Seconds are those of this machine."
    write_result("houses_fit", "Houses: the whole fit, features cached", table, notes)


def fitted() -> tuple[float, float, str]:
    """(seconds, CPU seconds, what was chosen)."""
    named = {"zipcode": "category", **dict.fromkeys(PHOTOS, "image")}
    rows = chiasm.read(houses(0.0, 0, shuffled=False), modalities=named)
    photo = Photo(encoder_file(), output="features")
    wall, cpu = time.perf_counter(), time.process_time()
    model = chiasm.fit(rows, target="log_price", encoders=dict.fromkeys(PHOTOS, photo))
    return time.perf_counter() - wall, time.process_time() - cpu, model.outcomes[0].chosen


if __name__ == "__main__":
    print(*fitted()) if "--once" in sys.argv else main()
