"""Fitting: rows → encode → align → fuse → index → judge, tuned and scored on parts held out from learning."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from chiasm import plugins
from chiasm.align.aligner import Aligner
from chiasm.align.bridge import bridges, seen
from chiasm.align.choose import AUTO, climb, ladder
from chiasm.align.hubness import Hubness
from chiasm.align.linear import CCA
from chiasm.align.moments import Moments
from chiasm.align.tune import BANK, Right, Tuning, sample
from chiasm.encode.described import Described
from chiasm.encode.encoder import Encoder
from chiasm.encode.features import Features
from chiasm.errors import DataError, UsageError
from chiasm.fuse.mean import Mean
from chiasm.judge.relevance import relevance
from chiasm.judge.scoreboard import Report
from chiasm.model.inputs import Encoders
from chiasm.model.judging import Baselines, judge, row_groups, row_labels, told_right
from chiasm.model.parts import Parts, hold_out
from chiasm.model.space import Space
from chiasm.rows.modality import SPACE
from chiasm.rows.rows import Rows


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting gives: the space, its baselines, its scoreboard, and what it did."""

    space: Space
    baselines: Baselines
    features: dict[str, Features]
    parts: Parts
    tuning: Tuning
    report: Report | None
    notes: list[str]


def fit_space(
    rows: Rows,
    chosen: Mapping[str, Encoder],
    described: Mapping[str, Described],
    *,
    target: str | None,
    align: str | Aligner,
    fusion: Mean,
    dim: int,
    by: str | None,
    precision: str,
    seed: int,
) -> Fitted:
    """Learn a space from described rows, tune it on one held-out part, score it on another, refit it on all.

    target : the column whose equal values make rows right answers to each other, if any.
    """
    notes: list[str] = []
    named = named_aligner(align, dim)
    present = {c: np.isin(np.arange(len(rows)), d.row) for c, d in described.items()}
    parts = hold_out(rows, present, by, seed)
    features = _encode(described, chosen, parts, notes)
    labels = row_labels(rows, target)
    stage = _Stage(features, labels, parts, precision)
    rungs = named or ladder(dim, stage.moments("fit"))
    aligner, tuning = stage.choose(rungs, seed, notes)
    kept = {c: chosen[c] for c in features}
    report = None
    if len(parts.score):
        stage.align(aligner, "fit", "tune")
        trial = Space(kept, aligner, stage.hubness(aligner, tuning, ("fit", "tune"), seed), fusion)
        baselines = Baselines.of(stage.moments("fit", "tune"), aligner.dim)
        wanted = stage.labelled(parts.score)
        whole = {c: len(f.row) for c, f in features.items()}
        groups = row_groups(rows[parts.score], by)
        report = judge(trial, baselines, stage.part(parts.score), wanted, target, seed, whole, groups)
    else:
        notes.append("Search: too few rows to hold any out; nothing was tuned, quality unknown.")
    stage.align(aligner, "fit", "tune", "score")
    space = Space(kept, aligner, stage.hubness(aligner, tuning, ("fit", "tune", "score"), seed), fusion)
    return Fitted(
        space,
        Baselines.of(stage.moments("fit", "tune", "score"), aligner.dim),
        features,
        parts,
        tuning,
        report,
        notes,
    )


def choose_encoders(
    rows: Rows, named: Encoders, targets: Sequence[str], aside: Sequence[str | None] = ()
) -> dict[str, Encoder]:
    """A fresh encoder for each column that joins the space: as named, else the default of its modality.

    Without a target two columns at least must join; with one, fewer make no space.
    aside : columns that say how rows are parted, and join only where they are named.
    """
    for column in (*named, *targets):
        rows.schema[column]
        if column in named and column in targets:
            raise UsageError(f"column {column!r} is the target, so it takes no encoder", where="encoders")
    joining = [c for c in rows.schema.of(*SPACE) if c not in {*targets, *aside}]
    chosen = {
        c: clone(plugins.encoder(named.get(c), rows.schema[c].modality)) for c in sorted({*joining, *named})
    }
    if len(chosen) < 2 and targets:
        return {}
    if len(chosen) < 2:
        kinds = ", ".join(f"{c.name} ({c.modality})" for c in rows.schema.columns)
        raise DataError(
            f"a space needs two columns of {', '.join(sorted(SPACE))}; the columns are {kinds}",
            hint="modalities={'COL': 'text'} (--as COL=text) reads a column otherwise, "
            "encoders={'COL': 'onehot'} (--encoder COL=onehot) brings a category in.",
        )
    return chosen


