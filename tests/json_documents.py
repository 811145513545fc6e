"""The JSON document of every verb as a type, made from the dataclasses, and the schemas in docs/json.md.

`python tests/json_documents.py` writes the schemas into the page; a test holds page, types, output together.
"""

from __future__ import annotations

import json
import re
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from chiasm.align.doctor import Diagnosis
from chiasm.errors import Broken
from chiasm.judge.audit import Audit
from chiasm.judge.collect import Worth
from chiasm.judge.explain import Explanation
from chiasm.judge.scoreboard import Report
from chiasm.model.predictor import Prediction
from chiasm.model.query import Hit
from chiasm.rows.inspect import Inspection

PAGE = Path(__file__).resolve().parent.parent / "docs" / "json.md"
BLOCK = r"(<!-- schema: {verb} -->\n```json\n)(.*?)(\n```)"


def record(name: str, members: dict[str, Any]) -> Any:
    """A JSON object with exactly these members."""
    found = TypedDict(name, members)  # type: ignore[operator]
    found.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    return found


def as_json(kind: Any, null: bool = False) -> Any:
    """What a type becomes in JSON; with `null` a float may be null, which stands for NaN."""
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return record(kind.__name__, {f.name: as_json(hints[f.name], null) for f in fields(kind)})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, list):
        return list[as_json(inner[0], null)]  # type: ignore[misc]
    if origin is dict:
        return dict[str, as_json(inner[1], null)]  # type: ignore[misc]
    if origin is types.UnionType:
        return typing.Union[tuple(as_json(one, null) for one in inner)]  # noqa: UP007
    return float | None if kind is float and null else kind


REPORT = as_json(Report, null=True)
LABEL = str | bool | float
PAIR = list[float | None]
PREDICTION = typing.get_type_hints(Prediction) | {
    "label": LABEL | list[LABEL] | None,
    "interval": PAIR | list[PAIR] | None,
    "labels": tuple[LABEL, ...],
}
COUNT = record("Count", {"rows": int, "change": int})
FIT = record(
    "Fit",
    {
        "model": str,
        "rows": int,
        "columns": list[str],
        "notes": list[str],
        "broken": list[as_json(Broken)],
        "report": REPORT | None,
    },
)
DOCUMENTS: dict[str, Any] = {
    "inspect": record(
        "Inspect",
        {name: as_json(kind) for name, kind in typing.get_type_hints(Inspection).items()}
        | {"audit": as_json(Audit) | None},
    ),
    "diagnose": as_json(Diagnosis, null=True),
    "fit": FIT,
    "swap": FIT,
    "predict": record(
        "Predict",
        {
            "predictions": list[
                record(
                    "Prediction",
                    {"row": str} | {name: as_json(kind) for name, kind in PREDICTION.items()},
                )
            ]
        },
    ),
    "explain": record(
        "Explain",
        {name: as_json(kind) for name, kind in typing.get_type_hints(Explanation).items()}
        | {"label": LABEL | list[LABEL]},
    ),
    "collect": record("Collect", {"missing": list[as_json(Worth, null=True)]}),
    "evaluate": REPORT,
    "search": record(
        "Search",
        {
            "hits": list[
                record(
                    "Hit",
                    {name: as_json(kind) for name, kind in typing.get_type_hints(Hit).items()}
                    | {"cell": str},
                )
            ]
        },
    ),
    "map": record("Map", {"file": str, "points": int}),
    "add": COUNT,
    "remove": COUNT,
    "demo": record(
        "Demo",
        {
            "folder": str,
            "table": str,
            "model": str,
            "picture": str,
            "notes": list[str],
            "broken": list[as_json(Broken)],
            "report": REPORT,
        },
    ),
    "cache": record("Cache", {"folder": str, "bytes": int, "limit": int, "freed": int}),
}


def check(verb: str, document: Any) -> None:
    """Raise pydantic's `ValidationError` unless this is a document of the verb, no member more or less."""
    TypeAdapter(DOCUMENTS[verb]).validate_json(json.dumps(document))


def schema(verb: str) -> dict[str, Any]:
    """The JSON schema of a verb's document, without titles that only repeat the names."""
    return _untitled(TypeAdapter(DOCUMENTS[verb]).json_schema())


def _untitled(node: Any) -> Any:
    if isinstance(node, list):
        return [_untitled(one) for one in node]
    if isinstance(node, dict):
        return {k: _untitled(v) for k, v in node.items() if not (k == "title" and isinstance(v, str))}
    return node


def documented(verb: str, page: str) -> dict[str, Any]:
    """The schema of a verb that stands in the page."""
    found = re.search(BLOCK.format(verb=verb), page, re.DOTALL)
    if found is None:
        raise LookupError(f"no schema of {verb} in the page")
    result: dict[str, Any] = json.loads(found.group(2))
    return result


def with_schemas(page: str) -> str:
    """The page with every schema as it is now."""
    for verb in DOCUMENTS:
        text = _short(schema(verb))
        page = re.sub(BLOCK.format(verb=verb), lambda m, text=text: m[1] + text + m[3], page, flags=re.DOTALL)
    return page


def _short(node: Any, indent: int = 0, width: int = 100) -> str:
    """JSON with every object that fits on one line on one line."""
    flat = json.dumps(node, ensure_ascii=False)
    if not isinstance(node, dict) or len(flat) + indent <= width:
        return flat
    pad = " " * (indent + 2)
    inner = (f"{pad}{json.dumps(k)}: {_short(v, indent + 2, width)}" for k, v in node.items())
    return "{\n" + ",\n".join(inner) + "\n" + " " * indent + "}"


if __name__ == "__main__":
    PAGE.write_text(with_schemas(PAGE.read_text("utf-8")), "utf-8")
