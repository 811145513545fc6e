"""Rows whose two cells do not belong together: every row judged by maps that did not learn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.align.hubness import neighbourhood
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.tune import sample
from chiasm.array_types import Ints
from chiasm.checks import check_range
from chiasm.encode.features import Features, as_features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.index.neighbours import nearest, packed
from chiasm.judge import strangers
from chiasm.judge.copies import Name, contents, numbered
from chiasm.judge.estimate import Estimate
from chiasm.metrics import first_ranks
from chiasm.numerics import unit_rows

Floats = NDArray[Any]
Ridge = float | Mapping[str, float]

EVIDENCE = ("likeness", "rank", "rank back", "neighbours", "neighbours back")
"""What speaks for a pair: its similarity less that of the nearest strangers of both cells; the partner's rank
among strangers, either way; how like the partner is to those of the rows nearest in features, either way."""
RIDGES = (3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
FOLDS, DIM = 5, 256
FEWEST = 40
"""Rows that two columns must share to be judged."""
BLOCK, BANK = 1_500, 5_000
"""Strangers that a row is held against, and rows among which its neighbours are looked for, at most."""
HUBS, NEAR = 10, 20
SHIFTS = (1, 3, 7)


@dataclass(frozen=True)
class Mispaired:
    """A row of which one cell probably belongs to another row.

    chance : that it is mispaired.
    score : log of how many times likelier its evidence is in a pair than in two strangers.
    ranks : the place of its second cell among those of all rows for its first, from 1, and the other way.
    fits : of the other suspected rows, the one whose second cell fits its first best, and the one whose first
        fits its second; -1 where there is none. Where both are one row, the two were probably exchanged.
    evidence : of each kind, the share of strangers' pairs that look worse: near 1 in a pair, anything in two
        strangers.
    """

    row: int
    columns: tuple[str, str]
    chance: float
    score: float
    ranks: tuple[int, int]
    fits: tuple[int, int]
    evidence: dict[str, float]

    def __str__(self) -> str:
        return self.said()

    def said(self, name: Name = str) -> str:
        """Which row, how sure, and where its cells fit better."""
        a, b = self.columns
        told = (
            f"row {name(self.row)}: {a!r} and {b!r} are mispaired with probability {self.chance:.2f} "
            f"(log odds of a pair against strangers {self.score:.1f}), "
            f"its own {b!r} ranks {self.ranks[0]:,} for its {a!r}"
        )
        if self.fits[0] < 0:
            return told
        first, second = map(name, self.fits)
        if first == second:
            return f"{told}; exchanged with row {first}?"
        return f"{told}; its {a!r} fits the {b!r} of row {first}, and its {b!r} the {a!r} of row {second}"


@dataclass(frozen=True, eq=False)
class Pairing:
    """How well the rows of two columns belong together.

    rows : (r,) places of the rows that have both;  scores, chances : (r,) of them, as in `Mispaired`.
    evidence : (r, e) of each kind in `EVIDENCE`, the more the better.
    count : how many are mispaired, with a 95 % interval; pairs that look like strangers count too.
    reliable : whether the columns tell enough of each other; else nothing is to be made of the count.
    mispaired : those more likely so than not, the likeliest first.
    """

    columns: tuple[str, str]
    rows: Ints
    scores: Floats
    chances: Floats
    evidence: Floats
    count: Estimate
    reliable: bool
    mispaired: tuple[Mispaired, ...]


def pairing(
    X: Mapping[str, Features | Floats], ridge: Ridge | None = None, rounds: int = 2, seed: int = 0
) -> Pairing:
    """Judge every row that has both of two columns, {column: (n, d) or Features}, NaN rows being absent.

    Rows are parted in five folds, copies in one; for each, CCA learns from the second moments of the others,
    and the rows held out are compared with strangers among themselves. A logistic regression, again of the
    other folds, weighs the evidence of pairs against that of two strangers each. From the second round on,
    the rows that were probably mispaired are not learned from.

    Of 6,000 Flickr8k photos with captions, 5 % of them exchanged, 0.86 of as many of the worst are exchanged
    ones; at 1 % only 0.75, for a cell that is merely odd looks like a stranger too. The count comes out some
    5 % low, at 1 % a fifth (`benchmarks/audit.py`). Where columns tell little of each other, nothing is said.

    ridge : of CCA, one number or one a column; None takes the best of a few on one fold.
    """
    if len(X) != 2:
        raise UsageError(f"pairs are of two columns, got {', '.join(map(str, X)) or 'none'}")
    check_range(rounds, "rounds", 1)
    table = _Table.of({str(c): as_features(cells, str(c)) for c, cells in X.items()}, seed)
    keep = np.ones(len(table.rows), bool)
    for _ in range(rounds):
        others = table.moments(keep)
        ridge = table.best_ridge(others[0]) if ridge is None else ridge
        maps = [CCA(DIM, ridge).fit_moments(moments) for moments in others]
        own, strange = table.evidence(maps, keep)
        scores, null = strangers.odds(own, strange, keep, table.folds)
        count = strangers.count(scores, null)
        share = count.value / len(scores)
        reliable = strangers.reliable(scores, null, share)
        chances = strangers.chances(scores, null, share) if reliable else np.zeros(len(scores))
        keep = chances < 0.5
    found = table.suspects(maps, own, strange, scores, chances)
    return Pairing(table.columns, table.rows, scores, chances, own, count, reliable, found)


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows that have both columns: the mean of their items, their folds, and what content they hold."""

    columns: tuple[str, str]
    rows: Ints
    values: tuple[Floats, Floats]
    folds: Ints
    contents: tuple[Ints, Ints]

    @classmethod
    def of(cls, features: Mapping[str, Features], seed: int) -> _Table:
        left, right = features.values()
        if left.n != right.n:
            raise ShapeError(f"expected features of the same rows, got {left.n} and {right.n}", where="pairs")
        both = np.flatnonzero(left.present & right.present)
        if len(both) < FEWEST:
            raise DataError(
                f"{len(both)} {'row has' if len(both) == 1 else 'rows have'} both, {FEWEST} are needed",
                where=f"pairs of {', '.join(features)}",
            )
        taken = [f.take(both) for f in (left, right)]
        first, second = features
        a, b = (_narrow(f.means) for f in taken)
        key, other = (contents(f) for f in taken)
        copy = numbered(zip(key.tolist(), other.tolist(), strict=True))
        if (different := int(copy.max()) + 1) < FEWEST:
            raise DataError(
                f"they tell too little of each other: {FEWEST} different rows are needed, found {different}",
                where=f"pairs of {first}, {second}",
            )
        # a row is not judged by maps that learned from its copy
        folds = (np.random.default_rng(seed).permutation(different) % FOLDS)[copy]
        return cls((first, second), both, (a, b), folds, (key, other))

    def named(self, rows: Any) -> dict[str, Floats]:
        return {c: v[rows] for c, v in zip(self.columns, self.values, strict=True)}

    def moments(self, keep: NDArray[np.bool_]) -> list[Moments]:
        """Of the kept rows outside each fold: the moments of folds add up."""
        parts = [Moments.of(self.named(keep & (self.folds == f))) for f in range(FOLDS)]
        others = [[p for g, p in enumerate(parts) if g != f] for f in range(FOLDS)]
        return [sum(some[1:], start=some[0]) for some in others]

    def best_ridge(self, others: Moments) -> float:
        """The ridge whose map, learned outside the first fold, ranks the partners in it best."""
        held, found = np.flatnonzero(self.folds == 0)[:BLOCK], []
        for ridge in RIDGES:
            a, b = self.projected(CCA(DIM, ridge).fit_moments(others), held)
            found.append(float((1 / first_ranks(a @ b.T, np.eye(len(held), dtype=bool))).mean()))
        return RIDGES[int(np.argmax(found))]

    def projected(self, cca: CCA, rows: Any) -> tuple[Floats, Floats]:
        a, b = (cca.project(c, v) for c, v in self.named(rows).items())
        return a, b

    def evidence(self, maps: list[CCA], keep: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(r, e) of every row's own pair, and (s, e) of pairs of strangers."""
        own = np.empty((len(self.rows), len(EVIDENCE)))
        strange = []
        for f, cca in enumerate(maps):
            bank = sample(np.flatnonzero(keep & (self.folds != f)), BANK, f)
            a, b = (unit_rows(v - v[bank].mean(axis=0)) for v in self.values)
            agreement = _agreement(a, b, bank)
            # in random order: next to each other stand rows of one class or one day
            for held in _blocks(np.random.default_rng(f).permutation(np.flatnonzero(self.folds == f))):
                look = _evidence(*self.projected(cca, held), *agreement(held))
                own[held] = look(np.arange(len(held)))
                for shift in SHIFTS:
                    other = (np.arange(len(held)) + shift) % len(held)
                    strange.append(look(other)[self._strangers(held, held[other])])
        found = np.concatenate(strange)
        if len(found) < FEWEST:
            raise DataError(
                "they tell too little of each other: hardly two rows differ in both",
                where=f"pairs of {', '.join(self.columns)}",
            )
        return own, found

    def _strangers(self, rows: Ints, others: Ints) -> NDArray[np.bool_]:
        """Where neither cell holds what the other row's does."""
        first, second = self.contents
        return np.asarray((first[rows] != first[others]) & (second[rows] != second[others]))

    def suspects(
        self, maps: list[CCA], own: Floats, strange: Floats, scores: Floats, chances: Floats
    ) -> tuple[Mispaired, ...]:
        """The rows more likely mispaired than not, with what is known of them."""
        some = np.flatnonzero(chances >= 0.5)
        some = some[np.argsort(scores[some], kind="stable")]
        shares = [np.searchsorted(np.sort(strange[:, e]), own[some, e]) for e in range(len(EVIDENCE))]
        told = np.transpose(shares) / len(strange)
        found = []
        for fold, cca in enumerate(maps):
            mine = np.flatnonzero(self.folds[some] == fold)
            for i, ranks, fits in _places(*self.projected(cca, slice(None)), some, mine):
                row = some[i]
                other = tuple(int(self.rows[j]) if j >= 0 else -1 for j in fits)
                found.append((i, Mispaired(
                    int(self.rows[row]), self.columns, float(chances[row]), float(scores[row]), ranks,
                    (other[0], other[1]), dict(zip(EVIDENCE, map(float, told[i]), strict=True)),
                )))  # fmt: skip
        return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))


