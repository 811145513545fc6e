"""How good a search is between columns never seen together, estimated over a column seen with both.

No held-out row has image and sound, so no answer is known to be right. Two things are estimated all the same,
with neither pairs nor labels.

Precision: a held-out image has its text, a held-out sound has its own; the cycle text → sound → image → text
ends right where the two texts say the same. Which do is not known, for wordings differ: it is read off the
cosines, in the space, where wording has little weight, between all texts of the query's side and all of the
answer's. Those of texts that say the same lie apart, and are parted from the others where two normal
distributions fit best (minimum error thresholding, Kittler & Illingworth 1986). On digits, spoken and
handwritten, in three sets of wordings, it was within 4 points of what labels tell.

Recall of the very row: a query is made for every held-out image, of what its text foretells of a sound and of
the error of another row's sound. On Flickr8k's dev part, with words for sounds and photos for images, it was
off by -8 to +5 points of R@10: words and photos share what the captions between them leave out.

Both assume that image and sound differ from their texts independently of each other. Precision is off:
- too low, by both sides' errors, where texts are wrong or leave out what others say: an answer that is right
  although its text is not counts as wrong (one text in ten wrong: 93 % are taken for 76 %);
- too high where rows are few, for the space that tells which texts say the same is then as poor as what it
  judges (320 rows a side: 49 % are taken for 66 %; from 2,000 rows on within 4 points);
- in its own terms where texts say less than what is looked for, only even digits from odd, or where each says
  something of its own, as captions do: then a share of chance that is large tells that it is about topics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.errors import ShapeError
from chiasm.index import Gallery
from chiasm.judge.estimate import Estimate, from_null, percent
from chiasm.judge.relevance import relevance
from chiasm.numerics import unit_rows

if TYPE_CHECKING:
    from rich.table import Table

FIRST = 10
"""Answers looked at, of a whole gallery."""
SAMPLED = 1_000
"""Texts of each side, at most, by whose cosines the threshold is found."""
SHARPNESS, CUTS = 3, 500


@dataclass(frozen=True)
class Bridge:
    """The estimated quality of a search between two columns that no row has together.

    via : the column seen with both.
    queries : scored;  left_out : queries whose text says what no answer's text says, or that have none.
    gallery : answers searched;  first : how many of them were looked at, as large a share as ten are of the
        model's own gallery.
    precision : of those, the share whose text says the same as the query's;  chance : that of a random order.
    recall : R@10 of the very answer in this gallery, by made-up queries.
    """

    query: str
    answer: str
    via: str
    queries: int
    left_out: int
    gallery: int
    first: int
    precision: Estimate
    chance: float
    recall: Estimate

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Bridge:
        """The bridge of a report's JSON document, in which null is NaN."""
        measured = {name: Estimate.from_json(document[name]) for name in ("precision", "recall")}
        return cls(**{**document, **measured, "chance": from_null(document["chance"])})

    @property
    def verdict(self) -> str:
        """What the interval says where it is no good, else nothing."""
        if not self.queries:
            return f"No estimate, hardly two cells of {self.via} say the same"
        return "" if self.precision.low > self.chance else "Not better than chance, as far as can be told"


@dataclass(frozen=True, eq=False)
class Alike:
    """Which answers' texts say the same as which queries': a boolean matrix (q, g), made by row slices.

    query, answer : (q, k), (g, k) their texts, evened out, unit vectors, NaN where there is none.
    threshold : the cosine from which two say the same, infinite where none can be told to.
    """

    query: NDArray[np.float32]
    answer: NDArray[np.float32]
    threshold: float

    @classmethod
    def of(cls, query: Features, answer: Features, via: Features, seed: int = 0) -> Alike:
        """Of items of two columns; `via` are those of the column seen with both, in the space."""
        if not query.n == answer.n == via.n:
            raise ShapeError(
                f"expected features of the same rows, got {query.n}, {answer.n} and {via.n}", where="bridge"
            )
        rng = np.random.default_rng(seed)
        rows = [np.unique(side.row[via.present[side.row]]) for side in (query, answer)]
        left, right = (_evened(via, some) for some in rows)
        cosines = left[rng.permutation(rows[0])[:SAMPLED]] @ right[rng.permutation(rows[1])[:SAMPLED]].T
        return cls(left[query.row], right[answer.row], parting(cosines))

    @property
    def shape(self) -> tuple[int, int]:
        """(q, g)."""
        return len(self.query), len(self.answer)

    def __getitem__(self, rows: slice) -> NDArray[np.bool_]:
        """The given rows (t, g); false where a text is absent."""
        return np.asarray(self.query[rows] @ self.answer.T >= self.threshold)


