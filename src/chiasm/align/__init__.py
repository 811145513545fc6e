"""W: linear maps from each column's features into one shared space."""

from chiasm.align.hubness import Hubness
from chiasm.align.linear import CCA, Procrustes, Ridge
from chiasm.align.moments import Moments
from chiasm.align.semantic import Semantic

__all__ = ["CCA", "Hubness", "Moments", "Procrustes", "Ridge", "Semantic"]
