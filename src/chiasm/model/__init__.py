"""The object with the verbs; this room alone knows the order of the stages."""

from chiasm.model.model import Model, fit, load

__all__ = ["Model", "fit", "load"]
