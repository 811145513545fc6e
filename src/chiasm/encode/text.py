"""Text in any language without a download: words and letters weighted by rarity, reduced by LSA."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from chiasm.array_types import Floats32
from chiasm.checks import check_range
from chiasm.encode.encoder import Descriptions, Encoder, check_cells

View = Callable[[str], list[str]]

# Written without spaces, or in syllables: every character is a word, so that word pairs are character pairs.
CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
LETTERS = (2, 3, 4)  # lengths of the letter n-grams
NEGLIGIBLE = 1e-5  # singular values below this share of the first are rounding


class Lexical(Encoder):
    """Latent semantic analysis (Deerwester et al. 1990) of words, word pairs and letter n-grams within words.

    dim : largest width of the features; fewer where the training texts allow no more.
    max_terms : most frequent terms kept, half of them words and pairs, half letter n-grams.
    letters : weight of letter n-grams relative to words; 0 leaves them out.

    A text none of whose terms was seen in training becomes zeros.
    """

    modality: ClassVar[str] = "text"
    cached: ClassVar[bool] = False  # quicker to describe than to look up

    words_: list[str]
    word_rarity_: Floats32
    letters_: list[str]
    letter_rarity_: Floats32
    components_: Floats32  # (words + letters, k)

    def __init__(self, dim: int = 512, max_terms: int = 20000, letters: float = 1.0) -> None:
        self.dim = dim
        self.max_terms = max_terms
        self.letters = letters

    def describe(self, cells: Sequence[str]) -> list[str]:
        """The texts case folded, compatible forms (full width, ligatures) unified."""
        return [
            unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()) for text in cells
        ]

    def fit(self, described: Descriptions) -> Self:
        """Learn terms, their rarity and the leading directions of n >= 1 texts as `describe` gave them."""
        check_range(self.dim, "dim", 1)
        check_range(self.max_terms, "max_terms", 2)
        check_range(self.letters, "letters", 0)
        check_cells(described, self)
        self.forget()
        most = self.max_terms // 2
        self.words_, self.word_rarity_ = learned_terms(described, words, most)
        spelled = described if self.letters else []
        self.letters_, self.letter_rarity_ = learned_terms(spelled, letters, most)
        self.components_ = leading_directions(self._weights(described), self.dim)
        self.width_ = self.components_.shape[1]
        return self

    def transform(self, described: Descriptions) -> Floats32:
        """(n, k) of n texts as `describe` gave them."""
        self.require_fitted("components_")
        return np.asarray(self._weights(described) @ self.components_, np.float32)

    def _weights(self, described: Descriptions) -> Any:
        """Sparse (n, terms): a text's unit vector of words beside `letters` times that of n-grams."""
        from scipy.sparse import hstack

        by_word = term_weights(described, words, self.words_, self.word_rarity_)
        by_letter = term_weights(described, letters, self.letters_, self.letter_rarity_)
        return hstack([by_word, by_letter * np.float32(self.letters)], format="csr")


def tokens(text: str) -> list[str]:
    """Runs of letters and digits with their marks; CJK characters and emoji one by one."""
    return _pattern().findall(text)


def words(text: str) -> list[str]:
    """Tokens and pairs of neighbouring tokens."""
    found = tokens(text)
    return found + [f"{a} {b}" for a, b in pairwise(found)]


def letters(text: str) -> list[str]:
    """Letter n-grams of every token longer than one character, its ends marked by spaces."""
    padded = [f" {token} " for token in tokens(text) if len(token) > 1]
    return [token[i : i + n] for token in padded for n in LETTERS for i in range(len(token) - n + 1)]


@cache
def _pattern() -> re.Pattern[str]:
    """Marks (vowel signs, points) belong to the word they follow, although `\\w` leaves them out."""
    marks = "".join(chr(c) for c in range(0x300, 0xFE00) if unicodedata.category(chr(c)) in ("Mn", "Mc"))
    return re.compile(f"[{CJK}{EMOJI}]|(?:(?![_{CJK}])\\w)(?:(?![_{CJK}])[\\w{marks}])*")


def learned_terms(texts: Descriptions, view: View, most: int) -> tuple[list[str], Floats32]:
    """The most frequent terms of a view, and the inverse document frequency of each; maybe none."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(view(text) for text in texts):
        return [], np.zeros(0, np.float32)
    counted = TfidfVectorizer(analyzer=view, max_features=most).fit(texts)
    return counted.get_feature_names_out().tolist(), counted.idf_.astype(np.float32)


def term_weights(texts: Descriptions, view: View, terms: list[str], rarity: Floats32) -> Any:
    """Sparse (n, terms) unit rows of (1 + log count) times rarity; zeros for a text without known terms."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not terms:
        return csr_matrix((len(texts), 0), dtype=np.float32)
    weigher = TfidfVectorizer(analyzer=view, vocabulary=terms, sublinear_tf=True, dtype=np.float32)
    weigher.idf_ = rarity
    return weigher.transform(texts)


def leading_directions(weights: Any, dim: int) -> Floats32:
    """Right singular vectors (terms, k) of sparse rows (n, terms): k <= dim of them, at least 1."""
    from sklearn.utils.extmath import randomized_svd

    count = min(dim, *weights.shape)
    if count == 0:
        return np.zeros((weights.shape[1], 1), np.float32)
    _, strength, directions = randomized_svd(weights, n_components=count, random_state=0)
    kept = max(int((strength > NEGLIGIBLE * strength[0]).sum()), 1)
    return np.ascontiguousarray(directions[:kept].T, np.float32)
