"""House prices from a table and four photos: log price, R² of five folds pooled, seeds 0–4, with cells removed.

Photos by MobileNetV2 (Hellinger map), bedrooms, bathrooms, area and zip code as one modality. Cells of all eight
columns are removed independently, in training and test alike. Every choice is made by inner folds of the training
part; `shuffled` gives every house the photos of others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result

import chiasm
from chiasm.encode.cache import Cache
from chiasm.encode.engine import describe_column
from chiasm.encode.onnx import OnnxImage
from chiasm.encode.table import Table
from chiasm.encode.vector import Hellinger
from chiasm.fuse.concat import Concat
from chiasm.fuse.experts import Experts
from chiasm.fuse.fusion import Fusion
from chiasm.fuse.late import Late
from chiasm.fuse.weighted import Weighted
from chiasm.rows.folds import folds

SEEDS = range(5)
RATES = (0.0, 0.3, 0.5)
TABLE = ("bedrooms", "bathrooms", "area_sqft", "zipcode")
PHOTOS = ("image_frontal", "image_bedroom", "image_bathroom", "image_kitchen")
FUSIONS: dict[str, Callable[[], Fusion]] = {
    "late": Late,
    "experts": Experts,
    "weighted": Weighted,
    "concat": Concat,
}
BARS = {0.0: 0.84, 0.3: 0.65, 0.5: 0.55}

Columns = dict[str, Any]


def main() -> None:
    table, photos, price = collection()
    lines, seconds = [], {}
    for name, make, columns in candidates():
        cells = []
        for rate in RATES:
            start = time.process_time()
            found = [score(make, columns, table, photos, price, rate, seed) for seed in SEEDS]
            seconds[name, rate] = (time.process_time() - start) / len(SEEDS)
            cells.append(f"{np.mean(found):.3f} ({min(found):.3f}–{max(found):.3f})")
        lines.append((name, *cells, f"{seconds[name, 0.0]:.1f}"))
    found = [
        score(Late, ("table", *PHOTOS), table, photos, price, 0.0, seed, shuffled=True) for seed in SEEDS
    ]
    lines.append(("late, photos shuffled between houses", f"{np.mean(found):.3f}", "", "", ""))
    head = ("R² of log price", *(f"{rate:.0%} removed" for rate in RATES), "CPU s, five folds")
    bars = ", ".join(f"{bar} with {rate:.0%} removed" for rate, bar in BARS.items())
    auto = sum(seconds[name, 0.0] for name in FUSIONS) + sum(
        s for (n, r), s in seconds.items() if "alone" in n and not r
    )
    notes = (
        f"Bars, means over seeds 0–4: {bars}; simple stacking 0.82 to 0.834, 0.634, 0.520. In brackets the lowest and "
        "the highest seed. A house with nothing left gets the mean price of the training part. All candidates together, "
        f"five folds, complete: {auto:.0f} CPU s on one thread (bar for `--fuse auto`: 60 s on two)."
    )
    write_result("houses", "Houses: table and photos to log price", markdown_table(head, lines), notes)


def candidates() -> list[tuple[str, Callable[[], Fusion], tuple[str, ...]]]:
    alone = [(f"{c} alone", Late, (c,)) for c in ("table", *PHOTOS)]
    return [*alone, *((name, make, ("table", *PHOTOS)) for name, make in FUSIONS.items())]


def collection() -> tuple[list[dict[str, Any]], dict[str, np.ndarray], np.ndarray]:
    """Cells of the table, {column: (n, d)} of the photos, and log prices (n,)."""
    rows = chiasm.read(shared_data() / "houses" / "houses_160.parquet")
    onnx = OnnxImage(
        str(shared_data() / "vision_encoder" / "mobilenet_v2_1.0_224_quant_dequant.onnx"), output="features"
    )
    photos = {}
    for c in PHOTOS:
        described = describe_column(rows, c, onnx, cache=Cache())
        vectors = described.features(onnx.fit(described.values)).dense()
        photos[c] = Hellinger().fit(vectors).transform(vectors)
    values = {c: rows.values(c) for c in TABLE}
    table = [{c: values[c][i] for c in TABLE} for i in range(len(rows))]
    return table, photos, np.log(np.array(rows.values("price_usd"), float))


def score(
    make: Callable[[], Fusion],
    columns: tuple[str, ...],
    table: list[dict[str, Any]],
    photos: dict[str, np.ndarray],
    price: np.ndarray,
    rate: float,
    seed: int,
    shuffled: bool = False,
) -> float:
    """R² of the pooled predictions."""
    n, rng = len(price), np.random.default_rng([seed, 1])
    kept = rng.random((len(TABLE) + len(PHOTOS), n)) >= rate
    cells = [{c: row[c] for c, k in zip(TABLE, kept[:, i], strict=False) if k} for i, row in enumerate(table)]
    order = rng.permutation(n) if shuffled else np.arange(n)
    seen = {
        c: np.where(k[:, None], photos[c][order], np.nan)
        for c, k in zip(PHOTOS, kept[len(TABLE) :], strict=True)
    }
    said = np.empty(n)
    for train, test in folds(n, 5, seed=seed):
        said[test] = price[train].mean()
        X = {"table": tabled(cells, train), **seen}
        model = make().fit({c: X[c][train] for c in columns}, price[train].tolist())
        found = model.task.numbers(model.scores({c: X[c][test] for c in columns}))[:, 0]
        said[test] = np.where(np.isfinite(found), found, said[test])
    return float(1 - np.square(price - said).sum() / np.square(price - price.mean()).sum())


def tabled(cells: list[dict[str, Any]], train: np.ndarray) -> np.ndarray:
    """(n, d) of the table, learned from training rows; NaN where a row has nothing."""
    encoder = Table()
    encoder.fit(encoder.describe([cells[i] for i in train if cells[i]]))
    values = encoder.transform(encoder.describe(cells))
    values[[not cell for cell in cells]] = np.nan
    return values


if __name__ == "__main__":
    main()
