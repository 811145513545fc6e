"""The model: one object that searches, evaluates, draws, grows and is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.checks import check_known
from chiasm.encode.cache import Cache, opened
from chiasm.encode.features import Features
from chiasm.errors import Broken, DataError, UsageError, did_you_mean
from chiasm.index import Gallery
from chiasm.judge.audit import Audit
from chiasm.judge.collect import Worth
from chiasm.judge.explain import Explanation
from chiasm.judge.outcome import Outcome
from chiasm.judge.scoreboard import Report
from chiasm.model import folder
from chiasm.model.auditing import audit_rows
from chiasm.model.evaluating import evaluated
from chiasm.model.explaining import explain, tried, worth
from chiasm.model.inputs import named
from chiasm.model.judging import Baselines
from chiasm.model.predictor import Prediction, Predictor
from chiasm.model.query import DISLIKE, Hit, Question, asked, check_searchable, rows_like
from chiasm.model.space import Progress, Space
from chiasm.model.swapping import swap
from chiasm.rows.columns import ROW, with_rows
from chiasm.rows.readers import read
from chiasm.rows.rows import Rows
from chiasm.rows.schema import Schema

Ids = str | int | Sequence[str | int]


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted space with the rows it has indexed, and what predicts its targets.

    rows : the indexed rows;  galleries : {column: its items in the space}.
    predictors : {target: what predicts it}.
    report : the scoreboard on rows that were held out while fitting, None where there were too few.
    facts : seed, target, tuning, parts, versions;  notes : what fitting has to say.
    broken : the cells that could not be used, rows numbered as in their source.
    """

    space: Space
    rows: Rows
    galleries: Mapping[str, Gallery]
    baselines: Baselines
    predictors: Mapping[str, Predictor] = field(default_factory=dict)
    report: Report | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()

    @property
    def schema(self) -> Schema:
        """What each column holds."""
        return self.rows.schema

    @property
    def columns(self) -> list[str]:
        """The columns of the space."""
        return self.space.columns

    def __repr__(self) -> str:
        return f"Model({len(self.rows):,} rows; {', '.join(self.columns)})"

    def read(self, source: Any) -> Rows:
        """Rows of a source, read as this model's schema says."""
        single = str | bytes | int | float | None
        if isinstance(source, Mapping) and all(isinstance(one, single) for one in source.values()):
            source = [source]  # one row, as a query is written
        if isinstance(source, Rows) and source.schema != self.schema:
            rows = read(source.table.drop_columns([ROW]), root=source.base, schema=self.schema)
            return replace(rows, table=with_rows(rows.table, source.numbers))
        return read(source, schema=self.schema)

    def search(
        self,
        query: Mapping[str, Any] | None = None,
        find: str | None = None,
        k: int = 5,
        *,
        where: str | None = None,
        data: Any = None,
        like: Ids = (),
        unlike: Ids = (),
    ) -> list[Hit]:
        """The k items nearest to a query of one or several columns, best first.

        query : {column: a text, a path, bytes, a vector}.
        find : the answer's column, None means every column.
        where : a filter on the rows, such as 'site == "north" and year > 2020'.
        data : another collection to search instead of the indexed rows.
        like, unlike : ids of indexed rows to be near to, or away from; they are not among the answers.
        """
        like, unlike = _ids(like), _ids(unlike)
        if query is not None and not isinstance(query, Mapping):
            raise UsageError(f"a query is {{column: value}}, got {type(query).__name__}")
        if k < 1:
            raise UsageError(f"k must be 1 or more, got {k}")
        check_searchable(self.space)
        if find is not None:
            check_known(find, self.columns, "column")
        parts = asked(self.space, self.schema, query or {})
        for ids, weight in ((like, 1.0), (unlike, DISLIKE)):
            parts += rows_like(self.space, self.galleries, [(i, self._place(i)) for i in ids], weight)
        question = Question.of(parts)
        rows, galleries = (self.rows, self.galleries) if data is None else self._other(data)
        wanted = np.ones(len(rows), bool) if where is None else rows.where(where)
        if data is None:
            wanted[[self._place(i) for i in (*like, *unlike)]] = False
        hits: list[Hit] = []
        for column in self.columns if find is None else [find]:
            if column in galleries:
                gallery = galleries[column]
                allowed = None if wanted.all() else wanted[gallery.row]
                hits += question.ask(gallery, rows.ids, k, allowed)
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def predict(
        self, data: Any, *, cache: Cache | None = None, progress: Progress | None = None
    ) -> list[Prediction] | dict[str, list[Prediction]]:
        """A prediction a row, an empty one where it has nothing to go by, or {target: such a list} of several
        targets; target columns in it are ignored."""
        rows = self.read(data)
        found = {}
        with opened(cache) as kept:
            for name, predictor in self._predictors().items():
                found[name] = predictor.predict(predictor.see(rows, kept, progress))
        return found if len(found) > 1 else next(iter(found.values()))

    def explain(
        self, data: Any, *, target: str | None = None, cache: Cache | None = None
    ) -> Explanation | list[Explanation]:
        """Why a row is predicted so: exact shares of its columns, and the pieces of its items; a list of
        several rows. `target` is needed where there are several."""
        found = [self.explain_row(row, target=target, cache=cache) for row in self.read(data)]
        return found if len(found) != 1 else found[0]

    def explain_row(self, row: Rows, *, target: str | None = None, cache: Cache | None = None) -> Explanation:
        """Why one row, read as this model's schema says, is predicted so."""
        predictor = self.predictor(target)
        with opened(cache) as kept:
            return explain(predictor, row, predictor.see(row, kept))

    def collect(self, data: Any, *, target: str | None = None, cache: Cache | None = None) -> list[Worth]:
        """What each modality that one row lacks would do to its prediction, and whether it is worth
        collecting: tried with the cells of like rows among the indexed ones."""
        row, predictor = self.read(data), self.predictor(target)
        if len(row) != 1:
            raise UsageError(f"one row is asked about at a time, got {len(row)}", hint="Give rows[i].")
        outcome = next((one for one in self.outcomes if one.target == predictor.target), None)
        with opened(cache) as kept:
            seen = predictor.see(row, kept)
            return worth(predictor, seen, predictor.see(self.rows[tried(len(self.rows))], kept), outcome)

    def predictor(self, target: str | None = None) -> Predictor:
        """What predicts a target; without a name the only one there is."""
        known = self._predictors()
        if target is None and len(known) > 1:
            raise UsageError(f"several targets: {', '.join(known)}", hint="Name one.")
        if target is not None:
            check_known(target, known, "target")
        return known[target or next(iter(known))]

    def _predictors(self) -> Mapping[str, Predictor]:
        if not self.predictors:
            hint = "Fit again with target='COL' (--target COL)."
            raise UsageError("this model was fitted without a target", hint=hint)
        return self.predictors

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How well each target is predicted, on rows that were not learned from."""
        return () if self.report is None else self.report.outcomes

    def evaluate(
        self,
        data: Any,
        *,
        seed: int = 0,
        stress: bool = False,
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> Report:
        """The scoreboard on other rows: how well columns find each other (right is an item of the same row,
        or of one of the same target), and how well each target that they have is predicted.

        stress : also how predictions hold out on noisy, missing and attacked features (`Report.stresses`).
        """
        rows = self.read(data)
        with opened(cache) as kept:
            return evaluated(self, rows, seed, stress, kept, progress)

    def audit(
        self,
        data: Any = None,
        *,
        by: str | None = None,
        seed: int = 0,
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> Audit:
        """What is wrong with rows, or the indexed ones: mispaired, copied, leaking between parts or groups of
        column `by`, and columns that give a target away."""
        return audit_rows(self, self.rows if data is None else self.read(data), by, seed, cache, progress)

    def add(self, data: Any, *, cache: Cache | None = None, progress: Progress | None = None) -> Model:
        """A model that has indexed more rows; nothing is refitted."""
        more = self.read(data)
        self._check_known(more)
        rows = Rows.concat(self.rows, more)
        with opened(cache) as kept:
            features = self.space.features(more, kept, progress)
        vectors = self.space.project(features)
        galleries = dict(self.galleries)
        for column, f in vectors.items():
            losses = self.space.hubness.penalties(column, f.values)
            galleries[column] = galleries[column].append(f.values, f.row + len(self.rows), f.item, losses)
        found = named((b for f in features.values() for b in f.broken), more)
        return replace(self, rows=rows, galleries=galleries, broken=self.broken + found)

    def _check_known(self, rows: Rows) -> None:
        """Raise DataError where rows hold nothing that the model looks at: they would be empty."""
        columns = sorted({*self.columns, *(c for p in self.predictors.values() for c in p.inputs.columns)})
        if not any(value is not None for column in columns for value in rows.values(column)):
            raise DataError(
                f"none of the model's columns: {', '.join(columns)}",
                where="every row",
                hint="Name its columns as the model does.",
            )

    def remove(self, ids: Ids) -> Model:
        """A model without some of its indexed rows; nothing is refitted."""
        gone = np.array([self._place(i) for i in _ids(ids)], np.int64)
        keep = np.ones(len(self.rows), bool)
        keep[gone] = False
        if not keep.any():
            raise DataError("no row would be left")
        place = np.cumsum(keep) - 1
        left = {c: g.remove(gone) for c, g in self.galleries.items()}
        galleries = {c: replace(g, row=place[g.row]) for c, g in left.items()}
        return replace(self, rows=self.rows[keep], galleries=galleries)

    def swap(
        self, column: str, encoder: Any, *, cache: Cache | None = None, progress: Progress | None = None
    ) -> Model:
        """A model with another encoder for a column of the space, re-aligned in closed form; no other column,
        and nothing that predicts, is refitted. `encoder` is named as in `fit`."""
        with opened(cache) as kept:
            return swap(self, column, encoder, kept, progress)

    def vectors(self) -> dict[str, Features]:
        """{column: its indexed items in the space}."""
        n = len(self.rows)
        return {c: Features(np.asarray(g.vectors), g.row, g.item, n) for c, g in self.galleries.items()}

    def save(self, path: str | Path, *, overwrite: bool = False, copy_media: bool = False) -> Path:
        """Write the model folder: text and references, or with `copy_media` the media too."""
        return folder.save(self, Path(path), overwrite=overwrite, copy_media=copy_media)

    def _place(self, row: str | int) -> int:
        """The place of an id among the indexed rows."""
        if str(row) not in self._places:
            raise UsageError(
                f"no indexed row has the id {str(row)!r}", hint=did_you_mean(str(row), self.rows.ids)
            )
        return self._places[str(row)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.rows.ids)}

    def _other(self, data: Any) -> tuple[Rows, dict[str, Gallery]]:
        rows = self.read(data)
        with opened(None) as kept:
            vectors = self.space.project(self.space.features(rows, kept))
        return rows, self.space.galleries(vectors, like=self.galleries)


def _ids(ids: Ids) -> Sequence[str | int]:
    """One id is a list of one."""
    return (ids,) if isinstance(ids, str | int) else ids


def load(path: str | Path, *, encoders: Mapping[str, Any] | None = None) -> Model:
    """Read a model folder; `encoders` gives back the functions that a folder cannot hold."""
    return Model(**folder.read_folder(Path(path), encoders or {}))
