"""The audit on Flickr8k: photos exchanged among some training rows, are those rows found, and is their number?

The arrays of `flickr8k.py`, the 6,000 training photos × 5 captions; no other part is touched. Some rows' photos move
to the next of them, in a random order. Precision at the number exchanged is the share of truly exchanged rows among
as many of the worst; the bar is 0.80 at 5 %. Everything learned is cross-fitted: no row is judged by what learned
from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result
from flickr8k import PHOTO, TEXT, Part, encoded

import chiasm
from chiasm.judge.copies import duplicates
from chiasm.judge.pairing import EVIDENCE, Pairing, pairing

SEEDS = (0, 1, 2)
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2)
EXPECTED = 0.05
ALIKE = (0.98, 0.95, 0.9)


@dataclass(frozen=True)
class Run:
    """Exchanged rows of one seed, and what the audit said."""

    to: Any  # (n,) the row whose photo each row got
    found: Pairing
    seconds: float

    @property
    def bad(self) -> Any:
        return self.to != np.arange(len(self.to))

    def precision(self, scores: Any) -> float:
        return float(self.bad[np.argsort(scores, kind="stable")[: self.bad.sum()]].mean())


def main() -> None:
    train = encoded(chiasm.read(shared_data() / "flickr8k" / "vectors.parquet").part("split", "train"))
    runs = {share: [run(train, share, seed) for seed in SEEDS] for share in SHARES}
    head = ("exchanged", "precision at their number", "estimate (95 % interval)", "named", "of them right", "of all found", "true partner named", "CPU s")  # fmt: skip
    table = markdown_table(head, [line(share, some) for share, some in runs.items()])
    alone = markdown_table(
        ("evidence alone, at 5 %", *(f"seed {seed}" for seed in SEEDS)), evidence(runs[EXPECTED])
    )
    copies = markdown_table(
        ("cosine from", "photos: groups (rows)", "captions: groups (rows)"),
        [(alike, *(counted(train, column, alike) for column in (PHOTO, TEXT))) for alike in ALIKE],
    )
    worst = min(r.precision(r.found.scores) for r in runs[EXPECTED])
    notes = (
        f"Bar: precision at the number exchanged ≥ 0.80 at 5 %: at least {worst:.3f}. Seeds {', '.join(map(str, SEEDS))}"
        f"; medians, estimates of each seed. Named are rows more likely mispaired than not; the true partner is looked "
        f"for among the named rows alone.\n\n{alone}\n\n## Near-duplicates among the training rows\n\n{copies}"
    )
    write_result("audit", "Flickr8k train, exchanged photos", table, notes, SEEDS[0])


def exchanged(train: Part, share: float, seed: int) -> tuple[Part, Any]:
    """The rows with the photos of some moved on to the next of them, and (n,) whose photo each got."""
    rng = np.random.default_rng(seed)
    n = train[PHOTO].n
    some = rng.permutation(n)[: round(share * n)]
    to = np.arange(n)
    to[some] = np.roll(some, 1)
    photo = train[PHOTO]
    key = None if photo.key is None else photo.key[to]
    return {**train, PHOTO: replace(photo, values=photo.values[to], key=key)}, to


def run(train: Part, share: float, seed: int) -> Run:
    table, to = exchanged(train, share, seed)
    start = time.process_time()
    found = pairing(table)
    return Run(to, found, time.process_time() - start)


def line(share: float, runs: list[Run]) -> tuple[str, ...]:
    number = int(runs[0].bad.sum())
    named = [np.array([m.row for m in r.found.mispaired], int) for r in runs]
    right = [r.bad[rows] for r, rows in zip(runs, named, strict=True)]
    counts = ", ".join(
        f"{r.found.count.value:.0f} ({r.found.count.low:.0f}–{r.found.count.high:.0f})" for r in runs
    )
    seconds = f"{np.median([r.seconds for r in runs]):.1f}"
    if not number:
        return "0", "", counts, ", ".join(str(len(rows)) for rows in named), "", "", "", seconds
    return (
        f"{number} ({share:.0%})",
        middle(r.precision(r.found.scores) for r in runs),
        counts,
        ", ".join(str(len(rows)) for rows in named),
        middle(some.mean() for some in right),
        middle(some.sum() / number for some in right),
        middle(partner(r) for r in runs),
        seconds,
    )


def partner(r: Run) -> float:
    """Of rows rightly named, the share whose photo is said to fit the captions it was taken from."""
    photo_first = r.found.columns[0] == PHOTO
    said = [m.fits[0 if photo_first else 1] == r.to[m.row] for m in r.found.mispaired if r.bad[m.row]]
    return float(np.mean(said))


def evidence(runs: list[Run]) -> list[tuple[str, ...]]:
    """Precision by each kind of evidence alone, and by all of it, run by run."""
    lines = [(kind, [r.precision(r.found.evidence[:, e]) for r in runs]) for e, kind in enumerate(EVIDENCE)]
    lines.append(("**all, weighed**", [r.precision(r.found.scores) for r in runs]))
    return [(kind, *(f"{value:.3f}" for value in values)) for kind, values in lines]


def counted(train: Part, column: str, alike: float) -> str:
    found, share = duplicates(column, train[column], alike)
    return f"{len(found)} ({share * train[column].n:.0f})"


def middle(values: Iterable[float]) -> str:
    return f"{np.median(list(values)):.3f}"


if __name__ == "__main__":
    main()
