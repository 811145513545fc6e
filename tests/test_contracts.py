"""What every component promises, found through the table of names, those added later included.

What lies under the mask has no say, and an empty column changes nothing: both bit for bit.
"""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone

from chiasm import plugins, read
from chiasm.checks import Estimator
from chiasm.encode.call import Function
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.features import Features
from chiasm.errors import NotFitted
from chiasm.fuse.fusion import Fusion
from chiasm.storage import read_tree, write_tree

N = 60
WIDTHS = {"a": 6, "b": 5, "c": 4}
RNG = np.random.default_rng(0)
LATENT = RNG.standard_normal((N, 3))
LABELS = [None if i % 10 == 9 else f"kind {int(x > 0)}{int(x > 1)}" for i, x in enumerate(LATENT[:, 0])]


def column(name: str) -> np.ndarray:
    noise = 0.5 * RNG.standard_normal((N, WIDTHS[name]))
    return (LATENT @ RNG.standard_normal((3, WIDTHS[name])) + noise).astype(np.float32)


VALUES = {name: column(name) for name in WIDTHS}
MASKS = {name: RNG.random(N) < 0.75 for name in WIDTHS}
NAMES = {kind: sorted(plugins.BUILT_IN[kind]) for kind in ("align", "fuse", "encode")}
JOINING = [name for name in NAMES["fuse"] if not issubclass(plugins.get("fuse", name), Fusion)]
"""Fusions of one vector a row; those that predict are in test_contracts_targets."""
SMALL = {"dim": 3, "epochs": 2, "hidden": 8, "members": (("cca", {}), ("learned", {"epochs": 2}))}
EMPTY = {"0 empty": np.full((N, 7), np.nan, np.float32), "z empty": np.full((N, 2), np.nan)}


