"""Pictures of a model: the map of its space, and contact sheets of what queries found."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BrokenCell, UsageError
from chiasm.judge.draw import Layout, Point, Shown, contact_sheet, map_html, map_png, map_points
from chiasm.judge.explain import Explanation
from chiasm.judge.explained import explanation_html
from chiasm.model.explaining import first_item
from chiasm.model.model import Model
from chiasm.model.query import check_searchable
from chiasm.rows import media
from chiasm.rows.rows import Rows

THUMBNAIL = 112  # pixels
CLIP = 4.0, 8000  # seconds and Hz of a sound on the page


def draw_map(model: Model, path: Path, limit: int = 2000) -> int:
    """Draw the indexed rows in two dimensions into a .png or an .html page; returns the number of points."""
    if path.suffix not in (".png", ".html"):
        raise UsageError(f"a map is a .png or an .html file, got {path.name!r}", where="-o")
    check_searchable(model.space)
    points = map_points(model.vectors(), limit)
    if path.suffix == ".png":
        target = model.facts.get("target")
        map_png(points, path, None if target is None else model.rows.values(target))
    else:
        map_html(_page_points(model, points), path)
    return sum(len(layout.row) for layout in points.values())


def draw_found(
    model: Model,
    queries: Sequence[tuple[Mapping[str, Any], str]],
    path: Path,
    k: int = 5,
    label: str | None = None,
) -> None:
    """Draw a contact sheet of queries ({column: value}, column to find) and the `k` best answers to each.

    label : a column; where the query has a value of it too, an answer of an equal row is marked right.
    """
    values = model.rows.values(label) if label is not None else []
    places = {name: i for i, name in enumerate(model.rows.ids)}
    lines = []
    for query, find in queries:
        asked = {column: value for column, value in query.items() if column in model.columns}
        first = next(iter(asked))
        line = [_shown(first, model.read([asked]), 0, 0, note=f"{' + '.join(asked)} → {find}")]
        for hit in model.search(asked, find, k):
            place = places[hit.row]
            right = None if label is None or label not in query else values[place] == query[label]
            line.append(_shown(find, model.rows, place, hit.item, right, f"{hit.score:.1f}"))
        lines.append(line)
    contact_sheet(lines, path)


def cell(rows: Rows, row: int, column: str, item: int) -> Any:
    """One decoded item, None where it is absent or cannot be read any more."""
    for found in rows[row].cells(column):
        if found.item == item:
            try:
                return media.decode(rows.schema[column].modality, found.value)
            except BrokenCell:
                return None
    return None


def draw_explanation(row: Rows, said: Explanation, path: Path) -> None:
    """Draw why one row is predicted so, on its items, into an .html page."""
    items: dict[str, Any] = dict.fromkeys(said.broken)
    for column in said.shares:
        if column not in said.broken:
            item = first_item(row, column)
            items[column] = row.values(column)[0] if item is None else item
    path.write_text(explanation_html(said, items), "utf-8")


def _shown(column: str, rows: Rows, row: int, item: int, right: bool | None = None, note: str = "") -> Shown:
    modality = rows.schema[column].modality
    value = cell(rows, row, column, item) if modality in ("text", "image", "sound") else None
    if value is None:
        value = rows.describe_cell(row, column, item) or f"row {rows.ids[row]}"
    return Shown(value.samples if isinstance(value, media.Sound) else value, right, note)


def _page_points(model: Model, points: Mapping[str, Layout]) -> list[Point]:
    out, target = [], model.facts.get("target")
    labels = [None] * len(model.rows) if target is None else model.rows.values(target)
    for column, layout in points.items():
        items = model.galleries[column].item
        for place, row, (x, y) in zip(layout.position, layout.row, layout.xy, strict=True):
            item = int(items[place])
            out.append(
                Point(
                    column,
                    model.rows.ids[row],
                    float(x),
                    float(y),
                    label="" if labels[row] is None else str(labels[row]),
                    **_faces(model.rows, int(row), column, item),
                )
            )
    return out


def _faces(rows: Rows, row: int, column: str, item: int) -> dict[str, str]:
    """What a point shows of its item: words, a thumbnail, a clip."""
    modality = rows.schema[column].modality
    text = rows.describe_cell(row, column, item)
    value = cell(rows, row, column, item) if modality in ("image", "sound") else None
    if isinstance(value, media.Sound):
        return {"text": text, "sound": _clip(value)}
    return {"text": text, "image": "" if value is None else _thumbnail(value)}


def _thumbnail(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=70)
    return _data("image/webp", stream)


def _clip(sound: media.Sound) -> str:
    import soundfile
    import soxr

    seconds, rate = CLIP
    samples = soxr.resample(sound.samples[: int(seconds * sound.rate)], sound.rate, rate)
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="OGG", subtype="VORBIS")
    return _data("audio/ogg", stream)


def _data(kind: str, stream: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
