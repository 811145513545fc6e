"""Passes of trainings on disk: where each has its own, and whether one can be gone on from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from chiasm.errors import FolderError
from chiasm.train.loop import Recipe
from chiasm.train.pairs import PairedRows

Tensor = Any
Net = Any
HeldOut = Mapping[str, Any]
"""{column: Features}."""

PASS, NEXT = "pass.ckpt", "next.ckpt"
UNREADABLE = (
    BadZipFile,
    torch.serialization.pickle.UnpicklingError,
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)
"""What reading a file that is no checkpoint can raise."""


def name_of(net: Net, rows: PairedRows, recipe: Recipe, what: str, held_out: HeldOut) -> str:
    """Of a training, equal only for the same start, rows, held-out rows, recipe and aim."""
    shapes = [(c, held_out[c].values.shape, held_out[c].n) for c in sorted(held_out)]
    digest = hashlib.blake2b(f"{recipe} {what} {rows.steps} {shapes}".encode(), digest_size=12)
    items = [values for column in sorted(rows.items) for values in rows.items[column]]
    for values in (*net.state_dict().values(), *items, rows.ids):
        digest.update(values.detach().contiguous().numpy())
    for c in sorted(held_out):
        digest.update(held_out[c].values.tobytes())
        digest.update(held_out[c].row.tobytes())
    return digest.hexdigest()


def checkpoint(folder: Path | None, net: Net, best: Any) -> Path | None:
    """The checkpoint to go on from, if there is one, after it was found to be a pass of this training.

    best : the callback that watches it.

    Raises FolderError where it is not.
    """
    if folder is None or not (folder / PASS).exists():
        return None
    try:
        with ZipFile(folder / PASS) as parts:
            whole = parts.testzip() is None
        whole = whole and _fits(torch.load(folder / PASS, weights_only=True), net, best)
    except UNREADABLE:
        whole = False
    if not whole:
        what = "no pass of a training can be read from it"
        raise FolderError(what, where=str(folder / PASS), hint="Remove it to begin anew.")
    return folder / PASS


def _fits(kept: dict[str, Any], net: Net, best: Any) -> bool:
    """Whether a checkpoint is of this module: its parameters, their moments, and what `Best` keeps."""
    own, found = net.state_dict(), kept["callbacks"][best.state_key]
    moments = [one for state in kept["optimizer_states"] for one in state["state"].values()]
    return (
        _shapes(kept["state_dict"]) == {f"net.{name}": values.shape for name, values in own.items()}
        and {name: type(value) for name, value in found.items()}
        == {name: type(value) for name, value in best.state_dict().items()}
        and found["passes"] == kept["epoch"] + 1
        and (best.score is None or _shapes(found["parameters"]) == _shapes(own))
        and Counter(m["exp_avg"].shape for m in moments) <= Counter(p.shape for p in net.parameters())
    )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: values.shape for name, values in tensors.items()}
