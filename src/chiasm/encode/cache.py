"""Descriptions kept on disk by content: one SQLite file an encoder, bounded, safe to kill at any moment."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIMIT = 4 * 2**30
ASKED = 500  # keys a query, below SQLite's limit on variables
CHECKED = 64  # batches written between two looks at the size


def cache_folder() -> Path:
    """Where features are kept: CHIASM_CACHE, or the user's cache folder."""
    if os.environ.get("CHIASM_CACHE"):
        return Path(os.environ["CHIASM_CACHE"]).expanduser()
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "chiasm"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "chiasm" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "chiasm"


class Cache:
    """Vectors by encoder identity and content key.

    folder : None takes `cache_folder()`.  limit : bytes; None takes CHIASM_CACHE_BYTES or 4 GiB. Over it, the files
    of the encoders not used for longest go first, then the oldest half of the last file's rows.
    """

    def __init__(self, folder: str | Path | None = None, limit: int | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder()
        self.limit = limit if limit is not None else int(os.environ.get("CHIASM_CACHE_BYTES", LIMIT))
        self._open: dict[str, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._written = 0

    def get(self, identity: str, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """{key: (d,) vector} of the keys that are there."""
        with self._lock:
            connection = self._connection(identity)
            found = {}
            for start in range(0, len(keys), ASKED):
                some = [int(key) for key in keys[start : start + ASKED]]
                marks = ",".join("?" * len(some))
                for key, data in connection.execute(f"SELECT key, value FROM features WHERE key IN ({marks})", some):
                    found[key] = np.frombuffer(data, np.float32)
        return found

    def put(self, identity: str, keys: Sequence[int], values: NDArray[np.float32]) -> None:
        """Keep vectors (n, d); they are on disk when this returns."""
        lines = [(int(key), np.ascontiguousarray(v, np.float32).tobytes()) for key, v in zip(keys, values, strict=True)]
        with self._lock:
            connection = self._connection(identity)
            with connection:
                connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", lines)
            self._written += 1
            if self._written % CHECKED == 0:
                self._shrink(identity)

    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self._files())

    def clear(self) -> int:
        """Remove everything; returns the bytes set free."""
        freed = self.size()
        self.close()
        for file in self._files():
            file.unlink(missing_ok=True)
        return freed

    def close(self) -> None:
        """Close the files; the next use opens them again."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _files(self) -> Iterator[Path]:
        return self.folder.glob("*.sqlite*")

    def _connection(self, identity: str) -> sqlite3.Connection:
        if identity not in self._open:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{identity}.sqlite"
            try:
                self._open[identity] = _opened(path)
            except sqlite3.DatabaseError:
                # torn or foreign: a cache may always be made anew
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
                self._open[identity] = _opened(path)
            path.touch()
        return self._open[identity]

    def _shrink(self, current: str) -> None:
        others = sorted(
            (f for f in self.folder.glob("*.sqlite") if f.stem not in self._open), key=lambda f: f.stat().st_mtime
        )
        for file in others:
            if self.size() <= self.limit:
                return
            file.unlink(missing_ok=True)
        if self.size() > self.limit:
            connection = self._open[current]
            with connection:
                connection.execute(
                    "DELETE FROM features WHERE rowid IN "
                    "(SELECT rowid FROM features ORDER BY rowid LIMIT (SELECT COUNT(*) / 2 FROM features))"
                )
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # a key of its own beside rowid, so that rowid tells the age
    connection.execute("CREATE TABLE IF NOT EXISTS features (key INTEGER NOT NULL UNIQUE, value BLOB NOT NULL)")
    connection.execute("SELECT key, value FROM features LIMIT 1").fetchone()
    return connection