def _evened(via: Features, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, k) the texts of these rows, each the mean of all of them by their closeness; the others are NaN.

    One step of mean shift (Fukunaga & Hostetler 1975): what is left of the wordings averages out.
    """
    texts = unit_rows(via.dense())
    known, out = texts[rows], np.full_like(texts, np.nan)
    for part in metrics.blocks(len(known), len(known)):
        closeness = np.maximum(known[part] @ known.T, 0) ** SHARPNESS
        out[rows[part]] = closeness @ known
    return unit_rows(out)


def parting(values: NDArray[Any]) -> float:
    """Where the upper of two normal distributions begins that the values are a mixture of.

    Of all cuts, the one with the least Σ_j p_j log(σ_j² / p_j²), Kittler & Illingworth's criterion; infinite
    where no cut is better than one distribution for all.
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    if len(ordered) < 4 or not ordered.var() > 1e-12:
        return math.inf
    below = np.unique(np.linspace(2, len(ordered) - 2, CUTS).astype(np.int64))
    powers = np.stack([ordered, ordered**2]).cumsum(axis=1)
    lower = powers[:, below - 1]
    cost = np.zeros(len(below))
    for count, (first, second) in ((below, lower), (len(ordered) - below, powers[:, -1:] - lower)):
        share, variance = count / len(ordered), second / count - (first / count) ** 2
        cost += share * (np.log(np.maximum(variance, 1e-12)) - 2 * np.log(share))
    best = int(cost.argmin())
    if not cost[best] < np.log(ordered.var()):
        return math.inf
    return float(ordered[below[best] - 1 : below[best] + 1].mean())


def bridge(
    query_column: str,
    query: Features,
    answer: Features,
    gallery: Gallery,
    via_column: str,
    via: Features,
    share: float = 1.0,
    seed: int = 0,
) -> Bridge:
    """Estimate how well items of one column find those of another, all of them vectors in the space.

    gallery : of the answer's items, in their order.
    via : of the same rows, the column seen with both.
    share : how large this gallery is beside the model's own: so many fewer answers are looked at.
    """
    alike, known = Alike.of(query, answer, via, seed), np.flatnonzero(via.present[answer.row])
    right = Alike(alike.query, alike.answer[known], alike.threshold)
    first = int(np.clip(round(FIRST * share), 1, max(len(known), 1)))
    precision, chance = _measured(query, gallery, query_column, right, known, first)
    scored = int((~np.isnan(precision)).sum())
    made = _made(query, answer, via, seed)
    ranking = metrics.rank_tiles(gallery.tiles(made.values, {query_column: 1.0}), relevance(made, answer))
    found = metrics.hits_at(ranking.first, FIRST)
    return Bridge(
        query_column,
        gallery.column,
        via_column,
        scored,
        len(precision) - scored,
        len(known),
        first,
        Estimate.of(precision, query.row, seed),
        metrics.mean(chance),
        Estimate.of(found, made.row, seed),
    )


def _made(query: Features, answer: Features, via: Features, seed: int) -> Features:
    """A query for every answer's row that has a text: what it foretells of a query, and another's error."""
    texts, asked = unit_rows(via.dense()), unit_rows(query.dense())
    known, rows = (np.flatnonzero(side.present & via.present) for side in (query, answer))
    if not len(known):
        rows = known
    spread = np.maximum(np.square(texts[known]).sum(axis=0), np.finfo(np.float32).tiny)
    slope = (texts[known] * asked[known]).sum(axis=0) / spread  # a regression in every coordinate
    errors = asked[known] - slope * texts[known]
    drawn = np.random.default_rng(seed).integers(max(len(known), 1), size=len(rows))
    return Features(unit_rows(slope * texts[rows] + errors[drawn]), rows, np.zeros_like(rows), via.n)


def _measured(
    query: Features, gallery: Gallery, column: str, right: Alike, known: NDArray[np.int64], first: int
) -> tuple[metrics.Values, metrics.Values]:
    """(q,) precision among the first answers and (q,) the share of right answers; NaN where there is none."""
    precision = np.full(len(query.row), np.nan)
    chance = precision.copy()
    start = 0
    for tile in gallery.tiles(query.values, {column: 1.0}) if len(known) else ():
        rows = slice(start, start + len(tile))
        wanted = right[rows]
        precision[rows] = metrics.precision_at(tile[:, known], wanted, first)
        chance[rows] = np.where(wanted.any(axis=1), wanted.mean(axis=1), np.nan)
        start = rows.stop
    return precision, chance


def render(bridges: Sequence[Bridge]) -> Table:
    """The estimates as a table for the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="Never seen together, 95 % intervals",
        caption=Text("\n".join([meaning(bridges), *verdicts(bridges)])),
        caption_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for head in ("query → answer", "over"):
        table.add_column(head)
    for head in (f"P@{FIRST} %", "interval", "chance", f"R@{FIRST} %", "interval", "queries"):
        table.add_column(head, justify="right")
    for one in bridges:
        name = Text(f"{one.query} → {one.answer}", "bold")
        measured = (*_printed(one.precision), percent(one.chance), *_printed(one.recall))
        table.add_row(name, Text(one.via), *measured, f"{one.queries:,}")
    return table


def meaning(bridges: Sequence[Bridge]) -> str:
    """What the estimates are of, in words."""
    via = " or ".join(sorted({one.via for one in bridges}))
    return (
        f"Estimated; with few rows too high, with wrong {via} too low. P@{FIRST}: answers whose "
        f"{via} says the same as the query's, among as large a share as {FIRST} are of all. "
        f"R@{FIRST}: how often {FIRST} answers would hold the one of the query's own row, if it had one."
    )


def verdicts(bridges: Sequence[Bridge]) -> list[str]:
    """Where an interval is no good, and why."""
    return [f"{one.query} → {one.answer} over {one.via}: {one.verdict}." for one in bridges if one.verdict]


def _printed(one: Estimate) -> tuple[str, str]:
    return percent(one.value), f"{percent(one.low)}–{percent(one.high)}"
