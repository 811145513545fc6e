"""W: linear maps from each column's features into one shared space."""

from chiasm.align.hubness import Hubness
from chiasm.align.linear import CCA, Procrustes, Ridge
from chiasm.align.moments import Moments

__all__ = ["CCA", "Hubness", "Moments", "Procrustes", "Ridge"]