def gapped(values: dict[str, np.ndarray], masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {c: np.where(masks[c][:, None], v, np.float32(np.nan)) for c, v in values.items()}


def made(kind: str, name: str) -> Any:
    """A component with small settings; what it cannot be without is something that only can be stored."""
    cls = plugins.get(kind, name)
    parameters = inspect.signature(cls).parameters
    given = {p.name: object() for p in parameters.values() if p.default is p.empty}
    if name == "function":
        given = {"function": lengths, "modality": "text"}
    small = SMALL if kind == "align" else {}
    return cls(**given, **{parameter: value for parameter, value in small.items() if parameter in parameters})


def lengths(cells: list[str]) -> np.ndarray:
    return np.array([[len(cell), cell.count(" ")] for cell in cells], np.float32)


def assert_same(one: Any, other: Any) -> None:
    """Trees of dicts, lists, arrays and scalars that agree bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def stored(estimator: Estimator, folder: Path) -> Any:
    """A clone that took over what was learned by way of the disk."""
    write_tree(folder, "state", estimator.state())
    return clone(estimator).restore(read_tree(folder, "state"))


# The estimator's oath


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in NAMES for n in NAMES[k]])
def test_the_constructor_only_stores(kind: str, name: str) -> None:
    component = made(kind, name)
    assert isinstance(component, Estimator)
    assert plugins.name_of(kind, component) == name
    for parameter, value in component.get_params(deep=False).items():
        assert getattr(component, parameter) is value
    again = clone(component, safe=False)
    assert again.get_params(deep=False).keys() == component.get_params(deep=False).keys()
    assert component.state() == {}


@pytest.mark.parametrize("name", NAMES["align"])
def test_an_unfitted_aligner_says_so(name: str) -> None:
    aligner = made("align", name)
    with pytest.raises(NotFitted, match="Call fit first"):
        aligner.transform(VALUES)
    with pytest.raises(NotFitted, match="Call fit first"):
        aligner.project("a", VALUES["a"])


@pytest.mark.parametrize("name", NAMES["encode"])
def test_an_unfitted_encoder_says_so(name: str) -> None:
    with pytest.raises(NotFitted, match="Call fit first"):
        made("encode", name).transform(VALUES["a"])


@pytest.mark.parametrize("name", NAMES["align"])
def test_a_second_fit_of_an_aligner_forgets_the_first(name: str) -> None:
    X = gapped(VALUES, MASKS)
    fewer = {c: X[c][:50] for c in ("a", "b")}
    aligner = made("align", name).fit(X, LABELS).fit(fewer, LABELS[:50])
    assert_same(aligner.state(), made("align", name).fit(fewer, LABELS[:50]).state())


@pytest.mark.parametrize("name", NAMES["align"])
def test_an_aligner_comes_back_from_disk_to_the_bit(name: str, tmp_path: Path) -> None:
    X = gapped(VALUES, MASKS)
    aligner = made("align", name).fit(X, LABELS)
    assert_same(stored(aligner, tmp_path).transform(X), aligner.transform(X))


@pytest.mark.parametrize("name", JOINING)
def test_a_fusion_comes_back_from_disk_to_the_bit(name: str, tmp_path: Path) -> None:
    X = spaces(MASKS)
    fusion = made("fuse", name).fit(X, LABELS)
    assert_same(stored(fusion, tmp_path).transform(X), fusion.transform(X))


# What lies under the mask has no say


def under(masks: dict[str, np.ndarray], seed: int) -> dict[str, Features]:
    """The columns with other rubbish in every absent row."""
    rng = np.random.default_rng(seed)
    rubbish = {c: rng.choice([np.nan, np.inf, -1e30, 0.0, 7.0], v.shape) for c, v in VALUES.items()}
    mixed = {c: np.where(masks[c][:, None], v, rubbish[c]).astype(np.float32) for c, v in VALUES.items()}
    return {c: Features.of(mixed[c], masks[c]) for c in VALUES}


@pytest.mark.parametrize("name", NAMES["align"])
@settings(max_examples=5, deadline=None)
@given(share=st.floats(0.1, 0.4), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say_in_an_aligner(name: str, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    one, other = under(masks, seed), under(masks, seed + 1)
    left, right = (made("align", name).fit(X, LABELS) for X in (one, other))
    assert_same(left.state(), right.state())
    assert_same(left.transform(one), right.transform(other))
    assert_same(left.state(), made("align", name).fit(gapped(VALUES, masks), LABELS).state())
    for c, vectors in left.transform(one).items():
        np.testing.assert_array_equal(np.isnan(vectors).any(axis=1), ~masks[c])


def spaces(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return gapped({c: v[:, :4] / np.linalg.norm(v[:, :4], axis=1)[:, None] for c, v in VALUES.items()}, masks)


@pytest.mark.parametrize("name", JOINING)
@settings(max_examples=10, deadline=None)
@given(share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_what_lies_under_the_mask_has_no_say_in_a_fusion(name: str, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = {c: rng.random(N) >= share for c in VALUES}
    one, other = spaces(masks), spaces(masks)
    for c in other:  # an absent row is one with NaN in it, whatever stands beside
        other[c][~masks[c], 1:] = rng.choice([np.nan, np.inf, 5.0], (int((~masks[c]).sum()), 3))
    fusion = made("fuse", name).fit(one, LABELS)
    fused = fusion.transform(one)
    assert_same(made("fuse", name).fit(other, LABELS).state(), fusion.state())
    assert_same(fusion.transform(other), fused)
    np.testing.assert_array_equal(np.isnan(fused).any(axis=1), ~np.any(list(masks.values()), axis=0))


# An empty column changes nothing


@pytest.mark.parametrize("name", NAMES["align"])
def test_an_empty_column_changes_nothing_in_an_aligner(name: str) -> None:
    X = gapped(VALUES, MASKS)
    plain, wider = made("align", name).fit(X, LABELS), made("align", name).fit({**EMPTY, **X}, LABELS)
    assert_same(plain.state(), wider.state())
    expected = plain.transform(X)
    found = wider.transform({**EMPTY, **X})
    assert_same({c: found[c] for c in X}, expected)
    for empty in EMPTY:
        assert found[empty].shape == expected["a"].shape
        assert np.isnan(found[empty]).all()


@pytest.mark.parametrize("name", NAMES["align"])
def test_a_missing_column_is_an_empty_one_to_an_aligner(name: str) -> None:
    X = gapped(VALUES, MASKS)
    aligner = made("align", name).fit(X, LABELS)
    without = aligner.transform({c: X[c] for c in ("a", "c")})
    empty = aligner.transform({**X, "b": np.full_like(X["b"], np.nan)})
    assert np.isnan(empty.pop("b")).all()
    assert_same(empty, without)


@pytest.mark.parametrize("name", JOINING)
def test_an_empty_column_changes_nothing_in_a_fusion(name: str) -> None:
    X = spaces(MASKS)
    wider = {"0 empty": np.full_like(X["a"], np.nan), **X, "z empty": np.full_like(X["a"], np.nan)}
    plain = made("fuse", name).fit(X, LABELS)
    other = made("fuse", name).fit(wider, LABELS)
    assert_same(plain.transform(X), other.transform(wider))
    assert_same(plain.transform(wider), other.transform(X))


# The same of encoders, through the engine


def png(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wav(seed: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(seed).uniform(-1, 1, 2000), 8000, format="WAV")
    return file.getvalue()


CELLS: dict[str, Any] = {
    "text": lambda i: f"the dog number {i} barks at {i % 3} cats",
    "image": png,
    "sound": wav,
    "vector": lambda i: [float(i), i % 3 + 0.5, -1.0],
    "number": lambda i: i * 1.5,
    "category": lambda i: f"kind {i % 3}",
    "series": lambda i: np.sin(np.arange(60 + i) * (0.1 + 0.02 * i)).tolist(),
}
"""Videos and tables, whose cells are made otherwise, are held to the same in tests/encode."""
BROKEN: dict[str, tuple[Any, Any]] = {
    "image": (png(1)[:60], b"no picture at all"),
    "sound": (wav(1)[:10], b"no sound at all"),
    "vector": ([np.nan, 1.0, 2.0], [1.0, np.inf]),
    "number": (np.inf, -np.inf),
}
OFFLINE = [
    name
    for name in NAMES["encode"]
    if getattr(plugins.get("encode", name), "modality", "text") in CELLS
    and (
        name == "function"
        or all(
            p.default is not p.empty
            for p in inspect.signature(plugins.get("encode", name)).parameters.values()
        )
    )
]


def encoded(encoder: Encoder, cells: list[Any]) -> Features:
    rows = read({"x": cells, "id": list(range(len(cells)))}, modalities={"x": encoder.modality})
    described = describe_column(rows, "x", encoder)
    return described.features(encoder.fit(described.values))


@pytest.mark.parametrize("name", OFFLINE)
def test_absent_rows_have_no_say_in_an_encoder(name: str) -> None:
    encoder, other = made("encode", name), made("encode", name)
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    plain = encoded(encoder, cells)
    gaps = encoded(other, [None, *cells[:5], None, None, *cells[5:], None])
    assert_same(other.state(), encoder.state())
    assert_same(gaps.values, plain.values)
    assert gaps.row.tolist() == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14]
    assert not gaps.broken


@pytest.mark.parametrize("name", [n for n in OFFLINE if made("encode", n).modality in BROKEN])
def test_broken_cells_have_no_say_in_an_encoder(name: str) -> None:
    encoder = made("encode", name)
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    plain = encoded(encoder, cells)
    for bad in BROKEN[encoder.modality]:
        found = encoded(other := made("encode", name), [*cells[:4], bad, *cells[4:]])
        assert [b.row for b in found.broken] == [4]
        assert_same(other.state(), encoder.state())
        assert_same(found.values, plain.values)
        assert found.row.tolist() == [0, 1, 2, 3, *range(5, 13)]


@pytest.mark.parametrize("name", OFFLINE)
def test_a_column_without_content_has_no_items(name: str) -> None:
    encoder = made("encode", name)
    encoded(encoder, [CELLS[encoder.modality](i) for i in range(12)])
    rows = read({"x": [None] * 4, "id": list(range(4))}, modalities={"x": encoder.modality})
    found = encode_column(rows, "x", encoder)
    assert len(found.row) == 0
    assert found.n == 4
    assert not found.broken


@pytest.mark.parametrize("name", OFFLINE)
def test_an_encoder_comes_back_from_disk_to_the_bit(name: str, tmp_path: Path) -> None:
    encoder = made("encode", name)
    cells = [CELLS[encoder.modality](i) for i in range(12)]
    rows = read({"x": cells, "id": list(range(12))}, modalities={"x": encoder.modality})
    described = describe_column(rows, "x", encoder)
    expected = described.features(encoder.fit(described.values)).values
    assert_same(described.features(stored(encoder, tmp_path)).values, expected)


def test_a_function_is_among_them() -> None:
    assert "function" in OFFLINE
    assert isinstance(made("encode", "function"), Function)
