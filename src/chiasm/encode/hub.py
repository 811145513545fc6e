"""Models by name: a folder, or one fetched from the Hugging Face hub; and what goes wrong on the way."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chiasm.encode.weights import DESCRIBING
from chiasm.errors import ChiasmError, EncoderError


def model_folder(name: str, revision: str | None) -> Path:
    """The folder `name`, or the hub model of this name, fetched once; EncoderError where neither is."""
    _check_torchvision()
    folder = Path(name)
    return folder if folder.is_dir() else _fetched(name, revision)


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Whatever a library raises on a model it cannot load, as one `EncoderError`."""
    from safetensors import SafetensorError

    try:
        yield
    except ChiasmError:
        raise
    except (
        OSError,
        ValueError,
        LookupError,
        ImportError,
        RuntimeError,
        AttributeError,
        SafetensorError,
    ) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EncoderError(f"the model cannot be loaded: {reason}", where=name) from error


def _fetched(name: str, revision: str | None) -> Path:
    """The folder of a hub model, from the hub or the library's own cache."""
    way_out = "Download it elsewhere and pass the path of its folder."
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise EncoderError("no such folder", where=name, hint=way_out)
    from huggingface_hub import snapshot_download

    wanted = [f"*{suffix}" for suffix in sorted(DESCRIBING)]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"no folder here, and the hub does not give it ({type(error).__name__})", where=name, hint=way_out
        ) from error


def _check_torchvision() -> None:
    """A torchvision that does not match torch breaks transformers in ways that name neither."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        import torch

        raise EncoderError(
            f"the torchvision installed here does not work with torch {torch.__version__}: {error}",
            hint="pip uninstall torchvision (it is not needed), or install the one made for this torch.",
        ) from error
