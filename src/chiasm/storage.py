"""Model folders: written aside and renamed, read with their hashes checked, never running code from them."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from chiasm.errors import FolderError

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_JSON = 256 * 2**20
_ARRAY = "$array"

Tree = Any


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder to write into that takes the place of `path` only when everything is written.

    Interrupted at any point it leaves `path` as it was. Raises FolderError where `path` exists, unless
    `overwrite` is set; even then only a former model folder or an empty one is replaced.
    """
    check_free(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise FolderError(f"cannot write there: {error.strerror}", where=str(path)) from error
    try:
        yield aside
        aside.chmod(0o755)
        _replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Raise FolderError unless a folder may be written at `path`."""
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise FolderError("the output exists", where=str(path), hint="Pass --overwrite to replace it.")
    if not path.is_dir() or (any(path.iterdir()) and not (path / MANIFEST).is_file()):
        raise FolderError(
            "the output exists and is no model folder, so it is not replaced",
            where=str(path),
            hint="Remove it.",
        )


def _replace(aside: Path, path: Path) -> None:
    if not path.exists():
        aside.replace(path)
        return
    former = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    path.replace(former / "model")
    try:
        aside.replace(path)
    except OSError:
        (former / "model").replace(path)
        raise
    shutil.rmtree(former, ignore_errors=True)


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest: the format, the content, and size and sha256 of every other file in the folder."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"format": FORMAT, **content, "files": files})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a model folder after every file named in it was found whole.

    Raises FolderError for what is no model folder, of another format, or changed since it was written.
    """
    if not (folder / MANIFEST).is_file():
        what = (
            "no such model folder" if not folder.exists() else "not a model folder: it has no manifest.json"
        )
        raise FolderError(what, where=str(folder), hint="chiasm fit DATA -o MODEL makes one.")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise FolderError("the manifest is damaged", where=str(folder / MANIFEST))
    if manifest.get("format") != FORMAT:
        raise FolderError(
            f"format {manifest.get('format')!r} is not known here, only {FORMAT}",
            where=str(folder),
            hint="Another version of chiasm wrote it: use that one, or fit again.",
        )
    for name, entry in manifest["files"].items():
        _check_file(folder, name, entry)
    return manifest


def _check_file(folder: Path, name: str, entry: Any) -> None:
    file = folder / name
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    if not inside or file.is_symlink() or not file.resolve().is_relative_to(folder.resolve()):
        raise FolderError("a file lies outside the folder", where=f"{folder}: {name}")
    if not isinstance(entry, dict) or not file.is_file():
        raise FolderError(
            "a file is missing", where=f"{folder}: {name}", hint="Fit again, or restore the folder."
        )
    if file.stat().st_size != entry.get("bytes") or sha256(file) != entry.get("sha256"):
        raise FolderError("a file was changed or cut off", where=f"{folder}: {name}", hint="Fit again.")


def sha256(file: Path) -> str:
    """Hex sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(file: Path, content: Any) -> None:
    """Write JSON (NaN refused) as UTF-8."""
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", "utf-8")


def read_json(file: Path) -> Any:
    """Read JSON; FolderError where it is missing, too large or malformed."""
    try:
        if file.stat().st_size > LARGEST_JSON:
            raise FolderError("larger than any file chiasm writes", where=str(file))
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, FolderError):
            raise
        raise FolderError(f"not readable as JSON: {type(error).__name__}", where=str(file)) from error


def write_tree(folder: Path, name: str, tree: Tree) -> None:
    """Write dicts, lists, numbers, strings and arrays as `name`.json and, for the arrays,
    `name`.safetensors.
    """
    arrays: dict[str, NDArray[Any]] = {}
    write_json(folder / f"{name}.json", _without_arrays(tree, arrays))
    if arrays:
        save_file(arrays, folder / f"{name}.safetensors")


def read_tree(folder: Path, name: str) -> Tree:
    """Read what `write_tree` wrote."""
    content = read_json(folder / f"{name}.json")
    file = folder / f"{name}.safetensors"
    try:
        arrays = load_file(file) if file.is_file() else {}
        return _with_arrays(content, arrays)
    except (SafetensorError, KeyError, OSError) as error:
        raise FolderError(f"arrays are damaged: {error}", where=str(file)) from error


def _without_arrays(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, np.ndarray):
        key = str(len(arrays))
        arrays[key] = np.ascontiguousarray(tree)
        return {_ARRAY: key}
    if isinstance(tree, np.generic):
        return tree.item()
    if isinstance(tree, Mapping):
        return {str(k): _without_arrays(v, arrays) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(v, arrays) for v in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise FolderError(
        f"cannot store a {type(tree).__name__}", hint="Learned attributes are arrays, numbers, text."
    )


def _with_arrays(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return arrays[tree[_ARRAY]]
        return {k: _with_arrays(v, arrays) for k, v in tree.items()}
    return [_with_arrays(v, arrays) for v in tree] if isinstance(tree, list) else tree
