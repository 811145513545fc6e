"""Sentiment of utterances (CMU-MOSI, two classes) from text, audio and video, beside the published numbers.

The text and video features were learned on the labels of the training part: inside it they are right for 98 % and
92 %, on new videos for about 76 % and 52 % (said by the data's description). So nothing can be chosen by
cross-validation on the features as they are, and a fusion learned from them trusts them too much and the rest of the
video too little. The recipe was fixed before the test part was read:

1. Training utterances get noise of the features' own covariance, as strong as makes a linear model right on held-out
   training videos about as often as the description says of new ones (text: level 1.2 gives 77 %; video: 5 lies
   between 4, 55 %, and 8, 50 %). Audio, made without labels, stays as it is. All is done for `DRAWS` draws of the noise, and scores are
   averaged.
2. A linear head a modality gives one score an utterance; those of training videos come from heads that did not see
   the video. One number a modality leaves 62 videos little to over-fit.
3. Context as in the published models: the scores of the utterances before and after and the mean of the video's
   others, as columns of their own (`in_sequence`).
4. Fusions with their own settings over these columns. The headline is `late`, T+A+V. In rehearsals inside the training
   part, with the features of the videos held out made noisy in the same way, context added three to four points to
   text alone; linear rules and the trained fusions could not be told apart (79 to 83 %), and audio and video added
   nothing, so the simplest is the headline.

The test part is scored once, in one run, for all rows of the table; intervals by bootstrap over its 31 videos.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _common import markdown_table, shared_data, write_result

from chiasm.fuse.adversarial import Adversarial
from chiasm.fuse.attention import Attention
from chiasm.fuse.context import in_sequence
from chiasm.fuse.fusion import Columns, Fusion
from chiasm.fuse.gated import Gated
from chiasm.fuse.late import Late
from chiasm.fuse.tensor import Tensor
from chiasm.heads.linear import Linear
from chiasm.heads.task import Task

SEED, DRAWS, FOLDS, FURTHEST = 0, 3, 5, 10.0
NOISE = {"text": 1.2, "audio": 0.0, "video": 5.0}
FUSIONS: dict[str, Callable[[], Fusion]] = {
    "late": Late,
    "tensor": Tensor,
    "gated": Gated,
    "attention": Attention,
    "adversarial": Adversarial,
}
HEADLINE = "late T+A+V"
MIXES = {
    "T": ("text",),
    "A": ("audio",),
    "V": ("video",),
    "T+A": ("text", "audio"),
    "T+V": ("text", "video"),
    "A+V": ("audio", "video"),
    "T+A+V": ("text", "audio", "video"),
}
PUBLISHED = [
    ("bc-LSTM T (Poria et al. 2017)", 78.1),
    ("bc-LSTM A", 60.3),
    ("bc-LSTM V", 55.8),
    ("bc-LSTM T+A", 79.3),
    ("bc-LSTM T+V", 80.2),
    ("bc-LSTM A+V", 62.1),
    ("bc-LSTM T+A+V", 80.3),
    ("MMMU-BA T+A+V (Ghosal et al. 2018)", 82.31),
]

Part = dict[str, np.ndarray]


def main() -> None:
    train, test = load("train"), load("test")
    right = recipe(train, test)
    lines: list[tuple[Any, ...]] = [(name, accuracy, "") for name, accuracy in PUBLISHED]
    lines += [
        ("majority of the test part", round(100 * max(np.mean(test["y"]), 1 - np.mean(test["y"])), 1), "")
    ]
    for name, hits in right.items():
        low, high = interval(hits, test["vid"])
        marked = f"**{name}** (headline)" if name == HEADLINE else name
        lines.append((marked, round(100 * float(hits.mean()), 1), f"{low:.1f}–{high:.1f}"))
    gain = right[HEADLINE].astype(float) - right["late T"]
    low, high = interval(gain, test["vid"])
    notes = (
        f"Bar: T+A+V ≥ 80.3. T+A+V less T alone ({HEADLINE} − late T): {100 * gain.mean():+.1f} points "
        f"({low:+.1f} to {high:+.1f}). All rows with the context of the video's other utterances, except 'own utterance "
        "only'. Accuracy in %, 95 % interval by bootstrap over videos; the recipe, its reasons and its headline stood in "
        "the script before the test part was read, and the test part was scored once with it; the same recipe was run again on later code."
    )
    write_result(
        "cmu_mosi",
        "CMU-MOSI utterances, two classes, published split",
        markdown_table(("method", "accuracy", "interval"), lines),
        notes,
        SEED,
    )


def load(part: str) -> Part:
    with np.load(shared_data() / "cmu_mosi_utt" / "data.npz", allow_pickle=False) as data:
        return {name: data[f"{name}_{part}"] for name in ("text", "audio", "video", "y", "vid", "pos")}


def recipe(train: Part, test: Part) -> dict[str, np.ndarray]:
    """{method: (n,) whether right} of the test part."""
    total: Part = {}
    for draw in range(DRAWS):
        for name, scores in one_draw(train, test, np.random.default_rng([SEED, draw])).items():
            total[name] = total.get(name, 0) + scores
    return {name: scores.argmax(axis=1) == test["y"] for name, scores in total.items()}


def one_draw(train: Part, test: Part, rng: np.random.Generator) -> Part:
    """{method: (n, 2) log probabilities} of the test part: own utterances, every mix by late fusion, all three by
    every fusion."""
    seen, asked = {}, {}
    for modality, level in NOISE.items():
        x = noisy(standard(train[modality], train[modality]), level, rng)
        seen[modality] = held_out(x, train["y"], train["vid"])
        asked[modality] = head(x, train["y"], train["vid"], standard(train[modality], test[modality]))
    learned = in_sequence(seen, train["vid"].tolist(), train["pos"].tolist())
    given = in_sequence(asked, test["vid"].tolist(), test["pos"].tolist())
    tasks = [(f"own utterance only, {m[0].upper()}", "late", [m]) for m in NOISE]
    tasks += [(f"late {mix}", "late", columns_of(learned, mix)) for mix in MIXES]
    tasks += [(f"{f} T+A+V", f, columns_of(learned, "T+A+V")) for f in FUSIONS if f != "late"]
    out = {}
    for name, fusion, columns in tasks:
        own = {c: learned[c] for c in columns}
        model = FUSIONS[fusion]().fit(own, train["y"].tolist(), groups=train["vid"].tolist())
        out[name] = np.log(model.predict_proba({c: given[c] for c in columns}))
    return out


def columns_of(learned: Columns, mix: str) -> list[str]:
    return [c for c in learned if c.partition("[")[0] in MIXES[mix]]


def standard(train: np.ndarray, values: np.ndarray) -> np.ndarray:
    """In units of the training part's spread."""
    spread = train.std(axis=0, dtype=np.float64)
    units = (values - train.mean(axis=0, dtype=np.float64)) / np.where(spread > 1e-6, spread, 1)
    return np.clip(units, -FURTHEST, FURTHEST).astype(np.float32)


