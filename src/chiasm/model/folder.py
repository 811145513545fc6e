"""A model as a folder: JSON, safetensors, Parquet and index files, with their hashes in the manifest."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from chiasm import storage
from chiasm.align.hubness import Hubness
from chiasm.align.linear import Ridge
from chiasm.checks import expanded
from chiasm.encode.encoder import Descriptions, Encoder
from chiasm.encode.group import describe_group
from chiasm.encode.video import Frames
from chiasm.errors import Broken, ChiasmError, DataError, FolderError, NotFitted, ShapeError, UsageError
from chiasm.index import Gallery
from chiasm.judge.scoreboard import Report
from chiasm.model import records
from chiasm.model.judging import Baselines
from chiasm.model.predictor import Predictor
from chiasm.model.space import Space
from chiasm.rows.kinds import is_list, is_reference
from chiasm.rows.rows import Rows
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound

if TYPE_CHECKING:
    from chiasm.model.model import Model

LIBRARIES = ("chiasm", "numpy", "scipy", "scikit-learn", "pyarrow", "faiss-cpu", "Pillow", "soundfile")
DAMAGED = KeyError, TypeError, ValueError, AttributeError, IndexError, MemoryError
"""What records that do not fit each other raise when they are made components again."""
REPLACING = 0.05  # seconds after which a folder that is being replaced is there again
TRIED = 20  # rows with which what reads a group of columns is tried
AGAIN = "Fit again, or install the package that a name in it comes from."


def save(model: Model, path: Path, *, overwrite: bool, copy_media: bool, was: str | None = None) -> Path:
    """Write a model folder aside and put it in its place; `copy_media` embeds the media of its rows.

    was : the fingerprint that a folder which is replaced must still have (`storage.new_folder`).
    """
    with storage.new_folder(path, overwrite=overwrite, was=was) as folder:
        rows = model.rows.copy_media() if copy_media else model.rows.without_media()
        rows.to_parquet(folder / "rows.parquet")
        storage.write_tree(folder, "stages", _stages(model))
        storage.write_tree(
            folder, "predictors", [records.of_predictor(one) for one in model.predictors.values()]
        )
        for i, column in enumerate(sorted(model.galleries)):
            place = folder / "index" / str(i)
            place.mkdir(parents=True)
            model.galleries[column].save(place)
        storage.write_tree(folder, "facts", {**model.facts, "copy_media": copy_media})
        if model.report is not None:
            storage.write_json(folder / "report.json", model.report.to_json())
        storage.write_manifest(folder, _about(model))
    return path


def embedded(rows: Rows) -> list[str]:
    """The columns with media that are there as bytes alone: a folder without `copy_media` loses them."""
    found = []
    for column in rows.columns:
        cells = rows.table[column]
        cells = pc.list_flatten(cells) if is_list(cells.type) else cells
        if is_reference(cells.type):
            data, path = (pc.struct_field(cells, name) for name in ("bytes", "path"))
            alone = pc.and_(data.is_valid(), pc.equal(pc.fill_null(path, ""), ""))
            found += [column] if pc.any(alone).as_py() else []
    return found


def read_folder(path: Path, encoders: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the model in a folder; FolderError where it is damaged, foreign or of another format.

    A folder that is replaced meanwhile is read anew: what was read may be of both, or of neither.
    """
    path = expanded(path)
    while True:
        before = storage.fingerprint(path)
        try:
            found = _fields(path, encoders)
        except (ChiasmError, OSError):
            time.sleep(REPLACING)
            if storage.fingerprint(path) == before:
                raise
        else:
            if storage.fingerprint(path) == before:
                return found


def _fields(path: Path, encoders: Mapping[str, Any]) -> dict[str, Any]:
    manifest = storage.read_manifest(path)
    try:
        with np.errstate(all="ignore"):  # of what is damaged the checks tell
            return _read(path, manifest, encoders)
    except (NotFitted, UsageError, ShapeError) as error:
        if encoders:  # it may be they that are wrong
            raise
        raise FolderError(f"the folder is damaged: {error}", where=str(path), hint=AGAIN) from error
    except ChiasmError:
        raise
    except DAMAGED as error:
        raise FolderError(f"the folder is damaged: {error!r}", where=str(path), hint="Fit again.") from error


def _read(path: Path, manifest: Mapping[str, Any], encoders: Mapping[str, Any]) -> dict[str, Any]:
    stages = storage.read_tree(path, "stages")
    galleries = {c: Gallery.load(path / "index" / str(i)) for i, c in enumerate(manifest["columns"])}
    rows, space = Rows.from_parquet(path / "rows.parquet"), _space(stages, encoders)
    _check_fit(space, rows, galleries)
    return {
        "space": space,
        "rows": rows,
        "galleries": galleries,
        "baselines": _baselines(stages["baselines"]),
        "predictors": _predictors(storage.read_tree(path, "predictors"), rows, encoders),
        "report": _report(path / "report.json"),
        "facts": dict(storage.read_tree(path, "facts")),
        "notes": tuple(map(str, manifest["notes"])),
        "broken": tuple(Broken(**one) for one in manifest["broken"]),
    }


