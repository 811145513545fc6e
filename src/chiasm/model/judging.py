"""Judging a space on rows: every direction of every pair, through the index that search uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chiasm.align.bridge import Pair, bridges
from chiasm.align.linear import Ridge
from chiasm.align.moments import Moments
from chiasm.align.tune import Right
from chiasm.encode.features import Features
from chiasm.errors import UsageError
from chiasm.index import Gallery
from chiasm.judge.bridge import Bridge, bridge
from chiasm.judge.relevance import relevance
from chiasm.judge.scoreboard import Report, direction
from chiasm.judge.text_match import TextMatch
from chiasm.model.space import Space
from chiasm.numerics import blocks
from chiasm.rows.folds import codes
from chiasm.rows.modality import FILES
from chiasm.rows.rows import Rows

Places = NDArray[np.int64]
LOOKED_AT = 300
IDENTICAL = 1 - 1e-5
"""The cosine from which two items are taken for one."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """What a plain ridge regression from the query column to the answer column reaches, pair by pair."""

    regressions: Mapping[tuple[str, str], Ridge]

    @classmethod
    def of(cls, moments: Moments, dim: int) -> Baselines:
        """One regression for each direction whose columns share rows."""
        pairs = [p for p in itertools.permutations(moments.columns, 2) if moments.known(*p)]
        return cls({(q, a): Ridge(dim, target=a).fit_moments(moments.only(q, a)) for q, a in pairs})

    @property
    def unseen(self) -> dict[Pair, list[str]]:
        """{(a, b): the columns seen with both} of the pairs a < b that were never seen together."""
        known = {pair for pair in self.regressions if pair[0] < pair[1]}
        return bridges({c for pair in known for c in pair}, known)

    def scores(
        self, query: str, asked: Features, answer: str, given: Features
    ) -> Iterator[NDArray[np.float32]] | None:
        """Blocks (t, g) of its cosines, query by query; None where the columns were never seen together."""
        model = self.regressions.get((query, answer))
        if model is None:
            return None
        left, right = model.project(query, asked.values), model.project(answer, given.values)
        return (left[rows] @ right.T for rows in blocks(len(left), len(right)))


def row_labels(rows: Rows, target: str | None) -> list[Any] | None:
    """One label a row, None where it has none; None without a target."""
    if target is None:
        return None
    column = rows.schema[target]
    if column.many or column.modality in FILES | {"vector"}:
        kind = column.modality + ", several a cell" * column.many
        raise UsageError(f"a target holds one label a row, column {target!r} holds {kind}", where="target")
    return rows.values(target)


def row_groups(rows: Rows, by: str | None) -> Places | None:
    """(n,) the group of each row by column `by`, counted from 0; a row without one is its own. None without
    the column, or where it is empty here."""
    values = [] if by is None else rows.values(by)
    return codes(values, own=True) if any(value is not None for value in values) else None


def judge(
    space: Space,
    baselines: Baselines,
    features: Mapping[str, Features],
    labels: Sequence[Any] | None,
    target: str | None,
    seed: int,
    whole: Mapping[str, int] | None = None,
    groups: Places | None = None,
) -> Report:
    """The scoreboard of a space on features of rows it did not learn from.

    labels : (n,) where given, rows of equal label are right answers too; `target` names them.
    whole : {column: items} of the galleries that are searched later, where those are larger.
    groups : (n,) of `row_groups`, drawn whole by the intervals.
    """
    vectors = space.project(features)
    galleries = space.galleries(vectors)
    rows = next(iter(features.values())).n
    scored = []
    estimated = _estimated(vectors, galleries, baselines.unseen, whole or {}, seed, groups)
    silent = [f"{c}: {len(f.broken):,} broken are left out." for c, f in features.items() if f.broken]
    for query, answer in itertools.permutations(sorted(vectors), 2):
        if not len(vectors[query].row) or not len(vectors[answer].row):
            silent.append(f"{query} → {answer}: nothing to score, a column is empty here.")
            continue
        if labels is None and any((one.query, one.answer) == (query, answer) for one in estimated):
            continue
        right = relevance(vectors[query], vectors[answer], labels)
        plain = baselines.scores(query, features[query], answer, features[answer])
        asked = (query, vectors[query], galleries[answer], {query: 1.0})
        scored.append(direction(*asked, right, plain, seed, groups))
    meaning = "an item of the same row, or one of the same content"
    if labels is not None:
        meaning = f"an item of the same row, or of a row with the same {target!r}"
    return replace(Report.of(scored, rows, meaning, silent), bridges=estimated)


def _estimated(
    vectors: Mapping[str, Features],
    galleries: Mapping[str, Gallery],
    unseen: Mapping[Pair, Sequence[str]],
    whole: Mapping[str, int],
    seed: int,
    groups: Places | None,
) -> tuple[Bridge, ...]:
    """Of columns never seen together, and not here either, how well they find each other over each bridge."""
    found = []
    for (a, b), over in unseen.items():
        here = {c for c in (a, b, *over) if c in vectors and len(vectors[c].row)}
        if not {a, b} <= here or (vectors[a].present & vectors[b].present).any():
            continue
        for (query, answer), via in itertools.product(((a, b), (b, a)), (c for c in over if c in here)):
            share = len(galleries[answer]) / max(whole.get(answer, 0), len(galleries[answer]))
            asked, given = vectors[query], vectors[answer]
            found.append(
                bridge(query, asked, given, galleries[answer], via, vectors[via], share, seed, groups)
            )
    return tuple(found)


def told_right(vectors: Mapping[str, Features], unseen: Mapping[Pair, Sequence[str]], seed: int) -> Right:
    """{(query, answer): (query items, answer items)} of columns never seen together, told by a bridge."""
    return {
        (query, answer): sparse.csr_matrix(
            TextMatch.of(vectors[query], vectors[answer], vectors[over[0]], seed)[:]
        )
        for pair, over in unseen.items()
        for query, answer in (pair, pair[::-1])
    }


def known_share(space: Space, galleries: Mapping[str, Gallery], features: Mapping[str, Features]) -> float:
    """Of at most `LOOKED_AT` rows, those with two columns: the share whose cells are all in the galleries."""
    n = next(iter(features.values())).n
    some = np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT)).astype(np.int64))
    there, equal = np.zeros(len(some), int), np.zeros(len(some), int)
    for column, f in space.project({c: f.take(some) for c, f in features.items()}).items():
        if len(f.row) and len(galleries[column]):
            cosines, _ = galleries[column].search(f.values, 1)
            missed = np.bincount(f.row, cosines[:, 0] < IDENTICAL, minlength=len(some)) > 0
            there += f.present
            equal += f.present & ~missed
    told = there >= 2
    return float(np.mean(equal[told] == there[told])) if told.any() else 0.0
