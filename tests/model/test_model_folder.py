"""Hostile model folders, their hashes made right again: refused with one clear line, and no code run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from birds import make_birds

import chiasm
from chiasm import storage
from chiasm.errors import ChiasmError, FolderError, UsageError

QUERY = {"caption": "a yellow bird trills"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = chiasm.fit(make_birds(tmp_path_factory.mktemp("birds"), n=60), target="species", fuse="late")
    return model.save(tmp_path_factory.mktemp("saved") / "m")


@pytest.fixture
def path(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "m"))


def sealed(path: Path) -> None:
    """Hashes and sizes as an attacker would write them."""
    manifest = json.loads((path / "manifest.json").read_text())
    files = [file for file in path.rglob("*") if file.is_file() and file.name != "manifest.json"]
    manifest["files"] = {
        file.relative_to(path).as_posix(): {"bytes": file.stat().st_size, "sha256": storage.sha256(file)}
        for file in files
    }
    (path / "manifest.json").write_text(json.dumps(manifest))


def stages(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        tree = storage.read_tree(path, "stages")
        change(tree)
        storage.write_tree(path, "stages", tree)

    return attack


def predictors(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        tree = storage.read_tree(path, "predictors")
        change(tree)
        storage.write_tree(path, "predictors", tree)

    return attack


def learned(tree: dict[str, Any], column: str) -> dict[str, Any]:
    state: dict[str, Any] = tree["encoders"][column]["state"]
    return state


def turned(state: dict[str, Any], name: str) -> None:
    state[name] = np.ascontiguousarray(state[name].T)


def document(name: str, change: Callable[[Any], Any]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        content = json.loads((path / name).read_text())
        changed = change(content)
        (path / name).write_text(json.dumps(content if changed is None else changed))

    return attack


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        changed = change(np.load(path / "index" / "0" / f"{name}.npy"))
        np.save(path / "index" / "0" / f"{name}.npy", changed)

    return attack


def pickled(path: Path) -> None:
    class Boom:
        def __reduce__(self) -> Any:
            return Path.touch, (path.parent / "boom",)

    np.save(path / "index" / "0" / "row.npy", np.array([Boom()], object), allow_pickle=True)


def parquet(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        table = pq.read_table(path / "rows.parquet")
        pq.write_table(change(table), path / "rows.parquet")

    return attack


def cut(name: str) -> Callable[[Path], Any]:
    def attack(path: Path) -> None:
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[: len(data) // 2])

    return attack


ATTACKS: dict[str, Callable[[Path], Any]] = {
    "unknown encoder": stages(lambda t: t["encoders"]["caption"].update(name="os:system")),
    "unknown aligner": stages(lambda t: t["align"].update(name="cca2")),
    "unknown fusion": stages(lambda t: t["fuse"].update(name=["mean"])),
    "a fusion as aligner": stages(lambda t: t["align"].update(name="mean", params={})),
    "another encoder": stages(lambda t: t["encoders"]["caption"].update(t["encoders"]["photo"])),
    "params of another": stages(lambda t: t["align"]["params"].update(shell="ls")),
    "params as a list": stages(lambda t: t["align"].update(params=[1])),
    "params of wrong types": stages(lambda t: t["align"]["params"].update(weight="heavy")),
    "no state": stages(lambda t: t["align"].pop("state")),
    "state as text": stages(lambda t: t["align"].update(state="maps_")),
    "empty state": stages(lambda t: t["align"].update(state={})),
    "state that hides a method": stages(lambda t: t["align"]["state"].update(project="x")),
    "state that is private": stages(lambda t: t["align"]["state"].update(__class__="x")),
    "encoder without state": stages(lambda t: t["encoders"]["caption"].update(state={})),
    "encoder width": stages(lambda t: t["encoders"]["caption"]["state"].update(width_=3)),
    "encoder width as text": stages(lambda t: t["encoders"]["caption"]["state"].update(width_="wide")),
    "encoder width without end": stages(lambda t: t["encoders"]["caption"]["state"].update(width_=10**15)),
    "a letter n-gram less": stages(lambda t: learned(t, "caption")["letters_"].pop()),
    "a word that is a list": stages(lambda t: learned(t, "caption")["words_"].__setitem__(0, [])),
    "no rarity of words": stages(lambda t: learned(t, "caption").pop("word_rarity_")),
    "directions turned": stages(lambda t: turned(learned(t, "caption"), "components_")),
    "components turned": stages(lambda t: turned(learned(t, "photo"), "projection_")),
    "components of infinity": stages(lambda t: learned(t, "photo")["projection_"].fill(np.inf)),
    "a mean as number": predictors(lambda t: learned(t[0], "clip").update(mean_=1.5)),
    "a mean of another length": predictors(
        lambda t: learned(t[0], "clip").update(mean_=np.zeros(7, np.float32))
    ),
    "a recipe less": predictors(lambda t: learned(t[0], "table")["columns_"]["site"]["parts"].clear()),
    "an infinite item": array("matrix", lambda a: np.where(np.arange(len(a))[:, None] == 3, np.inf, a)),
    "a huge background": array("background", lambda a: a * np.float32(1e30)),
    "an encoder less": stages(lambda t: t["encoders"].pop("caption")),
    "encoders as a list": stages(lambda t: t.update(encoders=[])),
    "maps as text": stages(lambda t: t["align"]["state"].update(maps_={"caption": "x"})),
    "maps of other columns": stages(lambda t: t["align"]["state"]["maps_"].pop("caption")),
    "a narrow map": stages(lambda t: t["align"]["state"]["maps_"].update(caption=np.zeros((2, 2)))),
    "a map of one line": stages(lambda t: t["align"]["state"]["maps_"].update(caption=np.zeros(3))),
    "no hubness": stages(lambda t: t.pop("hubness")),
    "a hubness bank of another width": stages(
        lambda t: t["hubness"].update(
            bank_={c: np.zeros((9, 1), np.float32) for c in ("caption", "clip", "photo")},
            settings_={"photo": {"caption": [5, 1.0]}},
        )
    ),
    "hubness settings as text": stages(lambda t: t["hubness"].update(settings_={"photo": {"caption": "x"}})),
    "baselines as text": stages(lambda t: t.update(baselines="none")),
    "stages as a list": lambda path: (path / "stages.json").write_text("[]"),
    "stages malformed": cut("stages.json"),
    "arrays cut off": cut("stages.safetensors"),
    "no arrays": lambda path: (path / "stages.safetensors").unlink(),
    "facts as a number": lambda path: (path / "facts.json").write_text("1"),
    "no facts": lambda path: (path / "facts.json").unlink(),
    "report as text": lambda path: (path / "report.json").write_text('"good"'),
    "report of wrong types": document("report.json", lambda r: r.update(directions=[{"query": 1}])),
    "parquet cut off": cut("rows.parquet"),
    "parquet of zeros": lambda path: (path / "rows.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1"),
    "parquet without schema": parquet(lambda t: t.replace_schema_metadata(None)),
    "parquet with fewer rows": parquet(lambda t: t.slice(0, 5)),
    "parquet without a column": parquet(lambda t: t.drop_columns(["caption"])),
    "parquet without row numbers": parquet(lambda t: t.drop_columns(["__row__"])),
    "no rows": lambda path: (path / "rows.parquet").unlink(),
    "rows beyond the table": array("row", lambda a: a + 1000),
    "negative rows": array("row", lambda a: a - 1000),
    "fewer places": array("row", lambda a: a[:-1]),
    "places of another type": array("row", lambda a: a.astype(float)),
    "a narrow matrix": array("matrix", lambda a: a[:, :-1]),
    "a matrix of text": array("matrix", lambda a: a.astype(str)),
    "a background of another width": array("background", lambda a: a[:, :1]),
    "a pickle": pickled,
    "a matrix cut off": cut("index/0/matrix.npy"),
    "a gallery of another column": document("index/0/gallery.json", lambda g: g.update(column="photo")),
    "gallery columns as a number": document("index/0/gallery.json", lambda g: g.update(columns=7)),
    "an index that is not there": document("index/0/gallery.json", lambda g: g.update(approximate=True)),
    "a gallery less": lambda path: shutil.rmtree(path / "index" / "0"),
    "columns as a number": document("manifest.json", lambda m: m.update(columns=3)),
    "columns as text": document("manifest.json", lambda m: m.update(columns="caption")),
    "no columns": document("manifest.json", lambda m: m.update(columns=[])),
    "columns swapped": document("manifest.json", lambda m: m.update(columns=m["columns"][::-1])),
    "columns that climb": document("manifest.json", lambda m: m.update(columns=["../../x"])),
    "notes as a number": document("manifest.json", lambda m: m.update(notes=3)),
    "broken of other fields": document("manifest.json", lambda m: m.update(broken=[{"x": 1}])),
    "broken as text": document("manifest.json", lambda m: m.update(broken=["x"])),
}


def test_a_report_of_another_version_is_named(path: Path) -> None:
    ATTACKS["report of wrong types"](path)
    sealed(path)
    with pytest.raises(FolderError, match=r"report\.json: another version's, or damaged.*Fit again"):
        chiasm.load(path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_folder_is_refused(path: Path, attack: str) -> None:
    ATTACKS[attack](path)
    sealed(path)
    with pytest.raises(ChiasmError) as caught:
        chiasm.load(path)
    assert len(str(caught.value)) < 1000
    assert not (path.parent / "boom").exists()


@pytest.mark.parametrize("attack", ["unknown aligner", "state that hides a method", "encoder without state"])
def test_a_record_that_makes_no_component_is_a_damaged_folder(path: Path, attack: str) -> None:
    ATTACKS[attack](path)
    sealed(path)
    with pytest.raises(FolderError, match=f"{path}: the folder is damaged"):
        chiasm.load(path)


def test_a_record_without_end_is_a_damaged_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def huge(*stages: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("chiasm.model.folder._check_fit", huge)
    with pytest.raises(FolderError, match="the folder is damaged"):
        chiasm.load(path)


def test_a_wrong_encoder_that_is_given_is_no_damage(tmp_path: Path) -> None:
    def lengths(cells: list[str]) -> np.ndarray:
        return np.array([[len(cell), 1.0] for cell in cells])

    made = chiasm.fit(make_birds(tmp_path, n=24), encoders={"caption": lengths}).save(tmp_path / "m")
    with pytest.raises(UsageError, match="Did you mean 'lexical'"):
        chiasm.load(made, encoders={"caption": "lexicall"})


def test_sealed_again_it_loads(path: Path) -> None:
    before = chiasm.load(path).search(QUERY)
    sealed(path)
    assert chiasm.load(path).search(QUERY) == before


@pytest.mark.parametrize("name", ["report.json", "index/0/ivf.faiss", "stages.safetensors"])
def test_what_the_manifest_does_not_list_is_not_used(path: Path, name: str) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"].pop(name, None)
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / name).write_bytes(b"{}")
    with pytest.raises(ChiasmError, match="not in the manifest"):
        chiasm.load(path)


@pytest.mark.parametrize("place", ["nowhere", "birds.csv", "empty"])
def test_what_is_no_model_folder_says_so(tmp_path: Path, place: str) -> None:
    make_birds(tmp_path, n=5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ChiasmError, match="chiasm fit DATA -o MODEL"):
        chiasm.load(tmp_path / place)


@pytest.mark.parametrize("moment", ["gone", "there again"])
def test_a_folder_that_is_replaced_while_it_is_read_is_read_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    other = chiasm.load(path).remove(["b001"]).save(path.parent / "other")
    read = storage.read_tree

    def replaced(folder: Path, name: str) -> Any:
        monkeypatch.undo()
        stages = read(folder, name) if moment == "there again" else None
        shutil.rmtree(path)
        try:
            return stages or read(folder, name)
        finally:
            other.rename(path)

    monkeypatch.setattr(storage, "read_tree", replaced)
    model = chiasm.load(path)
    assert len(model.rows) == 59
    assert all(gallery.row.max() < 59 for gallery in model.galleries.values())
