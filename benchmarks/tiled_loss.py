"""InfoNCE by tiles beside losses that hold every score: seconds, peak memory, equality of the gradients.

Textbook is the loss as CLIP's paper and most code have it, `scale * (left @ right.T)` and two cross entropies: the
one of the bars. Plain is Chiasm's own, which scales a side instead of the scores and so holds one matrix less.

Forward and backward of unit vectors at scale 100, every size of every loss in a process of its own. Extra memory is
the peak less what the process held before, with both sides already made.

The pairs are noisy enough for the loss not to vanish. Where it does (noise 2: loss 3e-5), gradients are differences
of nearly equal float32 numbers: the plain ones are then off the float64 ones by 1e-3 themselves, and nothing agrees
to 1e-5.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import markdown_table, write_result
from torch.nn.functional import cross_entropy

from chiasm.train.contrastive import info_nce
from chiasm.train.tiled import tiled_info_nce

SEED, WIDTH, SCALE, NOISE = 0, 256, 100.0, 4.0
RUNS = 3
WHOLE = (4_096, 8_192, 16_384)
SIZES = {"textbook": WHOLE, "plain": WHOLE, "tiled": (*WHOLE, 32_768, 65_536)}
HEADLINE, LARGEST = 16_384, 65_536

Measured = dict[str, Any]


def textbook(left: torch.Tensor, right: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """InfoNCE as CLIP (Radford et al. 2021, arXiv 2103.00020) writes it."""
    scores = scale * (left @ right.T)
    target = torch.arange(len(left))
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


LOSSES = {"textbook": textbook, "plain": info_nce, "tiled": tiled_info_nce}


def main() -> None:
    found: dict[tuple[str, int], Measured] = {}
    apart: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for b in SIZES["tiled"]:
            files = [Path(folder, f"{name}.npz") for name in LOSSES]
            for name, file in zip(LOSSES, files, strict=True):
                if b in SIZES[name]:
                    found[name, b] = in_a_process(name, b, file)
            if b in WHOLE:
                apart[b] = furthest(files[0], files[-1])
    lines = [
        (
            f"{b:,}",
            *(cell for name in LOSSES for cell in cells(found.get((name, b)))),
            f"{apart[b]:.1e}" if b in apart else "",
        )
        for b in SIZES["tiled"]
    ]
    header = (
        "b",
        *(f"{name}: {what}" for name in LOSSES for what in ("s", "extra MB", "peak MB")),
        "gradients apart",
    )
    write_result(
        "tiled_loss", "InfoNCE by tiles", markdown_table(header, lines), notes(found, apart), SEED, ("torch",)
    )


def cells(one: Measured | None) -> tuple[str, ...]:
    if one is None:
        return "", "", ""
    return f"{median(one):.2f}", f"{one['extra']:,.0f}", f"{one['peak']:,.0f}"


def notes(found: dict[tuple[str, int], Measured], apart: dict[int, float]) -> str:
    tiled = found["tiled", HEADLINE]
    memory = {name: 100 * tiled["extra"] / found[name, HEADLINE]["extra"] for name in ("textbook", "plain")}
    times = {name: median(tiled) / median(found[name, HEADLINE]) for name in memory}
    load = max(one["load"] for one in found.values())
    return (
        f"Bars at b = {HEADLINE:,}: at most 3 % of the textbook loss's extra memory: {memory['textbook']:.1f} % "
        f"({memory['plain']:.1f} % of the plain one's); at most 0.3 × its time: {times['textbook']:.2f} "
        f"({times['plain']:.2f} × the plain one's); gradients equal to 1e-5: {apart[HEADLINE]:.1e}. "
        f"b = {LARGEST:,} in under 1 GB: {found['tiled', LARGEST]['peak']:,.0f} MB, interpreter and libraries included.\n\n"
        f"Textbook: `scale * (left @ right.T)` and two cross entropies, as CLIP's paper has it; plain: Chiasm's own "
        f"`info_nce`, one matrix less. "
        f"d = {WIDTH}, float32, scale {SCALE:g}, forward and backward with gradients for both sides and the scale; medians of "
        f"{RUNS} runs (one at {LARGEST:,}) after one at a small size; {tiled['threads']} threads; load of the machine before a "
        f"process started at most {load:.1f}. 'Gradients apart' is the largest difference between tiled and textbook, "
        f"relative to the largest entry."
    )


def median(measured: Measured) -> float:
    return statistics.median(measured["seconds"])


def furthest(one: Path, other: Path) -> float:
    """The largest difference of any gradient, relative to its largest entry."""
    with np.load(one) as expected, np.load(other) as got:
        return max(float(np.abs(got[k] - expected[k]).max() / np.abs(expected[k]).max()) for k in expected)


def in_a_process(name: str, b: int, file: Path) -> Measured:
    command = [sys.executable, __file__, "--one", name, str(b), str(file)]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: Measured = json.loads(out.stdout)
    return measured


def one(name: str, b: int, file: Path) -> Measured:
    """Measure one loss at one size; its gradients are written to the file."""
    load = float(Path("/proc/loadavg").read_text().split()[0])
    gradients(name, *sides(256))
    left, right = sides(b)
    before = memory("VmRSS")
    seconds, found = [], {}
    for _ in range(1 if b == LARGEST else RUNS):
        found.clear()  # gradients of the run before are no memory of this one
        start = time.perf_counter()
        found = gradients(name, left, right)
        seconds.append(time.perf_counter() - start)
    peak = memory("VmHWM")
    np.savez(file, **{k: x.numpy() for k, x in found.items()})
    threads = torch.get_num_threads()
    return {"seconds": seconds, "extra": peak - before, "peak": peak, "threads": threads, "load": load}


def sides(b: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors, the right ones being the left ones with noise; made in place, so that nothing is left over."""
    own = torch.Generator().manual_seed(SEED)
    left = torch.randn(b, WIDTH, generator=own)
    right = torch.randn(b, WIDTH, generator=own).mul_(NOISE).add_(left)
    for side in (left, right):
        side.div_(torch.linalg.vector_norm(side, dim=1, keepdim=True)).requires_grad_()
    return left, right


def gradients(name: str, left: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
    scale = torch.tensor(SCALE, requires_grad=True)
    left.grad = right.grad = None
    LOSSES[name](left, right, scale).backward()
    return {"left": left.grad, "right": right.grad, "scale": scale.grad}


def memory(field: str) -> float:
    """VmRSS, what this process holds, or VmHWM, the most it ever held, in MB (10⁶ bytes)."""
    status = Path("/proc/self/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
