"""Lexical: similar texts lie near each other in any language, and what was learned survives being stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.encode.text import Lexical, letters, tokens, words
from chiasm.errors import DataError, NotFitted, UsageError
from chiasm.numerics import unit_rows
from chiasm.storage import read_tree, write_tree


def encoded(texts: list[str], **options: float) -> tuple[Lexical, np.ndarray]:
    encoder = Lexical(**options)
    described = encoder.describe(texts)
    return encoder, encoder.fit(described).transform(described)


def nearest(texts: list[str]) -> list[int]:
    """For each text the one most similar to it by cosine."""
    unit = unit_rows(encoded(texts)[1])
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    return similar.argmax(axis=1).tolist()


def test_tokens_of_many_scripts() -> None:
    assert tokens("a red_dog, 2 cats!") == ["a", "red", "dog", "2", "cats"]
    assert tokens("猫が好きA5") == ["猫", "が", "好", "き", "a5".upper()]
    assert tokens("고양이") == ["고", "양", "이"]
    assert tokens("हिन्दी भाषा") == ["हिन्दी", "भाषा"]  # vowel signs stay with their letters
    assert tokens("مُحَمَّد هنا") == ["مُحَمَّد", "هنا"]
    assert tokens("hi 🐶🐱") == ["hi", "🐶", "🐱"]
    assert tokens("\u0301 ... ") == []


def test_terms() -> None:
    assert words("猫坐下") == ["猫", "坐", "下", "猫 坐", "坐 下"]
    assert letters("ab 猫") == [" a", "ab", "b ", " ab", "ab ", " ab "]


def test_case_and_width_do_not_matter() -> None:
    assert Lexical().describe(["STRASSE ＡＢＣ １２"]) == Lexical().describe(["straße abc 12"])


@pytest.mark.parametrize(
    "texts",
    [
        ["a black dog runs", "the stock market fell", "black dogs running", "a falling stock market"],
        ["一只猫坐在垫子上", "股市今天大幅下跌", "小猫坐在红色垫子上", "今天的股市继续下跌"],
        [
            "القطة تجلس على السجادة",
            "تراجعت أسواق الأسهم",
            "قطة سوداء تجلس على سجادة",
            "أسواق الأسهم تراجعت اليوم",
        ],
        ["🐶🐶🎾", "🍕🍷", "🐶🎾🌳", "🍕🍝🍷"],
    ],
    ids=["english", "chinese", "arabic", "emoji"],
)
def test_similar_texts_are_nearest(texts: list[str]) -> None:
    assert nearest(texts) == [2, 3, 0, 1]


def test_unknown_words_are_zero_not_absent() -> None:
    encoder, _ = encoded(["a dog", "two cats"])
    assert encoder.transform(["Жук", ""]).tolist() == [[0.0] * encoder.width_] * 2


@pytest.mark.parametrize(
    ("texts", "width"),
    [(["one dog", "two"], 2), (["one dog"], 1), (["dog"] * 5, 1), (["", "…"], 1), (["猫"], 1)],
)
def test_width_is_what_the_texts_allow(texts: list[str], width: int) -> None:
    encoder, values = encoded(texts)
    assert values.shape == (len(texts), width)
    assert (encoder.width_, values.dtype) == (width, np.float32)
    assert np.isfinite(values).all()


def test_cosine_is_that_of_the_weights_when_every_direction_is_kept() -> None:
    """With full rank LSA only turns the unit vectors of words and letters, so inner products are theirs."""
    texts = ["red dog", "red cat", "blue bird sings"]
    encoder, values = encoded(texts)
    weights = encoder._weights(encoder.describe(texts)).toarray()
    np.testing.assert_allclose(values @ values.T, weights @ weights.T, atol=1e-5)
    np.testing.assert_allclose((values**2).sum(axis=1), 2, rtol=1e-5)


def test_rare_terms_go_first() -> None:
    encoder, _ = encoded(["common one", "common two", "common three"], max_terms=8)
    assert len(encoder.words_) == len(encoder.letters_) == 4
    assert encoder.word_rarity_[encoder.words_.index("common")] == encoder.word_rarity_.min()


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    encoder, values = encoded(["a black dog", "猫坐在垫子上", "two dogs 🐶", "قطة سوداء"], dim=3)
    write_tree(tmp_path, "text", encoder.state())
    restored = Lexical(dim=3).restore(read_tree(tmp_path, "text"))
    texts = ["a black dog", "猫坐在垫子上", "two dogs 🐶", "قطة سوداء"]
    assert restored.transform(restored.describe(texts)).tobytes() == values.tobytes()


def test_a_second_fit_forgets_the_first() -> None:
    encoder, _ = encoded(["entirely other words", "here"])
    texts = ["a dog", "two cats"]
    assert (encoder.fit(texts).transform(texts) == encoded(texts)[1]).all()


def test_wrong_use_is_named() -> None:
    with pytest.raises(DataError, match="no cell"):
        Lexical().fit([])
    with pytest.raises(NotFitted, match="Lexical"):
        Lexical().transform(["a"])
    with pytest.raises(UsageError, match="dim"):
        Lexical(dim=0).fit(["a"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.text(max_size=30))
def test_any_text_is_finite_and_alone_in_its_line(texts: list[str], other: str) -> None:
    encoder, values = encoded(texts)
    assert np.isfinite(values).all()
    together = encoder.transform(encoder.describe([*texts, other]))
    np.testing.assert_array_equal(together[: len(texts)], values)


def test_letters_count_as_much_as_asked() -> None:
    texts = ["a photograph of cats", "photographs showing cat", "rain tomorrow"]
    alike = []
    for letters_count in (0.0, 1.0, 3.0):
        unit = unit_rows(encoded(texts, letters=letters_count)[1])
        alike.append(float(unit[0] @ unit[1]))
    assert alike[0] < 1e-6 < alike[1] < alike[2]  # no word in common, many letters
    with pytest.raises(UsageError, match="letters"):
        encoded(texts, letters=-1.0)
