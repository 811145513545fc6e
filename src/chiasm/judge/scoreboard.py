"""The scoreboard: how well each column finds each other one, beside chance and a simple baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm import metrics
from chiasm.encode.features import Features
from chiasm.errors import ShapeError
from chiasm.index import Gallery
from chiasm.judge.bridge import Bridge
from chiasm.judge.estimate import FEW, Estimate, percent
from chiasm.judge.outcome import Outcome, jsonable, read_document
from chiasm.judge.relevance import Relevance, relevance
from chiasm.judge.stress import Stress

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Direction", "Estimate", "Relevance", "Report", "direction", "relevance", "render"]
KS = (1, 5, 10)
VERDICTS = EMPTY, CHANCE, BELOW, WORSE, LEVEL, ROUGH, GROUPED, ALONE, LEFT_OUT = (
    "Nothing to score, no query has a right answer",
    "Not better than chance",
    "Below chance further down, as where answers that are alike come together",
    "Worse than the simple baseline, a ridge regression (--align ridge is its like)",
    "Not better than the simple baseline",
    "Few queries, rough intervals",
    "Few groups, rough intervals",
    "One group only, no intervals, so nothing is sure",
    "No right answer, left out",
)
Tiles = Iterable[NDArray[Any]]


@dataclass(frozen=True)
class Direction:
    """How well items of one column find those of another.

    queries : scored, each with something to be found;  left_out : queries without any right answer.
    recall, chance, baseline : R@k for each k; chance is exact, the baseline that of a simple method.
    mean_ap, chance_ap, baseline_ap : mean average precision likewise, NaN where there is no baseline.
    gain : R@k less the baseline's, query by query; empty like `baseline` where there is none.
    groups : that the queries scored come from and intervals draw; 0 where they draw rows.
    """

    query: str
    answer: str
    queries: int
    left_out: int
    gallery: int
    recall: dict[int, Estimate]
    median_rank: float
    mean_ap: Estimate
    chance: dict[int, float]
    baseline: dict[int, float] = field(default_factory=dict)
    gain: dict[int, Estimate] = field(default_factory=dict)
    groups: int = 0
    chance_ap: float = math.nan
    baseline_ap: float = math.nan


@dataclass(frozen=True)
class Report:
    """The scoreboard of a model on some rows.

    directions : how well columns find each other;  relevance : what counts as right, in words.
    notes : what the numbers mean, in words.
    outcomes : how well each target is predicted;  stresses : and how that holds out on harmed features.
    bridges : how well columns find each other that no row has together, estimated.
    """

    directions: tuple[Direction, ...]
    rows: int
    relevance: str
    notes: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    stresses: tuple[Stress, ...] = ()
    bridges: tuple[Bridge, ...] = ()

    @classmethod
    def of(
        cls, directions: Iterable[Direction], rows: int, relevance: str, notes: Iterable[str] = ()
    ) -> Report:
        """A report with the verdicts on its directions before the given notes."""
        scored = tuple(directions)
        return cls(scored, rows, relevance, (*_verdicts(scored), *notes))

    def to_json(self) -> dict[str, Any]:
        """A JSON document that `from_json` reads; what could not be measured is null."""
        document: dict[str, Any] = jsonable(asdict(self))
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Report:
        """The report of `to_json`; `DataError` where the document is not one."""
        found: Report = read_document(cls, document, "report")
        return found


def direction(
    query_column: str,
    query: Features,
    gallery: Gallery,
    mix: Mapping[str, float] | None,
    relevant: metrics.Relevant,
    baseline_scores: NDArray[Any] | Tiles | None = None,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Direction:
    """Score all queries, vectors in the space (q, dim), against a gallery of g items, as a search would.

    relevant : (q, g), of `relevance`.
    baseline_scores : (q, g) of a simple method, whole or as consecutive blocks of queries.
    groups : (n,) the group of each row. Intervals draw whole groups: rows of one patient are not as many
        patients; and without groups whole rows: five captions of a photo are not five photos.
    """
    if relevant.shape != (len(query.row), len(gallery)):
        expected = (len(query.row), len(gallery))
        raise ShapeError(f"expected {expected}, got {relevant.shape}", where="relevant")
    ranking = metrics.rank_tiles(gallery.tiles(query.values, mix), relevant)
    hits = {k: metrics.hits_at(ranking.first, k) for k in KS}
    drawn = query.row if groups is None else groups[query.row]
    baseline, gain, baseline_ap = {}, {}, math.nan
    if baseline_scores is not None:
        tiles = (
            metrics.tiles_of(baseline_scores) if isinstance(baseline_scores, np.ndarray) else baseline_scores
        )
        simple = metrics.rank_tiles(tiles, relevant)
        baseline = {k: metrics.recall_at(simple.first, k) for k in KS}
        baseline_ap = metrics.nan_mean(simple.precision)
        gain = {k: Estimate.of(hits[k] - metrics.hits_at(simple.first, k), drawn, seed) for k in KS}
    known = ranking.positives > 0
    scored = int(known.sum())
    return Direction(
        query=query_column,
        answer=gallery.column,
        queries=scored,
        left_out=len(query.row) - scored,
        gallery=len(gallery),
        recall={k: Estimate.of(hits[k], drawn, seed) for k in KS},
        median_rank=metrics.median_rank(ranking.first),
        mean_ap=Estimate.of(ranking.precision, drawn, seed),
        chance={k: metrics.chance_recall(ranking.positives, len(gallery), k) for k in KS},
        chance_ap=metrics.chance_average_precision(ranking.positives, len(gallery)),
        baseline=baseline,
        baseline_ap=baseline_ap,
        gain=gain,
        groups=0 if groups is None else len(np.unique(drawn[known])),
    )


def render(report: Report) -> Table:
    """The report as a table for the terminal.

    Each direction has its values in percent and below them their intervals, chance and the baseline.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = f"Search, {report.rows:,} rows, 95 % intervals"
    notes = Text("\n".join([f"Right is: {report.relevance}.", *report.notes]))
    table = Table(title=title, caption=notes, caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("query → answer", min_width=12)
    for head in (*(f"R@{k} %" for k in KS), "mAP %", "median\nrank"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in report.directions:
        measured = [*(one.recall[k] for k in KS), one.mean_ap]
        rank = f"{_number(one.median_rank)} of {one.gallery:,}"
        name = Text(f"{one.query} → {one.answer}", "bold")
        table.add_row(name, *(percent(e.value) for e in measured), rank)
        table.add_row("  interval", *(f"{percent(e.low)}–{percent(e.high)}" for e in measured))
        for label, values, ap in beside(one):
            table.add_row(f"  {label}", *(percent(values[k]) for k in KS), percent(ap))
        table.add_section()
    return table


def beside(one: Direction) -> list[tuple[str, Mapping[int, float], float]]:
    """What a direction is read against: a name, R@k for each k, and mean average precision."""
    found = [("chance", one.chance, one.chance_ap), ("baseline", one.baseline, one.baseline_ap)]
    return [line for line in found if line[1]]


def _verdicts(directions: Iterable[Direction]) -> list[str]:
    """What the intervals say, in words: a line a verdict, with all directions it is true of."""
    found: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for one in directions:
        for verdict, detail in _judged(one):
            found[verdict].append(f"{one.query} → {one.answer} {detail}".rstrip())
    return [f"{verdict}: {', '.join(names)}." for verdict, names in found.items() if names]


def _judged(one: Direction) -> list[tuple[str, str]]:
    """The verdicts on one direction, each with the measure or the number of queries it goes by; without an
    interval none goes by the measure."""
    if not one.queries:
        return [(EMPTY, "")]
    k = _telling(one)
    said = []
    if one.recall[k].low <= one.chance[k]:
        said.append((CHANCE, f"(R@{k})"))
    elif below := [k for k in KS if one.recall[k].high < one.chance[k]]:
        said.append((BELOW, f"(R@{below[-1]})"))
    if one.gain and one.gain[k].high < 0:
        said.append((WORSE, f"(R@{k})"))
    elif one.gain and one.gain[k].low <= 0:
        said.append((LEVEL, f"(R@{k})"))
    if one.groups == 1:
        said.append((ALONE, ""))
    elif 0 < one.groups < FEW:
        said.append((GROUPED, f"{one.groups} groups"))
    elif one.queries < FEW:
        said.append((ROUGH, _counted(one.queries)))
    if one.left_out:
        said.append((LEFT_OUT, _counted(one.left_out)))
    return said


def _counted(queries: int) -> str:
    return "1 query" if queries == 1 else f"{queries:,} queries"


def _telling(one: Direction) -> int:
    """The largest k at which chance still fails more often than not: beyond it any order looks good."""
    return max((k for k in KS if one.chance[k] < 0.5), default=KS[0])


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
