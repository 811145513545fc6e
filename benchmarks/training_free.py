"""Nothing trained: anchors and canonical similarity beside CCA on Flickr8k, and what the doctor says first.

The arrays of `flickr8k.py`, without hubness correction. Settings are the defaults, or those chosen on half of the
dev photos; recalls are of the other half (500 photos × 5 captions, both directions). The test part is not touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result
from flickr8k import PHOTO, TEXT, Part, encoded

import chiasm
from chiasm.align import CCA, Aligner, Moments
from chiasm.align.anchors import Anchors
from chiasm.align.csa import CSA
from chiasm.align.doctor import diagnose
from chiasm.judge.relevance import relevance
from chiasm.metrics import first_ranks, recall_at

SEED = 0
PHOTOS = (300, 1000, 3000, 6000)
POWERS = (2.0, 3.0, 4.0)
DIM = 6000

Fit = Callable[[Part, Part], Aligner]


def main() -> None:
    rows = chiasm.read(shared_data() / "flickr8k" / "vectors.parquet")
    train, dev = (encoded(rows.part("split", name)) for name in ("train", "dev"))
    tuning, scoring = ({c: f.take(places) for c, f in dev.items()} for places in np.split(np.arange(1000), 2))
    lines = []
    for n in PHOTOS:
        some = np.sort(np.random.default_rng(SEED).permutation(train[PHOTO].n)[:n])
        part = {c: f.take(some) for c, f in train.items()}
        lines += [(n, name, *measured(fit, part, tuning, scoring)) for name, fit in FITS.items()]
    head = ("training photos", "aligner", "caption → photo R@1 / R@10", "photo → caption R@1 / R@10", "fit s")
    write_result(
        "training_free", "Flickr8k dev, nothing trained", markdown_table(head, lines), doctor(train), SEED
    )


def measured(fit: Fit, part: Part, tuning: Part, scoring: Part) -> tuple[str, str, str]:
    start = time.perf_counter()
    aligner = fit(part, tuning)
    seconds = time.perf_counter() - start
    found = [" / ".join(f"{100 * r:.1f}" for r in pair) for pair in recalls(aligner, scoring)]
    return found[0], found[1], f"{seconds:.1f}"


def recalls(aligner: Aligner, part: Part) -> list[tuple[float, float]]:
    """R@1 and R@10 of captions that look for their photo, and of photos that look for one of their captions."""
    out = []
    for query, answer in ((TEXT, PHOTO), (PHOTO, TEXT)):
        scores = aligner.project(query, part[query].values) @ aligner.project(answer, part[answer].values).T
        ranks = first_ranks(scores, relevance(part[query], part[answer]))
        out.append((recall_at(ranks, 1), recall_at(ranks, 10)))
    return out


def sharpest(part: Part, tuning: Part) -> Anchors:
    """Anchors with the power that finds most of the tuning half."""
    aligner = Anchors(DIM).fit(part)
    found = {p: np.sum(recalls(aligner.set_params(power=p), tuning)) for p in POWERS}
    return aligner.set_params(power=max(found, key=found.__getitem__))


def doctor(train: Part) -> str:
    """The diagnosis of two ways to read the photos, and its cost."""
    raw = train[PHOTO].with_values(train[PHOTO].values ** 2)
    start = time.perf_counter()
    found = diagnose(
        {"photo": {"Hellinger": train[PHOTO], "plain": raw}, "captions": {"MiniLM": train[TEXT]}}
    )
    seconds = time.perf_counter() - start
    told = "\n".join(f"- {line}" for line in found.lines())
    return f"Before any of it, the doctor in {seconds:.1f} s, of the train part alone:\n\n{told}"


FITS: dict[str, Any] = {
    "plain relative representations": lambda part, _: Anchors(DIM, keep=None, power=1.0).fit(part),
    "Anchors (ASIF), defaults": lambda part, _: Anchors().fit(part),
    "Anchors, all rows, power on dev": sharpest,
    "CSA, defaults": lambda part, _: CSA().fit(part),
    "CSA, narrowed on dev": lambda part, tuning: CSA(dim=384).fit(part).narrow(Moments.of(tuning)),
    "CCA, defaults": lambda part, _: CCA().fit(part),
}


if __name__ == "__main__":
    main()
