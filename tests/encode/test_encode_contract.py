"""The contract of every encoder, found by walking the package, those added later included."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from videos import moving, tone, video

import chiasm.encode
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.errors import DataError
from chiasm.rows.media import Sound
from chiasm.rows.series import Series
from chiasm.rows.video import decode_video

RNG = np.random.default_rng(0)
N = 12


def sounds() -> list[Sound]:
    lengths = RNG.integers(1, 9000, N)
    return [Sound(RNG.uniform(-1, 1, length).astype(np.float32), 8000) for length in lengths]


CELLS: dict[str, Any] = {
    "text": [f"a dog barks {i} 小猫在睡觉" for i in range(N)],
    "image": [RNG.integers(0, 256, (1 + 7 * i, 3 + i, 3), dtype=np.uint8) for i in range(N)],
    "sound": sounds(),
    "series": [Series(RNG.normal(size=(1 + 30 * i, 4)).astype(np.float32)) for i in range(N)],
    "vector": RNG.normal(size=(N, 5)).astype(np.float32),
    "number": RNG.normal(size=(N, 1)).astype(np.float32),
    "category": [f"kind {i % 3}" for i in range(N)],
    "video": [decode_video(video(moving(1 + i, (i % 3, 2)), sound=tone(100 + 90 * i))) for i in range(N)],
    "table": [{"age": float(i), "kind": "ab"[i % 2]} if i % 5 else {"kind": "a"} for i in range(N)],
}


def classes() -> list[type[Encoder]]:
    """Every encoder of the package that can be made."""
    found = set()
    for module in pkgutil.walk_packages(chiasm.encode.__path__, "chiasm.encode."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Encoder) and not inspect.isabstract(kind) and kind.__module__ == module.name:
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__name__)


def asked(kind: type[Encoder]) -> list[str]:
    """The parameters of a class that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [p.name for p in parameters if p.default is inspect.Parameter.empty]


def ready() -> list[Encoder]:
    """One encoder of every class that needs no model file, and a function."""
    made = [kind() for kind in classes() if not asked(kind)]
    return [
        *made,
        Function(lambda cells: np.array([[len(cell), 1.0] for cell in cells]), "text", name="length"),
    ]


def name(encoder: Encoder) -> str:
    return type(encoder).__name__


def described(encoder: Encoder) -> Any:
    return encoder.describe(CELLS[encoder.modality])


def some(values: Any, places: list[int]) -> Any:
    return values[places] if isinstance(values, np.ndarray) else [values[i] for i in places]


def test_the_walk_finds_the_encoders() -> None:
    assert {"Lexical", "Gradients", "LogMel", "Vector", "Hellinger", "OneHot", "Standard"} <= {
        kind.__name__ for kind in classes()
    }


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_the_constructor_only_stores(kind: type[Encoder]) -> None:
    given: dict[str, Any] = {parameter: object() for parameter in asked(kind)}
    encoder = kind(**given)
    expected = {p.name: given.get(p.name, p.default) for p in inspect.signature(kind).parameters.values()}
    assert encoder.get_params(deep=False) == expected
    assert encoder.state() == {}


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_features_are_finite_float32_matrices(encoder: Encoder) -> None:
    values = described(encoder)
    assert len(values) == N
    found = encoder.fit(values).transform(values)
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert len(found) == N
    assert np.isfinite(found).all()


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_a_clone_is_unfitted_and_learns_the_same(encoder: Encoder) -> None:
    values = described(encoder)
    expected = encoder.fit(values).transform(values)
    copied = clone(encoder)
    assert copied.state() == {}
    assert copied.identity() == encoder.identity()
    np.testing.assert_array_equal(copied.fit(values).transform(values), expected)


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_a_second_fit_forgets_the_first(encoder: Encoder) -> None:
    values = described(encoder)
    half = some(values, list(range(N // 2)))
    fresh = clone(encoder).fit(half).transform(values)
    np.testing.assert_array_equal(encoder.fit(values).fit(half).transform(values), fresh)


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_a_restored_encoder_gives_the_same_bits(encoder: Encoder) -> None:
    values = described(encoder)
    encoder.fit(values)
    restored = clone(encoder).restore(encoder.state())
    np.testing.assert_array_equal(restored.transform(values), encoder.transform(values))


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_other_rows_have_no_say(encoder: Encoder) -> None:
    values = described(encoder)
    together = encoder.fit(values).transform(values)
    for i in range(N):
        alone = encoder.describe(some(CELLS[encoder.modality], [i]))
        np.testing.assert_allclose(encoder.transform(alone)[0], together[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ready(), ids=name)
def test_nothing_is_learned_from_nothing(encoder: Encoder) -> None:
    nothing = described(encoder)[:0]
    with pytest.raises(DataError):
        encoder.fit(nothing)
