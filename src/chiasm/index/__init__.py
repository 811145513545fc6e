"""Nearest neighbours in the space: exact or approximate, corrected for hubs, filtered, mapped from disk."""

from chiasm.index.gallery import Gallery
from chiasm.index.hubness import Hubness, neighbourhood

__all__ = ["Gallery", "Hubness", "neighbourhood"]
