"""Folders are whole or not there; what is stored comes back; hostile folders get a clear refusal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import SafetensorError

from chiasm import storage
from chiasm.errors import FolderError

DTYPES = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)]
DTYPES += [np.dtype(name) for name in ("float16", "float32", "float64", "bool", ">f4", ">i8")]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["$array", "$", "$$array"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
TREES = st.recursive(
    LEAVES | ARRAYS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


def same(a: Any, b: Any) -> bool:
    """Equal in type, shape and bits; NaN in an array is a value like any other."""
    if isinstance(a, np.ndarray):
        return (
            a.shape == b.shape
            and a.dtype == b.dtype.newbyteorder(a.dtype.byteorder)
            and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_tree_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    folder = tmp_path_factory.mktemp("tree")
    storage.write_tree(folder, "tree", tree)
    assert same(tree, storage.read_tree(folder, "tree"))


def test_strided_arrays_and_numpy_scalars_come_back_as_numbers(tmp_path: Path) -> None:
    wide = np.arange(12.0).reshape(3, 4)
    tree = {
        "turned": wide.T,
        "part": wide[:, ::2],
        "one": np.float32(0.5),
        "yes": np.bool_(True),
        "t": (1, 2),
    }
    storage.write_tree(tmp_path, "tree", tree)
    back = storage.read_tree(tmp_path, "tree")
    np.testing.assert_array_equal(back["turned"], wide.T)
    np.testing.assert_array_equal(back["part"], wide[:, ::2])
    assert (back["one"], back["yes"], back["t"]) == (0.5, True, [1, 2])


@pytest.mark.parametrize(
    "tree",
    [
        float("nan"), float("inf"), {1: "a key that is no text"}, {"set"}, b"bytes", object(), "\ud800",
        np.array(["text"]), np.array([object()]), np.array([1j]), np.datetime64("2026-01-01"),
        np.longdouble(1), np.zeros(2, np.longdouble),
    ],
    ids=repr,
)  # fmt: skip
def test_what_cannot_come_back_is_refused(tmp_path: Path, tree: Any) -> None:
    with pytest.raises(FolderError):
        storage.write_tree(tmp_path, "tree", {"inside": [tree]})


# Written aside and renamed


def make(path: Path, text: str = "old", **options: Any) -> Path:
    with storage.new_folder(path, **options) as folder:
        (folder / "sub").mkdir()
        storage.write_tree(folder, "stages", {"text": text, "array": np.arange(3.0)})
        (folder / "sub" / "a.txt").write_text(text)
        storage.write_manifest(folder, {"text": text})
    return path


def content(path: Path) -> str:
    return str(storage.read_manifest(path)["text"])


def test_a_folder_appears_whole_with_the_rights_others_have(tmp_path: Path) -> None:
    path = make(tmp_path / "new" / "m")
    (tmp_path / "plain").mkdir()
    assert content(path) == "old"
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert os.listdir(path.parent) == ["m"]


def test_an_existing_output_stays(tmp_path: Path) -> None:
    path = make(tmp_path / "m")
    with pytest.raises(FolderError, match="--overwrite"):
        make(path, "new")
    assert content(path) == "old"
    assert content(make(path, "new", overwrite=True)) == "new"
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_overwrite_never_replaces_what_is_no_model(tmp_path: Path, kind: str) -> None:
    path, precious = tmp_path / "m", tmp_path / "home"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path = precious
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "nowhere")
    with pytest.raises(FolderError, match="no model folder"):
        make(path, overwrite=True)
    assert (precious / "thesis.txt").read_text() == "years"
    assert os.path.lexists(path)


def test_overwrite_replaces_an_empty_folder_and_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert content(make(tmp_path / "empty", overwrite=True)) == "old"
    real, link = make(tmp_path / "real"), tmp_path / "link"
    link.symlink_to(real)
    assert content(make(link, "new", overwrite=True)) == "new"
    assert content(real) == "new"
    assert link.is_symlink()


def test_what_was_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = make(tmp_path / "m")
    was = storage.fingerprint(path)
    assert content(make(path, "mine", overwrite=True, was=was)) == "mine"
    for before in (was, ""):
        with pytest.raises(FolderError, match=r"another process changed the model meanwhile\. Run it again"):
            make(path, "other", overwrite=True, was=before)
    assert content(path) == "mine"
    shutil.rmtree(path)
    with pytest.raises(FolderError, match="another process"):  # it is just being replaced, or gone
        make(path, "other", overwrite=True, was=was)
    assert os.listdir(tmp_path) == []


def test_of_two_who_replace_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = make(tmp_path / "m"), Path.replace

    def overtaken(self: Path, target: Path) -> Path:
        if self.name == "new":
            monkeypatch.undo()
            make(path, "quicker")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", overtaken)
    with pytest.raises(FolderError, match="another process"):
        make(path, "new", overwrite=True)
    assert content(path) == "quicker"
    assert os.listdir(tmp_path) == ["m"]


def test_what_came_to_be_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m"
    with pytest.raises(FolderError, match="the output exists"), storage.new_folder(path) as folder:  # noqa: PT012
        (folder / "a").write_text("mine")
        make(path, "theirs")
    assert content(path) == "theirs"
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("place", ["file/m", "file/deep/m", "loop/m", "x" * 300])
def test_where_nothing_can_be_written_is_found_before_the_work(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for attempt in (storage.check_free, lambda path: storage.new_file(path).__enter__()):
        with pytest.raises(FolderError, match=f"{place}: cannot write there"):
            attempt(tmp_path / place)
    storage.check_free(tmp_path / "new" / "deep" / "m")
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    real, link = tmp_path / "deep" / "page.html", tmp_path / "link.html"
    for text in ("old", "new"):
        with storage.new_file(real) as file:
            assert file.suffix == ".html"
            file.write_text(text)
    link.symlink_to(real)
    full = pytest.raises(FolderError, match=f"{link}: cannot write there: No space")
    with full, storage.new_file(link) as file:
        file.write_text("half")
        raise OSError(28, "No space left on device")
    assert (real.read_text(), link.is_symlink(), os.listdir(real.parent)) == ("new", True, ["page.html"])
    with storage.new_file(link) as file:
        file.write_text("whole")
    assert (real.read_text(), link.is_symlink()) == ("whole", True)
    with storage.new_file(Path(os.devnull)) as file:
        file.write_text("never a file")
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, ValueError("no"), OSError(28, "No space left on device")]
)
def test_a_failure_leaves_nothing_and_the_former_whole(tmp_path: Path, error: Any) -> None:
    path = make(tmp_path / "m")
    for target in (path, tmp_path / "other"):
        with pytest.raises((KeyboardInterrupt, ValueError, FolderError)) as caught:  # noqa: PT012, SIM117
            with storage.new_folder(target, overwrite=True) as folder:
                (folder / "half").write_text("…")
                raise error
        if isinstance(error, OSError):
            assert "No space left" in str(caught.value)
            assert isinstance(caught.value, FolderError)
    assert os.listdir(tmp_path) == ["m"]
    assert content(path) == "old"


def test_interrupted_between_the_two_renames_the_former_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "m")
    rename = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(path, "new", overwrite=True)
    assert content(path) == "old"
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("place", ["file/m", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError):
        make(tmp_path / place)


WRITER = """
import sys, time
from pathlib import Path
from chiasm import storage
with storage.new_folder(Path(sys.argv[1]), overwrite=True) as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(("sent", "leftovers"), [(signal.SIGKILL, 1), (signal.SIGINT, 0)])
def test_killed_while_writing_the_former_is_whole(tmp_path: Path, sent: int, leftovers: int) -> None:
    path = make(tmp_path / "m")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdout=-1,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"writing\n"
        time.sleep(0.05)
        process.send_signal(sent)
        process.wait(20)
    assert content(path) == "old"
    left = sorted(set(os.listdir(tmp_path)) - {"m"})
    assert len(left) == leftovers
    assert all(name.startswith(".m.") for name in left)
    assert content(make(path, "new", overwrite=True)) == "new"


