"""Σ: the modalities that a row really has, joined into one vector."""

from chiasm.fuse.mean import Mean

__all__ = ["Mean"]
