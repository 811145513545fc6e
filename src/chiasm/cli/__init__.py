"""The command line: parse, call the model, print."""

from chiasm.cli.verbs import main

__all__ = ["main"]
