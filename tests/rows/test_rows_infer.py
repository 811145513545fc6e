"""The reading of columns, judged as a person would judge them; the reasons are part of it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from chiasm import read
from chiasm.errors import DataError, UsageError
from chiasm.rows.columns import clash
from chiasm.rows.infer import count_words
from chiasm.rows.modality import MODALITIES
from chiasm.rows.schema import Schema

PNG, JPEG, WAV = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WAVE"
CHINESE = ["一只狗在草地上奔跑", "两个孩子在海边玩耍", "一个男人骑着自行车"]


def modality(values: Any, **options: Any) -> str:
    """How a column reads: "text", or "text, many" where a cell holds several."""
    return read({"x": values}, **options).schema.table_lines()[0][1]


def as_csv(folder: Path, cells: list[str], name: str = "x") -> Any:
    (folder / "t.csv").write_text("\n".join([f"{name},k", *(f"{cell},0" for cell in cells)]))
    return read(folder / "t.csv").schema[name]


@pytest.mark.parametrize(
    ("name", "values", "doubted"),
    [
        ("house_id", [7, 3, 9, 4], True),
        ("patientId", [7, None, 9], True),
        ("house_id", [7, 3, 7], False),  # several rows of a house
        ("house_id", [7.5, 3.0, 2.0], False),
        ("paid", [7, 3, 9], False),
        ("GRID", [7, 3, 9], False),
        ("index", list(range(1, 31)), True),
        ("index", [*range(30), 32], False),
        ("index", [*range(30), None], False),
        ("age", list(range(10)), False),  # so few go up by chance
    ],
)
def test_numbers_that_may_number_the_rows_are_doubted(name: str, values: list[Any], doubted: bool) -> None:
    table = {name: values, "word": ["a dog", "a cat"] * (len(values) // 2) + ["a cow"] * (len(values) % 2)}
    found = read(table).schema[name]
    hint = f"; looks like a row number: --as {name}=name leaves it out"
    assert (found.modality, found.why.endswith(hint)) == ("number", doubted)
    assert read(table, modalities={name: "number"}).schema[name].why == "stated, not inferred"


def test_a_doubted_number_of_a_csv(tmp_path: Path) -> None:
    found = as_csv(tmp_path, ["12", "10", "NA", "11"], "Row ID")
    assert (
        found.why == "every cell reads as a number; looks like a row number: --as 'Row ID=name' leaves it out"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([PNG, JPEG, None, PNG], "image"),
        ([PNG + b"same"] * 20, "image"),  # duplicates change nothing
        ([b"broken", PNG, PNG, b"\0\0"], "image"),
        ([WAV, b"fLaC...", b"OggS"], "sound"),
        ([b"some words", b"more words"], "text"),
        ([b"\0\1\2", b"\xff\0"], "name"),
        ([{"bytes": PNG, "path": "1"}, {"bytes": None, "path": "a.png"}], "image"),
        ([{"bytes": None, "path": "a.wav"}], "sound"),
        (["a.jpg", "b/c.PNG", None, "oops"], "image"),
        (["a b\nc.wav", "ü/图.flac"], "sound"),
        (["x.jpg"] * 20, "image"),
        ([["a.jpg", "b.jpg"], ["c.jpg"]], "image, many"),
        ([[PNG, PNG], [PNG]], "image, many"),
        ([["a dog", "it barks"], ["a cat"]], "text, many"),
        (['["a dog", "it barks"]', '["a cat"]', None], "text, many"),
        ([[0.1, 0.2], [0.3, 0.4]], "vector"),
        ([[1, 2], [3, 4], [5]], "vector"),
        (["[0.1, 0.2]", "[1, 2]", "[3"], "vector"),
        ([np.zeros(4, np.float16), np.ones(4, np.float16)], "vector"),
        ([[1.0] * k for k in range(1, 20)], "series"),
        ([np.zeros((3, 2)), None, np.ones((4, 2), np.float32)], "series"),
        ([[[1, 2], [3, 4]], [[5, 6]]], "series"),
        (["[[1, 2], [3, 4]]", "[[5, 6]]"], "series"),
        (["a.npy", "b.npy"], "series"),
        (["a.mp4", "b.MOV", "c.webm"], "video"),
        ([b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"RIFF....AVI "], "video"),
        ([b"\0\0\0\x18ftypM4A "], "sound"),
        ([1, 2, 3], "number"),
        ([1.5, None, float("nan")], "number"),
        ([True, False, None], "category"),
        ([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)], "date"),
        ([datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC), None], "date"),
        (["2024/03/01", "2024/3/2"], "date"),
        (["13.03.2024", "02.03.2024 12:30"], "date"),
        (["03/14/2024", "03/02/2024"], "date"),
        (["13.03.2024", "03.14.2024"], "name"),  # which comes first?
        (["01.03.2024", "02.03.2024"], "name"),
        (["2024-01-02"] * 19 + ["soon"], "date"),
        (["2024-01-02"] * 18 + ["soon", "later"], "category"),
        (["cat", "dog", "cat", "dog"], "category"),
        (["94501", "94501", "10001", "10001"], "category"),  # zip codes
        (["red fox", "grey wolf"] * 5, "category"),
        (["IMG_0017", "IMG_0018", "IMG_0019"], "name"),
        (["site/one", "site/two", "a/b"], "name"),
        (["a dog barks in the yard"] * 10, "text"),  # repeated, but sentences
        (["dog", "cat", "bird"], "text"),
        (CHINESE, "text"),
        (CHINESE[:1] * 10, "text"),
        (["狗", "猫"] * 4, "category"),
        ([None, None], "name"),
        (["", " "], "name"),
        ([[None], [None]], "name"),
        ([{"a": 1}, {"a": 2}], "name"),
    ],
)
def test_modalities(values: list[Any], expected: str) -> None:
    assert modality(values) == expected


def test_empty_columns_go_by_their_type() -> None:
    kinds = {
        pa.list_(pa.float32(), 4): "vector",
        pa.float64(): "number",
        pa.bool_(): "category",
        pa.string(): "name",
    }
    for kind, expected in kinds.items():
        assert modality(pa.nulls(3, kind)) == expected
    assert modality([None, None], modalities={"x": "image"}) == "image"


def test_columns_of_words_for_classes() -> None:
    assert modality(pa.array(["a", "b", "a"]).dictionary_encode()) == "text"
    assert modality(pa.array(["a", "b", "a", "b"]).dictionary_encode()) == "category"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5", "", "-3e4", "NA"], "number"),
        (["1", "inf", "nan"], "number"),
        (["01234", "01235", "01234", "01235"], "category"),
        (["1", "two", "3 or four of them", "a few words more than that"], "text"),
        (["NA", "NA", "NA"], "category"),
    ],
)
def test_strings_of_a_csv(cells: list[str], expected: str, tmp_path: Path) -> None:
    assert as_csv(tmp_path, cells).modality == expected


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["2024-05-01", "2024-05-02", "", "2024-05-03"], True),
        (["2024-05-01T10:00", "2024-05-01T10:05:30.5Z", "2024-05-01 10:06+02:00"], True),
        (["2024-05-01", "2024-05-02-b", "2024-05-03"], False),
        (["2024-95-01", "2024-95-02", "2024-95-03"], False),
    ],
)
def test_dates_of_a_csv(cells: list[str], dates: bool, tmp_path: Path) -> None:
    column = as_csv(tmp_path, cells)
    assert ((column.modality, column.why) == ("date", "dates")) == dates
    assert dates or column.modality == "name"


def test_columns_of_a_tree_say_what_they_were_made_of(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "cat/2.png", "dog/3.png", "dog/3.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert {c.name: c.why for c in read(tmp_path).schema.columns} == {
        "id": "paths without their endings",
        "image": "files ending in .png or .jpg",
        "text": "files ending in .txt",
        "label": "the folders that the files lie in",
    }
    stated = read(tmp_path, modalities={"label": "text"}).schema["label"]
    assert (stated.modality, stated.why) == ("text", "stated, not inferred")


def test_strings_that_were_typed_stay_strings() -> None:
    assert modality(["1", "2", "1", "2"]) == "category"


def test_paths_that_exist_win_over_those_that_do_not(tmp_path: Path) -> None:
    (tmp_path / "here.jpg").write_bytes(JPEG)
    rows = read([{"old": "gone.jpg", "new": "here.jpg"}], root=tmp_path)
    assert {c.name: c.modality for c in rows.schema.columns} == {"old": "name", "new": "image"}


def test_filenames_beside_bytes_are_names() -> None:
    schema = read([{"filename": "1.jpg", "photo": JPEG, "clip": "1.wav"}]).schema
    assert [c.modality for c in schema.columns] == ["name", "image", "sound"]
    assert schema["filename"].why == "paths ending in .jpg that do not exist, beside column 'photo'"
    beside_vectors = read([{"filename": "1.jpg", "vector": [0.5, 1.0]}]).schema
    assert [c.modality for c in beside_vectors.columns] == ["name", "vector"]


@pytest.mark.parametrize("ids", [["a", "b"], [7, 8]])
def test_an_id_column_names_the_rows(ids: list[Any]) -> None:
    rows = read({"ID": ids, "n": [1, 2]})
    assert rows.ids == [str(i) for i in ids]
    assert rows.schema["ID"].modality == "name"


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        (["a", "a"], "more than one row has 'a'"),
        ([*"abcde", *"abcde"], "more than one row has 'a', 'b', 'c' and 2 more"),
        ([7, 8, 7], "more than one row has '7'"),
        (["a", None, "a"], "1 of 3 rows lack it"),
        (["a", ""], "1 of 2 rows lack it"),
    ],
)
def test_ids_that_name_no_row_fall_back_and_say_why(ids: list[Any], why: str) -> None:
    rows = read({"id": ids, "n": list(range(len(ids)))})
    assert rows.ids == [str(i) for i in range(len(ids))]
    assert rows.schema["id"].why == f"called id, but {why}"
    assert clash(rows.table["id"]) == why


def test_overrides_win_and_misspelt_ones_are_refused() -> None:
    assert modality(["cat", "cat"], modalities={"x": "text"}) == "text"
    assert modality([["a", "b"]], modalities={"x": "image"}) == "image, many"
    with pytest.raises(UsageError, match="Did you mean 'label'"):
        read({"label": ["a"]}, modalities={"labels": "text"})
    with pytest.raises(UsageError, match="Did you mean 'image'"):
        read({"label": ["a"]}, modalities={"label": "imag"})


def test_any_modality_may_be_stated_for_any_column() -> None:
    columns = {"s": ["a", "1"], "n": [1, 2], "b": [PNG, b"\xff"], "l": [["a"], None], "v": [[1.0], [2.0]]}
    for stated in MODALITIES:
        rows = read(columns, modalities=dict.fromkeys(columns, stated))
        assert len(rows.inspect().columns) == len(columns)


def test_a_schema_survives_json() -> None:
    schema = read([{"id": "a", "t": ["x", "y"], "n": 1}]).schema
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert schema.of("text", "number") == ["t", "n"]
    assert "t" in schema
    with pytest.raises(DataError, match="not a schema"):
        Schema.from_json({"columns": [{"nam": "x"}], "ids": ""})


def test_words_are_counted_in_scripts_without_spaces() -> None:
    assert count_words("a dog barks") == 3
    assert count_words("狗在叫 hello") == 2.5
    assert count_words("สุนัขเห่า") == 4.5
