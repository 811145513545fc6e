"""Telling modalities from a table's types, the suffixes of its paths and the first bytes of its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from chiasm.checks import check_known
from chiasm.rows import columns, dates, files, numbering
from chiasm.rows.kinds import is_binary, is_list, is_number, is_reference, is_string
from chiasm.rows.modality import FILES, MEDIA, MODALITIES, modality_of_suffix, sniff, suffix
from chiasm.rows.schema import Column, Schema

SAMPLE = 1000  # cells looked at for their words and suffixes
PEEK = 50  # cells whose bytes or files are looked at
CATEGORY_WORDS = 3  # words that a category has at most
DATE_SHARE = 0.95  # share of the strings of a column of dates that are dates
CODE_DIGITS, CODE_REPEATS = 5, 3  # digits of a code, times it is there on average
# Scripts written without spaces: Japanese, Chinese, Thai, Lao, Burmese, Khmer; two signs count as a word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


@dataclass(frozen=True)
class Guess:
    """How a column reads by itself; `hollow` where it holds paths of which none exists.

    written : as in `Column`.
    """

    modality: str
    why: str
    many: bool = False
    hollow: bool = False
    written: str = ""


class Stated(NamedTuple):
    """A modality that is given, not guessed, and why."""

    modality: str
    why: str = "stated, not inferred"


def infer(
    table: pa.Table, base: str, overrides: Mapping[str, Stated] | None = None, untyped: bool = False
) -> Schema:
    """Read every column's modality; `overrides` win; `untyped` tables (CSV) hold numbers as strings."""
    overrides = overrides or {}
    for name, (modality, _) in overrides.items():
        check_known(name, table.column_names, "column")
        check_known(modality, MODALITIES, "modality")
    guesses = {name: _guess(name, table[name], base, untyped) for name in table.column_names}
    _demote_hollow(guesses)
    numbers = [name for name, guess in guesses.items() if guess.modality == "number"]
    guesses |= {n: Guess("number", guesses[n].why + numbering.doubt(n, table[n])) for n in numbers}
    for name, (modality, why) in overrides.items():
        many = guesses[name].many and modality in MEDIA | {"text"}
        guesses[name] = Guess(modality, why, many, written=_order(table[name]) if modality == "date" else "")
    named = [name for name, guess in guesses.items() if name.lower() == "id" and guess.modality == "name"]
    clashes = {name: columns.clash(table[name]) for name in named}
    ids = next((name for name in named if not clashes[name]), "")
    guesses |= {name: Guess("name", f"called id, but {clash}") for name, clash in clashes.items() if clash}
    told = {name: guess.why + files.spelt_out(table[name]) for name, guess in guesses.items()}
    return Schema(tuple(Column(n, g.modality, g.many, told[n], g.written) for n, g in guesses.items()), ids)


def _demote_hollow(guesses: dict[str, Guess]) -> None:
    """Paths that lead nowhere, beside a column of the same media or of ready vectors, are names."""
    solid = {g.modality: name for name, g in guesses.items() if not g.hollow}
    for name, guess in guesses.items():
        other = solid.get(guess.modality) or solid.get("vector")
        if guess.hollow and other:
            guesses[name] = Guess("name", f"{guess.why} that do not exist, beside column {other!r}")


def _guess(name: str, data: pa.ChunkedArray, base: str, untyped: bool) -> Guess:
    kind = data.type
    if data.null_count == len(data):
        return _guess_empty(kind)
    if name.lower() == "id" and (is_string(kind) or pa.types.is_integer(kind)):
        return Guess("name", "called id")
    if is_list(kind):
        return _guess_list(data, base)
    if is_binary(kind) or is_reference(kind):
        return _guess_media(sample(data, PEEK), base)
    if is_string(kind):
        return _guess_string(data, base, untyped)
    return _guess_scalar(kind)


def _guess_scalar(kind: pa.DataType) -> Guess:
    if is_number(kind):
        return Guess("number", f"numbers ({kind})")
    if pa.types.is_boolean(kind):
        return Guess("category", "true or false")
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Guess("date", f"dates or times ({kind})")
    if pa.types.is_temporal(kind):
        return Guess("category", f"dates or times ({kind})")
    return Guess("name", f"{kind} is not a modality: kept, not used")


