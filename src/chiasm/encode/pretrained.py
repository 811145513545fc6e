"""Pretrained encoders by name: any transformers or sentence-transformers model, from a folder or the hub."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm.array_types import Floats32
from chiasm.checks import check_known
from chiasm.encode.encoder import Encoder, digest
from chiasm.encode.hub import loading, model_folder
from chiasm.encode.tokens import POOLING, TOWERS, array, hidden, pooled
from chiasm.encode.weights import folder_hashes
from chiasm.errors import EncoderError, UsageError, require_extra
from chiasm.rows.media import Sound

BATCH = 32
WINDOW = 30  # seconds of sound at once where the model names no window of its own
SHORTEST = 0.1  # seconds; shorter sounds are filled with silence, or convolutions find nothing in them
UNTRAINED = ("pooler", "masked_spec_embed")
"""Weights that a checkpoint may lack, since a vector need not use them."""


class Pretrained(Encoder):
    """A model that is loaded at first use and never trained.

    name : folder of the model, or its name on the hub (`owner/model`), which is fetched once and then kept.
    pooling : auto takes what the model was trained to give (its features for search, or its own pooling),
        else the mean; mean, cls (first token) and pooler force one.
    device : where it runs, as torch names it.
    revision : branch, tag or commit on the hub; a commit pins the model for good.
    layer : hidden layer whose tokens are pooled, -1 the last but for the final norm; None: the model's own
        output. `layers` gives encoders of some.

    Only safetensors weights are read, and no code from the folder is run. Raises EncoderError where the model
    cannot be had or does not fit the modality.
    """

    pooler_first: ClassVar[bool] = False  # whether `auto` prefers a trained pooler to the mean

    def __init__(
        self,
        name: str,
        pooling: str = "auto",
        device: str = "cpu",
        revision: str | None = None,
        layer: int | None = None,
    ) -> None:
        self.name = name
        self.pooling = pooling
        self.device = device
        self.revision = revision
        self.layer = layer

    def set_params(self, **params: Any) -> Self:
        """Change parameters; the model is loaded anew."""
        for loaded in ("_model", "_preparer", "_folder"):
            self.__dict__.pop(loaded, None)
        return super().set_params(**params)  # type: ignore[no-any-return]

    def identity(self) -> str:
        """Of the pooling and the contents of a folder, or a hub name with its revision."""
        folder = Path(self.name)
        source = folder_hashes(folder) if folder.is_dir() else f"{self.name}@{self.revision or 'main'}"
        layer = [] if self.layer is None else [f"layer {self.layer}"]
        return digest(self.kind, self.version, self.pooling, source, *layer)

    def layers(self, most: int = 4) -> dict[str, Self]:
        """{"layer -1": this encoder of that layer, …}, at most so many, evenly from the last to the first."""
        config = self._model_config()
        count = int(getattr(config, "num_hidden_layers", None) or 1)
        places = np.unique(np.linspace(-1, -count, min(most, count)).round().astype(int))[::-1]
        return {f"layer {i}": clone(self).set_params(layer=int(i)) for i in places}

    def describe(self, cells: Sequence[Any]) -> Floats32:
        """(n, d) of decoded cells."""
        check_known(self.pooling, POOLING, "pooling")
        require_extra("torch", "pretrained")
        require_extra("transformers", "pretrained")
        import torch

        if not len(cells):
            return np.zeros((0, 0), np.float32)
        with torch.inference_mode():
            return np.concatenate([self._batch(cells[i : i + BATCH]) for i in range(0, len(cells), BATCH)])

    @abstractmethod
    def _batch(self, cells: Sequence[Any]) -> Floats32:
        """(n, d) of a few cells."""

    @abstractmethod
    def _load_preparer(self, folder: Path) -> Any:
        """What turns cells into the model's inputs."""

    @cached_property
    def _preparer(self) -> Any:
        with loading(self.name):
            return self._load_preparer(self._folder)

    @cached_property
    def _model(self) -> Any:
        """The model in evaluation mode, float32; of one with a decoder, the encoder alone."""
        with loading(self.name):
            return self._load_model(self._folder)

    def _load_model(self, folder: Path) -> Any:
        import transformers

        model, report = transformers.AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        missing = sorted(report["missing_keys"])
        foreign = [key for key in missing if not any(part in key for part in UNTRAINED)]
        if foreign:
            raise EncoderError(
                f"its weights lack {foreign[0]} and {len(foreign) - 1} more of {type(model).__name__}",
                where=self.name,
                hint="Vectors of random weights mean nothing: take a complete model.",
            )
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        model.pooler_trained = not any("pooler" in key for key in missing)
        return model.float().eval().to(self.device)

    @cached_property
    def _folder(self) -> Path:
        return model_folder(self.name, self.revision)

    def _model_config(self) -> Any:
        """Of the tower of this modality."""
        import transformers

        with loading(self.name):
            config = transformers.AutoConfig.from_pretrained(self._folder, local_files_only=True)
        return getattr(config, TOWERS[self.modality][2], config)

    def _vectors(self, inputs: Any, mask: Any = None) -> Floats32:
        """(n, d) of prepared inputs; mask (n, t) tells the tokens that count in the mean."""
        method, tower, _ = TOWERS[self.modality]
        features = getattr(self._model, method, None)
        if features is not None and self.pooling == "auto" and self.layer is None:
            found = features(**inputs)
            return array(getattr(found, "pooler_output", found))  # newer transformers wrap it in an output
        model = getattr(self._model, tower, self._model)
        if self.layer is not None:
            return pooled(hidden(model(**inputs, output_hidden_states=True), self.layer), mask, self.pooling)
        output = model(**inputs)
        trained = getattr(output, "pooler_output", None) if self._model.pooler_trained else None
        if self.pooling == "pooler" and trained is None:
            raise UsageError("the model has no trained pooler", where=self.name, hint="Take another pooling.")
        wanted = self.pooling == "pooler" or (self.pooling == "auto" and self.pooler_first)
        if trained is not None and wanted:
            return array(trained.flatten(1))
        return pooled(output.last_hidden_state, mask, self.pooling)


