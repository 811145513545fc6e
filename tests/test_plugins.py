"""Components by name: the table, entry points, and what a person may write for an encoder."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chiasm import plugins
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.encode.table import OneHot
from chiasm.errors import UsageError


class Mine(OneHot):
    """As another package would bring it."""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:Mine", "chiasm.encode")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == "chiasm.encode" else [])


@pytest.mark.parametrize("kind", sorted(plugins.BUILT_IN))
def test_every_name_leads_to_a_class_and_back(kind: str) -> None:
    for name in (*plugins.BUILT_IN[kind], *plugins.MADE.get(kind, ())):
        cls = plugins.get(kind, name, kept=True)
        assert plugins.name_of(kind, cls.__new__(cls)) == name
    assert plugins.names(kind) == sorted(plugins.BUILT_IN[kind])


def test_the_default_of_each_modality_takes_it() -> None:
    for modality in plugins.DEFAULTS:
        assert plugins.encoder(None, modality).modality == modality
    with pytest.raises(UsageError, match="no encoder takes name"):
        plugins.encoder(None, "name")


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_a_name() -> None:
    assert "mine" in plugins.names("encode")
    assert plugins.get("encode", "mine") is Mine
    assert isinstance(plugins.encoder("mine", "category"), Mine)
    assert plugins.name_of("encode", Mine()) == "mine"


def test_a_class_without_a_name_cannot_be_saved() -> None:
    with pytest.raises(UsageError, match=r"Mine has no name here.*'chiasm.encode'"):
        plugins.name_of("encode", Mine())


def test_an_encoder_and_a_function_are_taken_as_they_are() -> None:
    own = OneHot()
    assert plugins.encoder(own, "category") is own
    made = plugins.encoder(len, "text")
    assert isinstance(made, Function)
    assert (made.function, made.modality) == (len, "text")


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("lexicall", "no encoder called 'lexicall'. Did you mean 'lexical'"),
        ("", "no encoder is named for a column of text"),
        (" ", "no encoder is named"),
        ("Lexical", "Did you mean 'lexical'"),
        ("model.onnx", "model.onnx: an ONNX file does not say how its input is made"),
        ("onnx", "encoder 'onnx' needs"),
        ("text-model", "encoder 'text-model' needs"),
        ("function", "encoder 'function' needs function, modality"),
    ],
)
def test_what_names_no_encoder_is_refused(named: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plugins.encoder(named, "text")


def test_a_folder_or_a_name_on_the_hub_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(plugins, "get", lambda kind, name: lambda text: asked.append((name, text)))
    for named in (tmp_path, str(tmp_path), "someone/some-model"):
        plugins.encoder(named, "image")
    assert asked == [("image-model", str(tmp_path))] * 2 + [("image-model", "someone/some-model")]


def test_an_unknown_component_of_any_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no aligner called 'cc'\. Did you mean 'cca'"):
        plugins.get("align", "cc")
    with pytest.raises(UsageError, match=r"no aligner called 'CCA'\. Did you mean 'cca'"):
        plugins.get("align", "CCA")
    with pytest.raises(UsageError, match=r"no aligner called 'aut'\. Did you mean 'auto'"):
        plugins.get("align", "aut")


def test_what_only_a_verb_makes_is_not_chosen() -> None:
    assert "swapped" not in plugins.names("align")
    with pytest.raises(UsageError, match=r"no aligner called 'swapped'"):
        plugins.get("align", "swapped")
    assert plugins.get("align", "swapped", kept=True).__name__ == "Swapped"


def test_an_encoder_of_ones_own_keeps_the_oath() -> None:
    class Ones(Encoder):
        modality = "text"

        def describe(self, cells: Any) -> np.ndarray:
            return np.ones((len(cells), 2), np.float32)

    assert plugins.encoder(Ones(), "text").fit(np.ones((3, 2))).width_ == 2
