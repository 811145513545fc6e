"""The demo: a collection of three modalities with gaps, made on the spot, and what a model makes of it."""

from chiasm.demo.collection import DemoCollection, Voice, build_collection, find_voices
from chiasm.demo.run import Demonstration, run_demo

__all__ = ["DemoCollection", "Demonstration", "Voice", "build_collection", "find_voices", "run_demo"]
