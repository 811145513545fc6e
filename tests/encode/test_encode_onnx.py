"""ONNX images: tiny models with known answers, what is wrong with others, and MobileNet on real photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone

from chiasm.encode.onnx import OnnxImage
from chiasm.errors import ChiasmError, EncoderError, UsageError
from chiasm.rows.media import decode_image

onnx = pytest.importorskip("onnx", reason="the package onnx makes the tiny models")
pytest.importorskip("onnxruntime", reason="onnxruntime runs them")

SIZE = 4


def model(folder: Path, shape: list[Any], *, axes: tuple[int, int] = (2, 3), kind: str = "FLOAT") -> str:
    """A model of two outputs: `means` (n, 3) the channel means, `map` its own input."""
    from onnx import TensorProto, helper

    kept = helper.make_node("ReduceMean", ["x", "axes"], ["means"], keepdims=0)
    same = helper.make_node("Identity", ["x"], ["map"])
    number = getattr(TensorProto, kind)
    graph = helper.make_graph(
        [kept, same],
        "means",
        [helper.make_tensor_value_info("x", number, shape)],
        [helper.make_tensor_value_info(name, number, None) for name in ("means", "map")],
        [helper.make_tensor("axes", TensorProto.INT64, [2], axes)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / "means.onnx"
    path.write_bytes(made.SerializeToString())
    return str(path)


@pytest.fixture
def fixed(tmp_path: Path) -> str:
    return model(tmp_path, [1, 3, SIZE, SIZE])


def plain(height: int, width: int, colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("threads", [1, 3])
def test_channel_means(tmp_path: Path, batch: int | str, threads: int) -> None:
    encoder = OnnxImage(
        model(tmp_path, [batch, 3, SIZE, SIZE]), size=SIZE, mean=8.0, scale=[1.0, 2.0, 4.0], threads=threads
    )
    cells = [plain(5, 9, (8, 10, 16)), plain(1, 1, (9, 8, 8)), plain(4, 4, (0, 0, 0))]
    values = encoder.describe(cells)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[0, 1, 2], [1, 0, 0], [-8, -4, -2]])
    np.testing.assert_array_equal(encoder.describe(cells[1:2]), values[1:2])
    np.testing.assert_array_equal(clone(encoder).fit(values).transform(values), values)


def test_layout_and_colour(tmp_path: Path) -> None:
    path = model(tmp_path, [1, SIZE, SIZE, 3], axes=(1, 2))
    encoder = OnnxImage(path, size=SIZE, mean=[3.0, 2.0, 1.0], scale=1.0, layout="NHWC", colour="BGR")
    np.testing.assert_allclose(encoder.describe([plain(4, 4, (1, 2, 3))]), [[0, 0, 0]])


def test_centre_takes_the_central_square(fixed: str) -> None:
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[:, 8:16] = 100
    centre = OnnxImage(fixed, size=SIZE, mean=0.0, scale=1.0, crop="centre").describe([picture])
    squash = OnnxImage(fixed, size=SIZE, mean=0.0, scale=1.0).describe([picture])
    np.testing.assert_allclose(centre, 100)
    np.testing.assert_allclose(squash, 100 / 3, atol=1)


def test_identity_is_of_content_and_preprocessing(fixed: str, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.onnx"
    shutil.copy(fixed, moved)
    first = OnnxImage(fixed, size=SIZE)
    assert first.identity() == OnnxImage(str(moved), size=SIZE, threads=2).identity()
    assert first.identity() != OnnxImage(fixed, size=SIZE, mean=0.0).identity()
    before = OnnxImage(str(moved)).identity()
    moved.write_bytes(moved.read_bytes() + b"\0")
    assert OnnxImage(str(moved)).identity() != before


def test_new_parameters_open_the_model_anew(fixed: str) -> None:
    encoder = OnnxImage(fixed, size=SIZE)
    encoder.describe([plain(4, 4, (1, 2, 3))])
    with pytest.raises(UsageError, match="size and layout state"):
        encoder.set_params(size=5).describe([plain(4, 4, (1, 2, 3))])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"size": 8}, "size and layout state"),
        ({"layout": "NHWC"}, "size and layout state"),
        ({"layout": "NCWH"}, "Did you mean"),
        ({"output": "mean"}, "Did you mean 'means'"),
        ({"output": "map"}, "not \\(1, d\\)"),
        ({"scale": 0.0}, "must not be 0"),
        ({"mean": [1.0, 2.0]}, "a number or three"),
        ({"path": "gone.onnx"}, "no such ONNX file"),
    ],
)
def test_what_does_not_fit_is_said(fixed: str, changed: dict[str, Any], says: str) -> None:
    encoder = OnnxImage(**{"path": fixed, "size": SIZE, **changed})
    with pytest.raises(ChiasmError, match=says):
        encoder.describe([plain(4, 4, (1, 2, 3))])


def test_other_files_and_inputs_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(EncoderError, match="not an ONNX model"):
        OnnxImage(str(text)).describe([plain(4, 4, (1, 2, 3))])
    whole = model(tmp_path, [1, 3, SIZE, SIZE], kind="DOUBLE")
    with pytest.raises(EncoderError, match="not one float32 image"):
        OnnxImage(whole, size=SIZE).describe([plain(4, 4, (1, 2, 3))])


def test_from_json(fixed: str, tmp_path: Path) -> None:
    stated = tmp_path / "means.json"
    stated.write_text(json.dumps({"model": "means.onnx", "size": SIZE, "mean": [0.0, 1.0, 2.0], "scale": 1}))
    encoder = OnnxImage.from_json(stated)
    np.testing.assert_allclose(encoder.describe([plain(2, 2, (0, 1, 2))]), [[0, 0, 0]])
    json.dumps(encoder.get_params())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"model": "a.onnx", "sise": 4}', "unknown key 'sise'. Did you mean 'size'"),
        ('{"size": 4}', "model: Field required"),
        ('{"model": "a.onnx", "size": "4"}', "size: "),
        ("[", "Invalid JSON"),
    ],
)
def test_json_is_strict(tmp_path: Path, text: str, says: str) -> None:
    stated = tmp_path / "stated.json"
    stated.write_text(text)
    with pytest.raises(UsageError, match=says):
        OnnxImage.from_json(stated)
    with pytest.raises(UsageError, match="cannot be read"):
        OnnxImage.from_json(tmp_path / "none.json")


def test_mobilenet_on_photos(shared_data: Path) -> None:
    """The ready vectors were made from larger photos: the data's own README says cosine 0.96 to 0.98."""
    photos = next(pq.ParquetFile(shared_data / "flickr8k/photos.parquet").iter_batches(40)).to_pydict()
    ready = pq.read_table(
        shared_data / "flickr8k/vectors.parquet", filters=[("filename", "in", photos["filename"])]
    ).to_pydict()
    known = dict(zip(ready["filename"], ready["photo_mobilenetv2"], strict=True))
    encoder = OnnxImage(str(shared_data / "vision_encoder/mobilenet_v2_1.0_224_quant_dequant.onnx"))
    values = encoder.describe([decode_image(photo) for photo in photos["photo"]])
    wanted = np.array([known[name] for name in photos["filename"]], np.float32)
    cosine = (values * wanted).sum(1) / np.linalg.norm(values, axis=1) / np.linalg.norm(wanted, axis=1)
    assert 0.96 <= cosine.mean() <= 0.98
