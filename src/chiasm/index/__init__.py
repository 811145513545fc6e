"""Nearest neighbours in the space: exact or approximate, corrected for hubs, filtered, mapped from disk."""

from chiasm.index.gallery import Gallery

__all__ = ["Gallery"]
