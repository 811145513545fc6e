"""What `align="auto"` takes with few pairs, beside the rungs it chooses from: Flickr8k official test.

The arrays of `flickr8k.py`, with 100 to 6,000 of the training photos. Every aligner is tuned on the dev part, hubness
corrected by training queries alone, and scored on the test part; nothing is chosen there. The difference is of `auto`
to the best of the others on test, paired by photo.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result
from flickr8k import DIRECTIONS, PHOTO, Part, encoded

import chiasm
from chiasm.align import CCA, Moments
from chiasm.align.anchors import Anchors
from chiasm.align.choose import FEW_ANCHORS, Choice, climb, ladder, row_scores
from chiasm.align.learned import Learned
from chiasm.judge.relevance import relevance
from chiasm.metrics import bootstrap_interval

SEEDS = (0, 1, 2)
PHOTOS = (100, 300, 1000, 3000, 6000)
DIM = 256
ALONE = {
    "closed form": lambda seed: CCA(DIM),
    "anchors": lambda seed: Anchors(FEW_ANCHORS, seed=seed),
    "plain contrastive MLP": lambda seed: Learned(
        DIM, hidden=1024, start=None, dropout=0.3, epochs=20, seed=seed
    ),
}

Right = Mapping[tuple[str, str], Any]


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--photos", type=lambda text: [int(n) for n in text.split(",")], default=list(PHOTOS))
    asked.add_argument("--part", choices=("dev", "test"), default="test", help="dev while developing: biased")
    args = asked.parse_args()
    rows = chiasm.read(shared_data() / "flickr8k" / "vectors.parquet")
    train, dev, scored = (encoded(rows.part("split", name)) for name in ("train", "dev", args.part))
    right, wanted = (
        {(q, a): relevance(part[q], part[a]).tocsr() for q, a in DIRECTIONS} for part in (dev, scored)
    )
    lines = [line(n, train, dev, scored, right, wanted) for n in args.photos]
    head = ("training photos", *ALONE, "auto", "chosen", "auto less the best, 95 %", "auto, CPU s")
    notes = (
        "Mean of R@1 caption → photo and photo → caption in %, over three draws of the photos; the difference in points, of the draws together, its "
        f"interval over the test photos. Every aligner chooses its settings, and auto its rung, on the same 1,000 dev photos. Anchors are {FEW_ANCHORS:,} at most. "
        "Bar: auto never below the best of the others by more than the interval."
    )
    table = markdown_table(head, lines)
    if args.part == "test" and tuple(args.photos) == PHOTOS:
        write_result(
            "few_pairs",
            "Flickr8k with few pairs: what auto takes",
            table,
            notes,
            0,
            ("torch", "lightning", "POT"),
        )
    else:
        print(table)


def line(n: int, train: Part, dev: Part, scored: Part, right: Right, wanted: Right) -> tuple[Any, ...]:
    """One number of photos: recalls of each aligner alone, of auto, and what auto took."""
    found: dict[str, list[Any]] = {}
    chosen, seconds = [], []
    for seed in SEEDS:
        some = np.sort(np.random.default_rng(seed).permutation(train[PHOTO].n)[:n])
        part = {c: f.take(some) for c, f in train.items()}
        for name, make in ALONE.items():
            choice = taken([(name, make(seed))], part, dev, right, seed)
            found.setdefault(name, []).append(hits(choice, part, scored, wanted, seed))
        start = time.process_time()
        choice = taken(ladder(DIM, Moments.of(part)), part, dev, right, seed)
        seconds.append(time.process_time() - start)
        found.setdefault("auto", []).append(hits(choice, part, scored, wanted, seed))
        chosen.append(choice.name)
        print(n, seed, choice, flush=True)
    best = max(ALONE, key=lambda name: np.mean(found[name]))
    gained = 100 * (np.concatenate(found["auto"]) - np.concatenate(found[best]))
    photos = np.tile(np.arange(scored[PHOTO].n), len(SEEDS))
    low, high = bootstrap_interval(gained, groups=photos)
    recalls = [f"{100 * np.mean(values):.1f}" for values in found.values()]
    difference = f"{gained.mean():+.1f} ({low:+.1f} to {high:+.1f}) to {best}"
    return n, *recalls, ", ".join(chosen), difference, f"{np.median(seconds):.0f}"


def taken(rungs: list[tuple[str, Any]], part: Part, dev: Part, right: Right, seed: int) -> Choice:
    return climb(rungs, Moments.of(part), part, dev, right, seed=seed)


def hits(choice: Choice, part: Part, scored: Part, wanted: Right, seed: int) -> np.ndarray:
    """(photos,) of each the mean of both directions' R@1."""
    return row_scores(choice.aligner, choice.tuning, scored, part, wanted, seed, measure=first)


def first(ranks: np.ndarray) -> np.ndarray:
    """1 where the reciprocal rank is, else 0."""
    return (ranks >= 1).astype(float)


if __name__ == "__main__":
    main()
