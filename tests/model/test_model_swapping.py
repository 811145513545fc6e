"""A model whose column gets another encoder: what it finds, what stays to the bit, what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from birds import make_birds

import chiasm
from chiasm.align.anchors import Anchors
from chiasm.encode.image import Gradients
from chiasm.errors import DataError, UsageError
from chiasm.fuse.late import Late
from chiasm.model import Model

CAPTION = {"caption": "a yellow bird trills"}


def colours(cells: Sequence[Any]) -> np.ndarray:
    """16 pixels of an image, (n, 48)."""
    return np.stack([cell[6::12, 6::12].reshape(-1) for cell in cells])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_birds(tmp_path_factory.mktemp("birds"), n=120)


@pytest.fixture(scope="module")
def model(table: Path) -> Model:
    return chiasm.fit(table, target="species", fuse="none")


@pytest.fixture(scope="module")
def swapped(model: Model) -> Model:
    return model.swap("photo", colours)


def species(model: Model, hits: Sequence[Any]) -> list[str]:
    known = dict(zip(model.rows.ids, model.rows.values("species"), strict=True))
    return [known[hit.row] for hit in hits]


def test_it_finds_and_is_found_as_before(model: Model, swapped: Model) -> None:
    assert species(swapped, swapped.search(CAPTION, "photo", 5)).count("canary") >= 4
    photo = next(model.rows.cells("photo"))
    wanted = model.rows.values("species")[photo.row]
    assert species(swapped, swapped.search({"photo": str(photo.value)}, "clip", 5)).count(wanted) >= 4


def test_other_columns_stay_to_the_bit(model: Model, swapped: Model) -> None:
    for column in ("caption", "clip"):
        one, other = model.galleries[column], swapped.galleries[column]
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.background[:, : one.dim], other.background[:, : one.dim])
        for query in set(one.columns) - {"photo"}:
            np.testing.assert_array_equal(one.penalties[query], other.penalties[query])
        np.testing.assert_array_equal(model.space.hubness.bank_[column], swapped.space.hubness.bank_[column])
        assert swapped.space.encoders[column] is model.space.encoders[column]
    asked = model.search(CAPTION, "clip", 5)
    assert [hit.to_json() for hit in swapped.search(CAPTION, "clip", 5)] == [hit.to_json() for hit in asked]
    for (query, answer), ridge in model.baselines.regressions.items():
        kept = swapped.baselines.regressions[query, answer]
        assert (kept is ridge) == ("photo" not in (query, answer))


def test_the_model_it_was_made_from_is_as_it_was(model: Model, swapped: Model) -> None:
    assert isinstance(model.space.encoders["photo"], Gradients)
    assert "swapped" not in model.facts
    assert model.galleries["photo"].dim == swapped.galleries["photo"].dim
    assert model.search(CAPTION, "photo", 1)[0].score != swapped.search(CAPTION, "photo", 1)[0].score


def test_the_scoreboard_is_of_rows_that_nothing_learned_from(model: Model, swapped: Model) -> None:
    """Closed forms are solved anew without those rows: other columns' maps have not seen them either."""
    assert swapped.report is not None
    assert model.report is not None
    assert [(d.query, d.answer) for d in swapped.report.directions] == [
        (d.query, d.answer) for d in model.report.directions
    ]
    assert swapped.facts["swapped"]["photo"].keys() == {"ridge", "share", "root"}
    assert "'photo' was given another encoder" in swapped.notes[-1]
    again = model.swap("photo", colours)
    assert again.report == swapped.report
    np.testing.assert_array_equal(again.galleries["photo"].matrix, swapped.galleries["photo"].matrix)


def test_what_cannot_be_scored_again_is_left_out_and_said(table: Path, swapped: Model) -> None:
    anchored = chiasm.fit(table, align=Anchors(dim=60)).swap("photo", colours)
    removed = chiasm.fit(table, target="species", fuse="none").remove(["b000", "b001"]).swap("photo", colours)
    for model in (anchored, removed, swapped.swap("clip", "logmel")):
        assert model.report is not None
        given = "clip" if model.report.directions[0].query == "photo" else "photo"
        given = next(
            c for c in ("clip", "photo") if f"'{c}' was given a new encoder" in model.report.notes[-1]
        )
        assert all(given not in (d.query, d.answer) for d in model.report.directions)
        assert len(model.report.directions) == 2
        assert model.search(CAPTION, "photo", 1)


