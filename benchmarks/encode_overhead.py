"""What the engine costs: files to vectors against a bare loop of the same encoder over decoded photos."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from _common import markdown_table, shared_data, write_result

from chiasm.encode.cache import Cache
from chiasm.encode.engine import describe_column
from chiasm.encode.onnx import OnnxImage
from chiasm.rows import media
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows

PHOTOS = 300
RUNS = 7
MODEL = "vision_encoder/mobilenet_v2_1.0_224_quant_dequant.onnx"


def write_photos(folder: Path) -> tuple[Rows, list[bytes]]:
    """The photos as JPEG files with a table beside them, and their bytes."""
    table = pq.read_table(shared_data() / "flickr8k/photos.parquet", columns=["photo"])
    photos = table["photo"].slice(0, PHOTOS).to_pylist()
    for i, data in enumerate(photos):
        (folder / f"{i}.jpg").write_bytes(data)
    names = "\n".join(f"{i}.jpg,{i}" for i in range(PHOTOS))
    (folder / "rows.csv").write_text(f"photo,number\n{names}\n")
    return read(folder / "rows.csv"), photos


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure both in turn, the order changing from run to run, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        rows, photos = write_photos(Path(folder))
        encoder = OnnxImage(str(shared_data() / MODEL))
        cells = [media.decode_image(data) for data in photos]
        works = {
            "bare": lambda: encoder.describe(cells),
            "files": lambda: describe_column(rows, "photo", encoder, cache=None),
            "empty cache": lambda: describe_column(
                rows, "photo", encoder, cache=Cache(tempfile.mkdtemp(dir=folder))
            ),
        }
        encoder.describe(cells[:8])
        times: dict[str, list[float]] = {name: [] for name in works}
        for run in range(RUNS):
            for name in sorted(works, reverse=bool(run % 2)):
                times[name].append(seconds(works[name]))
    middle = {name: statistics.median(found) for name, found in times.items()}
    shares = [bare / files for bare, files in zip(times["bare"], times["files"], strict=True)]
    labels = {
        "bare": "bare loop over decoded photos",
        "files": "engine from JPEG files, no cache",
        "empty cache": "the same, filling an empty cache",
    }
    lines = [(labels[n], f"{PHOTOS / middle[n]:.1f}", f"{middle[n]:.2f}") for n in labels]
    write_result(
        "encode_overhead",
        "Encoding from files against a bare loop",
        markdown_table(("what", "photos a second", "median s"), lines),
        f"Throughput from files is {middle['bare'] / middle['files']:.1%} of the bare loop's "
        f"(bar: 90 %; {middle['bare'] / middle['empty cache']:.1%} while an empty cache is filled), by the medians of {RUNS} runs each; run by run {min(shares):.0%} to {max(shares):.0%}. "
        f"{PHOTOS} photos of flickr8k, MobileNetV2 by ONNX, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.",
    )


if __name__ == "__main__":
    main()
