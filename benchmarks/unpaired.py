"""Flickr8k from few pairs: what photos and captions without their partner are worth.

The arrays of `flickr8k.py`, without hubness correction. Some train photos keep their captions; the others and their
captions become rows of one column each, in shuffled order, every caption its own row. Ridge and weight of the closed
forms and the weight of `Transport` are chosen on dev; its other settings are its defaults, which were chosen on dev
with 300 pairs and other seeds. The test part is scored once, here.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result
from flickr8k import PHOTO, TEXT, Part, encoded
from training_free import recalls

import chiasm
from chiasm.align import CCA, Moments
from chiasm.align.aligner import Aligner
from chiasm.align.transport import Transport
from chiasm.align.tune import tune
from chiasm.encode.features import Features
from chiasm.judge.relevance import relevance

SEEDS = (0, 1, 2)
PAIRED = (100, 300, 1000)
BAR = 20
NAMES = ("closed form, the pairs alone", "closed form, covariances of all rows", "**Transport**")


def main() -> None:
    rows = chiasm.read(shared_data() / "flickr8k" / "vectors.parquet")
    train, dev, test = (encoded(rows.part("split", name)) for name in ("train", "dev", "test"))
    lines, gains = [], {}
    for n in PAIRED:
        runs = np.array([[measured(f, dev, test) for f in fits(train, n, seed)] for seed in SEEDS])
        lines += [(n, name, *shown(runs[:, i])) for i, name in enumerate(NAMES)]
        found = runs[:, :, [1, 3]].mean(axis=2)  # (seed, fit) the mean R@10 of both directions
        gains[n] = 100 * (found[:, 2] / found[:, 0] - 1)
    whole = np.array([measured((CCA(dim=256), train), dev, test)])
    lines.append((6000, "closed form, all paired", *shown(whole)))
    head = ("paired photos", "aligner", "caption → photo R@1 / R@10", "photo → caption R@1 / R@10", "seconds")
    told = "; ".join(
        f"{n} pairs {g.mean():+.1f} % ({', '.join(f'{v:+.1f}' for v in g)})" for n, g in gains.items()
    )
    notes = (
        f"Bar: with 300 pairs Transport gains ≥ {BAR} % relative R@10, mean of both directions, over the closed form on the "
        f"pairs alone. Gains, mean and seeds: {told}. Means of {len(SEEDS)} random choices of pairs; seconds include tuning. "
        "Unpaired are photos and all their captions, each a row; ridges, weights and the transport's weight are chosen on dev's 1,000 pairs."
    )
    write_result(
        "unpaired",
        "Flickr8k test, few pairs and unpaired rows",
        markdown_table(head, lines),
        notes,
        also=("POT",),
    )


def fits(train: Part, n: int, seed: int) -> list[tuple[Aligner, Part]]:
    order = np.random.default_rng(seed).permutation(train[PHOTO].n)
    pairs = {c: f.take(np.sort(order[:n])) for c, f in train.items()}
    everything = parted(train, pairs, order[n:], seed)
    return [(CCA(dim=256), pairs), (CCA(dim=256), everything), (Transport(), everything)]


def parted(train: Part, pairs: Part, rest: Any, seed: int) -> Part:
    """The pairs, then a row a photo, then a row a caption, each kind in an order of its own."""
    rng = np.random.default_rng(1000 + seed)
    alone = {c: rng.permutation(train[c].take(rest).values) for c in (PHOTO, TEXT)}
    start = {PHOTO: pairs[PHOTO].n, TEXT: pairs[PHOTO].n + len(alone[PHOTO])}
    out = {}
    for c, values in alone.items():
        f = pairs[c]
        row = np.r_[f.row, start[c] + np.arange(len(values))]
        item = np.r_[f.item, np.zeros(len(values), np.int64)]
        out[c] = Features(np.r_[f.values, values], row, item, start[TEXT] + len(alone[TEXT]))
    return out


def measured(fit: tuple[Aligner, Part], dev: Part, test: Part) -> list[float]:
    """R@1 and R@10 of captions, then of photos, and seconds to fit and tune."""
    aligner, part = fit
    start = time.perf_counter()
    moments = Moments.of(part)
    aligner.fit_rows(moments, part)
    right = {(q, a): relevance(dev[q], dev[a]).tocsr() for q, a in ((TEXT, PHOTO), (PHOTO, TEXT))}
    tune(aligner, moments, part, dev, right, bank={})
    seconds = time.perf_counter() - start
    return [*(100 * value for pair in recalls(aligner, test) for value in pair), seconds]


def shown(runs: Any) -> tuple[str, ...]:
    a, b, c, d, seconds = runs.mean(axis=0)
    return f"{a:.1f} / {b:.1f}", f"{c:.1f} / {d:.1f}", f"{seconds:.0f}"


if __name__ == "__main__":
    main()
