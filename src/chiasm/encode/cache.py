"""Descriptions kept on disk by content: one SQLite file an encoder, bounded, safe to kill at any moment."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chiasm.checks import expanded
from chiasm.errors import FolderError, UsageError

LARGEST_CACHE = 4 * 2**30
LOCK_SECONDS = 60.0
"""How long to wait for another process."""
KEYS_A_QUERY = 500  # keys a query, below SQLite's limit on variables
MERGE = "PRAGMA wal_checkpoint(TRUNCATE)"  # the log into its database
SIZE_CHECKS = 16  # of the size on disk, while as much as the limit is written


@contextmanager
def opened(cache: Cache | None) -> Iterator[Cache]:
    """The given cache, or the user's, which is closed again."""
    if cache is not None:
        yield cache
        return
    own = Cache()
    try:
        yield own
    finally:
        own.close()


def cache_folder() -> Path:
    """Where features are kept: CHIASM_CACHE, or the user's cache folder."""
    if os.environ.get("CHIASM_CACHE"):
        return expanded(os.environ["CHIASM_CACHE"])
    home = expanded("~")
    if not home.is_absolute() and not os.environ.get("XDG_CACHE_HOME"):
        raise FolderError("the cache has no place: no home folder is known", hint="Set CHIASM_CACHE.")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "chiasm"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "chiasm" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "chiasm"


class Cache:
    """Vectors by encoder identity and content key.

    folder : None takes `cache_folder()`.
    limit : bytes; None takes CHIASM_CACHE_BYTES or 4 GiB. Over it, the files of the least recently used
        encoders are removed first, then the oldest half of the last file's rows.

    FolderError where the folder cannot be written.
    """

    def __init__(self, folder: str | Path | None = None, limit: int | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder()
        self.limit = limit if limit is not None else _limit()
        self._open: dict[str, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._unseen = self.limit  # bytes written since the last look at the size; the first write looks

    def get(self, identity: str, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """{key: (d,) vector} of the keys that are there."""
        found = {}
        with self._lock, self._clear_errors():
            for start in range(0, len(keys), KEYS_A_QUERY):
                some = [int(key) for key in keys[start : start + KEYS_A_QUERY]]
                found.update(self._read(identity, some))
        return found

    def _read(self, identity: str, keys: list[int]) -> dict[int, NDArray[np.float32]]:
        marks = ",".join("?" * len(keys))
        question = f"SELECT key, value FROM features WHERE key IN ({marks})"
        try:
            lines = self._connection(identity).execute(question, keys).fetchall()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged within: what it held is encoded again
            self._open.pop(identity).close()
            _remove(self.folder / f"{identity}.sqlite")
            return {}
        return {key: np.frombuffer(data, np.float32) for key, data in lines}

    def put(self, identity: str, keys: Sequence[int], values: NDArray[np.float32]) -> None:
        """Keep vectors (n, d); they are on disk when this returns."""
        lines = [
            (int(key), np.ascontiguousarray(v, np.float32).tobytes())
            for key, v in zip(keys, values, strict=True)
        ]
        with self._lock, self._clear_errors():
            connection = self._connection(identity)
            with connection:
                connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", lines)
            self._unseen += sum(len(data) for _, data in lines)
            if self._unseen * SIZE_CHECKS > self.limit:
                self._unseen = 0
                self._shrink(identity)

    def size(self) -> int:
        """Bytes on disk."""
        return sum(_stat(file)[1] for file in self._files())

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

    def _files(self) -> list[Path]:
        return list(self.folder.glob("*.sqlite*"))

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            raise FolderError(
                f"the cache cannot be used: {error}",
                where=str(self.folder),
                hint="Set CHIASM_CACHE to a folder that can be written.",
            ) from error

    def _connection(self, identity: str) -> sqlite3.Connection:
        if identity not in self._open:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{identity}.sqlite"
            try:
                self._open[identity] = _opened(path)
            except sqlite3.OperationalError:  # locked or out of reach, but whole
                raise
            except sqlite3.DatabaseError:  # torn or foreign: a cache may always be made anew
                _remove(path)
                self._open[identity] = _opened(path)
            path.touch()
        return self._open[identity]

    def _shrink(self, current: str) -> None:
        if self.size() <= self.limit:
            return
        for connection in self._open.values():
            connection.execute(MERGE)
        others = [f for f in self.folder.glob("*.sqlite") if f.stem != current]
        for file in sorted(others, key=_stat):
            if self.size() > self.limit:
                if file.stem in self._open:
                    self._open.pop(file.stem).close()
                _remove(file)
        while self.size() > self.limit and _halve(self._open[current]):
            pass


def _limit() -> int:
    text = os.environ.get("CHIASM_CACHE_BYTES", str(LARGEST_CACHE))
    if not text.isdecimal():
        raise UsageError(f"CHIASM_CACHE_BYTES must be a number of bytes, got {text!r}")
    return int(text)


def _stat(file: Path) -> tuple[int, int]:
    """Time of the last use, and bytes; zeros where another process has just removed the file."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _remove(path: Path) -> None:
    """Remove a database with its log, which must never meet another database of that name."""
    for suffix in ("-wal", "-shm", ""):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _halve(connection: sqlite3.Connection) -> int:
    """Remove the older half of the rows; returns how many."""
    with connection:
        removed = connection.execute(
            "DELETE FROM features WHERE rowid IN (SELECT rowid FROM features ORDER BY rowid "
            "LIMIT (SELECT (COUNT(*) + 1) / 2 FROM features))"
        ).rowcount
    connection.execute("VACUUM")
    connection.execute(MERGE)
    return removed


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)
    try:
        return _made_ready(connection)
    except sqlite3.DatabaseError:
        connection.close()
        raise


def _made_ready(connection: sqlite3.Connection) -> sqlite3.Connection:
    _turn_log_on(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    # a key of its own beside rowid, so that rowid tells the age
    connection.execute(
        "CREATE TABLE IF NOT EXISTS features (key INTEGER NOT NULL UNIQUE, value BLOB NOT NULL)"
    )
    connection.execute("SELECT key, value FROM features LIMIT 1").fetchone()
    return connection


def _turn_log_on(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite says "locked" at once while another process does the same."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)
