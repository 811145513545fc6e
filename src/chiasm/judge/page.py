"""The map as one self-contained page: a point shows its item and where the rest of its row lies."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from chiasm.errors import DataError, UsageError


@dataclass(frozen=True)
class Point:
    """One item on the map.

    row : name of its row, shared by all items of the row;  x, y : within [0, 1].
    text : its words, or a name for it;  image, sound : thumbnail and clip as data: addresses, or empty.
    label : the class of its row, or empty; up to ten classes have a colour each, else columns do.
    """

    column: str
    row: str
    x: float
    y: float
    text: str = ""
    image: str = ""
    sound: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        for name in ("image", "sound"):
            address = getattr(self, name)
            if address and not address.startswith("data:"):
                raise UsageError(f"{name} must be a data: address, got {address[:40]!r}", where="map")


def map_html(points: Sequence[Point], path: str | Path, title: str = "") -> None:
    """Write the page; it asks nothing of the network and has the browser refuse what lies outside it."""
    if not points:
        raise DataError("there is nothing to draw", where="map", hint="The columns hold no items.")
    template = resources.files("chiasm.judge").joinpath("map.html").read_text("utf-8")
    name = html.escape(title or "The space, all columns in it")
    before, after = template.split("{{points}}")
    Path(path).write_text(before.replace("{{title}}", name) + _embedded(points) + after, "utf-8")


def _embedded(points: Sequence[Point]) -> str:
    """JSON that no text can break out of: inside a script element only `<` could end it."""
    document = json.dumps([asdict(point) for point in points], ensure_ascii=True, separators=(",", ":"))
    return document.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
