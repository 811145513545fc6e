"""Components by name: one table of strings, plus what installed packages offer as entry points.

Nothing is imported to be registered. A package adds a component by an entry point in the group
`chiasm.encode`, `chiasm.align` or `chiasm.fuse`.
"""

from __future__ import annotations

import inspect
from functools import reduce
from importlib.metadata import entry_points
from pathlib import Path, PurePath
from typing import Any

from chiasm.errors import UsageError, did_you_mean
from chiasm.named import imported, place_of

BUILT_IN = {
    "encode": {
        "lexical": "chiasm.encode.text:Lexical",
        "gradients": "chiasm.encode.image:Gradients",
        "logmel": "chiasm.encode.sound:LogMel",
        "vector": "chiasm.encode.vector:Vector",
        "hellinger": "chiasm.encode.vector:Hellinger",
        "onehot": "chiasm.encode.table:OneHot",
        "standard": "chiasm.encode.table:Standard",
        "table": "chiasm.encode.table:Table",
        "frames": "chiasm.encode.video:Frames",
        "voice": "chiasm.encode.voice:Voice",
        "rocket": "chiasm.encode.series:Rocket",
        "onnx": "chiasm.encode.onnx:OnnxImage",
        "text-model": "chiasm.encode.pretrained:TextModel",
        "image-model": "chiasm.encode.pretrained:ImageModel",
        "sound-model": "chiasm.encode.pretrained:SoundModel",
        "function": "chiasm.encode.call:Function",
        "beside": "chiasm.encode.beside:Beside",
    },
    "align": {
        "cca": "chiasm.align.linear:CCA",
        "ridge": "chiasm.align.linear:Ridge",
        "procrustes": "chiasm.align.linear:Procrustes",
        "semantic": "chiasm.align.semantic:Semantic",
        "anchors": "chiasm.align.anchors:Anchors",
        "csa": "chiasm.align.csa:CSA",
        "kernel": "chiasm.align.kernel:KernelCCA",
        "dictionary": "chiasm.align.dictionary:Dictionary",
        "adversarial": "chiasm.align.adversarial:Adversarial",
        "transport": "chiasm.align.transport:Transport",
        "learned": "chiasm.align.learned:Learned",
        "blend": "chiasm.align.blend:Blend",
    },
    "fuse": {
        "mean": "chiasm.fuse.mean:Mean",
        "late": "chiasm.fuse.late:Late",
        "concat": "chiasm.fuse.concat:Concat",
        "experts": "chiasm.fuse.experts:Experts",
        "weighted": "chiasm.fuse.weighted:Weighted",
        "gated": "chiasm.fuse.gated:Gated",
        "attention": "chiasm.fuse.attention:Attention",
        "tensor": "chiasm.fuse.tensor:Tensor",
        "adversarial": "chiasm.fuse.adversarial:Adversarial",
    },
}
MADE = {"align": {"swapped": "chiasm.align.swap:Swapped"}}
"""What only a verb makes: a model folder may hold it by this name, but nobody chooses it."""
WORDS = {"encode": "encoder", "align": "aligner", "fuse": "fusion"}
CHOSEN = {"align": ("auto",), "fuse": ("auto", "none")}
"""Names that choose no one component, but may stand where one may."""


def names(kind: str) -> list[str]:
    """The names of what can be chosen of a kind: 'encode', 'align' or 'fuse'."""
    return sorted({*BUILT_IN[kind], *(point.name for point in entry_points(group=f"chiasm.{kind}"))})


def get(kind: str, name: str, *, kept: bool = False) -> type[Any]:
    """The class called `name`; UsageError with a suggestion where there is none.

    kept : a model folder holds it, which may be what only a verb makes.
    """
    known = {**BUILT_IN[kind], **(MADE.get(kind, {}) if kept else {})}
    if name in known:
        found: type[Any] = imported(known[name])
        return found
    for point in entry_points(group=f"chiasm.{kind}"):
        if point.name == name:
            loaded: type[Any] = point.load()
            return loaded
    hint = did_you_mean(str(name).lower(), [*names(kind), *CHOSEN.get(kind, ())])
    raise UsageError(f"no {WORDS[kind]} called {name!r}", hint=hint)


