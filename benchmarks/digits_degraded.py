"""Spoken and drawn digits, both spoilt so that neither suffices: error of each alone and of both, cells removed.

fsdd sounds, official split, each beside an mnist image of the same digit drawn once by the seed. The image is reduced
to its leading principal components, white noise as loud as the speech is added to the sound before it is described.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from _common import markdown_table, shared_data, write_result
from sklearn.decomposition import PCA

import chiasm
from chiasm.encode.engine import describe_column
from chiasm.encode.image import Gradients
from chiasm.encode.sound import LogMel
from chiasm.fuse.concat import Concat
from chiasm.fuse.experts import Experts
from chiasm.fuse.late import Late
from chiasm.fuse.weighted import Weighted
from chiasm.rows.sound import Sound

SEED = 0
COMPONENTS = 4
NOISE = 1.0
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FUSIONS = {"late": Late, "experts": Experts, "weighted": Weighted, "concat": Concat}


def main() -> None:
    train, y = part("train")
    test, truth = part("test")
    sound, reduction = LogMel(), PCA(COMPONENTS, random_state=SEED).fit(train["image"])
    sound.fit(train["sound"])
    X, Q = (
        {"sound": sound.transform(p["sound"]), "image": reduction.transform(p["image"])}
        for p in (train, test)
    )
    lines = []
    for name, make in FUSIONS.items():
        fusion = make().fit(X, y)
        errors = [
            100 * error(fusion.predict({c: Q[c] for c in cs}), truth)
            for cs in (("sound",), ("image",), ("sound", "image"))
        ]
        lines.append((name, *(f"{e:.1f}" for e in errors), *gaps(make(), X, y, Q, truth)))
    head = (
        "error, %",
        "sound alone",
        "image alone",
        "both",
        "half the cells gone: both there",
        "sound only",
        "image only",
    )
    notes = (
        f"{len(y)} training and {len(truth)} test pairs; {COMPONENTS} components, noise {NOISE:g} times the speech. Bars: both "
        "at most half of the better one; with half of the cells gone (rows with nothing left out) at most a point above "
        "the best single of each pattern. A single modality is the same fusion given that column alone."
    )
    write_result(
        "digits_degraded", "Digits, spoilt sound and image", markdown_table(head, lines), notes, SEED
    )


def part(split: str) -> tuple[dict[str, np.ndarray], list[int]]:
    """Descriptions of noisy sounds and of images, and the digits."""
    folder, rng = shared_data(), np.random.default_rng([SEED, split == "test"])
    speech = pq.read_table(folder / "fsdd" / "fsdd_flac.parquet", filters=[("split", "=", split)])
    drawn = pq.read_table(folder / "mnist" / "mnist.parquet", filters=[("split", "=", split)])
    spoken, labels = np.array(speech["digit"].to_pylist()), np.array(drawn["label"].to_pylist())
    places = [int(rng.choice(np.flatnonzero(labels == DIGITS[d]))) for d in spoken]
    rows = chiasm.read(
        {"sound": speech["audio"].to_pylist(), "image": [drawn["image"][i].as_py() for i in places]}
    )
    noisy = Noisy(SEED + (split == "test"))
    described = {
        "sound": describe_column(rows, "sound", noisy),
        "image": describe_column(rows, "image", Gradients()),
    }
    return {c: np.asarray(d.values) for c, d in described.items()}, spoken.tolist()


class Noisy(LogMel):
    """Log-mel descriptions of sounds in white noise; the noise hangs on the sound alone."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def describe(self, cells: Any) -> Any:
        return super().describe([self._spoilt(cell) for cell in cells])

    def _spoilt(self, cell: Sound) -> Sound:
        rng = np.random.default_rng([self.seed, len(cell.samples), int(1e6 * abs(cell.samples).sum())])
        loud = float(cell.samples.std()) * NOISE
        return Sound(
            (cell.samples + loud * rng.standard_normal(len(cell.samples))).astype(np.float32), cell.rate
        )


def gaps(fusion: Any, X: dict[str, Any], y: list[int], Q: dict[str, Any], truth: list[int]) -> list[str]:
    """Errors by pattern, half of the cells removed in training and test, each beside its best single."""
    rng = np.random.default_rng(SEED)
    kept = {c: rng.random(len(y)) >= 0.5 for c in sorted(X)}
    seen = {c: rng.random(len(truth)) >= 0.5 for c in sorted(X)}
    fusion.fit({c: np.where(kept[c][:, None], v, np.nan) for c, v in X.items()}, y)
    out = []
    for columns in (("sound", "image"), ("sound",), ("image",)):
        rows = np.all([seen[c] == (c in columns) for c in seen], axis=0)
        right = [truth[i] for i in np.flatnonzero(rows)]
        fused = 100 * error(fusion.predict({c: Q[c][rows] for c in columns}), right)
        best = min(100 * error(fusion.predict({c: Q[c][rows]}), right) for c in columns)
        out.append(f"{fused:.1f} (single {best:.1f})")
    return out


def error(said: Any, truth: list[int]) -> float:
    return float(np.mean([a != b for a, b in zip(said, truth, strict=True)]))


if __name__ == "__main__":
    main()
