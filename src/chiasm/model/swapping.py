"""A new encoder for one column of a fitted model: the column is re-aligned, nothing else is refitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chiasm import plugins
from chiasm.align.aligner import Aligner
from chiasm.align.hubness import Hubness
from chiasm.align.moments import Moments
from chiasm.align.swap import Settings, swapped, tuned_swap
from chiasm.align.tune import BANK, sampled, tune
from chiasm.checks import check_known
from chiasm.encode.cache import Cache
from chiasm.encode.encoder import Encoder
from chiasm.encode.engine import describe_column, encode_column
from chiasm.encode.features import Features
from chiasm.errors import Broken, ChiasmError, DataError, UsageError
from chiasm.index import Gallery
from chiasm.judge.relevance import relevance
from chiasm.judge.scoreboard import Report
from chiasm.model import records
from chiasm.model.inputs import named
from chiasm.model.judging import Baselines, judge, row_groups, row_labels
from chiasm.model.query import check_searchable
from chiasm.model.space import Progress, Space
from chiasm.rows.rows import EMBEDDED

if TYPE_CHECKING:
    from chiasm.model.model import Model

Table = dict[str, Features]
Directions = dict[str, dict[str, list[float]]]
PARTS = ("fit", "tune", "score")


def swap(model: Model, column: str, encoder: Any, cache: Cache, progress: Progress | None = None) -> Model:
    """The model with another encoder for a column of its space.

    The column's map is solved on the rows the model was trained on, its settings chosen on those held out to
    tune on. Its gallery, its bank and its baselines are made anew, and what other columns' items lose
    against its queries. Predictors keep the encoder they learned with. Every column is described again, by
    the old encoder too where the model can be scored again: from the cache, where it still has them.
    """
    check_searchable(model.space)
    check_known(column, model.columns, "column")
    fresh: Encoder = clone(plugins.encoder(encoder, model.schema[column].modality))
    _check_functions(model, column, fresh)
    task = _swapping(model, column, fresh, cache, progress)
    settings, tuned = task.tuned()
    report = task.report(settings, tuned)
    space = task.space(*task.known(PARTS), settings, tuned, PARTS)
    kept = tuple(cell for cell in model.broken if cell.column != column)
    return replace(
        model,
        space=space,
        galleries=_galleries(model, space, column, task.features[column]),
        baselines=task.baselines(),
        report=report,
        facts={
            **model.facts,
            "hubness": tuned,
            "swapped": {**model.facts.get("swapped", {}), column: asdict(settings)},
        },
        notes=(*model.notes, _note(model, column, fresh)),
        broken=kept + named(task.features[column].broken, model.rows),
    )


@dataclass(frozen=True, eq=False)
class _Swapping:
    """A swap under way.

    features : {column: of all indexed rows}, of `column` by its new encoder;  old : by its old one.
    places : {part: the rows of that part of the training rows that are still indexed}.
    refits : whether the aligner is solved anew on parts, so that held-out rows have no say in what is chosen
        and scored on them. Only closed forms are, and only where all their rows are still there.
    """

    model: Model
    column: str
    encoders: Mapping[str, Encoder]
    features: Table
    old: Features | None
    places: Mapping[str, NDArray[np.int64]]

    @property
    def refits(self) -> bool:
        return self.old is not None

    @property
    def seed(self) -> int:
        return int(self.model.facts.get("seed", 0))

    @cached_property
    def labels(self) -> list[Any] | None:
        return row_labels(self.model.rows, self.model.facts.get("target"))

    def part(self, names: tuple[str, ...], features: Table | None = None) -> Table:
        """The features of some parts of the rows."""
        places = np.sort(np.concatenate([self.places[name] for name in names]))
        return {c: f.take(places) for c, f in (features or self.features).items()}

    def known(self, names: tuple[str, ...]) -> tuple[Aligner, Table]:
        """An aligner as before the swap that learned from these parts, or else from all; their vectors."""
        aligner = self.model.space.aligner
        if self.old is None or names == PARTS:
            return aligner, self.part(names, self.model.vectors())
        rows = self.part(names, {**self.features, self.column: self.old})
        own = clone(aligner).fit_rows(Moments.of(rows), rows)
        return own, {c: f.with_values(own.project(c, f.values)) for c, f in rows.items()}

    def tuned(self) -> tuple[Settings, Directions]:
        """How the column is best solved, and hubness of all directions, the column's chosen anew."""
        before: Directions = dict(self.model.facts.get("hubness", {}))
        if not len(self.places["tune"]):
            return Settings(), before
        rows, valid = self.part(("fit",)), self.part(("tune",))
        labels = None if self.labels is None else [self.labels[i] for i in self.places["tune"]]
        pairs = [p for c in rows if c != self.column for p in ((c, self.column), (self.column, c))]
        right = {(q, a): relevance(valid[q], valid[a], labels).tocsr() for q, a in pairs}
        aligner, vectors = self.known(("fit",))
        made, settings = tuned_swap(aligner, self.column, rows, vectors, valid, right, self.seed)
        found = tune(made, Moments(), rows, valid, right, seed=self.seed).hubness
        return settings, {q: {**before.get(q, {}), **found.get(q, {})} for q in {**before, **found}}

    def space(
        self, aligner: Aligner, vectors: Table, settings: Settings, tuned: Directions, names: tuple[str, ...]
    ) -> Space:
        """The space after the swap of an aligner that learned from these parts."""
        rows, space = self.part(names), self.model.space
        made = swapped(aligner, self.column, rows[self.column], vectors, settings)
        banked = rows if names != PARTS else {self.column: rows[self.column]}
        own = {c: made.project(c, sampled(f, BANK, self.seed).values) for c, f in banked.items()}
        bank = own if names != PARTS else {**space.hubness.bank_, **own}
        return Space(self.encoders, made, Hubness().fit(bank, tuned), space.fusion)

    def baselines(self) -> Baselines:
        """The model's, those of the directions from and to the column anew."""
        rows, found = self.part(PARTS), {**self.model.baselines.regressions}
        for other in rows:
            if other != self.column:
                pair = {c: rows[c] for c in (other, self.column)}
                found |= Baselines.of(Moments.of(pair), self.model.space.aligner.dim).regressions
        return Baselines(found)

    def report(self, settings: Settings, tuned: Directions) -> Report | None:
        """The scoreboard with the column's directions scored again, or without them."""
        report = self.model.report
        if report is None or not report.directions:
            return report
        if not self.refits or not len(self.places["score"]):
            others = tuple(d for d in report.directions if self.column not in (d.query, d.answer))
            note = f"Column {self.column!r} was given a new encoder since; how well it does is not scored."
            return replace(report, directions=others, notes=(*report.notes, note))
        learned = ("fit", "tune")
        space = self.space(*self.known(learned), settings, tuned, learned)
        labels = None if self.labels is None else [self.labels[i] for i in self.places["score"]]
        target = self.model.facts.get("target")
        rows = self.part(learned)
        plain = Baselines.of(Moments.of(rows), self.model.space.aligner.dim)
        whole = {c: len(f.row) for c, f in self.features.items()}
        groups = row_groups(self.model.rows[self.places["score"]], self.model.facts.get("by"))
        found = judge(space, plain, self.part(("score",)), labels, target, self.seed, whole, groups)
        return replace(found, outcomes=report.outcomes, stresses=report.stresses)


