"""The audit on arrays of which the truth is known: pairs that were exchanged, copies, leaks, giveaways."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.align import near_duplicates
from chiasm.encode.features import Features
from chiasm.errors import DataError, ShapeError, UsageError
from chiasm.judge.audit import Audit, audit
from chiasm.judge.copies import Leak, duplicates, leaks
from chiasm.judge.giveaway import giveaways
from chiasm.judge.pairing import EVIDENCE, pairing
from chiasm.judge.strangers import count, reliable

Table = dict[str, np.ndarray]


def made(n: int = 400, noise: float = 0.3, seed: int = 0) -> Table:
    """Two columns (n, 30) and (n, 20) of eight shared coordinates."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 8))
    return {
        name: ((shared + noise * rng.standard_normal((n, 8))) @ rng.standard_normal((8, width))
               + 0.1 * rng.standard_normal((n, width))).astype(np.float32)
        for name, width in (("left", 30), ("right", 20))
    }  # fmt: skip


def exchanged(table: Table, share: float, seed: int = 0) -> tuple[Table, np.ndarray]:
    """The table with right cells of some rows exchanged two by two, and those rows, partners side by side."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(table["right"]))[: 2 * round(share * len(table["right"]) / 2)]
    right = table["right"].copy()
    right[rows] = right[rows.reshape(-1, 2)[:, ::-1].ravel()]
    return {**table, "right": right}, rows


def test_a_round_at_least_is_asked_for() -> None:
    with pytest.raises(UsageError, match="rounds must lie between 1"):
        pairing({"a": np.eye(60), "b": np.eye(60)}, rounds=0)


def test_exchanged_rows_are_found_with_their_partners() -> None:
    table, rows = exchanged(made(), 0.1)
    found = pairing(table)
    assert found.reliable
    assert np.isin(found.rows[np.argsort(found.scores)[: len(rows)]], rows).mean() >= 0.9
    assert found.count.low <= len(rows) <= found.count.high
    suspected = [m.row for m in found.mispaired]
    assert np.isin(suspected, rows).mean() >= 0.9
    assert np.isin(rows, suspected).mean() >= 0.7
    partner = dict(zip(rows.tolist(), rows.reshape(-1, 2)[:, ::-1].ravel().tolist(), strict=True))
    both = [m for m in found.mispaired if partner.get(m.row) in suspected]
    right = [m.fits == (partner[m.row], partner[m.row]) for m in both]
    assert np.mean(right) >= 0.7
    assert "exchanged with row" in "".join(map(str, both))


def test_the_evidence_tells_why() -> None:
    table, rows = exchanged(made(), 0.1)
    found = pairing(table)
    first = found.mispaired[0]
    assert first.row in rows
    assert first.columns == ("left", "right")
    assert first.chance > 0.9
    assert min(first.ranks) > 1
    assert set(first.evidence) == set(EVIDENCE)
    assert all(0 <= share <= 1 for share in first.evidence.values())
    assert list(found.chances[found.chances >= 0.5]) == pytest.approx(
        list(found.chances[np.isin(found.rows, [m.row for m in found.mispaired])])
    )


def test_in_clean_rows_nobody_is_suspected() -> None:
    found = pairing(made())
    assert found.reliable
    assert found.mispaired == ()
    assert found.count.value <= 4


@pytest.mark.parametrize("noise", [1.5, 50.0])
def test_where_columns_tell_little_of_each_other_nothing_is_said(noise: float) -> None:
    found = pairing(made(noise=noise))
    assert not found.reliable
    assert found.mispaired == ()
    assert "too little" in audit(made(noise=noise)).lines()[0]


def test_a_row_is_judged_by_maps_that_did_not_learn_from_it() -> None:
    """Noise as wide as its rows is fitted to perfection, and yet every row looks like a stranger."""
    rng = np.random.default_rng(0)
    table = {c: rng.standard_normal((120, 300)).astype(np.float32) for c in "ab"}
    found = pairing(table, ridge=1e-4)
    assert not found.reliable
    assert abs(found.scores.mean()) < 0.5


def test_absent_rows_are_not_judged_and_have_no_say() -> None:
    table, _ = exchanged(made(), 0.1)
    absent = np.arange(0, 400, 7)
    gapped = {**table, "left": table["left"].copy()}
    gapped["left"][absent] = np.nan
    kept = np.setdiff1d(np.arange(400), absent)
    found = pairing(gapped, ridge=1e-3)
    assert found.rows.tolist() == kept.tolist()
    alone = pairing({c: v[kept] for c, v in table.items()}, ridge=1e-3)
    assert np.array_equal(found.scores, alone.scores)


def test_rows_of_several_items_are_their_mean() -> None:
    table, rows = exchanged(made(), 0.1)
    left = table["left"]
    items = Features(np.repeat(left, 2, axis=0), np.repeat(np.arange(400), 2), np.tile([0, 1], 400), 400)
    once, twice = (pairing({**table, "left": x}, ridge=1e-3) for x in (left, items))
    assert np.allclose(once.scores, twice.scores, atol=1e-3)
    assert len(rows)


def test_wide_columns_are_judged_in_the_span_of_their_rows() -> None:
    table = {c: v[:100] for c, v in made().items()}
    axes = np.linalg.qr(np.random.default_rng(1).standard_normal((400, 30)))[0].T.astype(np.float32)
    wide = pairing({**table, "left": table["left"] @ axes}, ridge=1e-3)
    assert np.allclose(wide.scores, pairing(table, ridge=1e-3).scores, atol=0.05)


def test_rows_that_share_their_content_are_no_strangers() -> None:
    """Of two classes every second stranger is as good a partner, which only its content tells."""
    rng = np.random.default_rng(0)
    classes = rng.integers(2, size=200)
    left = (3 * classes[:, None] + rng.standard_normal((200, 6))).astype(np.float32)
    right = np.eye(2, dtype=np.float32)[classes] + 0.0
    rows = np.arange(200)
    keyed = Features(right, rows, np.zeros(200, np.int64), 200, (), classes.astype(np.int64))
    assert pairing({"left": left, "right": keyed}, ridge=1e-3).reliable
    # of arrays equal values are equal content; hardly equal ones are not
    assert pairing({"left": left, "right": right}, ridge=1e-3).reliable
    near = right + 1e-3 * rng.standard_normal(right.shape).astype(np.float32)
    assert not pairing({"left": left, "right": near}, ridge=1e-3).reliable


def test_bad_input_is_named() -> None:
    table = made(60)
    with pytest.raises(UsageError, match="of two columns"):
        pairing({"left": table["left"]})
    with pytest.raises(DataError, match="20 rows have both"):
        pairing({c: v[:20] for c, v in table.items()})
    with pytest.raises(ShapeError, match="same rows"):
        pairing({"left": table["left"], "right": table["right"][:50]})
    with pytest.raises(ShapeError, match="as many rows everywhere"):
        audit(table, parts=["train"])
    with pytest.raises(UsageError, match="alike"):
        duplicates("left", table["left"], alike=2)


def test_a_count_is_twice_what_lies_below_the_strangers_median() -> None:
    null = np.linspace(-1, 1, 1001)
    found = count(np.r_[np.full(10, -0.5), np.full(90, 2.0)], null)
    assert found.value == 20
    assert found.low < 20 < found.high
    assert count(np.full(100, 2.0), null).low == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 300), st.integers(1, 200), st.floats(0.5, 0.99), st.integers(0, 9))
def test_near_duplicates_are_those_of_all_cosines(n: int, d: int, alike: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, d)).astype(np.float32)
    values[rng.integers(n, size=n // 3)] = values[0] + 0.05 * rng.standard_normal((n // 3, d))
    unit = values - values.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    cosines = unit @ unit.T - np.eye(n)
    if (np.abs(cosines - alike) < 1e-4).any():
        return
    found, share = duplicates("x", values, alike)
    paired = set(np.flatnonzero((cosines >= alike).any(axis=1)).tolist())
    assert {row for one in found for row in one.rows} == paired
    assert share == pytest.approx(len(paired) / n)
    for one in found:
        assert one.similarity >= alike - 1e-5


def test_equal_content_is_an_exact_duplicate_and_items_of_one_row_are_none() -> None:
    values = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    row = np.array([0, 0, 1, 2, 3, 3])
    key = np.array([7, 7, 8, 9, 10, 8])
    (found,), share = duplicates("x", Features(values, row, np.zeros(6, np.int64), 4, (), key), alike=1.0)
    assert (found.rows, found.exact, found.similarity) == ((1, 3), True, 1.0)
    assert share == 0.5
    assert not found.whole
    assert str(found) == "column 'x': rows 1, 3 share an item"
    (leak,) = leaks([found], ["train", "train", None, "test"])
    assert str(leak) == "column 'x': row 1 (train) and row 3 (test) hold an item the same"
    assert duplicates("x", np.full((3, 2), np.nan)) == ((), 0.0)


def test_a_leak_is_a_group_in_several_parts() -> None:
    values = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    values[3], values[5] = values[0], values[1]
    found, _ = duplicates("x", values)
    (leak,) = leaks(found, ["train", "test", None, "test", "train", "test"])
    assert leak.parts == {"train": (0,), "test": (3,)}
    assert str(leak) == "column 'x': row 0 (train) and row 3 (test) hold the same"
    assert (
        leak.said(lambda row: f"b{row}", "part") == "row b0 (part train) and row b3 (part test) hold the same"
    )
    several = Leak("x", {f"p{i}": (2 * i, 2 * i + 1) for i in range(9)}, 1.0, exact=True, whole=True)
    assert several.said().startswith("rows 0, 1 (p0) and rows 2, 3 (p1) and ")
    assert several.said().endswith("rows 10, 11 (p5) and rows of 3 more hold the same")
    with pytest.raises(ShapeError):
        leaks(found, ["train"])


def test_giveaways_of_every_kind_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    names = ["crow", "heron", "robin"]
    y = [names[i] for i in rng.integers(3, size=90)]
    columns = {
        "code": [name[0] for name in y],
        "size": [{"crow": 3.0, "heron": 9.0, "robin": 1.0}[name] + 0.1 * float(rng.random()) for name in y],
        "note": [f"a {name.upper()}, seen at dawn {i}" for i, name in enumerate(y)],
        "id": [f"b{i}" for i in range(90)],
        "noise": rng.standard_normal(90).tolist(),
        "hint": [name if rng.random() < 0.9 else "?" for name in y],
        "gone": [None] * 90,
    }
    found = giveaways(columns, "species", y)
    assert {one.column: one.how for one in found} == {"code": "value", "size": "nearest", "note": "name"}
    assert "gives the target 'species' away" in str(found[0])
    weights = [float(np.tanh(3 * one)) + 0.001 * float(rng.random()) for one in columns["noise"]]
    few = rng.standard_normal(30).tolist()  # neighbours are too far apart to tell
    (straight,) = giveaways({"pounds": [2.2 * one + 7 for one in few], "x": [0.5] * 30}, "weight", few)
    assert (straight.column, straight.how, straight.right) == ("pounds", "line", pytest.approx(1))
    told = giveaways({"noise": columns["noise"], "id": columns["id"]}, "weight", weights)
    assert [(one.column, one.how, one.prior) for one in told] == [("noise", "nearest", 0.0)]


def test_a_rare_class_is_not_given_away_by_guessing_the_common_one() -> None:
    y = ["no"] * 995 + ["yes"] * 5
    assert giveaways({"x": ["same"] * 1000}, "y", y) == ()
    assert giveaways({"x": ["one"] * 1000}, "y", ["no"] * 1000) == ()


def test_the_audit_brings_all_together_and_calls_rows_by_their_numbers() -> None:
    table, rows = exchanged(made(), 0.1)
    table["left"][1] = table["left"][0]
    y = ["a", "b"] * 200
    numbers = np.arange(400) + 1000
    found = audit(
        table, parts=["train", "test"] * 200, values={"y": y, "copy": y}, targets={"y": y}, numbers=numbers
    )
    assert {m.row - 1000 for m in found.mispaired} & set(rows.tolist())
    assert min(min(m.fits) for m in found.mispaired) >= 1000
    assert found.duplicates[0].rows == (1000, 1001)
    assert found.leaks[0].parts == {"train": (1000,), "test": (1001,)}
    assert [one.column for one in found.giveaways] == ["copy"]
    document = json.loads(json.dumps(found.to_json()))
    assert document["paired"][0]["columns"] == ["left", "right"]
    told = found.lines(most=2)
    assert "look mispaired (95 % interval" in told[0]
    assert sum("more mispaired rows (all with --json)" in line for line in told) == 1
    assert "column 'left': row 1000 (train) and row 1001 (test) hold the same" in told
    assert not any("1000, 1001 hold" in line for line in told)
    first = found.mispaired[0]
    assert f"row {first.row}: 'left' and 'right' are mispaired with probability " in told[1]
    assert f"(log odds of a pair against strangers {first.score:.1f})" in told[1]
    by_name = found.lines(names={int(number): f"bird {number}" for number in numbers})
    assert by_name[1].startswith(f"row bird {first.row}: ")
    assert any("row bird 1000 (train) and row bird 1001 (test)" in line for line in by_name)
    with pytest.raises(UsageError, match="whole numbers"):
        audit(table, numbers=[f"b{i}" for i in range(400)])


def test_columns_of_few_values_and_few_rows_are_noted() -> None:
    found = audit({"x": np.ones((30, 2), np.float32), "y": np.eye(30, dtype=np.float32)})
    assert found.duplicates == ()
    assert any("of its rows" in line for line in found.lines())
    assert any("30 rows have both, 40 are needed" in line for line in found.lines())
    one = np.full((30, 2), np.nan)
    one[3] = 1
    assert any("1 row has both" in line for line in audit({"x": one, "y": np.eye(30)}).lines())
    none = audit({"x": np.full((30, 2), np.nan), "y": np.eye(30)}).lines()
    assert "column 'x' holds nothing" in none
    assert not any("have both" in line for line in none)
    assert audit({}) == Audit(0)


def test_a_part_that_copies_another_leaks_in_every_row() -> None:
    table = {c: np.tile(v, (2, 1)) for c, v in made(80).items()}
    found = audit(table, parts=["train"] * 80 + ["test"] * 80)
    assert {row for leak in found.leaks for row in leak.parts["test"]} == set(range(80, 160))
    assert "columns 'left', 'right': row 0 (train) and row 80 (test) hold the same" in found.lines()
    assert found.lines().count("70 more leaks (all with --json)") == 1


def test_classes_do_not_leak() -> None:
    classes = np.random.default_rng(0).integers(3, size=60)
    assert audit({"x": np.eye(3)[classes]}, parts=["train", "test"] * 30).leaks == ()


@pytest.mark.parametrize("kind", ["constant", "equal", "twice"])
def test_rows_that_do_not_differ_tell_nothing(kind: str) -> None:
    """Noise written twice is learned by heart, if the copy of a row may teach what it is judged by."""
    rng = np.random.default_rng(0)
    table = {
        "constant": lambda: np.ones((80, 6)),
        "equal": lambda: np.tile(rng.standard_normal(6), (80, 1)),
        "twice": lambda: np.repeat(rng.standard_normal((40, 60)), 2, axis=0),
    }
    found = audit({c: table[kind]() for c in "ab"})
    assert found.mispaired == ()
    assert not any(one.reliable for one in found.paired)
    assert any("tell too little of each other" in line for line in found.lines())


def test_evidence_that_is_the_same_for_strangers_tells_nothing() -> None:
    assert not reliable(np.zeros(80), np.zeros(240), 0.0)
    assert reliable(np.ones(80), np.zeros(240), 0.0)


def test_nobody_suspected_is_none() -> None:
    assert "none of 400 rows look mispaired" in audit(made()).lines()[0]


def test_other_content_with_the_same_vector_is_not_exact() -> None:
    values = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    values[1] = values[0]
    rows, key = np.arange(5), np.arange(5)
    (found,), _ = duplicates("x", Features(values, rows, np.zeros(5, np.int64), 5, (), key))
    assert (found.rows, found.exact, found.whole) == ((0, 1), False, True)
    assert str(found) == "column 'x': rows 0, 1 hold nearly the same (cosine 1.000)"


@pytest.mark.parametrize("n", [30, 200])
def test_wide_columns_are_compared_by_the_products_of_their_rows(
    n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four thousand features of a few rows: no matrix of features by features is taken apart."""
    seen = []
    whole = near_duplicates.leading_eigen
    monkeypatch.setattr(near_duplicates, "leading_eigen", lambda m, k: [seen.append(len(m)), whole(m, k)][1])
    values = np.random.default_rng(0).standard_normal((n, 4_000)).astype(np.float32)
    values[7] = values[3] + 0.01 * values[5]
    (found,), _ = duplicates("x", values)
    assert found.rows == (3, 7)
    assert max(seen, default=0) <= n


def test_columns_that_always_hold_the_same_are_noted() -> None:
    rows, key = np.arange(60), np.zeros(60, np.int64)
    same = Features(np.ones((60, 3), np.float32), rows, key, 60, (), key)
    found = audit({"same": same, "x": np.random.default_rng(0).standard_normal((60, 4))})
    assert any("too little of each other: hardly two rows differ in both" in line for line in found.lines())
    assert found.paired == ()


def test_the_order_of_rows_is_no_evidence() -> None:
    """Rows sorted by class are held against strangers of all classes, as others are."""
    rng = np.random.default_rng(0)
    classes = np.sort(rng.integers(4, size=300))
    shared = 6 * np.eye(4)[classes] @ rng.standard_normal((4, 8)) + rng.standard_normal((300, 8))
    table = {
        c: (shared @ rng.standard_normal((8, d)) + rng.standard_normal((300, d))).astype(np.float32)
        for c, d in (("left", 12), ("right", 9))
    }
    order = rng.permutation(300)
    shuffled = {c: v[order] for c, v in table.items()}
    counts = [pairing(t, ridge=1e-3).count for t in (table, shuffled)]
    assert counts[0].low <= counts[1].high
    assert counts[1].low <= counts[0].high