def _encode(
    described: Mapping[str, Described], encoders: Mapping[str, Encoder], parts: Parts, notes: list[str]
) -> dict[str, Features]:
    """Fit every encoder on the rows learned from, and encode all rows with it."""
    features = {}
    for column, whole in described.items():
        learned = whole.take(parts.fit)
        if not len(learned.row):
            notes.append(f"Column {column!r} has nothing usable to learn from and is left out.")
            continue
        encoders[column].fit(learned.values)
        features[column] = whole.features(encoders[column])
    features = _linked(features, parts, notes)
    if len(features) < 2:
        broken = [str(b) for d in described.values() for b in d.broken[:2]]
        raise DataError(
            f"fewer than two columns hold anything usable in the same rows ({', '.join(features) or 'none'})",
            hint=f"Broken: {'; '.join(broken)}." if broken else "Two rows at least must have both.",
        )
    return features


def _linked(features: dict[str, Features], parts: Parts, notes: list[str]) -> dict[str, Features]:
    """The columns that share two rows or more with another among those learned from."""
    has = {c: np.isin(parts.fit, f.row).astype(int) for c, f in features.items()}
    alone = [c for c in has if all(has[c] @ has[other] < 2 for other in has if other != c)]
    notes += [f"Column {c!r} is hardly ever there together with another and is left out." for c in alone]
    return {c: f for c, f in features.items() if c not in alone}


def named_aligner(align: str | Aligner, dim: int) -> list[tuple[str, Aligner]]:
    """The aligner that is named; nothing where one is to be chosen."""
    if isinstance(align, str) and align == AUTO:
        return []
    if isinstance(align, str):
        return [(align, plugins.get("align", align)(dim=dim))]
    if not isinstance(align, Aligner):
        raise UsageError(f"align is a name or an aligner, got {type(align).__name__}")
    return [(plugins.name_of("align", align) if plugins.is_named("align", align) else "own", align)]


class _Stage:
    """Features, labels and second moments of the parts, which are put together without a second pass."""

    def __init__(
        self, features: Mapping[str, Features], labels: list[Any] | None, parts: Parts, precision: str
    ) -> None:
        self.features, self.labels, self.parts = features, labels, parts
        self._moments = {
            name: Moments.of(self.part(places), precision)
            for name, places in vars(parts).items()
            if len(places)
        }

    def part(self, places: Any) -> dict[str, Features]:
        return {c: f.take(places) for c, f in self.features.items()}

    def places(self, *names: str) -> Any:
        return np.sort(np.concatenate([getattr(self.parts, name) for name in names]))

    def moments(self, *names: str) -> Moments:
        found = [self._moments[name] for name in names if name in self._moments]
        return sum(found[1:], start=found[0])

    def align(self, aligner: Aligner, *names: str) -> None:
        places = self.places(*names)
        aligner.fit_rows(self.moments(*names), self.part(places), self.labelled(places))

    def choose(self, rungs: list[tuple[str, Aligner]], seed: int, notes: list[str]) -> tuple[Aligner, Tuning]:
        """The aligner, fitted on one part and tuned on another; the cheapest as it is where there is none."""
        if not len(self.parts.tune):
            cheapest: Aligner = clone(rungs[0][1])
            self.align(cheapest, "fit")
            return cheapest, Tuning()
        rows, valid = self.part(self.parts.fit), self.part(self.parts.tune)
        labels = self.labelled(self.parts.tune)
        right = {
            (q, a): relevance(valid[q], valid[a], labels).tocsr() for q, a in itertools.permutations(valid, 2)
        }
        if labels is None:
            right |= self._told(valid, seed)
        found = climb(rungs, self.moments("fit"), rows, valid, right, self.labelled(self.parts.fit), seed)
        if len(rungs) > 1:
            notes.append(str(found))
        return found.aligner, found.tuning

    def _told(self, valid: Mapping[str, Features], seed: int) -> Right:
        """What is right between columns never seen together, told by the bridge between them."""
        moments = self.moments("fit")
        unseen = bridges(moments.columns, seen(moments))
        if not unseen:
            return {}
        first = CCA().fit_moments(moments)
        vectors = {c: f.with_values(first.project(c, f.values)) for c, f in valid.items()}
        return told_right(vectors, unseen, seed)

    def labelled(self, places: Any) -> list[Any] | None:
        return None if self.labels is None else [self.labels[i] for i in places]

    def hubness(self, aligner: Aligner, tuning: Tuning, names: tuple[str, ...], seed: int) -> Hubness:
        places = self.places(*names)
        bank = {
            c: aligner.project(c, f.values[sample(np.flatnonzero(np.isin(f.row, places)), BANK, seed)])
            for c, f in self.features.items()
        }
        return Hubness().fit(bank, tuning.hubness)
