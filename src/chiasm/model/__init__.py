"""The object with the verbs; this room alone knows the order of the stages."""

from chiasm.model.diagnosing import diagnose
from chiasm.model.make import fit
from chiasm.model.model import Model, load
from chiasm.model.predictor import Prediction

__all__ = ["Model", "Prediction", "diagnose", "fit", "load"]
