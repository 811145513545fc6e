"""The linear maps against direct solutions of numpy, scikit-learn and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg
from sklearn import linear_model

from chiasm.align import CCA, CSA, Moments, Procrustes, Ridge
from chiasm.errors import UsageError


def related(
    n: int = 400, widths: tuple[int, ...] = (6, 5), seed: int = 0, noise: float = 0.7
) -> list[np.ndarray]:
    """Columns that tell of the same three hidden numbers."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, 3))
    return [
        (latent @ rng.standard_normal((3, d)) + noise * rng.standard_normal((n, d))).astype(np.float32)
        for d in widths
    ]


def covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(float), y.astype(float)
    return (x - x.mean(axis=0)).T @ (y - y.mean(axis=0)) / len(x)


def with_ridge(x: np.ndarray, ridge: float) -> np.ndarray:
    own = covariance(x, x)
    return own + ridge * np.trace(own) * np.eye(len(own))


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.1])
def test_cca_solves_the_generalised_eigenproblem(ridge: float) -> None:
    x, y = related()
    cca = CCA(dim=4, ridge=ridge).fit({"x": x, "y": y})
    cross, left, right = covariance(x, y), with_ridge(x, ridge), with_ridge(y, ridge)
    squares, directions = np.linalg.eig(np.linalg.solve(left, cross) @ np.linalg.solve(right, cross.T))
    order = np.argsort(-squares.real)[:4]
    np.testing.assert_allclose(cca.correlations_, np.sqrt(squares.real[order]), atol=1e-4)
    for j, found in zip(order[:3], cca.maps_["x"].T, strict=False):
        expected = directions[:, j].real
        cosine = expected @ found / np.linalg.norm(expected) / np.linalg.norm(found)
        assert abs(cosine) > 0.9999
    np.testing.assert_allclose(cca.maps_["x"].T @ left @ cca.maps_["x"], np.eye(4), atol=1e-3)


def test_two_directions_at_known_correlations_are_found() -> None:
    rng = np.random.default_rng(1)
    n, angle, strengths = 20_000, 0.6, np.array([0.9, 0.5])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hidden = rng.standard_normal((n, 2))
    other = strengths * hidden + np.sqrt(1 - strengths**2) * rng.standard_normal((n, 2))
    cca = CCA(dim=2, ridge=0).fit({"x": hidden.astype(np.float32), "y": (other @ turn.T).astype(np.float32)})
    np.testing.assert_allclose(cca.correlations_, strengths, atol=0.02)
    cosines = np.abs(turn.T @ (cca.maps_["y"] / np.linalg.norm(cca.maps_["y"], axis=0)))
    np.testing.assert_allclose(cosines, np.eye(2), atol=0.05)


def test_three_columns_solve_the_block_eigenproblem() -> None:
    """MAXVAR as C w = (1 + λ (m - 1)) D w, C all covariances, D their diagonal blocks."""
    columns = related(widths=(4, 3, 5))
    cca = CCA(dim=3, ridge=1e-2).fit(dict(zip("abc", columns, strict=True)))
    own = linalg.block_diag(*(with_ridge(x, 1e-2) for x in columns))
    joint = np.hstack(columns)
    blocks = linalg.block_diag(*(np.ones((x.shape[1], x.shape[1])) for x in columns)).astype(bool)
    whole = np.where(blocks, own, covariance(joint, joint))
    values = linalg.eigh(whole, own, eigvals_only=True)[::-1][:3]
    np.testing.assert_allclose(cca.correlations_, (values - 1) / 2, atol=1e-4)


def test_every_pair_that_exists_counts() -> None:
    x, y, z = related(300, (4, 4, 4))
    X = {"x": x.copy(), "y": y.copy(), "z": z.copy()}
    X["z"][:150], X["y"][150:] = np.nan, np.nan  # y and z never meet
    whole = CCA(3).fit(X)
    assert Moments.of(X).pairs("y", "z") == 0
    space = whole.transform({"y": y, "z": z})
    assert (space["y"] * space["z"]).sum(axis=1).mean() > 0.5, "bridged through x"
    fewer = {c: v.copy() for c, v in X.items()}
    fewer["z"][150:200] = np.nan
    assert np.abs(CCA(3).fit(fewer).maps_["z"] - whole.maps_["z"]).max() > 1e-3


