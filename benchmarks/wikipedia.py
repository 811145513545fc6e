"""Wikipedia image–text retrieval by class: CCA and its semantic variant, mAP beside the published numbers.

Protocol of the data's README: non-interpolated average precision over the full ranking of the 693 test items of
the other modality, relevant = same class. Settings are chosen by cross-validation inside the training part, three
times four folds: with four alone the choice follows noise.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result
from sklearn.model_selection import RepeatedStratifiedKFold

from chiasm.align import CCA, Aligner, Semantic
from chiasm.metrics import mean_average_precision

SEED = 0
PUBLISHED = [
    ("published CM (Rasiwasia et al. 2010)", 0.249, 0.196, 0.223),
    ("published SM", 0.225, 0.223, 0.224),
    ("published SCM", 0.277, 0.226, 0.252),
]
GRID_CCA = [
    {"dim": 10, "ridge": ridge, "weight": weight}
    for ridge, weight in itertools.product((1e-6, 1e-5, 1e-4, 1e-3, 1e-2), (0.0, 0.5, 1.0, 2.0, 3.0))
]
GRID_SEMANTIC = [
    {"dim": 10, "ridge": ridge, "weight": weight, "C": C}
    for ridge, weight, C in itertools.product(
        (1e-5, 1e-4, 1e-3, 1e-2), (0.0, 1.0, 2.0), (0.1, 1.0, 10.0, 100.0)
    )
]

Table = dict[str, np.ndarray]


def main() -> None:
    with np.load(shared_data() / "wikipedia_xmodal" / "data.npz", allow_pickle=False) as data:
        train = {name: data[f"{name}_train"].astype(np.float32) for name in ("image", "text")}
        test = {name: data[f"{name}_test"].astype(np.float32) for name in ("image", "text")}
        y_train, y_test = data["y_train"], data["y_test"]
    lines: list[tuple[Any, ...]] = [("chance", *[round(chance(y_test), 3)] * 3, "")]
    lines += [(*one, "") for one in PUBLISHED]
    for name, cls, grid in (("CCA", CCA, GRID_CCA), ("Semantic", Semantic, GRID_SEMANTIC)):
        best = max(grid, key=lambda params: cross_validated(cls, params, train, y_train))
        scores = measure(cls(**best).fit(train, y_train), test, y_test)
        lines.append((f"chiasm {name}", *(round(s, 3) for s in scores), best))
    head = ("method", "image query", "text query", "average mAP", "chosen inside train")
    notes = (
        "Bars: CCA average ≥ 0.223, Semantic average ≥ 0.262. Chosen by mean mAP over 3 × 4 folds of the training part; "
        "the test part was scored with the chosen settings, and once before with those of a first grid. That first, smaller grid (ridge up to 1e-4, weight up to 1, "
        "C up to 10, four folds) chose a setting at its edge that gives Semantic 0.263 on test; by cross-validation the "
        "two cannot be told apart (0.262 ± 0.004 both)."
    )
    write_result("wikipedia", "Wikipedia image–text, mAP by class", markdown_table(head, lines), notes, SEED)


def cross_validated(cls: Any, params: dict[str, float], train: Table, y: np.ndarray) -> float:
    folds = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=SEED).split(train["image"], y)
    return float(np.mean([_fold(cls(**params), train, y, a, b) for a, b in folds]))


def _fold(aligner: Aligner, train: Table, y: np.ndarray, fit: np.ndarray, held: np.ndarray) -> float:
    aligner.fit({name: x[fit] for name, x in train.items()}, y[fit])
    return measure(aligner, {name: x[held] for name, x in train.items()}, y[held])[2]


def measure(aligner: Aligner, part: Table, y: np.ndarray) -> tuple[float, float, float]:
    space = aligner.transform(part)
    cosines = space["image"] @ space["text"].T
    same = y[:, None] == y[None]
    image, text = mean_average_precision(cosines, same), mean_average_precision(cosines.T, same)
    return image, text, (image + text) / 2


def chance(y: np.ndarray) -> float:
    rng = np.random.default_rng(SEED)
    return mean_average_precision(rng.random((len(y), len(y))).astype(np.float32), y[:, None] == y[None])


if __name__ == "__main__":
    main()
