"""An image model from an ONNX file, its preprocessing stated beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chiasm.array_types import Floats32
from chiasm.checks import check_known, check_range
from chiasm.encode.encoder import Encoder, digest
from chiasm.encode.weights import file_hash
from chiasm.errors import EncoderError, UsageError, did_you_mean, require_extra

Pixels = NDArray[np.uint8]

LAYOUTS = {"NCHW": (2, 0, 1), "NHWC": (0, 1, 2)}
COLOURS = ("RGB", "BGR")
CROPS = ("squash", "centre")


class OnnxImage(Encoder):
    """Vectors of images by any ONNX model with one float32 image input.

    Every image is cropped, resized to (size, size) and handed over as (pixels - mean) / scale, pixels in
    0 … 255.

    path : the ONNX file.
    size : side in pixels of the square image that the model takes.
    mean, scale : a number for all three channels, or a list of three in the order of `colour`.
    layout : NCHW or NHWC.  colour : RGB or BGR.
    crop : squash takes the whole image whatever its shape; centre takes its central square.
    output : name of the output taken, (batch, d) or that with trailing ones; None takes the first.
    threads : images described at once, one thread each; 0 takes as many as there are cores.
    """

    modality: ClassVar[str] = "image"

    def __init__(
        self,
        path: str,
        size: int = 224,
        mean: float | list[float] = 128.0,
        scale: float | list[float] = 128.0,
        layout: str = "NCHW",
        colour: str = "RGB",
        crop: str = "squash",
        output: str | None = None,
        threads: int = 0,
    ) -> None:
        self.path = path
        self.size = size
        self.mean = mean
        self.scale = scale
        self.layout = layout
        self.colour = colour
        self.crop = crop
        self.output = output
        self.threads = threads

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """The encoder a JSON file states: `{"model": "mobilenet.onnx", "size": 224, …}`.

        `model` is relative to the JSON file; the other keys are the parameters of the constructor.
        """
        file = Path(path)
        try:
            settings = _Settings.model_validate_json(file.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=str(file)) from error
        except ValidationError as error:
            raise UsageError(_reason(error), where=str(file)) from error
        given = settings.model_dump(exclude={"model"}, exclude_unset=True)
        return cls(str((file.parent / settings.model).absolute()), **given)

    def set_params(self, **params: Any) -> Self:
        """Change parameters; the model is opened anew."""
        self.__dict__.pop("_session", None)
        return super().set_params(**params)  # type: ignore[no-any-return]

    def identity(self) -> str:
        """Of the file's content and the preprocessing; not of where the file lies."""
        stated = {name: value for name, value in self.get_params().items() if name not in ("path", "threads")}
        return digest(self.kind, self.version, file_hash(self._file()), stated)

    def describe(self, cells: Sequence[Pixels]) -> Floats32:
        """(n, d) of RGB pixels (h, w, 3), every image by itself."""
        session = self._session
        with ThreadPoolExecutor(min(self._workers(), max(len(cells), 1))) as pool:
            lines = list(pool.map(lambda cell: self._line(session, cell), cells))
        return np.stack(lines) if lines else np.zeros((0, 0), np.float32)

    def _line(self, session: Any, pixels: Pixels) -> Floats32:
        """(d,) of one image. Every image runs alone, so that its vector cannot depend on its neighbours'."""
        name = self.output or session.get_outputs()[0].name
        values = session.run([name], {session.get_inputs()[0].name: self._prepared(pixels)})[0]
        if values.ndim < 2 or values.size != values.shape[1]:
            raise EncoderError(
                f"output {name!r} is {values.shape} for one image, not (1, d)",
                where=self.path,
                hint="Name another with output=.",
            )
        return np.asarray(values, np.float32).reshape(-1)

    def _prepared(self, pixels: Pixels) -> Floats32:
        """(1, 3, size, size) or (1, size, size, 3) float32 as the model takes it."""
        seen = _central_square(pixels) if self.crop == "centre" else pixels
        image = Image.fromarray(seen).resize(
            (self.size, self.size), Image.Resampling.BILINEAR, reducing_gap=3.0
        )
        small = np.asarray(image, np.float32)
        if self.colour == "BGR":
            small = small[:, :, ::-1]
        mean, scale = np.asarray(self.mean, np.float32), np.asarray(self.scale, np.float32)
        small = np.divide(small - mean, scale, dtype=np.float32)
        return np.ascontiguousarray(small.transpose(LAYOUTS[self.layout])[None])

    def _workers(self) -> int:
        return self.threads or os.cpu_count() or 1

    def _file(self) -> Path:
        file = Path(self.path)
        if not file.is_file():
            raise EncoderError("no such ONNX file", where=self.path)
        return file

    @cached_property
    def _session(self) -> Any:
        """The model, opened at first use."""
        self._check_stated()
        require_extra("onnxruntime", "pretrained")
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as native

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # images run side by side instead: no waiting within one
        options.log_severity_level = 3
        failures = (
            native.Fail,
            native.InvalidArgument,
            native.InvalidGraph,
            native.InvalidProtobuf,
            native.NoModel,
            native.NotImplemented,
            native.RuntimeException,
        )
        try:
            session = onnxruntime.InferenceSession(
                str(self._file()), options, providers=["CPUExecutionProvider"]
            )
        except failures as error:
            raise EncoderError(f"not an ONNX model that can be opened: {error}", where=self.path) from error
        self._check_model(session)
        return session

    def _check_stated(self) -> None:
        check_range(self.size, "size", 1)
        check_range(self.threads, "threads", 0)
        check_known(self.layout, LAYOUTS, "layout")
        check_known(self.colour, COLOURS, "colour order")
        check_known(self.crop, CROPS, "crop")
        for name in ("mean", "scale"):
            if np.shape(getattr(self, name)) not in ((), (3,)):
                raise UsageError(f"{name} must be a number or three, got {getattr(self, name)}")
        if not np.all(self.scale):
            raise UsageError("scale must not be 0")

    def _check_model(self, session: Any) -> None:
        """Raise `EncoderError` or `UsageError` unless the model takes what is stated and has the output."""
        taken = session.get_inputs()
        if len(taken) != 1 or taken[0].type != "tensor(float)" or len(taken[0].shape) != 4:
            found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in taken)
            raise EncoderError(
                f"the model takes {found}, not one float32 image",
                where=self.path,
                hint="Use an own encoder for it.",
            )
        wanted = [1, 3, self.size, self.size] if self.layout == "NCHW" else [1, self.size, self.size, 3]
        if any(
            isinstance(has, int) and has > 0 and has != asked
            for has, asked in zip(taken[0].shape, wanted, strict=True)
        ):
            raise UsageError(
                f"the model takes {taken[0].shape}, size and layout state {wanted}",
                where=self.path,
                hint="Set size= and layout= to what it takes; a fixed batch must be 1.",
            )
        if self.output is not None:
            check_known(self.output, [out.name for out in session.get_outputs()], f"output of {self.path}")


class _Settings(BaseModel):
    """The JSON beside an ONNX file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    model: str = Field(min_length=1)
    size: int = Field(224, ge=1)
    mean: float | list[float] = 128.0
    scale: float | list[float] = 128.0
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colour: Literal["RGB", "BGR"] = "RGB"
    crop: Literal["squash", "centre"] = "squash"
    output: str | None = None
    threads: int = Field(0, ge=0)


def _reason(error: ValidationError) -> str:
    """The first fault in one line."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key!r}. {did_you_mean(key, _Settings.model_fields)}".rstrip(".")
    return f"{key}: {fault['msg']}" if key else fault["msg"]


def _central_square(pixels: Pixels) -> Pixels:
    """The largest central square of an image (h, w, 3)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
