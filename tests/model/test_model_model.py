"""The model's verbs on a small collection with gaps, in memory and after a walk through a folder."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from birds import make_birds

import chiasm
from chiasm.encode.vector import Vector
from chiasm.errors import ChiasmError, DataError, FolderError, UsageError
from chiasm.model import Model
from chiasm.model.query import Hit

CAPTION = "a yellow bird trills"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_birds(tmp_path_factory.mktemp("birds"), n=120)


@pytest.fixture(scope="module")
def model(table: Path) -> Model:
    return chiasm.fit(table, target="species", fuse="none")


@pytest.fixture(scope="module")
def loaded(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return chiasm.load(model.save(tmp_path_factory.mktemp("saved") / "birds.chiasm"))


def photo(model: Model, row: int = 0) -> str:
    """A path of a photo that is there, of the row-th row that has one."""
    return str(list(model.rows.cells("photo"))[row].value)


def clip(model: Model) -> str:
    return str(next(model.rows.cells("clip")).value)


def questions(model: Model) -> Iterator[dict[str, Any]]:
    """One of every kind of question."""
    for find in (None, "photo", "clip", "caption"):
        yield {"query": {"caption": CAPTION}, "find": find}
        yield {"query": {"photo": photo(model)}, "find": find}
        yield {"query": {"clip": clip(model)}, "find": find}
        yield {"query": {"caption": CAPTION, "clip": clip(model)}, "find": find}
        yield {"query": {"caption": CAPTION}, "find": find, "where": 'site == "marsh"'}
        yield {"query": {"caption": CAPTION}, "find": find, "like": ["b001", "b006"], "unlike": ["b002"]}
        yield {"like": ["b001"], "find": find}
        yield {"unlike": ["b001"], "find": find}
        yield {"query": {"photo": Path(photo(model)).read_bytes()}, "find": find, "data": model.rows[30:60]}


def test_every_column_finds_every_other(model: Model) -> None:
    species = dict(zip(model.rows.ids, model.rows.values("species"), strict=True))
    place = model.rows.values("photo").index(next(v for v in model.rows.values("photo") if v))
    asked = {"photo": photo(model), "caption": CAPTION}
    wanted = {"photo": model.rows.values("species")[place], "caption": "canary"}
    for column, value in asked.items():
        for find in model.columns:
            hits = model.search({column: value}, find, k=5)
            assert {hit.column for hit in hits} == {find}
            assert [species[hit.row] for hit in hits].count(wanted[column]) >= 4


def test_the_answer_is_one_column_or_any(model: Model) -> None:
    hits = model.search({"caption": CAPTION}, k=60)
    assert {hit.column for hit in hits} == set(model.columns)
    for column in model.columns:
        alone = model.search({"caption": CAPTION}, column, k=60)
        among = [hit for hit in hits if hit.column == column]
        assert among == alone[: len(among)]


def test_hits_are_sorted_and_their_shares_add_up(model: Model) -> None:
    for question in questions(model):
        hits = model.search(**question, k=7)
        assert hits
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            assert sum(hit.shares.values()) == pytest.approx(hit.score, abs=1e-6)
            assert all(np.isfinite(share) for share in hit.shares.values())


def test_shares_name_the_parts_of_the_question(model: Model) -> None:
    hits = model.search({"caption": CAPTION, "clip": clip(model)}, like=["b001"], unlike=["b002"])
    assert set(hits[0].shares) == {"caption", "clip", "like b001", "unlike b002"}


def test_scores_of_different_columns_compare(model: Model) -> None:
    """Over all items of a column, scores have mean 0 and deviation 1, whatever the column."""
    for find in model.columns:
        scores = [hit.score for hit in model.search({"caption": CAPTION}, find, k=1000)]
        assert len(scores) == len(model.galleries[find])
        assert np.mean(scores) == pytest.approx(0, abs=1e-3)
        assert np.std(scores) == pytest.approx(1, abs=1e-3)


def test_a_filter_leaves_only_its_rows(model: Model) -> None:
    allowed = {i for i, keep in zip(model.rows.ids, model.rows.where('site == "marsh"'), strict=True) if keep}
    hits = model.search({"caption": CAPTION}, k=1000, where='site == "marsh"')
    assert {hit.row for hit in hits} == allowed
    assert model.search({"caption": CAPTION}, where='site == "nowhere"') == []


def test_liked_rows_are_not_among_the_hits_and_pull_like_ones(model: Model) -> None:
    species = dict(zip(model.rows.ids, model.rows.values("species"), strict=True))
    hits = model.search(like=["b002", "b007"], unlike="b003", k=1000)
    assert not {"b002", "b007", "b003"} & {hit.row for hit in hits}
    assert [species[hit.row] for hit in hits[:10]].count("canary") >= 9
    assert species[hits[-1].row] != "canary"


def test_another_collection_is_searched_in_the_same_space(model: Model) -> None:
    part = model.rows[30:60]
    hits = model.search({"caption": CAPTION}, k=1000, data=part)
    assert {hit.row for hit in hits} <= set(part.ids)
    everywhere = {(h.row, h.column): h.score for h in model.search({"caption": CAPTION}, k=1000)}
    for hit in hits:  # on one scale with the indexed rows
        assert hit.score == pytest.approx(everywhere[hit.row, hit.column], abs=1e-4)


def test_rows_read_another_way_keep_their_numbers() -> None:
    data = vectors(60, np.random.default_rng(7))
    rows = chiasm.read({**data, "more": ["x"] * 60})[40:]
    model = chiasm.fit(data)
    assert rows.schema != model.schema
    assert [hit.row for hit in model.search({"a": data["a"][45]}, "b", k=1, data=rows)] == ["45"]


def test_a_seed_gives_the_same_model(model: Model, table: Path) -> None:
    again = chiasm.fit(table, target="species", fuse="none")
    for question in questions(model):
        assert again.search(**question) == model.search(**question)
    assert again.report == model.report


def test_a_saved_model_gives_the_same_hits_bit_for_bit(model: Model, loaded: Model) -> None:
    for question in questions(model):
        assert loaded.search(**question) == model.search(**question)
    assert loaded.report == model.report
    assert loaded.notes == model.notes
    assert loaded.evaluate(model.rows[:50]) == model.evaluate(model.rows[:50])


def test_a_loaded_model_is_saved_again(loaded: Model, tmp_path: Path) -> None:
    twice = chiasm.load(loaded.save(tmp_path / "twice"))
    assert twice.search({"caption": CAPTION}) == loaded.search({"caption": CAPTION})


def test_absent_empty_and_missing_are_one(model: Model, table: Path, tmp_path: Path) -> None:
    plain = model.search({"caption": CAPTION})
    for nothing in (None, ""):
        assert model.search({"caption": CAPTION, "photo": nothing}) == plain
    with pytest.raises(UsageError, match="nothing was asked"):
        model.search({"photo": None})
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    empty = [{**row, "clip": ""} for row in rows]
    missing = [{k: v for k, v in row.items() if k != "clip"} for row in rows]
    absent = [{**row, "clip": None} for row in rows]
    found = [
        model.search({"caption": CAPTION}, data=chiasm.read(data, root=table.parent, schema=model.schema))
        for data in (empty, missing, absent)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"query": {"captoin": "x"}}, "Did you mean 'caption'"),
        ({"query": {"caption": "x"}, "find": "foto"}, "Did you mean 'photo'"),
        ({"query": {"caption": "x"}, "find": "image"}, "no column called 'image'"),
        ({"query": {"species": "crow"}}, "not in the space"),
        ({"query": {"photo": "nowhere.png"}}, "nowhere.png"),
        ({"query": {"caption": "x"}, "k": 0}, "k must be 1"),
        ({"like": ["b0011"]}, "Did you mean"),
        ({}, "nothing was asked"),
        ({"query": {"caption": "a bird"}, "where": "sight == 1"}, "Did you mean 'site'"),
        ({"like": ["b001"], "unlike": ["b001", "b001"]}, "cancel"),
    ],
)
def test_a_wrong_question_says_what_to_do(model: Model, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ChiasmError, match=says):
        model.search(**asked)


def test_evaluation_on_rows_apart(model: Model, tmp_path: Path) -> None:
    others = make_birds(tmp_path / "others", n=60, seed=1)
    (others.parent / "photos" / "bad.png").write_text("no picture")
    text = others.read_text().replace("photos/b001.png", "photos/bad.png")
    others.write_text(text)
    report = model.evaluate(others)
    assert len(report.directions) == 6
    assert all(one.recall[5].value > 0.6 for one in report.directions)
    assert any("photo: 1 broken" in note for note in report.notes)
    assert "species" in report.relevance


def test_rows_are_added_and_removed_without_refitting(model: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="already"):
        model.add(model.rows[:3])
    more = make_birds(tmp_path / "more", n=20, seed=5)
    more.write_text(more.read_text().replace("\nb0", "\nnew0"))
    bad = sorted((more.parent / "photos").iterdir())[0]
    bad.write_text("broken")
    grown = model.add(more)
    assert len(grown.rows) == 140
    assert [b.source for b in grown.broken] == [str(bad)]
    query = {"caption": CAPTION}
    hits = grown.search(query, k=1000)
    assert [hit for hit in hits if not hit.row.startswith("new")] == model.search(query, k=1000)
    assert {hit.row for hit in hits if hit.row.startswith("new")}
    shrunk = grown.remove([i for i in grown.rows.ids if i.startswith("new")])
    assert shrunk.search(query, k=1000) == model.search(query, k=1000)
    assert len(model.remove("b001").rows) == 119
    with pytest.raises(UsageError, match="Did you mean"):
        model.remove(["b0011"])
    with pytest.raises(DataError, match="no row would be left"):
        model.remove(model.rows.ids)


def test_a_column_without_any_item_left_finds_nothing(model: Model) -> None:
    lost = model.remove([model.rows.ids[i] for i in {c.row for c in model.rows.cells("clip")}])
    assert lost.search({"caption": CAPTION}, "clip") == []
    assert lost.search({"caption": CAPTION}, "caption")


def test_copied_media_outlive_their_files(table: Path, tmp_path: Path) -> None:
    shutil.copytree(table.parent, tmp_path / "data")
    model = chiasm.fit(tmp_path / "data" / "birds.csv")
    query = {"photo": Path(photo(model)).read_bytes()}
    loaded = chiasm.load(model.save(tmp_path / "m", copy_media=True))
    kept = chiasm.load(model.save(tmp_path / "references"))
    shutil.rmtree(tmp_path / "data")
    assert loaded.search(query) == kept.search(query)
    assert all(isinstance(cell.value, bytes) for cell in loaded.rows.cells("photo"))
    assert len(list(loaded.rows.cells("photo"))) == len(model.galleries["photo"])
    assert not any(isinstance(cell.value, bytes) for cell in kept.rows.cells("photo"))
    assert loaded.facts["copy_media"]


def test_relative_paths_are_those_of_the_data_file(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    model = chiasm.fit("birds.csv")
    model.save(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    loaded = chiasm.load("m")
    assert Path(photo(loaded)).is_file()
    assert loaded.search({"photo": photo(loaded)}) == model.search({"photo": photo(model)})


# What fits and what does not


def letters(cells: list[str]) -> np.ndarray:
    return np.array([[cell.count(c) for c in "abcdefghij"] for cell in cells], float)


def test_a_function_is_given_back_when_loading(table: Path, tmp_path: Path) -> None:
    model = chiasm.fit(table, encoders={"caption": letters})
    path = model.save(tmp_path / "m")
    with pytest.raises(FolderError, match=r"encoders=\{'caption': …\}"):
        chiasm.load(path)
    loaded = chiasm.load(path, encoders={"caption": letters})
    assert loaded.search({"caption": CAPTION}) == model.search({"caption": CAPTION})
    with pytest.raises(ChiasmError):  # another width than the one fitted with
        chiasm.load(path, encoders={"caption": lambda cells: letters(cells)[:, :3]}).search({"caption": "x"})


def test_a_category_joins_by_naming_an_encoder(table: Path) -> None:
    model = chiasm.fit(table, encoders={"species": "onehot"})
    assert model.columns == ["caption", "clip", "photo", "species"]
    species = dict(zip(model.rows.ids, model.rows.values("species"), strict=True))
    assert {species[hit.row] for hit in model.search({"species": "canary"}, "photo")} == {"canary"}
    with pytest.raises(DataError, match="no word or category that the model has learned"):
        model.search({"species": "an owl"}, "photo")
    with pytest.raises(DataError, match="no word or category that the model has learned"):
        model.search({"caption": "zzzzqqq"})


def test_evaluating_on_known_rows_is_said(table: Path) -> None:
    rows = chiasm.read(table)
    model = chiasm.fit(rows[:50])
    assert "About 100 % of these rows are among the indexed ones" in model.evaluate(rows[:50]).notes[0]
    assert not any("among the indexed" in note for note in model.evaluate(rows[50:]).notes)


def test_the_target_stays_out_of_the_space(table: Path) -> None:
    for target in ("species", "caption"):
        model = chiasm.fit(table, target=target, fuse="none")
        assert target not in model.columns
    with pytest.raises(UsageError, match="is the target"):
        chiasm.fit(table, target="species", encoders={"species": "onehot"})
    with pytest.raises(UsageError, match="one label a row"):
        chiasm.fit(table, target="photo", fuse="none")


def vectors(n: int, rng: np.random.Generator, seen: float = 1.0) -> dict[str, list[Any]]:
    """Two views of the same three hidden numbers, and labels."""
    hidden = rng.standard_normal((n, 3))
    views = {c: hidden @ rng.standard_normal((3, d)) for c, d in (("a", 6), ("b", 5))}
    table: dict[str, list[Any]] = {c: [list(map(float, row)) for row in v] for c, v in views.items()}
    table["label"] = [f"l{int(h[0] > 0)}" if rng.random() < seen else None for h in hidden]
    return table


def test_vectors_join_as_they_are(tmp_path: Path) -> None:
    table = vectors(100, np.random.default_rng(0))
    model = chiasm.fit(table)
    hits = [model.search({"a": table["a"][i]}, "b", k=1)[0].row for i in range(20)]
    assert np.mean([hit == str(i) for i, hit in enumerate(hits)]) > 0.9
    assert model.search({"a": np.array(table["a"][0])}) == model.search({"a": str(table["a"][0])})
    with pytest.raises(ChiasmError, match="6"):
        model.search({"a": [1.0, 2.0]})
    loaded = chiasm.load(model.save(tmp_path / "m"))
    assert loaded.search({"a": table["a"][0]}) == model.search({"a": table["a"][0]})


def test_a_target_with_gaps(table: Path) -> None:
    data = vectors(100, np.random.default_rng(1), seen=0.6)
    for align in ("cca", "semantic"):
        model = chiasm.fit(data, target="label", fuse="none", align=align)
        assert model.report is not None
        assert model.search({"a": data["a"][0]}, "b")


def test_one_encoder_or_aligner_serves_several_columns_and_models() -> None:
    data = vectors(80, np.random.default_rng(2))
    shared, aligner = Vector(), chiasm.align.CCA(dim=3)
    model = chiasm.fit(data, encoders={"a": shared, "b": shared}, align=aligner)
    first = model.search({"a": data["a"][0]})
    chiasm.fit(vectors(80, np.random.default_rng(3)), encoders={"a": shared}, align=aligner)
    assert model.search({"a": data["a"][0]}) == first
    assert not hasattr(shared, "width_")


def test_thirty_nine_rows_are_fitted_with_nothing_held_out_and_say_so(tmp_path: Path) -> None:
    small = chiasm.fit(vectors(39, np.random.default_rng(4)))
    assert small.report is None
    assert "held" in small.notes[0] or "hold" in small.notes[0]
    assert small.search({"a": [0.0] * 6}, "b") is not None
    assert chiasm.load(small.save(tmp_path / "m")).notes == small.notes
    assert chiasm.fit(vectors(40, np.random.default_rng(4))).report is not None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"a": ["x y z"], "b": [[1.0, 2.0]]}, "share|same rows|two"),
        ({"text": ["some words here", "and other words"]}, "two columns"),
        ({"a": [[1.0, 2.0]] * 50, "b": [None] * 50}, "two columns"),
        ({"a": [[1.0, 2.0]] * 50, "b": [f"{i}.png" for i in range(50)]}, r"b \(name\)"),
        ({"a": [[1.0, 2.0]] * 50, "b": [[3.0, 1.0]] * 50}, "nothing the model knows"),
    ],
)
def test_what_cannot_be_fitted_or_asked_says_why(data: dict[str, Any], says: str) -> None:
    with pytest.raises(ChiasmError, match=says):
        chiasm.fit(data).search({"a": [1.0, 2.0]})


def test_a_column_of_nothing_usable_is_left_out_named_and_counted(table: Path, tmp_path: Path) -> None:
    data = vectors(60, np.random.default_rng(6))
    (tmp_path / "bad.png").write_text("text")
    data["photo"] = [str(tmp_path / "bad.png")] * 60
    data["clip"] = [None] * 60
    data["rare"] = ["a rare word or two", "and another few words", *[None] * 58]
    for row in range(58):
        if row < 2:
            data["a"][row] = data["b"][row] = None
    model = chiasm.fit(data, modalities={"clip": "sound", "rare": "text"})
    assert model.columns == ["a", "b"]
    assert len([b for b in model.broken if b.column == "photo"]) == 60
    assert {column for column in ("photo", "clip", "rare") for note in model.notes if column in note} == {
        "photo",
        "clip",
        "rare",
    }


def test_hits_are_plain_json(model: Model) -> None:
    hit = model.search({"caption": CAPTION})[0]
    assert Hit(**hit.to_json()) == hit


def twins(n: int = 12) -> dict[str, Any]:
    """A table in which every id stands twice."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((2 * n, 3))
    views = {c: (latent @ rng.standard_normal((3, 5))).tolist() for c in ("left", "right")}
    return {"id": [f"p{i // 2}" for i in range(2 * n)], **views}


def test_ids_that_stand_twice_name_no_row_and_the_fit_says_so() -> None:
    model = chiasm.fit(twins(), dim=2)
    note = next(note for note in model.notes if "'id'" in note)
    assert "more than one row has 'p0', 'p1', 'p2' and 9 more: rows go by their numbers" in note
    assert "--by id keeps them on one side" in note
    assert model.rows.ids == [str(i) for i in range(24)]
    assert len(model.remove("3").rows) == 23
    with pytest.raises(UsageError, match="no indexed row has the id 'p1'"):
        model.remove("p1")
    grouped = chiasm.fit(twins(), dim=2, by="id")
    assert not any("--by id" in note for note in grouped.notes)


def test_rows_taken_twice_are_refused() -> None:
    rows = chiasm.read({**twins(), "id": [f"p{i}" for i in range(24)]})
    with pytest.raises(DataError, match="taken more than once: 'p0', 'p1', 'p2' and 21 more"):
        chiasm.fit(rows[np.arange(48) // 2])
