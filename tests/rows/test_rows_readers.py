"""Reading: every door gives the same rows, and every bad file one clear error."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from chiasm import read
from chiasm.errors import ChiasmError, DataError, UsageError
from chiasm.rows.modality import MODALITIES, sniff
from chiasm.rows.rows import Rows

TEXTS = ["a dog barks, loudly", 'she said "no" twice', "two\nlines here, really", "狗在叫，猫在睡觉", None]
RECORDS = [{"id": f"r{i}", "note": text, "n": i} for i, text in enumerate(TEXTS)]

any_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)
several = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def write_csv(path: Path, records: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(records)
    return path


def write_jsonl(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in records), "utf-8", newline="")
    return path


def saved(kind: str, folder: Path, records: list[dict[str, Any]]) -> Any:
    """The records through one of the doors."""
    table = pa.Table.from_pylist(records)
    if kind == "parquet":
        pq.write_table(table, folder / "t.parquet")
        return folder / "t.parquet"
    doors: dict[str, Any] = {
        "csv": lambda: write_csv(folder / "t.csv", records),
        "tsv": lambda: str(write_csv(folder / "t.tsv", records, "\t")),
        "jsonl": lambda: write_jsonl(folder / "t.jsonl", records),
        "records": lambda: records,
        "columns": table.to_pydict,
        "arrow": lambda: table,
        "pandas": lambda: pd.DataFrame(records),
        "dataset": lambda: __import__("datasets").Dataset.from_list(records),
    }
    return doors[kind]()


@pytest.mark.parametrize(
    "kind", ["csv", "tsv", "jsonl", "parquet", "records", "columns", "arrow", "pandas", "dataset"]
)
def test_every_door_gives_the_same_rows(kind: str, tmp_path: Path) -> None:
    rows = read(saved(kind, tmp_path, RECORDS))
    assert rows.values("note") == TEXTS
    assert rows.values("n") == [0, 1, 2, 3, 4]
    assert rows.ids == ["r0", "r1", "r2", "r3", "r4"]
    assert [c.modality for c in rows.schema.columns] == ["name", "text", "number"]
    assert [(c.row, c.item, c.value) for c in rows.cells("note")][-1] == (3, 0, TEXTS[3])


def test_rows_pass_through() -> None:
    rows = read(RECORDS)
    assert read(rows) is rows


@several
@given(
    texts=st.lists(any_text, min_size=1, max_size=6), kind=st.sampled_from(["csv", "tsv", "jsonl", "parquet"])
)
def test_texts_survive_every_file(texts: list[str], kind: str, tmp_path: Path) -> None:
    records = [{"k": i, "note": text} for i, text in enumerate(texts)]
    rows = read(saved(kind, tmp_path, records), modalities={"note": "text"})
    assert rows.values("note") == [text if text.strip() else None for text in texts]


# CSV


def test_csv_with_byte_order_mark_and_packed(tmp_path: Path) -> None:
    plain = tmp_path / "t.csv"
    plain.write_bytes("\ufeffa,b\n1,x y z u\n".encode())
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "u.csv.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    for name in ("t.csv", "t.csv.gz", "u.csv.bz2"):
        assert read(tmp_path / name).columns == ["a", "b"]


def test_csv_holds_a_cell_of_40_mb(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,short words\n2," + "x" * 40_000_000 + "\n3,more words\n")
    rows = read(path, modalities={"b": "text"})
    assert len(rows) == 3
    (broken,) = rows.inspect()["b"].broken
    assert (broken.row, broken.why) == (1, "text of 40,000,000 characters, more than 1,000,000")


def test_blank_cells_of_a_single_column_are_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\nx\n\ny\n")
    assert read(tmp_path / "t.csv").values("a") == ["x", None, "y"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"a,b,a\n1,2,3\n", "columns named twice: 'a'"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, the header has 2"),
        ("t.csv", b'a,b\n"1\n1",2\n1\n', "line 4 has 1 cells, the header has 2"),
        ("t.csv", b"a,b\n1,caf\xe9\n", "not UTF-8 text at byte 9"),
        ("t.csv", b"caf\xe9,b\n1,2\n", "not UTF-8 text at byte 3"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        ("t.csv", b"a,b\n", "no rows"),
        ("t.csv", b"", "no columns"),
        ("t.csv", b"a;b\n1;2\n", "Separate the cells by commas"),
        ("t.csv", b"\n\n", "no columns"),
        ("t.csv.gz", b"not packed", "cannot be read"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "line 2: expected an object"),
        ("t.jsonl", b'{"a": 1}\n' + b"[" * 100_000, "line 2: not JSON"),
        ("t.jsonl", b'{"a": "\xff"}\n', "not UTF-8 text at byte 7"),
        ("t.jsonl", b"\n", "no columns"),
        ("t.parquet", b"PAR1 nonsense PAR1", "damaged, or not Parquet"),
        ("t.parquet", b"", "damaged, or not Parquet"),
        ("t.xls", b"", "unknown kind of file '.xls'. Known here: .csv, .jsonl"),
    ],
)
def test_a_bad_file_is_one_clear_error(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert message in str(caught.value)
    assert name in str(caught.value)


@several
@given(data=st.binary(max_size=60), name=st.sampled_from(["t.csv", "t.jsonl", "t.parquet", "t.tsv"]))
def test_any_bytes_give_rows_or_a_clear_error(data: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    try:
        rows = read(tmp_path / name)
    except ChiasmError:
        return
    assert len(rows)
    rows.inspect()


def test_a_missing_file_and_an_unreadable_thing() -> None:
    with pytest.raises(DataError, match="no such file"):
        read("nowhere.csv")
    with pytest.raises(UsageError, match="cannot read a int"):
        read(3)


# In memory


def test_memory_that_is_no_table() -> None:
    with pytest.raises(DataError, match="different lengths"):
        read({"a": [1], "b": [1, 2]})
    with pytest.raises(UsageError, match="One row is a list of one dict"):
        read({"a": "x"})
    with pytest.raises(DataError, match="cells of type object"):
        read([{"a": object()}])
    with pytest.raises(DataError, match="no columns"):
        read([])
    with pytest.raises(DataError, match="no rows"):
        read({"a": []})
    with pytest.raises(DataError, match="reserved"):
        read({"__row__": [1]})
    with pytest.raises(DataError, match="named twice: 'a'"):
        read(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize("column", [pd.Series([1, 2]), pa.chunked_array([[1, 2]]), pa.array(["a"])])
def test_one_column_is_no_table(column: Any) -> None:
    with pytest.raises(UsageError, match=f"cannot read a {type(column).__name__}.*a DataFrame"):
        read(column)


def test_bytes_and_paths_may_stand_in_one_column(tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n..."
    rows = read([{"photo": png}, {"photo": Path("x/1.png")}, {}], root=tmp_path)
    cells = [(c.row, c.value, c.source) for c in rows.cells("photo")]
    path = str(tmp_path / "x/1.png")
    assert cells == [(0, png, ""), (1, path, path)]


def test_values_of_several_types_lose_nothing() -> None:
    assert read({"a": ["x y z u", 3, None, 2.5]}).values("a") == ["x y z u", "3", None, "2.5"]
    assert read({"a": [["x", "y"], "z", None]}).values("a") == [["x", "y"], ["z"], None]


def test_half_a_surrogate_pair_is_spelt_out_and_the_column_stays_what_it_is(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    whole = {"id": "x", "text": "some words that stand here", "kind": "owl", "photo": "a.png", "tags": ["b"]}
    half = {
        "id": "\ud800",
        "text": "half \ud83d of it all",
        "kind": "\ud800",
        "photo": "\udfff.png",
        "tags": ["\ud800"],
    }
    lines = [whole | {"id": f"x{i}"} for i in range(9)]
    for name, more in (("whole", []), ("odd", [half])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines + more))
    rows, other = read(tmp_path / "odd.jsonl"), read(tmp_path / "whole.jsonl")
    assert [(c.name, c.modality, c.many) for c in rows.schema.columns] == [
        (c.name, c.modality, c.many) for c in other.schema.columns
    ]
    assert rows.schema.ids == "id"
    assert rows.ids[9] == r"\ud800"
    assert rows.values("text")[9] == r"half \ud83d of it all"
    assert all(c.why.endswith(r"; half a sign, as \ud800, in 1 of them") for c in rows.schema.columns)
    assert not any("half a sign" in c.why for c in other.schema.columns)
    assert [b.row for b in rows.inspect()["photo"].broken] == [9]


@pytest.mark.parametrize("stated", [None, *MODALITIES])
def test_every_arrow_type_can_be_read_as_anything(stated: str | None) -> None:
    kinds: list[Any] = [
        *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary(2), pa.binary_view()),
        *(pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.decimal128(9, 2), pa.bool_(), pa.null()),
        *(pa.date32(), pa.timestamp("ns"), pa.duration("s"), pa.time32("s"), pa.struct([("a", pa.int8())])),
        *(pa.list_(pa.string()), pa.list_(pa.binary()), pa.list_(pa.int64()), pa.list_(pa.float16(), 2)),
        *(pa.list_(pa.list_(pa.float32())), pa.map_(pa.string(), pa.int8()), pa.list_(pa.bool_())),
        *(
            pa.struct([("bytes", pa.binary())]),
            pa.struct([("bytes", pa.int64()), ("path", pa.string())]),
            pa.struct([("bytes", pa.string()), ("path", pa.float64())]),
            pa.dictionary(pa.int8(), pa.string()),
            pa.fixed_shape_tensor(pa.int8(), [2]),
        ),
    ]
    for kind in kinds:
        rows = read(pa.table({"x": examples(kind)}), modalities=None if stated is None else {"x": stated})
        assert len(rows.values("x")) == len(rows.ids) == len(list(rows)) == 3
        rows.inspect()
        Rows.concat(rows[:2], rows[1:]).copy_media()


def examples(kind: Any) -> pa.Array:
    """Two values and a gap of any type."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, examples(kind.storage_type))
    for values in (
        [1, 2],
        ["ab", "cd"],
        [[1, 2], [3, 4]],
        [["a"], []],
        [[[1.0]], []],
        [{"a": 1}, {}],
        [[("a", 1)], []],
    ):
        try:
            return pa.array([*values, None], kind)
        except (pa.ArrowException, TypeError, ValueError):
            continue
    top = 2**64 - 1 if pa.types.is_uint64(kind) else None
    return pa.array([top, None, None], kind)


