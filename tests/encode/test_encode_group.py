"""Table: a group of columns as one modality; absent, broken and zero are three things."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from chiasm.encode.group import describe_group, group_cells
from chiasm.encode.table import Table
from chiasm.errors import DataError, UsageError
from chiasm.rows.readers import read
from chiasm.storage import read_tree, write_tree

Cells = list[dict[str, Any]]


def fitted(cells: Cells, **parameters: Any) -> Table:
    encoder = Table(**parameters)
    return encoder.fit(encoder.describe(cells))


def coded(encoder: Table, *cells: dict[str, Any]) -> list[list[float]]:
    values = encoder.transform(encoder.describe(cells))
    assert values.dtype == np.float32
    return [[round(float(value), 4) for value in line] for line in values]


# Numbers


def test_numbers_are_deviations_from_the_mean_and_absent_ones_say_so() -> None:
    encoder = fitted([{"a": 1, "b": 0}, {"a": 3, "b": 0}, {"a": 2, "b": 1}, {"b": 1}])
    assert encoder.blocks_ == {"a": [0, 2], "b": [2, 3]}
    spread = (2 / 3) ** 0.5
    assert coded(encoder, {"a": 3.0, "b": 1}, {"a": 2}, {"b": 0}, {"a": 0.0}) == [
        [round(1 / spread, 4), 0, 1],
        [0, 0, 0],  # b had no gaps in training: absent is its mean
        [0, 1, -1],
        [round(-2 / spread, 4), 0, 0],
    ]


def test_nan_is_absent_and_zero_is_a_number() -> None:
    encoder = fitted([{"a": 1.0}, {"a": -1.0}, {"a": float("nan"), "b": 1.0}])
    assert coded(encoder, {"a": float("nan")}, {"a": None}, {}) == [[0, 1, 1]] * 3
    assert coded(encoder, {"a": 0.0, "b": 1.0}) == [[0, 0, 0]]


def test_what_is_by_far_less_skewed_in_logarithms_is_coded_so() -> None:
    sizes = np.exp(np.random.default_rng(0).normal(0, 1.5, 400))
    encoder = fitted([{"area": size, "tidy": i, "signed": size - 1} for i, size in enumerate(sizes)])
    found = np.array(coded(encoder, {"area": 0.1}, {"area": 1.0}, {"area": 10.0}))[:, 0]
    assert found[2] - found[1] == pytest.approx(found[1] - found[0], abs=1e-3)
    assert not encoder.columns_["tidy"]["log"]
    assert not encoder.columns_["signed"]["log"]
    assert np.isfinite(coded(encoder, {"area": 0.0}, {"area": -5.0})).all()


def test_one_slip_of_a_key_does_not_rule() -> None:
    cells = [{"a": float(i % 5)} for i in range(100)]
    slipped = [*cells, {"a": 1e9}]
    assert coded(fitted(cells), {"a": 1e9}) == [[10.0]]
    plain, robust = (coded(fitted(slipped, robust=r), {"a": 4}, {"a": 0}) for r in (False, True))
    assert plain[0][0] - plain[1][0] < 0.01
    assert robust[0][0] - robust[1][0] > 1


# Categories


def test_categories_are_indicators_less_their_share() -> None:
    encoder = fitted([{"k": "cat"}, {"k": "dog"}, {"k": "dog"}, {"k": "dog"}])
    assert coded(encoder, {"k": "cat"}, {"k": "dog"}, {"k": "heron"}, {}) == [
        [0.75, -0.75],
        [-0.25, 0.25],
        [0, 0],
        [0, 0],
    ]
    assert coded(fitted([{"k": True}, {"k": False}]), {"k": True}) == [[-0.5, 0.5]]


def test_rare_and_unseen_categories_are_one() -> None:
    encoder = fitted([{"k": k} for k in "aaaabbbcd"], rare=2)
    assert encoder.blocks_ == {"k": [0, 3]}
    rare, unseen, common = coded(encoder, {"k": "c"}, {"k": "never"}, {"k": "b"})
    assert rare == unseen == [round(-4 / 9, 4), round(-3 / 9, 4), round(1 - 2 / 9, 4)]
    assert common[1] == round(1 - 3 / 9, 4)


def test_ten_thousand_categories_do_not_explode() -> None:
    cells = [{"k": f"{i % 10_000}"} for i in range(20_000)] + [{"k": "often"}] * 5
    encoder = fitted(cells, most=100)
    assert encoder.width_ == 101
    assert "often" in encoder.columns_["k"]["parts"][0]["levels"]


def test_codes_count_by_their_beginnings_too() -> None:
    """85 parts what 852 and 853 part further; 9 is 90 is 901, so it says nothing that 9 does not."""
    encoder = fitted([{"zip": zip_} for zip_ in ("85255", "85257", "85301", "90111")])
    lengths = [part["length"] for part in encoder.columns_["zip"]["parts"]]
    assert lengths == [None, 1, 3]
    known, new = (np.array(line) for line in coded(encoder, {"zip": "85257"}, {"zip": "85299"}))
    assert not new[:4].any()
    assert new[4:].tolist() == known[4:].tolist() != [0.0] * 5
    assert fitted([{"k": k} for k in ("10", "11", "2")]).width_ == 3  # of several lengths: no code


# Dates


def test_dates_have_days_and_the_cycles_that_vary() -> None:
    mornings = [{"t": datetime(2024, month, 15, 8)} for month in range(1, 13)]
    encoder = fitted(mornings)
    assert set(encoder.columns_["t"]["cycles"]) == {"month", "weekday"}  # it was always eight o'clock
    line = np.array(coded(encoder, *mornings))
    assert (np.diff(line[:, 0]) > 0).all()
    january, july = line[0, 1:3], line[6, 1:3]
    np.testing.assert_allclose(january, -july, atol=1e-3)
    days = [{"t": date(2024, 1, 1)}, {"t": date(2024, 1, 8)}, {"t": np.datetime64("2024-01-15")}]
    assert not fitted(days).columns_["t"]["cycles"]  # three Mondays in one month


def test_zones_are_told_apart() -> None:
    cells = [{"t": datetime(2024, 1, 1, hour)} for hour in (0, 12)]
    aware = [{"t": datetime(2024, 1, 1, hour, tzinfo=UTC)} for hour in (0, 12)]
    assert coded(fitted(cells), *aware) == coded(fitted(cells), *cells)


# The whole


def test_what_is_absent_is_what_the_others_let_expect_where_asked() -> None:
    """Length in two units beside a colour that tells nothing; one row in four lacks the second."""
    sizes = np.random.default_rng(0).normal(0, 1, 400)
    full = [{"cm": size, "inch": size / 2.54, "hue": "rg"[i % 2]} for i, size in enumerate(sizes)]
    gaps = [{c: v for c, v in cell.items() if c != "inch" or i % 4} for i, cell in enumerate(full)]
    asked, plain = fitted(gaps, expected=True), fitted(gaps)
    start, stop = asked.blocks_["inch"]
    whole, found = (np.array(coded(asked, *cells))[::4, start] for cells in (full, gaps))
    np.testing.assert_allclose(found, whole, atol=0.3)
    assert np.corrcoef(found, whole)[0, 1] > 0.99
    assert np.array(coded(asked, *gaps))[::4, stop - 1].all()  # and it still says that it is absent
    assert not np.array(coded(plain, *gaps))[::4, start].any()
    assert coded(asked, full[1]) == coded(plain, full[1])
    assert coded(asked, {"inch": 0.3, "hue": "r"}) == coded(
        plain, {"inch": 0.3, "hue": "r"}
    )  # cm had no gaps


def test_constant_columns_give_nothing() -> None:
    encoder = fitted([{"a": 7, "b": "x", "c": i, "t": date(2024, 1, 1)} for i in range(3)])
    assert encoder.blocks_ == {"a": [0, 0], "b": [0, 0], "c": [0, 1], "t": [1, 1]}
    assert coded(fitted([{"a": 7}, {"a": 7}]), {"a": 9}) == [[0.0]]
    assert coded(fitted([{"note": "yes", "a": 1}, {"a": 1}]), {"a": 1}, {"note": "yes"}) == [[1.0], [0.0]]


def test_columns_not_learned_have_no_say() -> None:
    encoder = fitted([{"a": 1}, {"a": 2}])
    assert coded(encoder, {"a": 1, "new": 5}) == coded(encoder, {"a": 1})


def test_wrong_cells_are_named() -> None:
    encoder = fitted([{"a": 1}, {"a": 2}])
    with pytest.raises(DataError, match="column 'a': learned as number, given as category"):
        coded(encoder, {"a": "words"})
    with pytest.raises(DataError, match="column 'a': no number, word or date"):
        coded(encoder, {"a": float("inf")})
    with pytest.raises(DataError, match="several kinds: category, number"):
        fitted([{"a": 1}, {"a": "b"}])


def test_stored_state_gives_the_same_bits(tmp_path: Path) -> None:
    cells: Cells = [
        {"n": 1.5, "k": "a", "t": date(2024, 1, 1)},
        {"k": "b", "t": date(2024, 3, 2)},
        {"n": 9.0, "k": "a"},
    ]
    encoder = fitted(cells, expected=True)
    write_tree(tmp_path, "table", encoder.state())
    restored = Table(expected=True).restore(read_tree(tmp_path, "table"))
    assert coded(restored, *cells, {"k": "new"}) == coded(encoder, *cells, {"k": "new"})
    assert restored.blocks_ == encoder.blocks_


values = st.fixed_dictionaries(
    {},
    optional={
        "n": st.floats(-1e12, 1e12),
        "k": st.sampled_from("abcde"),
        "t": st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    },
)


@given(st.lists(values, min_size=1, max_size=12), st.lists(values, min_size=1, max_size=6), st.booleans())
@settings(deadline=None)
def test_features_are_finite_and_rows_have_no_say_in_each_other(
    train: Cells, test: Cells, expected: bool
) -> None:
    encoder = fitted(train, expected=expected)
    found = encoder.transform(encoder.describe(test))
    assert found.shape == (len(test), encoder.width_)
    assert np.isfinite(found).all()
    for i, cell in enumerate(test):
        np.testing.assert_allclose(encoder.transform(encoder.describe([cell]))[0], found[i], atol=1e-5)


# Rows


def test_a_group_of_columns_is_one_cell_a_row(tmp_path: Path) -> None:
    path = tmp_path / "patients.csv"
    path.write_text(
        "age,sex,seen,note\n50,F,2020-03-01,it is a long note of several words\n,,,\n"
        "inf,M,,\n40,F,2020-04-01,another note of several words here\n"
    )
    rows = read(path, modalities={"age": "number", "sex": "category", "seen": "date"})
    cells, row, broken = group_cells(rows, ["age", "sex", "seen"])
    assert cells[0] == {"age": 50.0, "sex": "F", "seen": np.datetime64("2020-03-01", "s")}
    assert cells[1] == {"sex": "M"}
    assert row.tolist() == [0, 2, 3]
    assert [(b.row, b.column) for b in broken] == [(2, "age")]
    described = describe_group(rows, ["age", "sex", "seen"], Table())
    found = described.features(Table().fit(described.values))
    assert found.present.tolist() == [True, False, True, True]
    assert len(set(found.key)) == 3
    assert found.broken == described.broken
    with pytest.raises(UsageError, match="'note' holds text"):
        group_cells(rows, ["age", "note"])


def test_prices_of_houses(shared_data: Path) -> None:
    """Bedrooms, bathrooms, area and zip code; a simple ridge by hand reaches R² 0.788."""
    columns = ["bedrooms", "bathrooms", "area_sqft", "zipcode"]
    table = pq.read_table(shared_data / "houses/houses_160.parquet", columns=[*columns, "price_usd"])
    rows = read(table, modalities={"zipcode": "category"})
    cells, _, _ = group_cells(rows, columns)
    price = np.log(np.array(table["price_usd"].to_pylist(), float))
    guess = np.zeros_like(price)
    for train, test in KFold(5, shuffle=True, random_state=0).split(price):
        encoder = fitted([cells[i] for i in train])
        head = RidgeCV(np.logspace(-2, 3, 11)).fit(encoder.transform([cells[i] for i in train]), price[train])
        guess[test] = head.predict(encoder.transform([cells[i] for i in test]))
    assert 1 - np.square(price - guess).sum() / np.square(price - price.mean()).sum() > 0.78
