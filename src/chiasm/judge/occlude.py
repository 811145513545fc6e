"""Which words, patches or stretches of time of an item mattered: each is taken away, the score looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.text import CJK
from chiasm.errors import DataError, ShapeError
from chiasm.rows.series import Series
from chiasm.rows.sound import Sound
from chiasm.rows.video import Video

WORDS, SENTENCES, KEPT = 64, 32, 3
"""Words looked at one by one; stretches that a longer text is cut into; how many of these are looked into."""
GRID, WINDOWS = 7, 20
"""Patches along the longer side of an image; windows of a sound or a series."""
PAUSE, HUSHED = 10 ** (-10 / 20), 10 ** (-30 / 20)
"""Windows this much below the loudest are pauses; to this much below it a sound without pauses is hushed."""
STRETCHES = 8
"""Stretches of time that a video is cut into."""
CHANNELS = 64
"""Channels of a series that are flattened one by one."""
AT_ONCE, BYTES = 64, 2**28
"""Changed items made at a time, and the most memory that they take."""
ScoreOf = Callable[[list[Any]], Any]
Spans = list[tuple[int, int]]
_WORD = re.compile(f"[{CJK}]|[^\\W_{CJK}]+(?:['’-][^\\W_{CJK}]+)*")
_SENTENCE = re.compile(r".+?(?:[.!?…]+(?=\s|$)|[。！？]+|\n|$)\s*", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Piece:
    """One piece of an item, and the item without it.

    kind : word, words (a run of them), sentence, patch, window, steps (of a series without
        a rate), channel.
    what : the piece in words.
    where : text: first and last + 1 character; patch: top, left, bottom, right in pixels; window: start and
        end in seconds; steps: first and last + 1; channel: its place.
    changed : the item without it.
    """

    kind: str
    what: str
    where: tuple[float, ...]
    changed: Any


@dataclass(frozen=True)
class Part:
    """A piece (`kind`, `what`, `where` as of `Piece`) and its effect: the score less the score without it."""

    kind: str
    what: str
    where: tuple[float, ...]
    effect: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def pieces(modality: str, value: Any) -> Iterator[Piece]:
    """The pieces of a decoded item, one at a time, in reading order; none where a modality has no pieces.

    text : each word, or character where words are not parted by spaces; of long texts each sentence.
    image : patches of a grid, blurred (Fong & Vedaldi 2017).  sound : windows, hushed.
    series : windows, bridged by a straight line, then channels, flattened.
    video : stretches of time, the picture stilled and the track silenced.
    """
    makers: dict[str, Callable[[Any], Iterator[Piece]]] = {
        "text": _of_text,
        "image": _of_image,
        "sound": _of_sound,
        "series": _of_series,
        "video": _of_video,
    }
    return makers[modality](value) if modality in makers else iter(())


def effects(some: Iterable[Piece], score_of: ScoreOf, score: float) -> list[Part]:
    """The effect of each piece: `score`, that of the whole item, less the score without the piece (occlusion,
    Zeiler & Fergus 2014). `score_of` takes a list of p changed items and gives (p,) scores."""
    found: list[Part] = []
    stream = iter(some)
    while batch := list(_affordable(stream)):
        scores = np.asarray(score_of([piece.changed for piece in batch]), np.float64)
        if scores.shape != (len(batch),):
            raise ShapeError(f"expected ({len(batch)},) scores, got {scores.shape}", where="score_of")
        if not np.isfinite(scores).all():
            raise DataError("a score is not finite", where="score_of")
        lost = (score - scores).tolist()
        found += [Part(p.kind, p.what, p.where, e) for p, e in zip(batch, lost, strict=True)]
    return found


def occlude(modality: str, value: Any, score_of: ScoreOf) -> list[Part]:
    """The parts of one item with their effects; `score_of` a list of p items gives (p,) scores.

    Of a long text the sentences come first, each followed by its words where it is one of those that matter
    most: so many calls, however long the text.
    """
    score = float(np.asarray(score_of([value]), np.float64).reshape(-1)[0])
    parts = effects(pieces(modality, value), score_of, score)
    if not parts or parts[0].kind != "sentence":
        return parts
    most = sorted(parts, key=lambda part: -abs(part.effect))[:KEPT]
    inner = [span for part in most if part.effect for span in _looked_into(value, part)]
    return parts + effects(_without(value, sorted(inner), "words"), score_of, score)


def _affordable(stream: Iterator[Piece]) -> Iterator[Piece]:
    """The next pieces, as many as memory allows."""
    for first in islice(stream, 1):
        yield first
        more = min(AT_ONCE, BYTES // max(1, _bytes(first.changed))) - 1
        yield from islice(stream, max(0, more))


def _bytes(item: Any) -> int:
    arrays = (
        [item] if isinstance(item, np.ndarray) else vars(item).values() if hasattr(item, "__dict__") else []
    )
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


# Text


def _of_text(text: str) -> Iterator[Piece]:
    words = word_spans(text)
    if len(words) <= WORDS:
        return _without(text, words, "word")
    return _without(text, _stretches(text, words), "sentence")


def word_spans(text: str) -> Spans:
    """First and last + 1 character of each word; of each character in scripts without spaces."""
    return [match.span() for match in _WORD.finditer(text)]


def _stretches(text: str, words: Spans) -> Spans:
    """Sentences that hold words; equal stretches of words where sentences are too many or too few."""
    starts = np.array([start for start, _ in words])
    spans = [m.span() for m in _SENTENCE.finditer(text)]
    spans = [(a, b) for a, b in spans if np.searchsorted(starts, a) < np.searchsorted(starts, b)]
    if 4 <= len(spans) <= SENTENCES:
        return spans
    cuts = np.array_split(np.arange(len(words)), min(SENTENCES, len(words)))
    return [(words[cut[0]][0], words[cut[-1]][1]) for cut in cuts]


def _looked_into(text: str, part: Part) -> Spans:
    """The words of a stretch; runs of words where it holds many."""
    start, end = (int(v) for v in part.where)
    words = [(start + a, start + b) for a, b in word_spans(text[start:end])]
    cuts = np.array_split(np.arange(len(words)), min(WORDS // 2, len(words)))
    return [(words[cut[0]][0], words[cut[-1]][1]) for cut in cuts]


def _without(text: str, spans: Sequence[tuple[int, int]], kind: str) -> Iterator[Piece]:
    for start, end in spans:
        # The space left over by a word would else join two spaces.
        after = end + (text[end : end + 1] == " " and (start == 0 or text[start - 1] == " "))
        yield Piece(kind, text[start:end].strip(), (start, end), text[:start] + text[after:])


# Images


def _of_image(pixels: NDArray[np.uint8]) -> Iterator[Piece]:
    """Patches of uint8 (h, w, 3), about square, at least a pixel wide."""
    from PIL import Image, ImageFilter

    height, width = pixels.shape[:2]
    side = max(height, width) / GRID
    rows, columns = (max(1, round(length / side)) for length in (height, width))
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(side)))
    for i, (top, bottom) in enumerate(_cuts(height, rows)):
        for j, (left, right) in enumerate(_cuts(width, columns)):
            changed = pixels.copy()
            changed[top:bottom, left:right] = blurred[top:bottom, left:right]
            yield Piece("patch", f"patch {i + 1} down, {j + 1} across", (top, left, bottom, right), changed)


def _cuts(length: int, count: int) -> Spans:
    """`length` cut into at most `count` even stretches, none of them empty."""
    edges = np.linspace(0, length, min(count, length) + 1).round().astype(int).tolist()
    return list(pairwise(edges))


# Sound, series, video


def _of_sound(sound: Sound) -> Iterator[Piece]:
    """Windows of a sound, hushed to the level of its own pauses: sudden silence would be a sign itself."""
    cuts = _cuts(len(sound.samples), WINDOWS)
    levels = [_level(sound.samples[start:end]) for start, end in cuts]
    low, high = min(levels), max(levels)
    hush = low if low < PAUSE * high else HUSHED * high
    for (start, end), level in zip(cuts, levels, strict=True):
        changed = _scaled(sound, start, end, hush / level if level else 0.0)
        yield _window(start / sound.rate, end / sound.rate, changed)


def _of_series(series: Series) -> Iterator[Piece]:
    """Windows bridged, then, where there are several, channels flattened to their mean."""
    values = series.values
    for start, end in _cuts(len(values), WINDOWS):
        changed = values.copy()
        changed[start:end] = _bridge(values, start, end)
        without = replace(series, values=changed)
        if series.rate is None:
            yield Piece("steps", f"steps {start + 1}–{end}", (start, end), without)
        else:
            yield _window(start / series.rate, end / series.rate, without)
    for channel in range(min(values.shape[1], CHANNELS) if values.shape[1] > 1 else 0):
        changed = values.copy()
        changed[:, channel] = changed[:, channel].mean()
        yield Piece("channel", f"channel {channel + 1}", (channel,), replace(series, values=changed))


def _bridge(values: NDArray[np.float32], start: int, end: int) -> NDArray[Any]:
    """(end - start, channels) the line from the value before the window to the one after it."""
    before = values[start - 1] if start else values[min(end, len(values) - 1)]
    after = values[end] if end < len(values) else before
    way = (np.arange(1, end - start + 1) / (end - start + 1))[:, None]
    return np.asarray(before + way * (after - before), values.dtype)


def _window(start: float, end: float, changed: Any) -> Piece:
    return Piece("window", f"{start:.2f}–{end:.2f} s", (start, end), changed)


def _of_video(video: Video) -> Iterator[Piece]:
    """Stretches of time in which the picture stands still and the track is silent."""
    for i in range(STRETCHES):
        start, end = (video.seconds * edge / STRETCHES for edge in (i, i + 1))
        where = (round(start, 3), round(end, 3))
        yield _window(*where, Stilled(**vars(video), start=where[0], end=where[1]))


@dataclass(frozen=True, eq=False)
class Stilled(Video):
    """A video whose picture stands still and whose track is silent from `start` to `end` seconds."""

    start: float = 0.0
    end: float = 0.0

    def frames(self, count: int, side: int | None = None) -> NDArray[np.uint8]:
        """As of `Video`; within the stretch the frame before it, or after it where it is the first."""
        shown = super().frames(count, side)
        times = (np.arange(len(shown)) + 0.5) * self.seconds / len(shown)
        kept = np.flatnonzero((times < self.start) | (times >= self.end))
        if not len(kept):
            return np.broadcast_to(shown.mean(axis=(0, 1, 2)).astype(np.uint8), shown.shape).copy()
        return shown[kept[np.maximum(np.searchsorted(kept, np.arange(len(shown)), "right") - 1, 0)]]

    def sound(self) -> Sound | None:
        """As of `Video`, silent within the stretch."""
        track = super().sound()
        if track is None:
            return None
        start, end = (round(edge * track.rate) for edge in (self.start, self.end))
        return _scaled(track, start, end, 0.0)


def _level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _scaled(sound: Sound, start: int, end: int, by: float) -> Sound:
    samples = sound.samples.copy()
    samples[start:end] *= np.float32(by)
    return replace(sound, samples=samples)