def _guess_empty(kind: pa.DataType) -> Guess:
    """A column of nothing, by its type alone."""
    if is_list(kind) and is_number(kind.value_type):
        return Guess("vector", "lists of numbers, all absent")
    if is_number(kind) or pa.types.is_boolean(kind):
        return Guess(_guess_scalar(kind).modality, "all absent")
    return Guess("name", "all absent")


def sample(data: pa.ChunkedArray, size: int) -> list[Any]:
    """Up to `size` values that are there, evenly spread over the column."""
    there = np.flatnonzero(data.is_valid().to_numpy())
    picked = there[np.unique(np.linspace(0, len(there) - 1, min(size, len(there))).astype(np.int64))]
    return data.take(pa.array(picked)).to_pylist()  # type: ignore[no-any-return]


# Lists


def _guess_list(data: pa.ChunkedArray, base: str) -> Guess:
    kind = data.type.value_type
    if is_number(kind):
        return _guess_vector(data)
    if is_list(kind) and is_number(kind.value_type):
        return Guess("series", "lists of steps, each a list of numbers")
    items = [item for value in sample(data, PEEK) for item in value if item is not None]
    if is_binary(kind) or is_reference(kind):
        return _several(_guess_media(items, base))
    if is_string(kind):
        paths = _guess_paths(items, base)
        return _several(paths) if paths else Guess("text", "lists of texts", many=True)
    return Guess("name", f"lists of {kind} are not a modality: kept, not used")


def _several(guess: Guess) -> Guess:
    many = guess.modality in MEDIA or guess.modality == "text"
    return Guess(guess.modality, f"lists of {guess.why}", many, guess.hollow)


def _guess_vector(data: pa.ChunkedArray) -> Guess:
    lengths = pc.value_counts(pc.list_value_length(data).drop_null()).to_pylist()
    counts = {entry["values"]: entry["counts"] for entry in lengths if entry["values"]}
    if not counts:
        return Guess("vector", "lists of numbers, all empty")
    width, count = max(counts.items(), key=lambda entry: entry[1])
    if 2 * count <= sum(counts.values()) and len(counts) > 1:
        return Guess("series", f"lists of numbers of {len(counts)} lengths")
    return Guess("vector", f"lists of {width} numbers")


# Bytes and paths


def _guess_media(values: list[Any], base: str) -> Guess:
    """The modality of most of these bytes, or structs of bytes and path."""
    pairs = [(v.get("bytes"), v.get("path")) if isinstance(v, dict) else (v, None) for v in values]
    embedded = [data for data, _ in pairs if data]
    paths = [path for data, path in pairs if path and not data]
    if len(paths) > len(embedded):
        return _guess_paths(paths, base) or Guess("name", "paths of unknown suffixes")
    marks = Counter(mark for mark in map(sniff, embedded) if mark is not None)
    kinds = Counter(modality for _, modality in marks.elements())
    if not kinds or 2 * kinds.most_common(1)[0][1] < len(embedded):
        return _guess_raw(embedded)
    modality = kinds.most_common(1)[0][0]
    formats = [kind for (kind, of), _ in marks.most_common() if of == modality]
    return Guess(modality, f"bytes starting as {' or '.join(formats[:3])}")


def _guess_raw(values: list[bytes]) -> Guess:
    readable = sum(_is_utf8(value) for value in values)
    if values and 2 * readable > len(values):
        return Guess("text", "bytes that read as UTF-8")
    return Guess("name", "bytes of no known format: kept, not used")


def _is_utf8(value: bytes) -> bool:
    try:
        return b"\0" not in value and bool(value.decode())
    except UnicodeDecodeError:
        return False


def _guess_paths(values: list[str], base: str) -> Guess | None:
    """Image, sound, video or series where most values end in one of its suffixes."""
    endings = Counter(ending for ending in map(suffix, values) if modality_of_suffix(ending) in FILES)
    if 2 * sum(endings.values()) <= len(values):
        return None
    kinds = Counter(dict.fromkeys(sorted(FILES), 0))
    for ending, count in endings.items():
        kinds[str(modality_of_suffix(ending))] += count
    modality = kinds.most_common(1)[0][0]
    shown = [e for e, _ in endings.most_common() if modality_of_suffix(e) == modality]
    paths = [v for v in values if suffix(v) in shown][:PEEK]
    return Guess(
        modality, f"paths ending in {' or '.join(shown[:3])}", hollow=not any(_exists(p, base) for p in paths)
    )


