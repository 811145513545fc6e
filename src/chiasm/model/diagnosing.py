"""Which encoders, width and ridge to take, before anything is fitted: the doctor asked about rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn.base import clone

from chiasm import plugins
from chiasm.align import doctor
from chiasm.align.doctor import Diagnosis
from chiasm.encode.cache import Cache, opened
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column
from chiasm.encode.features import Features
from chiasm.errors import UsageError
from chiasm.model.inputs import Progress
from chiasm.rows.modality import SPACE
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows

LAYERLESS = "No encoder that was tried offers hidden layers; pretrained models do."


def diagnose(
    data: Any,
    encoders: Mapping[str, Any] | None = None,
    *,
    layers: bool = False,
    modalities: Mapping[str, str] | None = None,
    clean: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Compare encoders of columns on rows, or on anything `chiasm.read` reads (arXiv 2409.19425).

    encoders : {column: one, or a list of them, as `chiasm.fit` takes them}; columns that are not named
        take their default.
    layers : also try hidden layers of encoders that offer them.

    Encoders learn from all rows, each from its own column alone; which rows belong together is learned from
    four fifths and judged on the rest.
    """
    rows = read(data, modalities=modalities, clean=clean)
    for column in encoders or {}:
        rows.schema[column]
    joining = sorted({*(c for c in rows.schema.of(*SPACE)), *(encoders or {})})
    tried = {c: candidates(rows, c, (encoders or {}).get(c), layers) for c in joining}
    with opened(cache) as kept:
        found = {
            c: {name: _features(rows, c, encoder, kept, progress) for name, encoder in some.items()}
            for c, some in tried.items()
        }
    told = doctor.diagnose(found, seed=seed)
    if layers and not any(hasattr(encoder, "layers") for some in tried.values() for encoder in some.values()):
        return replace(told, notes=(LAYERLESS,))
    return told


def candidates(rows: Rows, column: str, named: Any, layers: bool) -> dict[str, Encoder]:
    """{what it is called: encoder} to try on a column."""
    several = named if isinstance(named, list | tuple) else [named]
    found: dict[str, Encoder] = {}
    for one in several:
        encoder = clone(plugins.encoder(one, rows.schema[column].modality))
        name = _called(one, encoder)
        if name in found:
            raise UsageError(f"encoder {name!r} is named twice for column {column!r}", where="encoders")
        found[name] = encoder
        offered = getattr(encoder, "layers", None)
        if layers and offered is not None:
            found |= {f"{name} {layer}": other for layer, other in offered().items()}
    return found


def _called(named: Any, encoder: Encoder) -> str:
    """As it was named, or else as its class is."""
    if isinstance(named, str):
        return named
    return plugins.name_of("encode", encoder) if plugins.is_named("encode", encoder) else encoder.kind


def _features(
    rows: Rows, column: str, encoder: Encoder, cache: Cache | None, progress: Progress | None
) -> Features:
    described = describe_column(rows, column, encoder, cache=cache, progress=progress)
    return described.features(encoder.fit(described.values) if len(described.row) else encoder)