def test_rows_without_a_partner_improve_a_covariance() -> None:
    x, y = related(4000, (6, 5))
    truth = CCA(3, ridge=0).fit({"x": x, "y": y}).correlations_
    few = {"x": x.copy(), "y": y.copy()}
    few["y"][60:] = np.nan
    alone = CCA(3, ridge=0).fit({c: v[:60] for c, v in few.items()})
    helped = CCA(3, ridge=0).fit(few)
    whole = covariance(x, x)
    error = {
        k: np.abs(m.maps_["x"].T @ whole @ m.maps_["x"] - np.eye(3)).max()
        for k, m in {"alone": alone, "helped": helped}.items()
    }
    assert error["helped"] < 0.1 < error["alone"]
    assert (helped.correlations_ <= 1).all()
    assert truth[0] > 0.8


def test_the_weight_scales_coordinates_and_may_be_changed_after_fit() -> None:
    x, y = related()
    cca = CCA(4, weight=0).fit({"x": x, "y": y})
    plain = cca.maps_["x"]
    np.testing.assert_array_equal(cca.scaled_map("x"), plain)
    cca.set_params(weight=2.0)
    np.testing.assert_allclose(cca.scaled_map("x"), plain * cca.correlations_**2, rtol=1e-6)
    vectors = cca.transform({"x": x})["x"]
    centred = (x - x.mean(axis=0)) @ (plain * cca.correlations_**2)
    np.testing.assert_allclose(vectors, centred / np.linalg.norm(centred, axis=1)[:, None], atol=1e-4)


def test_ridge_is_scikit_learns_with_the_regulariser_rescaled() -> None:
    x, y = related(200, (6, 4))
    ours = Ridge(dim=4, ridge=0.05, target="y").fit({"x": x, "y": y})
    alpha = 0.05 * np.trace(covariance(x, x)) * len(x)
    theirs = linear_model.Ridge(alpha=alpha).fit(x.astype(float), y.astype(float))
    axes = np.linalg.eigh(covariance(y, y))[1]
    np.testing.assert_allclose(ours.maps_["x"] @ ours.maps_["y"].T, theirs.coef_.T, atol=1e-4)
    np.testing.assert_allclose(np.abs(axes[:, ::-1].T @ ours.maps_["y"]), np.eye(4), atol=1e-3)


def test_procrustes_is_scipys_on_principal_coordinates() -> None:
    x, y = related(200, (5, 5))
    ours = Procrustes(dim=5, target="y").fit({"x": x, "y": y})
    x_centred, y_centred = (v.astype(float) - v.astype(float).mean(axis=0) for v in (x, y))
    rotation, _ = linalg.orthogonal_procrustes(x_centred, y_centred)
    np.testing.assert_allclose(ours.maps_["x"] @ ours.maps_["y"].T, rotation, atol=1e-3)


def test_procrustes_undoes_a_rotation() -> None:
    x = related(100, (4,))[0] * np.array([1, 2, 3, 4], np.float32)
    turn = linalg.qr(np.random.default_rng(2).standard_normal((4, 4)))[0].astype(np.float32)
    space = Procrustes(4).fit_transform({"x": x, "turned": x @ turn + 3})
    np.testing.assert_allclose(space["x"], space["turned"], atol=1e-3)


def test_ridge_regresses_onto_the_column_that_shares_most_rows() -> None:
    x, y, z = related(90, (3, 3, 3))
    x[:40], z[60:] = np.nan, np.nan
    assert Ridge(2).fit({"x": x, "y": y, "z": z}).transform({"y": y})["y"].shape == (90, 2)
    x[:], x[60:] = np.nan, 1.0
    with pytest.raises(UsageError, match=r"\['z'\] share no rows with the target 'x'"):
        Ridge(2, target="x").fit({"x": x, "y": y, "z": z})


@pytest.mark.parametrize("scale", [0.1, 5.0])
def test_a_constant_column_harms_nothing(scale: float) -> None:
    x, y = related()
    space = CCA(2).fit_transform({"x": x, "y": y, "k": np.full((400, 3), scale, np.float32)})
    assert not space["k"].any()
    assert (space["x"] * space["y"]).sum(axis=1).mean() > 0.7


def test_singular_covariances_are_solved() -> None:
    x, y = related(20, (3, 3))
    cca = CCA(3, ridge=0).fit({"x": np.hstack([x, x, x[:, :1]]), "y": y})
    np.testing.assert_allclose(
        cca.correlations_, CCA(3, ridge=0).fit({"x": x, "y": y}).correlations_, atol=1e-2
    )


