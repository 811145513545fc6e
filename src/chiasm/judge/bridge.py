"""How good a search is between columns never seen together, estimated over a column seen with both.

No held-out row has image and sound, so no answer is known to be right. Two things are estimated all the same,
with neither pairs nor labels; benchmarks/results/bridge.md has precision beside the truth.

Precision: a held-out image has its text, a held-out sound has its own; the cycle text → sound → image → text
ends right where the two texts say the same, as `TextMatch` tells. It is too low where texts that do are not
told to: one is wrong, leaves out what others say, or is not understood. How often is seen within each side,
for the texts of two items nearest to each other should say the same. Precision over that agreement
(correction for attenuation, Spearman 1904) is what it would be with all of them told, or more: it bounds the
interval from above, and the value stays what was counted.

Recall of the very row: a query is made for every held-out image, of what its text foretells of a sound and of
the error of another row's sound.

Both assume that image and sound differ from their texts independently of each other. Precision is in its own
terms where texts say less than what is looked for, only even digits from odd, or where each says something of
its own, as captions do: then a share of chance that is large tells that it is about topics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.index import Gallery
from chiasm.judge.estimate import FEW, Estimate, percent
from chiasm.judge.relevance import relevance
from chiasm.judge.text_match import TextMatch, neighbour_agreement
from chiasm.numerics import unit_rows

if TYPE_CHECKING:
    from rich.table import Table

FIRST = 10
"""Answers looked at, of a whole gallery."""
FEWEST = 10
"""Queries below which an interval that holds chance says nothing of the bridge."""
DOUBT = 0.05
"""An estimate that may be off by more is said to be too low, or rough."""


@dataclass(frozen=True)
class Bridge:
    """The estimated quality of a search between two columns that no row has together.

    via : the column seen with both.
    queries : scored;  left_out : queries whose text says what no answer's text says, or that have none.
    gallery : answers searched;  first : how many of them were looked at, as large a share as ten are of the
        model's own gallery.
    precision : of those, the share whose text says the same as the query's, the interval reaching up to what
        it would be if agreement were full;  chance : that of a random order.
    agreement : how often two items of one column that are nearest to each other have texts that say the same.
    recall : R@10 of the very answer in this gallery, by made-up queries; NaN where ten are all of it.
    groups : that the queries scored come from and intervals draw; 0 where they draw rows.
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
    agreement: float
    recall: Estimate
    groups: int = 0

    @property
    def recall_chance(self) -> float:
        """R@10 of a random order."""
        return FIRST / self.gallery if self.gallery > FIRST else math.nan

    @property
    def verdict(self) -> str:
        """What is wrong with the estimate; "" where nothing is."""
        found, some = self.precision, f"only {percent(self.agreement)} % of cells that are alike"
        if not self.queries:
            return f"No estimate, hardly two cells of {self.via} say the same"
        if not self.agreement > 0.5:
            return f"No estimate to go by, {self.via} says the same of {some}"
        if 0 < self.groups < FEW:
            return f"Rough, of few groups, {self.groups}"
        if not found.low > self.chance and self.queries < FEWEST:
            return f"{self.queries:,} queries, too few to tell"
        if not found.low > self.chance:
            return "Not better than chance, as far as can be told"
        if found.value / self.agreement - found.value > DOUBT:
            return f"Perhaps too low: {self.via} says the same of {some}"
        if min(self.queries, self.gallery) < FEW or found.high - found.low > 2 * DOUBT:
            return f"Rough, of {self.queries:,} queries among {self.gallery:,}"
        return ""


