"""The command line: parse, call the model, print."""

import sys


def main() -> None:
    """Run the command line; stopped by Ctrl-C, at whatever moment, it says so and ends with exit code 130."""
    try:
        from chiasm.cli import app

        app.main()
    except KeyboardInterrupt:  # while the app itself is imported
        sys.stderr.write("chiasm: interrupted\n")
        sys.exit(130)


__all__ = ["main"]
