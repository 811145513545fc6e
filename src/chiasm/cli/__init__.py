"""The command line: parse, call the model, print."""

from chiasm.cli.app import main

__all__ = ["main"]