# Hostile folders


def change_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        manifest = json.loads((path / "manifest.json").read_text())
        manifest = change(manifest) or manifest
        (path / "manifest.json").write_text(json.dumps(manifest))

    return attack


def listed(name: str, entry: Any = None) -> Callable[[Path], Any]:
    stated = {"bytes": 0, "sha256": ""} if entry is None else entry
    return change_manifest(lambda m: m["files"].update({name: stated}))


def whole(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": storage.sha256(file)}


def outside(name: str) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        secret = path.parent / "secret.txt"
        secret.write_text("secret")
        listed(name.format(secret=secret), whole(secret))(path)

    return attack


def linked(path: Path) -> None:
    (path.parent / "secret.txt").write_text("old")
    (path / "sub" / "a.txt").unlink()
    (path / "sub" / "a.txt").symlink_to(path.parent / "secret.txt")


def linked_folder(path: Path) -> None:
    (path / "sub").rename(path.parent / "sub")
    (path / "sub").symlink_to(path.parent / "sub")


def unlisted_link(path: Path) -> None:
    linked_folder(path)
    change_manifest(lambda m: m["files"].pop("sub/a.txt") and None)(path)


def write(name: str, data: str | bytes) -> Callable[[Path], Any]:
    return lambda path: (path / name).write_bytes(data.encode() if isinstance(data, str) else data)


def cut(path: Path) -> None:
    file = path / "stages.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def flipped(path: Path) -> None:
    file = path / "stages.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def huge(path: Path) -> None:
    with (path / "manifest.json").open("r+b") as file:
        file.truncate(storage.LARGEST_JSON + 1)  # sparse: takes no room


ATTACKS: dict[str, Callable[[Path], Any]] = {
    "no manifest": lambda path: (path / "manifest.json").unlink(),
    "a manifest that is a folder": lambda path: (
        (path / "manifest.json").unlink(),
        (path / "manifest.json").mkdir(),
    ),
    "path traversal": outside("../secret.txt"),
    "traversal through a folder": outside("sub/../../secret.txt"),
    "absolute path": outside("{secret}"),
    "a link out": linked,
    "a folder that is a link out": linked_folder,
    "an unlisted link out": unlisted_link,
    "changed byte": flipped,
    "cut off": cut,
    "missing file": lambda path: (path / "sub" / "a.txt").unlink(),
    "a stranger": write("report.json", "{}"),
    "a stranger below": write("sub/ivf.faiss", "x"),
    "another format": change_manifest(lambda m: m.update(format=1)),
    "format as text": change_manifest(lambda m: m.update(format="2")),
    "no format": change_manifest(lambda m: m.pop("format") and None),
    "a list of files": change_manifest(lambda m: m.update(files=[])),
    "a list": change_manifest(lambda m: [m]),
    "a number": change_manifest(lambda m: 7),
    "an entry of text": listed("sub/a.txt", "x"),
    "an entry of wrong types": listed("sub/a.txt", {"bytes": "3", "sha256": 7}),
    "an empty name": listed(""),
    "a name with a null": listed("a\0b"),
    "a name too long": listed("x" * 5000),
    "a surrogate name": listed("\ud800"),
    "a file under a file": listed("manifest.json/x"),
    "huge JSON": huge,
    "malformed JSON": write("manifest.json", '{"format": 1,'),
    "not UTF-8": write("manifest.json", b"\xff\xfe{}"),
    "deep JSON": write("manifest.json", "[" * 100_000),
    "a number of many digits": write("manifest.json", '{"format": 1' + "0" * 10_000 + "}"),
    "empty": write("manifest.json", ""),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_folder_is_refused(tmp_path: Path, attack: str) -> None:
    path = make(tmp_path / "m")
    ATTACKS[attack](path)
    with pytest.raises(FolderError) as caught:
        storage.read_manifest(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_hidden_files_of_the_system_are_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path / "m")
    (path / ".DS_Store").write_text("")
    (path / ".cache").mkdir()
    (path / ".cache" / "x").write_text("")
    assert content(path) == "old"


def header(stated: dict[str, Any], data: bytes = b"\0" * 24) -> bytes:
    text = json.dumps(stated).encode()
    return len(text).to_bytes(8, "little") + text + data


HEADERS = {
    "a length beyond the file": (2**60).to_bytes(8, "little") + b"{}",
    "offsets beyond the file": header({"0": {"dtype": "F64", "shape": [9], "data_offsets": [0, 72]}}),
    "shape and offsets disagree": header({"0": {"dtype": "F64", "shape": [4], "data_offsets": [0, 24]}}),
    "an unknown dtype": header({"0": {"dtype": "PY", "shape": [3], "data_offsets": [0, 24]}}),
    "a dtype numpy lacks": header({"0": {"dtype": "BF16", "shape": [12], "data_offsets": [0, 24]}}),
    "another name": header({"1": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}}),
    "no header": b"",
    "a pickle": b"cos\nsystem\n(S'exit 1'\ntR.",
}


@pytest.mark.parametrize("lie", HEADERS)
def test_a_lying_header_is_refused(tmp_path: Path, lie: str) -> None:
    storage.write_tree(tmp_path, "tree", {"a": np.zeros(3)})
    (tmp_path / "tree.safetensors").write_bytes(HEADERS[lie])
    with pytest.raises(FolderError):
        storage.read_tree(tmp_path, "tree")


@pytest.mark.parametrize("text", ['{"$array": {}}', '{"$array": "7"}', "[" * 900 + "]" * 900, "", "NaN,"])
def test_a_damaged_tree_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "tree.json").write_text(text)
    with pytest.raises(FolderError):
        storage.read_tree(tmp_path, "tree")


def test_every_file_has_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        storage.write_tree(tmp_path, "tree", {"a": np.ones(3)})
    finally:
        os.umask(before)
    assert {stat.filemode(file.stat().st_mode) for file in tmp_path.iterdir()} == {"-rw-r-----"}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_named_by_whoever_meets_it(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot write there"), storage.new_folder(tmp_path / "m"):
        raise SafetensorError("No space left on device")
    assert not list(tmp_path.iterdir())