DEFAULTS = {
    "text": "lexical",
    "image": "gradients",
    "sound": "logmel",
    "vector": "vector",
    "category": "onehot",
    "number": "standard",
    "table": "table",
    "series": "rocket",
    "video": "frames",
}


def encoder(named: Any, modality: str) -> Any:
    """An encoder for a column of this modality.

    named : None for the default, a name, a JSON file that states an ONNX model, a model's folder or its
    name on the hub, an Encoder, or a function of a list of cells; several joined by `+` are side by side.
    """
    if named is None:
        return _default(modality)
    if isinstance(named, type):
        raise UsageError(f"{named.__name__} is a class, not an encoder", hint=f"Give {named.__name__}().")
    if not isinstance(named, str | PurePath):
        return named if hasattr(named, "describe") else get("encode", "function")(named, modality)
    text = str(named)
    if not text.strip():  # which as a path would be the current folder
        raise UsageError(f"no encoder is named for a column of {modality}", hint="Such as: lexical.")
    if text in names("encode"):
        return _made(text)
    folder = Path(text).expanduser()
    if "+" in text and not folder.exists():
        return reduce(get("encode", "beside"), [encoder(part, modality) for part in _joined(text)])
    if text.endswith(".json"):
        return get("encode", "onnx").from_json(text)
    if text.endswith(".onnx"):
        raise UsageError(
            "an ONNX file does not say how its input is made",
            where=text,
            hint='State it in a JSON file: {"model": "FILE.onnx", "size": 224, "mean": 128, "scale": 128}.',
        )
    if f"{modality}-model" in BUILT_IN["encode"] and (folder.is_dir() or "/" in text):
        return get("encode", f"{modality}-model")(str(folder.absolute()) if folder.is_dir() else text)
    usable = [name for name in names("encode") if not _needed(get("encode", name))]
    raise UsageError(f"no encoder called {text!r}", hint=did_you_mean(text.lower(), usable))


def _joined(text: str) -> list[str]:
    """What pluses join; one in the name of a folder that is there is its own."""
    pieces, found = text.split("+"), []
    while pieces:
        starts = {k: "+".join(pieces[:k]).strip() for k in range(len(pieces), 0, -1)}
        longest = next((k for k, start in starts.items() if start and Path(start).expanduser().exists()), 1)
        found.append(starts[longest])
        pieces = pieces[longest:]
    if "" in found:
        raise UsageError(f"an encoder is missing beside the + in {text!r}", hint="Such as: lexical+lexical.")
    return found


def _made(name: str) -> Any:
    cls = get("encode", name)
    needed = _needed(cls)
    if needed:
        raise UsageError(
            f"encoder {name!r} needs {', '.join(needed)}",
            hint="Name the model's folder or JSON file instead, or make the encoder in Python.",
        )
    return cls()


def _needed(cls: type[Any]) -> list[str]:
    """The constructor's parameters without a default."""
    return [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]


def _default(modality: str) -> Any:
    if modality not in DEFAULTS:
        raise UsageError(
            f"no encoder takes {modality}",
            hint="modalities={'COL': 'text'} (--as COL=text) reads one otherwise.",
        )
    return get("encode", DEFAULTS[modality])()


def name_of(kind: str, component: Any) -> str:
    """The name under which a component's class is known; UsageError where it is not."""
    known = _known(kind)
    path = place_of(component)
    if path not in known:
        raise UsageError(
            f"{path.partition(':')[2]} has no name here, so a model with it cannot be saved",
            hint=f"Offer it as an entry point in the group 'chiasm.{kind}'.",
        )
    return known[path]


def is_named(kind: str, component: Any) -> bool:
    """Whether a component's class is known by a name."""
    return place_of(component) in _known(kind)


def _known(kind: str) -> dict[str, str]:
    """{"module:class": name}, built in before installed."""
    installed = {point.value: point.name for point in entry_points(group=f"chiasm.{kind}")}
    own = {**BUILT_IN[kind], **MADE.get(kind, {})}
    return {**installed, **{path: name for name, path in own.items()}}