def test_it_is_saved_and_grows(swapped: Model, table: Path, tmp_path: Path) -> None:
    path = swapped.save(tmp_path / "m")
    loaded = chiasm.load(path, encoders={"photo": colours})
    for find in swapped.columns:
        assert [hit.to_json() for hit in loaded.search(CAPTION, find)] == [
            hit.to_json() for hit in swapped.search(CAPTION, find)
        ]
    more = make_birds(tmp_path / "more", n=40, seed=3)
    more.write_text(more.read_text().replace("\nb0", "\nnew"))
    grown = loaded.add(more).remove(["b003"])
    assert len(grown.rows) == 159
    np.testing.assert_array_equal(
        grown.swap("photo", colours).space.aligner.maps_["photo"].shape,
        swapped.space.aligner.maps_["photo"].shape,
    )


def test_what_predicts_keeps_the_encoder_it_learned_with(tmp_path: Path) -> None:
    linear = Late(heads=("linear",))
    table = make_birds(tmp_path, n=50)
    model = chiasm.fit(table, target="species", fuse=linear, folds=2)
    made = model.swap("photo", colours)
    assert "What predicts species still sees it by the encoder that it learned with" in made.notes[-1]
    loaded = chiasm.load(made.save(tmp_path / "m"), encoders={"photo": colours})
    rows = model.rows[:20]
    for one in (made, loaded):
        assert one.predict(rows) == model.predict(rows)
    assert loaded.report is not None
    assert loaded.report.outcomes == model.report.outcomes
    own = chiasm.fit(table, target="species", fuse=linear, folds=2, encoders={"photo": colours})
    with pytest.raises(UsageError, match="cannot tell two apart"):
        own.swap("photo", colours)
    assert own.swap("photo", "gradients").search(CAPTION, "photo", 1)


def test_few_rows_are_swapped_without_tuning(tmp_path: Path) -> None:
    model = chiasm.fit(make_birds(tmp_path, n=24))
    made = model.swap("photo", colours)
    assert made.report is None
    assert made.facts["swapped"]["photo"] == {"ridge": 0.01, "share": 0.5, "root": 0.5}
    assert made.search(CAPTION, "photo", 1)


def test_the_note_names_the_encoder_and_says_where_it_is_the_same(tmp_path: Path) -> None:
    model = chiasm.fit(make_birds(tmp_path, n=24))
    assert "'photo' was given the encoder it had, gradients;" in model.swap("photo", "gradients").notes[-1]
    assert "given another encoder, gradients;" in model.swap("photo", Gradients(size=16)).notes[-1]
    own = model.swap("photo", colours)
    assert "given another encoder, Function;" in own.notes[-1]
    assert "given another encoder, Function;" in own.swap("photo", lambda cells: colours(cells)).notes[-1]


@pytest.mark.parametrize("column", ["photo", "caption"])
def test_bytes_that_are_not_kept_are_named(column: str, tmp_path: Path) -> None:
    rows = pcsv.read_csv(make_birds(tmp_path, n=24))
    cells = [
        {"bytes": (tmp_path / path).read_bytes()} if path else None for path in rows["photo"].to_pylist()
    ]
    rows = rows.set_column(rows.column_names.index("photo"), "photo", pa.array(cells))
    pq.write_table(rows, tmp_path / "birds.parquet")
    model = chiasm.fit(tmp_path / "birds.parquet")
    thrown = chiasm.load(model.save(tmp_path / "thrown"))
    with pytest.raises(DataError, match=r"'photo': the model keeps no bytes of it\. Fit with --copy-media\."):
        thrown.swap(column, colours if column == "photo" else "lexical")
    kept = chiasm.load(model.save(tmp_path / "kept", copy_media=True))
    assert kept.swap("photo", colours).search(CAPTION, "photo", 1)


def test_wrong_use_is_named(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'photo'"):
        model.swap("foto", colours)
    with pytest.raises(UsageError, match="Did you mean 'gradients'"):
        model.swap("photo", "gradient")
    with pytest.raises(UsageError, match="no encoder is named"):
        model.swap("caption", "")
    with pytest.raises(UsageError, match="takes sound"):
        model.swap("photo", "logmel")
    gone = chiasm.fit(make_birds(tmp_path, n=60))
    for file in (tmp_path / "photos").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="no cell of a row that was trained on"):
        gone.swap("photo", colours)