def test_a_table_of_thousands_of_columns_is_read_in_seconds(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(4000)]
    (tmp_path / "wide.csv").write_text(f"{','.join(names)}\n{','.join(names)}\n")
    start = time.process_time()
    assert read(tmp_path / "wide.csv").columns == names
    assert time.process_time() - start < 15


def test_a_file_name_that_is_no_utf8_breaks_its_own_row_only(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    pixel = (tmp_path / "a.png").read_bytes()
    for name in (b"a.png", b"b\xff.png", b"b\xfe.png"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(pixel)
    rows = read(tmp_path)
    assert rows.ids == ["a", "b\\xfe", "b\\xff"]
    assert [(b.row, b.why) for b in rows.inspect()["image"].broken] == [
        (1, "no such file"),
        (2, "no such file"),
    ]


def test_a_text_that_leads_nowhere_or_never_ends_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("nowhere")
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path)
    (tmp_path / "a.txt").unlink()
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(DataError, match="not a regular file"):
        read(tmp_path)


def test_the_home_of_nobody_is_a_path_like_others() -> None:
    cells = ["~nobody-here/a.png", "~nobody-here/b.png"]
    assert len(read({"photo": cells}).inspect()["photo"].broken) == 2
    with pytest.raises(DataError, match="no such file"):
        read("~nobody-here/x.csv")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="not a regular file"):
        read(tmp_path / "pipe.csv")


