"""How good a search is between columns never seen together, estimated over a column seen with both.

No held-out row has image and sound, so no answer is known to be right. But a held-out image has its text and
so has a held-out sound: the cycle text → sound → image → text ends right where the two texts say the same.
Which texts do is not known either, and their wordings differ. It is read off the cosines, in the space, where
wording has little weight, between all texts of the query's side and all of the answer's: those of texts that
say the same lie apart from the others, and are parted where two normal distributions fit best (minimum error
thresholding, Kittler & Illingworth 1986). Neither pairs nor labels are needed: on held-out digits, spoken and
handwritten, in three sets of wordings, it was within 3 points of what labels tell.

It assumes that texts describe what is there, that several rows say the same, and that sound and image differ
from their texts independently of each other. It is off:
- too low, by both sides' errors, where texts are wrong or leave out what others say: an answer that is right
  although its text is not counts as wrong (one text in ten wrong: 91 % are taken for 73 %);
- too low where every text says something of its own, as captions of photos do: of strangers none is right;
- in its own terms where texts say less than what is looked for: where they only tell even digits from odd,
  95 % are right, 50 % by chance, and nothing is told of the digits. Compare it with chance.
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
from chiasm.judge.estimate import Estimate
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

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Bridge:
        """The bridge of a report's JSON document, in which null is NaN."""
        found = {k: _float(v) for k, v in document["precision"].items()}
        changed = {"precision": Estimate(**found), "chance": _float(document["chance"])}
        return cls(**{**document, **changed})

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
    interval = metrics.bootstrap_interval(precision, groups=query.row, seed=seed)
    return Bridge(
        query_column,
        gallery.column,
        via_column,
        scored,
        len(precision) - scored,
        len(known),
        first,
        Estimate(metrics.mean(precision), *interval),
        metrics.mean(chance),
    )


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

    said = [f"{one.query} → {one.answer} over {one.via}: {one.verdict}." for one in bridges if one.verdict]
    words = f"Estimated: the share of the first {FIRST} whose {_named(bridges)} says the same as the query's."
    table = Table(
        title="Never seen together, 95 % intervals",
        caption=Text("\n".join([words, *said])), caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for head, side in (("query → answer", "left"), ("over", "left"), ("P@10 %", "right"),
                       ("interval", "right"), ("chance", "right"), ("queries", "right")):  # fmt: skip
        table.add_column(head, justify=side)  # type: ignore[arg-type]
    for one in bridges:
        low, high = _percent(one.precision.low), _percent(one.precision.high)
        name = Text(f"{one.query} → {one.answer}", "bold")
        cells = (_percent(one.precision.value), f"{low}–{high}", _percent(one.chance), f"{one.queries:,}")
        table.add_row(name, Text(one.via), *cells)
    return table


def _named(bridges: Sequence[Bridge]) -> str:
    return " or ".join(sorted({one.via for one in bridges}))


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)
