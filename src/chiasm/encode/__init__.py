"""φ: from the cells of one column, or of a group of table columns, to features (items, d)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chiasm.lazy import attach

if TYPE_CHECKING:
    from chiasm.encode.beside import Beside
    from chiasm.encode.cache import Cache
    from chiasm.encode.call import Function
    from chiasm.encode.encoder import Encoder
    from chiasm.encode.features import Features
    from chiasm.encode.image import Gradients
    from chiasm.encode.onnx import OnnxImage
    from chiasm.encode.pretrained import ImageModel, SoundModel, TextModel
    from chiasm.encode.series import Rocket
    from chiasm.encode.sound import LogMel
    from chiasm.encode.table import OneHot, Standard, Table
    from chiasm.encode.text import Lexical
    from chiasm.encode.vector import Hellinger, Vector
    from chiasm.encode.video import Frames
    from chiasm.encode.voice import Voice

__all__ = [
    "Beside",
    "Cache",
    "Encoder",
    "Features",
    "Frames",
    "Function",
    "Gradients",
    "Hellinger",
    "ImageModel",
    "Lexical",
    "LogMel",
    "OneHot",
    "OnnxImage",
    "Rocket",
    "SoundModel",
    "Standard",
    "Table",
    "TextModel",
    "Vector",
    "Voice",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "beside": ("Beside",),
        "cache": ("Cache",),
        "call": ("Function",),
        "encoder": ("Encoder",),
        "features": ("Features",),
        "image": ("Gradients",),
        "onnx": ("OnnxImage",),
        "pretrained": ("ImageModel", "SoundModel", "TextModel"),
        "series": ("Rocket",),
        "sound": ("LogMel",),
        "table": ("OneHot", "Standard", "Table"),
        "text": ("Lexical",),
        "vector": ("Hellinger", "Vector"),
        "video": ("Frames",),
        "voice": ("Voice",),
    },
)
