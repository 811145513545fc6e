"""The identity of a model on disk: a hash of its files' contents, read once per file and process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from chiasm.storage import sha256

DESCRIBING = {".json", ".txt", ".model", ".safetensors", ".jinja"}
"""Suffixes of configuration, tokenizer and weights; nothing else in a folder changes a model's vectors."""


def file_hash(file: Path) -> str:
    """Hex sha256 of a file; read again only where its time or size has changed."""
    stat = file.stat()
    return _hash(file.resolve(), stat.st_mtime_ns, stat.st_size)


def folder_hashes(folder: Path) -> dict[str, str]:
    """{relative path: hash} of all files below `folder` that the model's vectors depend on."""
    files = sorted(f for f in folder.rglob("*") if f.suffix in DESCRIBING and f.is_file())
    return {file.relative_to(folder).as_posix(): file_hash(file) for file in files}


@lru_cache(maxsize=4096)
def _hash(file: Path, mtime_ns: int, size: int) -> str:
    return sha256(file)
