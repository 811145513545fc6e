"""A model asked what is wrong with rows, its own and others: the same honest look, by its encoders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm.encode.features import Features
from chiasm.errors import DataError, UsageError
from chiasm.judge.audit import Audit
from chiasm.model.auditing import remarks_on_fit
from chiasm.model.parts import Parts


def table(n: int = 300, exchanged: int = 0, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of two vectors of eight shared coordinates; the second of the first `exchanged` rows, in twos."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 8))
    left, right = (
        (shared + 0.3 * rng.standard_normal((n, 8))) @ rng.standard_normal((8, width)) for width in (20, 12)
    )
    order = np.arange(n)
    order[:exchanged] = order[:exchanged].reshape(-1, 2)[:, ::-1].ravel()
    kind = np.where(shared[:, 0] > 0, "warm", "cold")
    return [
        {"left": left[i].tolist(), "right": right[order[i]].tolist(), "kind": str(kind[i]),
         "code": str(kind[i])[0], "split": "test" if i % 5 == 0 else "train"}
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> chiasm.Model:
    return chiasm.fit(table(exchanged=20), target="kind", fuse="none")


def found_rows(found: Audit) -> set[int]:
    return {m.row for m in found.mispaired}


def test_rows_that_were_learned_from_are_judged_anew(model: chiasm.Model) -> None:
    found = model.audit()
    assert found.rows == 300
    assert len(found_rows(found) & set(range(20))) >= 10
    assert len(found_rows(found) - set(range(20))) <= 2
    assert next(m.fits for m in found.mispaired if m.row == 2) == (3, 3)
    assert not [leak for leak in found.leaks if leak.exact]
    assert [(one.column, one.target) for one in found.giveaways] == [("code", "kind")]


def test_other_rows_are_audited_by_their_own_numbers(model: chiasm.Model) -> None:
    rows = model.read(table(n=200, exchanged=12, seed=0))
    found = model.audit(rows[50:])
    assert found.rows == 150
    assert not found_rows(found)
    assert min(found_rows(model.audit(rows[2:])), default=0) >= 2


def test_what_stands_in_several_parts_is_a_leak(model: chiasm.Model) -> None:
    rows = table(exchanged=20)
    rows[100]["left"] = rows[101]["left"]
    found = model.audit(rows)
    assert [leak.parts for leak in found.leaks if leak.exact] == [{"test": (100,), "train": (101,)}]
    with pytest.raises(UsageError, match="no column called 'splits'"):
        model.audit(rows, by="splits")


def test_rows_without_any_of_the_columns_are_named_so(model: chiasm.Model) -> None:
    with pytest.raises(DataError, match=r"no row holds anything in 'left', 'right'.*by these names"):
        model.audit([{"kind": "warm"}, {"kind": "cold"}])
    assert "column 'right' holds nothing" in model.audit([{"left": row["left"]} for row in table(60)]).lines()


def test_an_audit_survives_saving_and_changes_nothing(model: chiasm.Model, tmp_path: Any) -> None:
    again = chiasm.load(model.save(tmp_path / "m"))
    assert again.audit() == model.audit() == model.audit()


def test_a_fit_is_told_of_what_strikes() -> None:
    rows = table(n=400, exchanged=40)
    features = {c: Features.of(np.array([row[c] for row in rows], np.float32)) for c in ("left", "right")}
    order = np.random.default_rng(0).permutation(400)
    parts = Parts(np.sort(order[:300]), np.sort(order[300:350]), np.sort(order[350:]))
    told = remarks_on_fit(features, parts, 1e-3, 0)
    assert len(told) == 1
    assert "'left' and 'right': about" in told[0]
    values = features["left"].values.copy()
    values[parts.score[:7]] = values[parts.fit[:7]]
    leaking = {**features, "left": replace(features["left"], values=values)}
    told = remarks_on_fit(leaking, parts, 1e-3, 0)
    assert told[-1].startswith("7 of 50 held-out rows looked at have a near-duplicate")
    twice = {c: f.with_values(np.tile(f.values[:200], (2, 1))) for c, f in features.items()}
    halves = Parts(np.arange(150), np.arange(150, 200), np.arange(200, 400))
    assert "200 of 200 held-out rows" in remarks_on_fit(twice, halves, 1e-3, 0)[-1]
    clean = table(n=400)
    whole = {c: Features.of(np.array([row[c] for row in clean], np.float32)) for c in ("left", "right")}
    assert remarks_on_fit(whole, parts, 1e-3, 0) == []
    none = Parts(np.arange(400), np.arange(0), np.arange(0))
    assert remarks_on_fit(whole, none, 1e-3, 0) == []