class TextModel(Pretrained):
    """Text by sentence-transformers (where modules.json is), a text tower, or the mean of the tokens."""

    modality: ClassVar[str] = "text"

    def _load_preparer(self, folder: Path) -> Any:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        return tokenizer

    def _load_model(self, folder: Path) -> Any:
        own = self.pooling == "auto" and self.layer is None
        if not own or not (folder / "modules.json").is_file():
            return super()._load_model(folder)
        require_extra("sentence_transformers", "pretrained")
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(
            str(folder), device=self.device, local_files_only=True, model_kwargs={"use_safetensors": True}
        ).float()

    def _batch(self, cells: Sequence[str]) -> Floats32:
        model = self._model
        if hasattr(model, "encode"):
            found = model.encode(list(cells), convert_to_numpy=True, show_progress_bar=False)
            return np.asarray(found, np.float32)
        inputs = self._tokens(cells)
        return self._vectors(inputs, inputs.get("attention_mask"))

    def _tokens(self, cells: Sequence[str]) -> Any:
        tokenizer, config = self._preparer, self._model.config
        text = getattr(config, "text_config", config)
        longest = min(tokenizer.model_max_length, getattr(text, "max_position_embeddings", 512))
        # SigLIP was trained on texts filled up to the full length and knows no mask
        padding = "max_length" if config.model_type.startswith("siglip") else True
        return tokenizer(
            list(cells), padding=padding, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self.device)


class ImageModel(Pretrained):
    """Images by an image tower, or the model's pooler where it is trained, or the mean of the patches."""

    modality: ClassVar[str] = "image"
    pooler_first: ClassVar[bool] = True

    def _load_preparer(self, folder: Path) -> Any:
        from transformers import AutoImageProcessor

        return AutoImageProcessor.from_pretrained(folder, local_files_only=True)

    def _batch(self, cells: Sequence[NDArray[np.uint8]]) -> Floats32:
        from PIL import Image

        # as pictures, since the axes of a small array could be mistaken
        pictures = [Image.fromarray(cell) for cell in cells]
        inputs = self._preparer(images=pictures, return_tensors="pt").to(self.device)
        return self._vectors(inputs)


class SoundModel(Pretrained):
    """Sound by an audio tower, or the mean over the frames (of Whisper, of its encoder's).

    A sound longer than the model's window is described window by window, and the mean weighted by length.
    """

    modality: ClassVar[str] = "sound"

    def _load_preparer(self, folder: Path) -> Any:
        from transformers import AutoFeatureExtractor

        return AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)

    def _batch(self, cells: Sequence[Sound]) -> Floats32:
        # one by one: models without a mask would hear the silence that fills a batch up
        return np.stack([self._line(cell) for cell in cells])

    def _line(self, sound: Sound) -> Floats32:
        windows = list(self._windows(sound))
        lines = [self._window(samples) for samples in windows]
        return np.asarray(np.average(lines, axis=0, weights=[len(w) for w in windows]), np.float32)

    def _windows(self, sound: Sound) -> Iterator[Floats32]:
        """Pieces (t,) at the model's rate, each as long as it takes at once."""
        import soxr

        extractor = self._preparer
        rate = int(extractor.sampling_rate)
        samples = soxr.resample(sound.samples, sound.rate, rate) if sound.rate != rate else sound.samples
        samples = np.pad(samples, (0, max(0, round(SHORTEST * rate) - len(samples))))
        longest = int(getattr(extractor, "nb_max_samples", getattr(extractor, "n_samples", WINDOW * rate)))
        yield from np.array_split(samples, -(-len(samples) // longest))

    def _window(self, samples: Floats32) -> Floats32:
        """(d,) of one window."""
        extractor = self._preparer
        inputs = extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="pt").to(
            self.device
        )
        return np.asarray(self._vectors(inputs, self._heard(len(samples)))[0], np.float32)

    def _heard(self, count: int) -> Any:
        """(1, frames) of Whisper, which always hears 30 s: True where a frame holds some of the samples."""
        import torch

        frames = getattr(self._model.config, "max_source_positions", None)
        if frames is None or not hasattr(self._preparer, "n_samples"):
            return None
        heard = -(-count * frames // self._preparer.n_samples)
        return (torch.arange(frames, device=self.device) < heard)[None]