def _report(path: Path) -> Report | None:
    """The report of a file, if there is one; FolderError where it is none, or another version's."""
    if not path.is_file():
        return None
    try:
        return Report.from_json(storage.read_json(path))
    except DataError as error:
        raise FolderError(
            f"another version's, or damaged: {error}", where=str(path), hint="Fit again."
        ) from error


def _check_fit(space: Space, rows: Rows, galleries: Mapping[str, Gallery]) -> None:
    """Raise ValueError unless the stages fit each other, tried with one line of zeros a column."""
    if not set(space.columns) == set(galleries) == set(space.encoders) <= set(rows.columns):
        raise ValueError("its columns differ from stage to stage")
    for column, gallery in galleries.items():
        encoder = space.encoders[column]
        vectors = space.aligner.project(column, np.zeros((1, len(space.aligner.means_[column])), np.float32))
        fits = encoder.width_ == len(space.aligner.means_[column])
        fits &= vectors.shape == (1, gallery.dim) and gallery.column == column
        fits &= sorted(space.hubness.penalties(column, vectors)) == list(gallery.columns)
        fits &= encoder.modality == rows.schema[column].modality
        if not fits or (len(gallery) and not 0 <= gallery.row.min() <= gallery.row.max() < len(rows)):
            raise ValueError(f"the stages of column {column!r} do not fit each other")
        _check_encoder(encoder)


def _predictors(
    kept: Sequence[Mapping[str, Any]], rows: Rows, given: Mapping[str, Any]
) -> dict[str, Predictor]:
    """{target: its predictor}; ValueError where one does not fit the rows."""
    found = [records.predictor(one, given) for one in kept]
    for one in found:
        unknown = {one.target, *one.inputs.columns} - set(rows.columns)
        if unknown or not set(one.modalities) <= set(one.inputs.encoders):
            raise ValueError(f"the predictor of {one.target!r} does not fit the rows")
        one.check()
        for name, encoder in one.inputs.encoders.items():
            _check_encoder(encoder, rows[:TRIED], one.inputs.groups.get(name))
    return {one.target: one for one in found}


def _check_encoder(encoder: Encoder, rows: Rows | None = None, group: Sequence[str] | None = None) -> None:
    """Raise ValueError unless what an encoder learned fits together, tried with one cell, one of a group of
    columns with those of some rows. What others wrote is left alone: it may take no such cell."""
    if type(encoder).__module__.partition(".")[0] != "chiasm":
        return
    cells = _tried(encoder) if rows is None or group is None else describe_group(rows, group, encoder).values
    found = encoder.transform(cells)
    if found.shape != (len(cells), encoder.width_) or not np.isfinite(found).all():
        raise ValueError(f"what a {type(encoder).__name__} learned gives no features")


def _tried(encoder: Encoder) -> Descriptions:
    """One cell described; where that takes a model or a video, zeros as long as a description."""
    if encoder.parts:
        return [tuple(_tried(part)[0] for part in encoder.parts)]
    if encoder.state().keys() <= {"width_"}:
        return np.zeros((1, encoder.width_), np.float32)
    if isinstance(encoder, Frames):
        return np.zeros((1, len(encoder.mean_)), np.float32)
    cells = {
        "text": "a",
        "image": np.zeros((8, 8, 3), np.uint8),
        "sound": Sound(np.zeros(800, np.float32), 8000),
        "series": Series(np.zeros((2, encoder.cell_width or 1), np.float32)),
        "number": np.zeros(1, np.float32),
        "category": "a",
    }
    return encoder.describe([cells[encoder.modality]])


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that had a say in a model."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _about(model: Model) -> dict[str, Any]:
    return {
        "chiasm": versions().get("chiasm", ""),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": len(model.rows),
        "columns": sorted(model.galleries),
        "schema": model.schema.to_json(),
        "seed": model.facts.get("seed"),
        "versions": model.facts.get("versions", {}),
        "notes": list(model.notes),
        "broken": [asdict(one) for one in model.broken],
    }


def _stages(model: Model) -> dict[str, Any]:
    space = model.space
    return {
        "encoders": {column: records.of_encoder(encoder) for column, encoder in space.encoders.items()},
        "align": records.of("align", space.aligner),
        "fuse": records.of("fuse", space.fusion),
        "hubness": space.hubness.state(),
        "baselines": [
            {"query": q, "answer": a, "params": ridge.get_params(), "state": ridge.state()}
            for (q, a), ridge in model.baselines.regressions.items()
        ],
    }


def _space(stages: Mapping[str, Any], given: Mapping[str, Any]) -> Space:
    encoders = {c: records.encoder(c, record, given.get(c)) for c, record in stages["encoders"].items()}
    aligner, fusion = records.component("align", stages["align"]), records.component("fuse", stages["fuse"])
    return Space(encoders, aligner, Hubness().restore(stages["hubness"]), fusion)


def _baselines(records: list[dict[str, Any]]) -> Baselines:
    return Baselines({(r["query"], r["answer"]): Ridge(**r["params"]).restore(r["state"]) for r in records})