def test_arrays_are_vectors() -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    for column in (values, list(values), values.tolist()):
        np.testing.assert_array_equal(read({"v": column}).array("v").values, values)


def test_hugging_face_images_and_labels() -> None:
    datasets = pytest.importorskip("datasets")
    png = b"\x89PNG\r\n\x1a\n..."
    features = datasets.Features(
        photo=datasets.Image(decode=False), label=datasets.ClassLabel(names=["cat", "dog"])
    )
    photos = [{"bytes": png, "path": None}, {"bytes": None, "path": "a.png"}]
    data = datasets.Dataset.from_dict({"photo": photos, "label": [1, -1]}, features=features)
    rows = read(data, root="/base")
    assert [c.value for c in rows.cells("photo")] == [png, "/base/a.png"]
    assert rows.values("label") == ["dog", None]
    with pytest.raises(UsageError, match="'train'"):
        read(datasets.DatasetDict(train=data))


# Paths and folders


def test_paths_resolve_against_the_file_or_root(tmp_path: Path) -> None:
    odd = "pho\ntos/ünï 图.png"
    path = write_csv(tmp_path / "t.csv", [{"photo": odd}, {"photo": "/abs/x.png"}])
    assert [c.value for c in read(path).cells("photo")] == [f"{tmp_path}/{odd}", "/abs/x.png"]
    assert next(read(path, root="/else").cells("photo")).value == f"/else/{odd}"