def noisy(x: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """With noise of the features' own covariance, `level` times as wide."""
    root = np.linalg.cholesky(np.cov(x.T) + 1e-3 * np.eye(x.shape[1]))
    return (x + level * rng.standard_normal(x.shape) @ root.T).astype(np.float32)


def held_out(x: np.ndarray, y: np.ndarray, vid: np.ndarray) -> np.ndarray:
    """(n, 1) scores of the training utterances by heads that did not see their videos."""
    out = np.empty((len(x), 1), np.float32)
    for fold in range(FOLDS):
        held = vid % FOLDS == fold
        out[held] = head(x[~held], y[~held], vid[~held], x[held])
    return out


def head(x: np.ndarray, y: np.ndarray, vid: np.ndarray, new: np.ndarray) -> np.ndarray:
    """(n, 1) the log odds of the second class of `new` by a linear head learned from x."""
    scores = Linear().fit(x, y, Task.of(y.tolist()), groups=vid).scores(new)
    return np.float32(scores[:, 1:] - scores[:, :1])


def interval(values: np.ndarray, videos: np.ndarray) -> tuple[float, float]:
    """95 % of the mean in points, by bootstrap over videos."""
    place = np.unique(videos, return_inverse=True)[1]
    sums, counts = np.bincount(place, values), np.bincount(place)
    draws = np.random.default_rng(SEED).integers(0, len(sums), (5000, len(sums)))
    low, high = np.quantile(100 * sums[draws].sum(axis=1) / counts[draws].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
