"""From what a transformer gives, token by token and layer by layer, to one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import UsageError

Tensor = Any
POOLING = ("auto", "mean", "cls", "pooler")
TOWERS = {
    "text": ("get_text_features", "text_model", "text_config"),
    "image": ("get_image_features", "vision_model", "vision_config"),
    "sound": ("get_audio_features", "audio_model", "audio_config"),
}
"""Of CLIP, SigLIP, CLAP and their like: the method that gives vectors for search, the tower, its config."""


def hidden(output: Any, layer: int) -> Tensor:
    """The tokens (n, t, d) of one layer; UsageError where the model has none such."""
    layers = getattr(output, "hidden_states", None) or ()
    if not -len(layers) <= layer < len(layers):
        raise UsageError(f"the model has {len(layers)} layers, asked for {layer}", where="layer")
    return layers[layer]


def pooled(tokens: Tensor, mask: Tensor | None, pooling: str) -> NDArray[np.float32]:
    """(n, d) of tokens (n, t, d) or maps (n, d, h, w): the first, or the mean where mask (n, t) is set."""
    if tokens.ndim == 4:
        tokens = tokens.flatten(2).transpose(1, 2)
    if pooling == "cls":
        return array(tokens[:, 0])
    if mask is None:
        return array(tokens.mean(dim=1))
    weights = mask[:, :, None].float()
    return array((tokens * weights).sum(1) / weights.sum(1).clamp(min=1))


def array(tensor: Tensor) -> NDArray[np.float32]:
    """A tensor as float32."""
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
