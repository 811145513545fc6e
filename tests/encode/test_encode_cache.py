"""The cache: its folder, its bound, and what happens when its files are damaged or out of reach."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest

from chiasm.encode.cache import Cache, cache_folder
from chiasm.errors import FolderError, UsageError

LIMIT = 200_000


def fill(cache: Cache, identity: str, batches: int = 40) -> None:
    """About 410 kB of vectors."""
    for i in range(batches):
        cache.put(identity, range(10 * i, 10 * i + 10), np.full((10, 256), i, np.float32))


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((1200, 3)).astype(np.float32)
    keys = [*range(-600, 0), *range(2**63 - 600, 2**63)]
    Cache(tmp_path).put("one", keys, values)
    found = Cache(tmp_path).get("one", keys)
    np.testing.assert_array_equal([found[key] for key in keys], values)
    assert Cache(tmp_path).get("one", [7]) == {}


def test_the_bound_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIASM_CACHE_BYTES", str(LIMIT))
    cache = Cache(tmp_path)
    for i in range(40):
        fill(cache, "one", 1 + i % 2)
        cache.put("one", range(1000 + 10 * i, 1010 + 10 * i), np.full((10, 256), i, np.float32))
        assert cache.size() < 1.5 * LIMIT, "a look follows each sixteenth of the limit"
    assert 1390 in cache.get("one", [1390]), "the newest are kept"
    assert 1000 not in cache.get("one", [1000]), "the oldest go"


def test_the_encoder_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=1_300_000)
    fill(cache, "old")
    fill(cache, "newer")
    fill(cache, "newest")
    assert {file.stem for file in tmp_path.glob("*.sqlite")} == {"newer", "newest"}
    assert len(cache.get("newer", range(400))) == 400
    assert len(cache.get("newest", range(400))) == 400


def test_many_short_runs_stay_within_the_bound(tmp_path: Path) -> None:
    for i in range(60):
        cache = Cache(tmp_path, limit=LIMIT)
        cache.put("one", range(10 * i, 10 * i + 10), np.ones((10, 256), np.float32))
        cache.close()
    assert Cache(tmp_path).size() < 1.5 * LIMIT


def test_a_removed_database_takes_its_log_with_it(tmp_path: Path) -> None:
    holder, other = Cache(tmp_path), Cache(tmp_path, limit=1)
    fill(holder, "one", 3)
    assert (tmp_path / "one.sqlite-wal").exists()
    other.put("two", [1], np.ones((1, 256), np.float32))
    assert not list(tmp_path.glob("one*"))
    holder.put("one", [5], np.ones((1, 256), np.float32))  # into a file that no name leads to any more
    assert Cache(tmp_path).get("one", [5]) == {}


def test_clear_frees_everything_and_the_cache_goes_on(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    fill(cache, "one")
    size = cache.size()
    assert size > 400_000
    assert cache.clear() == size
    assert cache.size() == 0
    fill(cache, "one", 1)
    assert len(cache.get("one", range(10))) == 10
    assert Cache(tmp_path / "never").clear() == 0


@pytest.mark.parametrize("bytes_", [b"", b"no database at all" * 100])
def test_a_torn_file_is_made_anew(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / "one.sqlite").write_bytes(bytes_)
    fill(cache := Cache(tmp_path), "one", 1)
    assert len(cache.get("one", range(10))) == 10


def test_a_locked_file_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache := Cache(tmp_path), "one", 1)
    cache.close()

    def locked(path: Path) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("chiasm.encode.cache._opened", locked)
        with pytest.raises(FolderError, match=r"database is locked\. Set CHIASM_CACHE"):
            cache.get("one", [1])
    assert len(cache.get("one", range(10))) == 10


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderError, match="the cache cannot be used"):
        Cache(tmp_path / "file" / "cache").get("one", [1])


def test_the_folder_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHIASM_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == Cache().folder == tmp_path / "mine"
    monkeypatch.delenv("CHIASM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for platform, expected in {
        "linux": tmp_path / "xdg" / "chiasm",
        "darwin": Path.home() / "Library" / "Caches" / "chiasm",
    }.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert cache_folder() == expected


def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHIASM_CACHE_BYTES", "4GB")
    with pytest.raises(UsageError, match="CHIASM_CACHE_BYTES must be a number of bytes, got '4GB'"):
        Cache(tmp_path)


def test_without_a_home_the_place_to_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHIASM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(FolderError, match="no home folder"):
        cache_folder()