def test_a_folder_tree_is_a_table(tmp_path: Path) -> None:
    for name in (
        "cat/17.jpg",
        "cat/17.wav",
        "dog/1.png",
        "dog/1.jpg",
        "dog/.hidden.png",
        "top.gif",
        "read.me",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "cat/17.txt").write_text("a dog barks")
    rows = read(tmp_path)
    assert rows.ids == ["top", "cat/17", "dog/1", "dog/1.png"]
    assert rows.values("image") == ["top.gif", "cat/17.jpg", "dog/1.jpg", "dog/1.png"]
    assert rows.values("sound") == [None, "cat/17.wav", None, None]
    assert rows.values("text") == [None, "a dog barks", None, None]
    assert rows.values("label") == [None, "cat", "dog", "dog"]
    modalities = {c.name: c.modality for c in rows.schema.columns}
    assert modalities == {
        "id": "name",
        "image": "image",
        "sound": "sound",
        "text": "text",
        "label": "category",
    }
    assert next(rows.cells("image")).value == str(tmp_path / "top.gif")


def test_a_folder_with_a_table_reads_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "birds.csv", [{"photo": "a.png"}])
    assert next(read(tmp_path).cells("photo")).value == str(tmp_path / "a.png")
    write_csv(tmp_path / "more.csv", [{"x": 1}])
    with pytest.raises(DataError, match=r"2 tables in it: birds\.csv, more\.csv"):
        read(tmp_path)
    write_csv(tmp_path / "metadata.csv", [{"y": 1}])
    assert read(tmp_path).columns == ["y"]


def test_a_folder_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a table nor"):
        read(tmp_path)


def test_text_files_that_are_no_text_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"fine")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "c.txt").touch()
    found = read(tmp_path).inspect()["text"]
    assert (found.present, found.absent, [b.row for b in found.broken]) == (2, 1, [1])


# A schema read before


def test_new_data_is_read_as_the_schema_says(tmp_path: Path) -> None:
    first = read([{"note": "a long text of words", "n": 1, "photo": b"\x89PNG\r\n\x1a\n", "v": [1.0, 2.0]}])
    again = read(
        write_csv(tmp_path / "q.csv", [{"v": "[3, 4]", "note": "7", "extra": "x"}]), schema=first.schema
    )
    assert again.columns == first.columns
    assert again.values("note") == ["7"]
    assert again.values("n") == again.values("photo") == [None]
    assert again.array("v").values.tolist() == [[3, 4]]
    with pytest.raises(DataError, match="none of the columns is known: other"):
        read([{"other": 1}], schema=first.schema)


def test_magic_bytes() -> None:
    assert sniff(b"\xff\xd8\xff\xe0") == ("JPEG", "image")
    assert sniff(b"RIFF\0\0\0\0WAVEfmt ") == ("WAV", "sound")
    assert sniff(b"RIFF\0\0\0\0WEBP") == ("WebP", "image")
    assert sniff(b"plain words") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,x\n2,"oh\n3,y\n4,z\n', 3),
        ('a,b\r\n1,x\r\n2,"oh ""you"" and\r\n3,y\r\n', 3),
        ('a,b\r1,x\r2,"oh\r3,y\r', 3),
        ('a,b\n1,"x\ny"\n2,"oh', 4),
        ('a,b\n1,x\n2,"', 3),
        ('a,b\n1,x\n2,"""\n', 3),
        ('a\nx\n"oh\ny\n', 3),
    ],
)
def test_a_quote_that_is_never_closed_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    with pytest.raises(DataError, match=f"t.csv: a quote opened in line {line} is never closed"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('""', None),
        ('""""', '"'),
        ('5"', '5"'),
        ('x"abc', 'x"abc'),
        ('""abc', "abc"),
        ('"é\n"', "é\n"),
        ("", None),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_quotes_that_are_closed_or_no_quotes_are_read(
    tmp_path: Path, cell: str, value: Any, end: str
) -> None:
    (tmp_path / "t.csv").write_bytes(f"a,b\n1,x\n2,{cell}{end}".encode())
    assert read(tmp_path / "t.csv", modalities={"b": "category"}).values("b") == ["x", value]