def bridge(
    query_column: str,
    query: Features,
    answer: Features,
    gallery: Gallery,
    via_column: str,
    via: Features,
    share: float = 1.0,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Bridge:
    """Estimate how well items of one column find those of another, all of them vectors in the space.

    gallery : of the answer's items, in their order.
    via : of the same rows, the column seen with both.
    share : how large this gallery is beside the model's own: so many fewer answers are looked at.
    groups : (n,) the group of each row; intervals draw whole groups, or rows where there are none.
    """
    drawn = np.arange(query.n) if groups is None else groups
    match, known = TextMatch.of(query, answer, via, seed), np.flatnonzero(via.present[answer.row])
    right = TextMatch(match.query, match.answer[known], match.threshold)
    first = int(np.clip(round(FIRST * share), 1, max(len(known), 1)))
    cycles = _cycles(query, gallery, query_column, right, known, first)
    within = [
        neighbour_agreement(side, texts, match.threshold)
        for side, texts in ((query, match.query), (answer, match.answer))
    ]
    agreement = math.sqrt(within[0] * within[1])
    scored = ~np.isnan(cycles.precision)
    made = _made(query, answer, via, seed)
    ranking = metrics.rank_tiles(gallery.tiles(made.values, {query_column: 1.0}), relevance(made, answer))
    hits = np.asarray(metrics.hits_at(ranking.first, FIRST), np.float64)
    if len(answer.row) <= FIRST:
        hits[:] = np.nan
    return Bridge(
        query_column,
        gallery.column,
        via_column,
        int(scored.sum()),
        int((~scored).sum()),
        len(known),
        first,
        cycles.estimate(drawn[query.row], drawn[answer.row[known]], agreement, seed),
        metrics.nan_mean(cycles.chance),
        agreement,
        Estimate.of(hits, drawn[made.row], seed),
        0 if groups is None else len(np.unique(drawn[query.row[scored]])),
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


@dataclass(frozen=True, eq=False)
class _Cycles:
    """What the first answers of every query are.

    precision, chance : (q,) the share of right ones among them and among all; NaN where there is none.
    found : (q, first) which they are;  hit : (q, first) whether each is right.
    """

    precision: metrics.Values
    chance: metrics.Values
    found: NDArray[np.int64]
    hit: NDArray[np.bool_]

    def estimate(self, queries: NDArray[Any], answers: NDArray[Any], agreement: float, seed: int) -> Estimate:
        """Mean precision; rows or groups of queries (q,), answers (g,) are drawn, agreement lifts the end."""
        one, wider = Estimate.of(self.precision, queries, seed), self._wider(queries, answers)
        # all right, or none: drawing again shows no spread, so the rule of three (Hanley & Lippman-Hand 1983)
        drawn = len(np.unique(queries[np.isfinite(self.precision)]))
        least = 3 / drawn if one.low == one.high else 0.0
        low = max(one.value - max(wider * (one.value - one.low), least), 0.0)
        high = one.value + max(wider * (one.high - one.value), least)
        return Estimate(one.value, low, min(high / agreement, 1.0) if agreement > 0 else 1.0)

    def _wider(self, queries: NDArray[Any], answers: NDArray[Any]) -> float:
        """By how much an interval of drawn queries is too narrow, for the answers are a sample as well.

        Errors of one query, or group of them, belong together, and errors of one answer (two-way clustered
        variance, Cameron, Gelbach & Miller 2011).
        """
        scored = ~np.isnan(self.precision)
        if not scored.any():
            return 1.0
        error = self.hit[scored] - self.hit[scored].mean()
        asked = np.repeat(queries[scored], error.shape[1])
        given = answers[self.found[scored]].ravel()
        _, pairs = np.unique(np.stack([asked, given]), axis=1, return_inverse=True)
        by_query, by_answer, by_pair = (
            np.square(np.bincount(one, error.ravel())).sum() for one in (asked, given, pairs.ravel())
        )
        both = by_query + by_answer - by_pair
        return math.sqrt(max(both / by_query, 1.0)) if by_query > 0 else 1.0


def _cycles(
    query: Features, gallery: Gallery, column: str, right: TextMatch, known: NDArray[np.int64], first: int
) -> _Cycles:
    """The first answers, of those `known`, of every query."""
    precision = np.full(len(query.row), np.nan)
    chance = precision.copy()
    found = np.zeros((len(precision), first), np.int64)
    hit = np.zeros(found.shape, bool)
    start = 0
    for tile in gallery.tiles(query.values, {column: 1.0}) if len(known) else ():
        rows = slice(start, start + len(tile))
        wanted, scores = right[rows], tile[:, known]
        precision[rows] = metrics.precision_at(scores, wanted, first)
        chance[rows] = np.where(wanted.any(axis=1), wanted.mean(axis=1), np.nan)
        found[rows] = np.argpartition(-scores, first - 1, axis=1)[:, :first]
        hit[rows] = np.take_along_axis(wanted, found[rows], axis=1)
        start = rows.stop
    return _Cycles(precision, chance, found, hit)


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
    for head in (f"P@{FIRST} %", "interval", "chance", f"R@{FIRST} %", "interval", "chance", "queries"):
        table.add_column(head, justify="right")
    for one in bridges:
        name = Text(f"{one.query} → {one.answer}", "bold")
        measured = (
            *_printed(one.precision), percent(one.chance), *_printed(one.recall), percent(one.recall_chance),
        )  # fmt: skip
        table.add_row(name, Text(one.via), *measured, f"{one.queries:,}")
    return table


def meaning(bridges: Sequence[Bridge]) -> str:
    """What the estimates are of, in words."""
    via = " or ".join(sorted({one.via for one in bridges}))
    return (
        f"Estimated from held-out rows. P@{FIRST}: how many of the first {FIRST} answers say the same in "
        f"{via} as the query (of a smaller gallery as many fewer are looked at); wrong {via} make it too "
        f"low, the upper end of its interval not. R@{FIRST}: how often the first {FIRST} would hold the "
        "answer of the query's own row, if it had one."
    )


def verdicts(bridges: Sequence[Bridge]) -> list[str]:
    """Where an interval is no good, and why."""
    return [f"{one.query} → {one.answer} over {one.via}: {one.verdict}." for one in bridges if one.verdict]


def _printed(one: Estimate) -> tuple[str, str]:
    ends = "–" if math.isnan(one.value) else f"{percent(one.low)}–{percent(one.high)}"
    return percent(one.value), ends