def _swapping(
    model: Model, column: str, encoder: Encoder, cache: Cache, progress: Progress | None
) -> _Swapping:
    """The encoder fitted, and the cells of all columns encoded."""
    rows, space = model.rows, model.space
    trained = {name: np.asarray(model.facts["trained_rows"][name], np.int64) for name in PARTS}
    places = {name: np.flatnonzero(np.isin(rows.numbers, numbers)) for name, numbers in trained.items()}
    described = describe_column(rows, column, encoder, cache=cache, progress=progress)
    learned = described.take(places["fit"])
    _check_there(column, learned.row, described.broken)
    encoder.fit(learned.values)
    whole = all(len(places[name]) == len(trained[name]) for name in PARTS)
    again = whole and not space.aligner.from_rows
    columns = [c for c in space.columns if again or c != column]
    features = {c: encode_column(rows, c, space.encoders[c], cache=cache, progress=progress) for c in columns}
    for c in columns:
        _check_there(c, features[c].take(places["fit"]).row, features[c].broken)
    old = features.get(column)
    features = {c: described.features(encoder) if c == column else features[c] for c in space.columns}
    return _Swapping(model, column, {**space.encoders, column: encoder}, features, old, places)


def _check_there(column: str, learned: NDArray[np.int64], broken: tuple[Broken, ...]) -> None:
    """Raise DataError where no cell of the rows that were trained on is left."""
    if len(learned):
        return
    where = f"column {column!r}"
    if any(cell.source.endswith(EMBEDDED) for cell in broken):
        raise DataError("the model keeps no bytes of it", where=where, hint="Fit with --copy-media.")
    raise DataError(
        "no cell of a row that was trained on can be encoded",
        where=where,
        hint=f"Such as: {broken[0]}." if broken else "Were these rows removed?",
    )


