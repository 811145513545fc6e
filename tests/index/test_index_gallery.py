"""The gallery against a plain matrix product: corrected, filtered, approximate, saved, grown and shrunk."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import FolderError, ShapeError, UsageError
from chiasm.index import Gallery
from chiasm.index.neighbours import Filter, inverted_file, nearest, perturbed, recall


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def some(n, dim=8, seed=0):
    return unit(np.random.default_rng(seed).standard_normal((n, dim)))


def clustered(n, dim=16, centres=60, seed=0):
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centres, dim))
    return unit(middle[rng.integers(centres, size=n)] + 0.3 * rng.standard_normal((n, dim)))


def gallery(n=200, seed=0, **more):
    rng = np.random.default_rng(seed + 1)
    penalties = {name: rng.random(n).astype(np.float32) for name in ("caption", "sound")}
    return Gallery.build(
        some(n, seed=seed), np.arange(n), np.zeros(n, int), column="photo", penalties=penalties, **more
    )


@pytest.fixture(scope="module")
def large():
    vectors = clustered(6000)
    penalties = {"caption": np.random.default_rng(5).random(6000).astype(np.float32) * 0.1}
    found = Gallery.build(
        vectors, np.arange(6000), np.zeros(6000, int), penalties=penalties, exact_up_to=5000
    )
    assert found.ivf is not None
    return found


def slow_scores(one, queries, mix):
    loss = sum(weight * one.penalties[name] for name, weight in (mix or {}).items() if name in one.columns)
    return queries.astype(float) @ one.vectors.T.astype(float) - loss


@pytest.mark.parametrize("mix", [None, {"caption": 1.0}, {"caption": 0.3, "sound": 0.7}, {"unheard": 1.0}])
def test_one_inner_product_is_the_cosine_less_the_mixed_penalties(mix):
    one, queries = gallery(), some(7, seed=9)
    truth = slow_scores(one, queries, mix)
    np.testing.assert_allclose(one.scores(queries, mix), truth, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(one.tiles(queries, mix))), truth, atol=1e-5)
    scores, positions = one.search(queries, 5, mix)
    np.testing.assert_array_equal(positions, np.argsort(-truth, axis=1)[:, :5])
    np.testing.assert_allclose(scores, -np.sort(-truth, axis=1)[:, :5], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 30), st.sampled_from([1, 25]), st.booleans())
def test_k_allowed_items_are_always_found_and_nothing_else(large, count, k, queries, approximate):
    allowed = np.zeros(6000, bool)
    allowed[np.random.default_rng(count).permutation(6000)[:count]] = True
    asked = perturbed(large.vectors, seed=k, count=queries)
    one = (
        large
        if approximate
        else Gallery(large.matrix, large.row, large.item, large.columns, large.background)
    )
    scores, positions = one.search(asked, k, {"caption": 1.0}, allowed)
    assert positions.shape == scores.shape == (queries, min(k, count))
    assert allowed[positions].all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(line)) == len(line) for line in positions)
    if not approximate:
        truth = np.where(allowed, slow_scores(large, asked, {"caption": 1.0}), -np.inf)
        best = -np.sort(-truth, axis=1)[:, : min(k, count)]
        np.testing.assert_allclose(scores, best, atol=1e-5)


def test_approximate_finds_what_exact_finds_filters_included(large):
    asked = perturbed(large.vectors, seed=3)
    extended = large.extend(asked, {"caption": 1.0})
    for share in (1.0, 0.6, 0.4):
        allowed = np.random.default_rng(1).random(6000) < share
        truth = nearest(extended, large.matrix, 10, Filter.of(allowed))[1]
        assert recall(large.search(asked, 10, {"caption": 1.0}, allowed)[1], truth) > 0.97


def test_few_visited_cells_never_leave_an_answer_short(large):
    before, large.ivf.nprobe = large.ivf.nprobe, 1
    try:
        _, positions = large.search(some(3, 16), 2500, None)
        assert positions.shape == (3, 2500)
        assert (positions >= 0).all()
    finally:
        large.ivf.nprobe = before


def test_without_clusters_the_search_stays_exact():
    vectors = some(4000, 64)
    assert inverted_file(vectors, perturbed(vectors, 0), 0) is None


def test_standard_scores_do_not_change_the_order_and_have_one_scale():
    one, queries = gallery(500), some(6, seed=4)
    mean, deviation = one.standardise(queries, {"caption": 1.0})
    z = (one.scores(queries, {"caption": 1.0}) - mean[:, None]) / deviation[:, None]
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(z.std(axis=1), 1, atol=1e-4)
    empty = Gallery.build(np.empty((0, 8), np.float32), np.empty(0, int), np.empty(0, int))
    assert [part.tolist() for part in empty.standardise(queries)] == [[0] * 6, [1] * 6]
    assert empty.search(queries, 3)[1].shape == (6, 0)


def test_no_query_and_no_allowed_item_are_empty_answers_not_errors():
    one = gallery()
    assert one.search(some(2), 3, allowed=np.zeros(200, bool))[0].shape == (2, 0)
    assert one.search(np.empty((0, 8), np.float32), 3)[0].shape == (0, 3)


def test_a_saved_gallery_answers_the_same_from_the_map(tmp_path, large):
    for name, one in {"small": gallery(), "large": large}.items():
        (tmp_path / name).mkdir()
        one.save(tmp_path / name)
        (tmp_path / (name + "2")).mkdir()
        Gallery.load(tmp_path / name).save(tmp_path / (name + "2"))
        again = Gallery.load(tmp_path / (name + "2"))
        assert isinstance(again.matrix, np.memmap)
        assert (again.column, again.columns, again.exact_up_to) == (one.column, one.columns, one.exact_up_to)
        allowed = np.arange(len(one)) % 2 == 0
        for found, expected in (
            (
                again.search(one.vectors[:5], 4, {"caption": 1.0}),
                one.search(one.vectors[:5], 4, {"caption": 1.0}),
            ),
            (again.search(one.vectors[:5], 4, None, allowed), one.search(one.vectors[:5], 4, None, allowed)),
            (again.standardise(one.vectors[:5]), one.standardise(one.vectors[:5])),
        ):
            np.testing.assert_array_equal(found, expected)


def test_items_come_and_go_in_new_galleries(large):
    one = gallery(50)
    more = some(2, seed=8)
    penalties = {name: np.zeros(2, np.float32) for name in one.columns}
    grown = one.append(more, np.array([7, 99]), np.array([1, 0]), penalties)
    assert (len(one), len(grown)) == (50, 52)
    assert grown.search(more[1:], 1)[1] == 51
    shrunk = grown.remove([7, 99])
    assert sorted(shrunk.row) == sorted(set(range(50)) - {7})
    np.testing.assert_array_equal(shrunk.background, one.background)
    with pytest.raises(UsageError, match="caption"):
        one.append(more, np.arange(2), np.arange(2))
    fewer = large.remove(np.arange(500))
    assert fewer.ivf is not None
    assert fewer.search(large.vectors[:5], 3)[1].shape == (5, 3)
    assert large.remove(np.arange(3000)).ivf is None


@pytest.mark.parametrize("damage", ["json", "shape", "dtype", "pickle", "ivf", "missing"])
def test_a_damaged_folder_is_one_clear_error(tmp_path, large, damage):
    large.save(tmp_path)
    if damage == "json":
        (tmp_path / "gallery.json").write_text("{")
    elif damage == "shape":
        np.save(tmp_path / "row.npy", np.arange(3))
    elif damage == "dtype":
        np.save(tmp_path / "matrix.npy", large.matrix.astype(float))
    elif damage == "pickle":
        np.save(tmp_path / "item.npy", np.array([{}], object), allow_pickle=True)
    elif damage == "ivf":
        other = inverted_file(clustered(4000), perturbed(clustered(4000), 0), 0)
        import faiss

        faiss.write_index(other, str(tmp_path / "ivf.faiss"))
    else:
        (tmp_path / "ivf.faiss").write_bytes(b"")
    with pytest.raises(FolderError):
        Gallery.load(tmp_path)


def test_nothing_is_pickled(tmp_path):
    gallery().save(tmp_path)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", *[".npy"] * 4]
    assert json.loads((tmp_path / "gallery.json").read_text())["columns"] == ["caption", "sound"]


def test_what_does_not_fit_is_named():
    one = gallery()
    with pytest.raises(ShapeError, match="queries"):
        one.search(some(1, 5), 3)
    with pytest.raises(ShapeError, match="NaN"):
        one.search(np.full((1, 8), np.nan, np.float32), 3)
    with pytest.raises(ShapeError, match="allowed"):
        one.search(some(1), 3, allowed=np.ones(3, bool))
    with pytest.raises(UsageError, match="k must"):
        one.search(some(1), 0)
    with pytest.raises(ShapeError, match="row"):
        Gallery.build(some(3), np.arange(2), np.arange(3))
    with pytest.raises(ShapeError, match="NaN"):
        Gallery.build(np.full((2, 3), np.nan, np.float32), np.arange(2), np.arange(2))