def _exists(path: str, base: str) -> bool:
    try:
        return Path(columns.absolute(path, base)).exists()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


# Strings


def _guess_string(data: pa.ChunkedArray, base: str, untyped: bool) -> Guess:
    texts = pc.utf8_trim_whitespace(data)
    texts = texts.filter(pc.greater(pc.binary_length(texts), 0))
    if not len(texts):
        return Guess("name", "all absent")
    values = sample(texts, SAMPLE)
    found = _guess_json(values, base) or _guess_paths(values, base)
    if found:
        return found
    if dated := _guess_dates(values):
        return dated
    if untyped and _reads_as_numbers(texts):
        return Guess("number", "every cell reads as a number")
    return _guess_words(values, len(texts), pc.count_distinct(texts).as_py())


def _guess_dates(values: list[str]) -> Guess | None:
    said = [value for value in values if value.strip().lower() not in columns.ABSENT_NUMBERS]
    written = dates.order(said)
    good = sum(dates.parse(value, written) is not None for value in said)
    if not good or good < DATE_SHARE * len(said):
        return None
    return Guess("date", ", ".join(filter(None, ("dates", written))), written=written)


def _order(data: pa.ChunkedArray) -> str:
    """How the dates of a column of strings are written."""
    return dates.order(sample(data, SAMPLE)) if is_string(data.type) else ""


def _guess_json(values: list[str], base: str) -> Guess | None:
    """Strings that hold JSON lists: of numbers a vector, of texts or paths several items."""
    if 2 * sum(value.startswith("[") for value in values) <= len(values):
        return None
    lists = [found for found in map(columns.parse_list, values[:PEEK]) if found]
    if 2 * len(lists) <= len(values[:PEEK]):
        return None
    items = [item for found in lists for item in found]
    if items and all(isinstance(item, list) for item in items):
        return Guess("series", "JSON lists of steps, each a list of numbers")
    if sum(isinstance(item, int | float) for item in items) * 2 > len(items):
        return _guess_vector(pa.chunked_array([pa.array([[0.0] * len(found) for found in lists])]))
    texts = [item for item in items if isinstance(item, str)]
    if 2 * len(texts) <= len(items):
        return None
    paths = _guess_paths(texts, base)
    return _several(paths) if paths else Guess("text", "JSON lists of texts", many=True)


def _reads_as_numbers(texts: pa.ChunkedArray) -> bool:
    """All numbers that are quantities: none with a leading zero, not post codes, digits of one length."""
    length = len(texts[0].as_py())
    alike = pc.match_substring_regex(texts, f"^[0-9]{{{max(length, CODE_DIGITS)}}}$")
    repeated = CODE_REPEATS * pc.count_distinct(texts).as_py() <= len(texts)
    codes = pc.match_substring_regex(texts, r"^[-+]?0[0-9]")
    if pc.any(codes).as_py() or (repeated and pc.all(alike).as_py()):
        return False
    parsed = columns.parse_numbers(texts)
    return parsed is not None and parsed.null_count < len(parsed)


def _guess_words(values: list[str], count: int, distinct: int) -> Guess:
    """Category, name or text by how often strings repeat and how many words they have."""
    words = sum(map(count_words, values)) / len(values)
    told = f"{distinct:,} distinct in {count:,} rows"
    if words > CATEGORY_WORDS:
        return Guess("text", f"strings of {words:.0f} words")
    if 2 * distinct <= count:
        return Guess("category", f"strings, {told}")
    tokens = [value for value in values if len(value.split()) == 1 and not _UNSPACED.search(value)]
    codes = [token for token in tokens if "/" in token or "\\" in token or any(c.isdigit() for c in token)]
    if 5 * len(tokens) >= 4 * len(values) and 2 * len(codes) > len(values):
        return Guess("name", f"codes or paths, {told}")
    return Guess("text", f"strings of {words:.0f} {'word' if round(words) == 1 else 'words'}, {told}")


def count_words(text: str) -> float:
    """Words of a text; in scripts without spaces two signs count as one."""
    text = text[:2000]
    signs = len(_UNSPACED.findall(text))
    return signs / 2 + len(_UNSPACED.sub(" ", text).split())
