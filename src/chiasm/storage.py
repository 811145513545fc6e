"""Folders and files written aside and renamed; folders read with their hashes checked, never running code."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from chiasm.checks import expanded
from chiasm.errors import ChiasmError, FolderError

FORMAT = 2
MANIFEST = "manifest.json"
LARGEST_JSON = 256 * 2**20
CHANGED = "another process changed the model meanwhile"
_ARRAY = "$array"

Tree = Any


@contextmanager
def new_folder(path: Path, *, overwrite: bool = False, was: str | None = None) -> Iterator[Path]:
    """A folder to write into that takes the place of `path` only when everything is written.

    was : the `fingerprint` that what is replaced must still have, so that of two who read, change and write
        one folder at a time neither undoes what the other did; None replaces whatever is there.

    Interrupted it leaves `path` as it was; killed it may leave a hidden folder beside it, in which a model
    that was being replaced lies whole. A link stays, and what it leads to is replaced. Raises FolderError
    where nothing can be written, and where `path` exists, unless `overwrite` is set; even then only a former
    model folder or an empty one is replaced.
    """
    check_free(path, overwrite=overwrite)
    with _written(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            (aside / "new").mkdir()
            yield aside / "new"
            check_free(path, overwrite=overwrite)  # somebody may have written there meanwhile
            _replace(path, aside, was)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of `path` only when it is whole; its folder is made where there is
    none. What is no file, as a device, is written as it is. FolderError where nothing can be written."""
    with _written(path):
        place = Path(os.path.realpath(expanded(path)))
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_file():
            yield place
            return
        aside = Path(tempfile.mkdtemp(prefix=".chiasm.", dir=place.parent))
        try:
            yield aside / place.name
            (aside / place.name).replace(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Raise FolderError unless a folder may and can be written at `path`; nothing is left there."""
    with _written(path):
        if os.path.lexists(path):
            _check_replaceable(path, overwrite)
        missing = Path(os.path.realpath(path))
        while not os.path.lexists(missing.parent):
            missing = missing.parent
        Path(tempfile.mkdtemp(prefix=f".{missing.name}.", dir=missing.parent)).rmdir()


def _check_replaceable(path: Path, overwrite: bool) -> None:
    if not overwrite:
        raise FolderError(
            "the output exists", where=str(path), hint="overwrite=True (--overwrite) replaces it."
        )
    if not path.is_dir() or (any(path.iterdir()) and not (path / MANIFEST).is_file()):
        what = "the output exists and is no model folder, so it is not replaced"
        raise FolderError(what, where=str(path), hint="Remove it.")


def fingerprint(path: Path) -> str:
    """What tells one state of a model folder from another: the hash of its manifest; "" where it has none."""
    try:
        return sha256(path / MANIFEST)
    except OSError:
        return ""


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """What the system refuses while `path` is written, as FolderError."""
    try:
        yield
    except ChiasmError:
        raise
    except OSError as error:
        raise FolderError(f"cannot write there: {error.strerror or error}", where=str(path)) from error
    except SafetensorError as error:  # what safetensors says of a full disk
        raise FolderError(f"cannot write there: {error}", where=str(path)) from error


def _replace(path: Path, aside: Path, was: str | None) -> None:
    """Put `aside`/new in the place of `path`, and what was there, if anything, into `aside`/old.

    Of several processes one alone can rename what is there, so that what it then holds is what it replaces.
    """
    old = aside / "old"
    try:
        with suppress(FileNotFoundError):
            path.replace(old)
        if was is not None and fingerprint(old) != was:
            raise FolderError(CHANGED, where=str(path), hint="Run it again.")
        (aside / "new").replace(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another one was quicker
            raise FolderError(CHANGED, where=str(path), hint="Run it again.") from error
        raise
    finally:
        if os.path.lexists(old) and not os.path.lexists(path):
            old.replace(path)


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
    _check_unlisted(folder, manifest["files"])
    return manifest


def _check_file(folder: Path, name: str, entry: Any) -> None:
    file, where = folder / name, f"{folder}: {name!r:.200}"
    try:
        whole = file.is_file() and isinstance(entry, dict) and file.stat().st_size == entry.get("bytes")
        inside = ".." not in Path(name).parts and file.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError) as error:  # a name that no file can have
        raise FolderError("the manifest names what cannot be a file", where=where) from error
    if not inside or file.is_symlink():
        raise FolderError("a file lies outside the folder", where=where)
    if not whole or sha256(file) != entry.get("sha256"):
        raise FolderError(
            "a file is missing, changed or cut off", where=where, hint="Restore the folder, or fit again."
        )


def _check_unlisted(folder: Path, files: Mapping[str, Any]) -> None:
    """Refuse what is there but not in the manifest, so that nothing unchecked is ever read.

    Hidden files are left alone: systems put them everywhere, and no name that is read begins with a dot.
    """
    for found in sorted(folder.rglob("*")):
        name = found.relative_to(folder)
        known = name.as_posix() in {*files, MANIFEST} or any(part.startswith(".") for part in name.parts)
        if not known and (found.is_symlink() or not found.is_dir()):
            raise FolderError(
                "a file is not in the manifest", where=f"{folder}: {str(name)!r}", hint="Remove it."
            )


def sha256(file: Path) -> str:
    """Hex sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(file: Path, content: Any) -> None:
    """Write JSON as UTF-8; FolderError for what JSON cannot hold, NaN and infinity among it."""
    try:
        file.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", "utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise FolderError(f"cannot be written as JSON: {error}", where=file.name) from error


def read_json(file: Path) -> Any:
    """Read JSON; FolderError where it is missing, too large or malformed."""
    try:
        if file.stat().st_size > LARGEST_JSON:
            raise FolderError("larger than any file chiasm writes", where=str(file))
        return json.loads(file.read_text("utf-8"))
    except FolderError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise FolderError(f"not readable as JSON: {type(error).__name__}", where=str(file)) from error


def write_tree(folder: Path, name: str, tree: Tree) -> None:
    """Write dicts, lists, numbers, strings and arrays as `name`.json, the arrays as `name`.safetensors.

    Tuples come back as lists, numpy scalars as Python numbers. NaN and infinity live in arrays only.
    """
    arrays: dict[str, NDArray[Any]] = {}
    write_json(folder / f"{name}.json", _without_arrays(tree, arrays))
    if arrays:
        save_file(arrays, folder / f"{name}.safetensors")
        # safetensors writes for its owner only, whatever the umask says
        shutil.copymode(folder / f"{name}.json", folder / f"{name}.safetensors")


def read_tree(folder: Path, name: str) -> Tree:
    """Read what `write_tree` wrote."""
    content = read_json(folder / f"{name}.json")
    file = folder / f"{name}.safetensors"
    try:
        arrays = load_file(file) if file.is_file() else {}
        if not all(_storable(array) for array in arrays.values()):
            raise TypeError("of a type that is never written")  # readable where a library adds it to numpy
        return _with_arrays(content, arrays)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError, RecursionError) as error:
        raise FolderError(f"arrays are damaged: {error}", where=str(file)) from error


def _without_arrays(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, np.ndarray) and _storable(tree):
        key = str(len(arrays))
        arrays[key] = np.asarray(tree, order="C")
        return {_ARRAY: key}
    if isinstance(tree, np.bool_ | np.integer | np.floating):
        return tree.item()
    if isinstance(tree, Mapping) and all(isinstance(key, str) for key in tree):
        return {_escaped(k): _without_arrays(v, arrays) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(v, arrays) for v in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise FolderError(
        f"cannot store a {type(tree).__name__}",
        hint="Only numbers, text, lists, dicts and arrays of numbers.",
    )


def _storable(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "fiub" and array.itemsize <= 8


def _with_arrays(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, dict):
        if tree.keys() == {_ARRAY}:
            return arrays[tree[_ARRAY]]
        return {k.removeprefix("$"): _with_arrays(v, arrays) for k, v in tree.items()}
    return [_with_arrays(v, arrays) for v in tree] if isinstance(tree, list) else tree


def _escaped(key: str) -> str:
    """The key of a dict, told apart from the mark of an array by one more $."""
    return f"${key}" if key.startswith("$") else key