def _galleries(model: Model, space: Space, column: str, features: Features) -> dict[str, Gallery]:
    """The column's gallery anew; in the others only what items lose against its queries."""
    bank, settings = space.hubness.bank_[column], space.hubness.settings_.get(column, {})
    asking = Hubness().fit({column: bank}, {column: settings})
    found = {c: _reweighed(gallery, column, asking) for c, gallery in model.galleries.items() if c != column}
    return {**found, **space.galleries(space.project({column: features}))}


def _reweighed(gallery: Gallery, query: str, hubness: Hubness) -> Gallery:
    """The gallery with new penalties against one query column; all else is as it was."""
    names = [name for name in gallery.columns if name != query]

    def losses(matrix: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        kept = {name: matrix[:, gallery.dim + gallery.columns.index(name)] for name in names}
        return dict(sorted({**kept, **hubness.penalties(gallery.column, matrix[:, : gallery.dim])}.items()))

    sample = gallery.background
    return Gallery.build(
        gallery.vectors,
        gallery.row,
        gallery.item,
        column=gallery.column,
        penalties=losses(gallery.matrix),
        background=np.column_stack([sample[:, : gallery.dim], *losses(sample).values()]),
        exact_up_to=gallery.exact_up_to,
    )


def _note(model: Model, column: str, encoder: Encoder) -> str:
    """What is to be said of the swap."""
    given = "the encoder it had" if _same(encoder, model.space.encoders[column]) else "another encoder"
    said = f"Column {column!r} was given {given}, {_called(encoder)}; nothing else was refitted."
    keeping = [t for t, one in model.predictors.items() if column in one.inputs.encoders]
    if keeping:
        said += f" What predicts {', '.join(keeping)} still sees it by the encoder that it learned with."
    return said


def _called(encoder: Encoder) -> str:
    """The name a person would give for it: as a plugin, or else of its function or class."""
    if encoder.parts:
        return " + ".join(map(_called, encoder.parts))
    if records.is_named(encoder):
        return plugins.name_of("encode", encoder)
    return str(getattr(encoder, "name", None) or type(encoder).__name__)


def _same(encoder: Encoder, old: Encoder) -> bool:
    """Whether two encoders say the same of a cell; of functions without a name nobody knows."""
    try:
        return encoder.cached and old.cached and encoder.identity() == old.identity()
    except (ChiasmError, OSError):  # the old one's files may be gone: then it is not what was given
        return False


def _check_functions(model: Model, column: str, encoder: Encoder) -> None:
    """Refuse two functions of one column, which `load(encoders=…)` could not tell apart."""
    for target, one in model.predictors.items():
        kept = one.inputs.encoders.get(column)
        if kept is not None and not records.is_named(kept) and not records.is_named(encoder):
            raise UsageError(
                f"the target {target!r} has a function for it, and a folder cannot tell two apart",
                where=f"column {column!r}",
                hint="Give an encoder with a name.",
            )