def _narrow(values: Floats) -> Floats:
    """Columns wider than they have rows, in coordinates of what the rows span: all products stay."""
    if values.shape[1] <= len(values):
        return values
    axes = np.linalg.qr(values.T.astype(np.float64))[0]
    return np.asarray(values @ axes, np.float32)


def _blocks(rows: Ints) -> list[Ints]:
    return np.array_split(rows, -(-len(rows) // BLOCK))


def _agreement(a: Floats, b: Floats, bank: Ints) -> Callable[[Ints], tuple[Floats, Floats]]:
    """Of held-out rows (m,): (m, m) how like each b is to the partners of the rows nearest to each a, and the
    other way, transposed; in features as they are, unaligned."""

    def partners(rows: Ints, of: Floats, partner: Floats) -> Floats:
        _, near = nearest(packed(of[rows]), packed(of[bank]), min(NEAR, len(bank)))
        return np.asarray(unit_rows(partner[bank][near].mean(axis=1)) @ partner[rows].T)

    return lambda rows: (partners(rows, a, b), partners(rows, b, a).T)


def _evidence(a: Floats, b: Floats, there: Floats, back: Floats) -> Callable[[Ints], Floats]:
    """What gives the evidence (m, e) that each a belongs to the b of the given place."""
    k = max(1, min(HUBS, len(a) // 4))
    likeness = 2 * (a @ b.T) - neighbourhood(a, b, [k])[k][:, None] - neighbourhood(b, a, [k])[k]
    line = np.arange(len(a))

    def of(place: Ints) -> Floats:
        value = likeness[line, place]
        ahead = (likeness > value[:, None]).sum(axis=1), (likeness[:, place] > value).sum(axis=0)
        ranks = [-np.log((count + 0.5) / len(a)) for count in ahead]
        return np.column_stack([value, *ranks, there[line, place], back[line, place]])

    return of


def _places(
    a: Floats, b: Floats, some: Ints, mine: Ints
) -> Iterator[tuple[int, tuple[int, int], tuple[int, int]]]:
    """For each of `mine` among the suspects: itself, its ranks both ways, who of the others fits it best."""
    for i in mine:
        ranks, fits = [], []
        for x, y in ((a, b), (b, a)):
            cosines = y @ x[some[i]]
            ranks.append(1 + int((cosines > cosines[some[i]]).sum()))
            others = np.delete(some, i)
            fits.append(int(others[np.argmax(cosines[others])]) if len(others) else -1)
        yield int(i), (ranks[0], ranks[1]), (fits[0], fits[1])