def test_wrong_settings_are_refused() -> None:
    x, y = related(30)
    with pytest.raises(UsageError, match="ridge must lie"):
        Ridge(ridge=-1).fit({"x": x, "y": y})
    with pytest.raises(UsageError, match="no column called 'w'"):
        Procrustes(target="w").fit({"x": x, "y": y})


def test_a_vector_of_any_length_keeps_its_direction() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 4)).astype(np.float32)
    aligner = CCA(3).fit({"a": x, "b": x + rng.standard_normal((80, 4)).astype(np.float32)})
    direction = np.array([[1.0, -2.0, 0.5, 3.0]])
    long, longer = aligner.project("a", 1e12 * direction), aligner.project("a", 1e38 * direction)
    np.testing.assert_allclose(longer, long, atol=1e-5)


@pytest.mark.parametrize("more", ["the same again", "a constant"])
def test_a_ridge_of_zero_solves_singular_features(more: str) -> None:
    """What x tells of y is told with features that add nothing, too."""
    x, y = related(60)
    added = {"the same again": x, "a constant": np.ones((60, 1), np.float32)}[more]
    plain = Ridge(3, ridge=0.0, target="b").fit({"a": x, "b": y})
    found = Ridge(3, ridge=0.0, target="b").fit({"a": np.hstack([x, added]), "b": y})
    np.testing.assert_allclose(found.project("a", np.hstack([x, added])), plain.project("a", x), atol=1e-3)


@pytest.mark.parametrize("aligner", [CCA(8, weight=0.0), CSA(8)], ids=lambda made: type(made).__name__)
def test_directions_in_which_a_column_does_not_vary_carry_no_noise(aligner: CCA | CSA) -> None:
    """Of eight features of which five repeat the others, three directions correlate, and no more count."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((2000, 3))
    x = latent + 0.3 * rng.standard_normal((2000, 3))
    y = latent @ rng.standard_normal((3, 8)) + 0.3 * rng.standard_normal((2000, 8))
    X = {"a": np.hstack([x, x @ rng.standard_normal((3, 5))]).astype(np.float32), "b": y.astype(np.float32)}
    aligner.fit({c: v[:1500] for c, v in X.items()})
    assert len(aligner.correlations_) == 3
    for c, v in X.items():
        spread = (aligner.centred(c, v[:1500]) @ aligner.maps_[c]).std(axis=0)
        np.testing.assert_allclose(spread, 1, atol=0.05)
    space = aligner.transform({c: v[1500:] for c, v in X.items()})
    scores = space["a"] @ space["b"].T
    ranks = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
    assert (1 / ranks).mean() > 0.2


def test_a_column_that_tells_nothing_leaves_no_coordinate_but_one() -> None:
    x, _ = related()
    cca = CCA(4).fit({"x": x, "constant": np.ones((400, 3), np.float32)})
    assert cca.correlations_.tolist() == [0.0]


def test_the_variates_of_three_columns_are_maxvar() -> None:
    """Kettenring's MAXVAR: no other variates have a correlation matrix with a larger first eigenvalue."""
    columns = dict(zip("abc", related(widths=(4, 3, 5)), strict=True))
    cca = CCA(dim=1, ridge=0.0).fit(columns)

    def eigenvalue(maps: dict[str, np.ndarray]) -> float:
        return float(np.linalg.eigvalsh(np.corrcoef([(columns[c] @ maps[c]).ravel() for c in "abc"]))[-1])

    found = eigenvalue(cca.maps_)
    assert found == pytest.approx(1 + 2 * cca.correlations_[0], abs=1e-4)
    rng = np.random.default_rng(0)
    for size in np.geomspace(1e-3, 10, 200):
        moved = {c: w + size * rng.standard_normal(w.shape) for c, w in cca.maps_.items()}
        assert eigenvalue(moved) <= found + 1e-6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"dim": 2.5}, "dim must be a whole number, got 2.5"),
        ({"dim": "wide"}, "dim must be a number, got 'wide'"),
        ({"weight": "x"}, "weight must be a number, got 'x'"),
        ({"weight": float("nan")}, "weight must lie between 0 and inf, got nan"),
        ({"weight": -1.0}, "weight must lie between 0"),
        ({"ridge": {"x": 1.0}}, "no column with a ridge called 'y'"),
        ({"ridge": {"x": 1.0, "y": -1.0}}, "ridge must lie between 0"),
    ],
)
def test_settings_of_the_wrong_kind_are_refused(given: dict[str, Any], says: str) -> None:
    x, y = related(30)
    with pytest.raises(UsageError, match=says):
        CCA(**given).fit({"x": x, "y": y})
