"""Series from arrays, lists and files; what is bridged and what is broken."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chiasm import read
from chiasm.errors import BrokenCell, DataError
from chiasm.rows.rows import Rows
from chiasm.rows.series import MOST_GAPS, Series, decode_series

MATRIX = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
NAN = float("nan")


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(array))
    return out.getvalue()


def wav(values: Any, rate: int = 50) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, values, rate, format="WAV", subtype="FLOAT")
    return out.getvalue()


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (MATRIX, None),
        (MATRIX.astype(np.int32), None),
        (npy(MATRIX), None),
        (npy(MATRIX.astype(">f8")), None),
        (wav(MATRIX / 10), 50.0),
        (b"[[1, 2], [3, 4], [5, 6]]", None),
        (b"1,2\n3,4\n5,6\n", None),
        (b"x,y\r\n1,2\r\n3,4\r\n5,6\r\n", None),
        (b"\xef\xbb\xbf1\t2\n3\t4\n5\t6", None),
        (b"a;b\n1;2\n3;4\n5;6\n", None),
        (b"x,time,y\n1,0.00,2\n3,0.02,4\n5,0.04,6\n", 50.0),
        (b"t,x,y\n0,1,2\n1,3,4\n9,5,6\n", None),  # no even clock, no rate
    ],
)
def test_every_form_reads_alike(given: Any, rate: float | None) -> None:
    found = decode_series(given)
    scale = 10 if isinstance(given, bytes) and given[:4] == b"RIFF" else 1
    np.testing.assert_allclose(found.values * scale, MATRIX, rtol=1e-6)
    assert found.values.dtype == np.float32
    assert found.rate == pytest.approx(rate)
    assert found.bridged == 0


def test_a_line_is_drawn_over_short_gaps() -> None:
    found = decode_series(np.array([NAN, 1, NAN, 3, 4, 5, 6, 7, 8, 9.0]))
    assert found.values[:, 0].tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert found.bridged == 2
    assert decode_series(b"1,2\n,4\n5,6\n7,8\n9,10\n").values[1].tolist() == [3, 4]


SHAPES = st.tuples(st.integers(1, 30), st.integers(1, 4))


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(-9, 9, width=32)), st.data())
def test_what_is_there_is_never_changed(values: Any, data: st.DataObject) -> None:
    gaps = data.draw(hnp.arrays(np.bool_, values.shape))
    cell = np.where(gaps, np.nan, values)
    if (gaps.mean(axis=0) > MOST_GAPS).any():
        with pytest.raises(BrokenCell, match="are missing"):
            decode_series(cell)
        return
    found = decode_series(cell)
    np.testing.assert_array_equal(found.values[~gaps], values[~gaps])
    assert np.isfinite(found.values).all()
    assert found.bridged == gaps.sum()


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (np.zeros(0), "0 steps"),
        (np.zeros((0, 3)), "0 steps"),
        (b"[]", "0 steps"),
        (wav(np.zeros((0, 1))), "0 steps"),
        (b"x,y\n", "table of numbers"),
        (b"", "0 bytes"),
        (np.array([1.0, np.inf, 2.0]), "infinity"),
        (np.array([1.0, 1e300]), "infinity"),
        (np.array([NAN, NAN, 2.0]), "67% of the steps of channel 0"),
        (np.zeros((2, 2, 2)), "steps of equal width"),
        (npy(["a", "b"]), "steps of equal width"),
        (npy(1.0), "steps of equal width"),
        (npy(MATRIX)[:-3], "NPY"),
        (b"\x93NUMPY", "NPY"),
        (wav(MATRIX)[:30], "WAV"),
        (b"[[1, 2], [3]]", "list of numbers"),
        (b'["a"]', "list of numbers"),
        (b"[" * 100_000, "list of numbers"),
        (b"1,2\n3\n", "table of numbers"),
        (b"1,2\nx,y\n", "table of numbers"),
        (b"\xff\xfe\0\0", "table of numbers"),
        ("nowhere.csv", "no such file"),
    ],
)
def test_what_is_no_series_is_broken(cell: Any, why: str) -> None:
    with pytest.raises(BrokenCell, match=why):
        decode_series(cell)


def test_no_pickle_is_opened() -> None:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(BrokenCell, match="NPY"):
        decode_series(out.getvalue())


def cells(rows: Rows) -> list[Any]:
    return [decode_series(cell.value).values.tolist() for cell in rows.cells("s")]


@pytest.mark.parametrize("make", [dict, pd.DataFrame])
def test_arrays_in_cells_of_any_length(make: Any) -> None:
    rows = read(make({"s": [MATRIX, None, MATRIX[:2]], "n": [1, 2, 3]}))
    assert rows.schema["s"].modality == "series"
    assert cells(rows) == [MATRIX.tolist(), MATRIX[:2].tolist()]
    assert rows.describe_cell(0, "s") == "<series of 3 x 2 numbers>"


def test_arrays_of_no_steps_and_arrays_beside_other_things() -> None:
    rows = read({"s": [MATRIX, MATRIX[:0], MATRIX[:, 0]]})
    assert [b.why for b in rows.inspect()["s"].broken] == ["series of 0 steps"]
    for odd in ("a text", np.zeros((2, 2, 2))):
        with pytest.raises(DataError, match="beside a"):
            read({"s": [MATRIX, odd]})


def test_a_stack_of_series_and_slices_of_it() -> None:
    rows = read({"s": np.arange(24.0).reshape(4, 3, 2)})
    assert cells(rows[2:]) == [[[12, 13], [14, 15], [16, 17]], [[18, 19], [20, 21], [22, 23]]]


def test_flat_lists_of_many_lengths_and_vectors_stated_otherwise() -> None:
    rows = read({"s": [[1, 2], [3, None, 5, 6, 7, 8], None, [9]]})
    assert rows.schema["s"].modality == "series"
    assert cells(rows) == [[[1], [2]], [[3], [4], [5], [6], [7], [8]], [[9]]]
    equal = {"s": [[1.0, 2.0], [3.0, 4.0]]}
    assert read(equal).schema["s"].modality == "vector"
    assert cells(read(equal, modalities={"s": "series"})) == [[[1], [2]], [[3], [4]]]


def test_paths_bytes_and_json_meet_in_one_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.npy").write_bytes(npy(MATRIX))
    rows = read({"s": ["a.csv", "b.npy", "[[7, 8]]", ""]}, root=tmp_path, modalities={"s": "series"})
    assert cells(rows) == [[[1, 2]], MATRIX.tolist(), [[7, 8]]]
    assert cells(rows.copy_media()) == cells(rows)
    assert cells(read({"s": [npy(MATRIX)]})) == [MATRIX.tolist()]


def test_a_folder_of_npy_files(tmp_path: Path) -> None:
    for name in ("walk/1.npy", "sit/2.npy"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(npy(MATRIX))
    rows = read(tmp_path)
    assert {c.name: c.modality for c in rows.schema.columns} == {
        "id": "name",
        "series": "series",
        "label": "category",
    }


def test_steps_that_are_null_or_uneven() -> None:
    step = pa.list_(pa.float64())
    five = [[1, 2], None, [3, 4], [5, 6], [7, 8]]
    rows = read(pa.table({"s": pa.array([five, [[1, 2], [3]], []], pa.list_(step))}))
    found = rows.inspect()["s"]
    assert [(b.row, b.why) for b in found.broken][1] == (2, "series of 0 steps")
    assert "steps of equal width" in found.broken[0].why
    assert found.bridged == 1


def test_inspect_counts_bridges_zeros_and_repeats() -> None:
    gap = np.array([1, NAN, 3, 4, 5, 6])
    rows = read({"s": [gap, gap, np.zeros(9), [1.0, float("inf")], [3.0] * 4]})
    found = rows.inspect()["s"]
    assert (found.bridged, found.zero, found.duplicates, len(found.broken)) == (2, 1, 1, 1)


def test_rows_of_series_survive_parquet_and_joining(tmp_path: Path) -> None:
    rows = read({"s": [MATRIX, MATRIX[:1]]})
    rows.to_parquet(tmp_path / "rows.parquet")
    assert cells(Rows.from_parquet(tmp_path / "rows.parquet")) == cells(rows)
    assert len(cells(Rows.concat(rows, read({"s": [MATRIX * 2]})))) == 3


def test_ten_million_steps_are_read_without_python_numbers() -> None:
    start = time.perf_counter()
    flat = pa.array(np.ones(10_000_000, np.float32))
    column = pa.LargeListArray.from_arrays(pa.array([0, 10_000_000, 10_000_000]), flat)
    rows = read(pa.table({"s": column}), modalities={"s": "series"})
    found = [len(cell.value) for cell in rows.cells("s")]
    assert found == [10_000_000, 0]
    assert isinstance(decode_series(next(rows.cells("s")).value), Series)
    assert time.perf_counter() - start < 5
