"""Pictures of the judgement: the scoreboard, the space in two dimensions, what queries found."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm.encode.features import Features
from chiasm.errors import DataError, require_extra
from chiasm.judge.page import Point, map_html
from chiasm.judge.scoreboard import KS, Direction, Report
from chiasm.judge.sheet import Shown, contact_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Layout", "Point", "Shown", "contact_sheet", "map_html", "map_png", "map_points", "scoreboard_png"]
COLOURS = ("#2f6fde", "#e4682b", "#159a74", "#b0449c", "#c99a06",
           "#5b6cc0", "#d2405a", "#4d8f2f", "#7a5ac8", "#5f6b76")  # fmt: skip
MARKERS = "os^DvPX*"
INK, FAINT = "#22272e", "#9aa3ad"
FEW = 50
"""Up to so many points are laid out by principal components: too few for neighbourhoods to be estimated."""
JOINED = 60
"""Rows whose items are joined by a line on the picture."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where some items of one column lie.

    position : (s,) among its items;  row : (s,) theirs;  xy : (s, 2) within [0, 1].
    """

    position: NDArray[np.int64]
    row: NDArray[np.int64]
    xy: NDArray[np.float64]


def map_points(columns: Mapping[str, Features], limit: int = 2000, seed: int = 0) -> dict[str, Layout]:
    """Lay out a sample of at most `limit` items, in the space (items, dim), in two dimensions.

    Rows are drawn at random and each gives its first item of every column, so that what belongs together is
    there together. t-SNE on cosine distances (van der Maaten & Hinton 2008), or principal components for few.
    """
    positions = _sampled(columns, limit, seed)
    vectors = [columns[name].values[some] for name, some in positions.items()]
    if not sum(map(len, vectors)):
        raise DataError("there is nothing to draw", where="map", hint="The columns hold no items.")
    flat = _flattened(np.concatenate(vectors), seed)
    low, high = flat.min(axis=0), flat.max(axis=0)
    scaled = (flat - low) / np.maximum(high - low, 1e-9)
    places = zip(positions.items(), np.split(scaled, np.cumsum([len(v) for v in vectors])[:-1]), strict=True)
    return {name: Layout(some, columns[name].row[some], xy) for (name, some), xy in places}


def map_png(
    points: Mapping[str, Layout], path: str | Path, labels: Sequence[Any] | None = None, title: str = ""
) -> None:
    """Draw the map: a colour and a mark a column, or with `labels` (one a row) a colour a label.

    Hairlines join the items of some rows. With more labels than colours the columns keep the colours.
    """
    figure = _figure(8, 7)
    axes = figure.add_axes((0.02, 0.1, 0.96, 0.83))
    _join(axes, points)
    kinds = [] if labels is None else sorted({str(label) for label in labels if label is not None})
    by_label = 0 < len(kinds) <= len(COLOURS)
    for i, (name, layout) in enumerate(points.items()):
        colours: Any = COLOURS[i % len(COLOURS)]
        if by_label and labels is not None:
            colours = [_colour(labels[row], kinds) for row in layout.row]
        size, mark = 26 if len(layout.row) < 800 else 14, MARKERS[i % len(MARKERS)]
        x, y = layout.xy.T
        axes.scatter(x, y, s=size, c=colours, marker=mark, alpha=0.8, lw=0.4, ec="white")
        legend_colour = INK if by_label else colours
        axes.scatter([], [], s=40, c=legend_colour, marker=mark, label=name)
    for kind in kinds if by_label else []:
        axes.scatter([], [], s=40, c=_colour(kind, kinds), marker="o", label=kind)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[], yticks=[])
    axes.axis("off")
    figure.legend(loc="lower center", ncols=6, frameon=False, fontsize=10, handletextpad=0.2, labelcolor=INK)
    figure.suptitle(title or "The space, all columns in it", color=INK, x=0.04, ha="left", weight="bold")
    _save(figure, path)


def scoreboard_png(report: Report, path: str | Path) -> None:
    """Draw R@1, R@5 and R@10 of every direction with their intervals, chance and the baseline beside."""
    figure = _figure(10, 1.6 + 0.5 * max(2, len(report.directions)))
    top, bottom = 1 - 0.95 / figure.get_figheight(), 0.5 / figure.get_figheight()
    panels = figure.subplots(1, len(KS), sharey=True, squeeze=False)[0]
    for axes, k in zip(panels, KS, strict=True):
        _panel(axes, report.directions, k)
    names = [f"{one.query} → {one.answer}" for one in report.directions]
    panels[0].set_yticks(range(len(names)), names, color=INK, fontsize=11)
    panels[0].set_ylim(len(names) - 0.45, -0.55)
    figure.subplots_adjust(top=top, bottom=bottom, left=0.24, right=0.97, wspace=0.09)
    figure.suptitle(f"Scoreboard, {report.rows:,} rows", color=INK, x=0.02, ha="left", weight="bold")
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="upper right", ncols=3, frameon=False, fontsize=10, labelcolor=INK)
    _save(figure, path)


def _panel(axes: Any, directions: Sequence[Direction], k: int) -> None:
    """One k: a dot with its interval for each direction, a tick for chance, a diamond for the baseline."""
    places = np.arange(len(directions))
    recall = 100 * np.array(
        [[e.value, e.low, e.high] for e in (one.recall[k] for one in directions)]
    ).reshape(-1, 3)
    chance = [100 * one.chance[k] for one in directions]
    axes.hlines(places, 0, 100, color="#eceff2", lw=7, zorder=0)
    axes.scatter(chance, places, marker="|", s=150, c=FAINT, lw=2, label="chance")
    known = [(100 * one.baseline[k], i) for i, one in enumerate(directions) if one.baseline]
    if known:
        x, y = zip(*known, strict=True)
        axes.scatter(x, y, marker="D", s=30, fc="white", ec=COLOURS[1], label="simple baseline")
    axes.hlines(places, recall[:, 1], recall[:, 2], color=COLOURS[0], lw=3, alpha=0.45)
    axes.scatter(
        recall[:, 0], places, s=46, c=COLOURS[0], zorder=3, clip_on=False, label="measured, 95 % interval"
    )
    for place, value in zip(places, recall[:, 0], strict=True):
        if np.isfinite(value):
            axes.annotate(
                f"{value:.1f}", (value, place), (0, 7), textcoords="offset points", ha="center", color=INK
            )
    axes.set_title(f"R@{k}, %", fontsize=11, color=INK, loc="left")
    axes.set(xlim=(-2, 102), xticks=range(0, 101, 25))
    axes.tick_params(length=0, colors="#5d6670")
    axes.spines[:].set_visible(False)


def _sampled(columns: Mapping[str, Features], limit: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """For each column the positions of the first items of rows drawn until `limit` items are there."""
    rows = max(features.n for features in columns.values())
    present = np.sum([f.present for f in columns.values()], axis=0)  # (rows,)
    order = np.random.default_rng(seed).permutation(rows)
    chosen = np.zeros(rows, bool)
    chosen[order[np.cumsum(present[order]) <= limit]] = True
    firsts = {name: np.unique(f.row, return_index=True)[1] for name, f in columns.items()}
    return {name: first[chosen[columns[name].row[first]]] for name, first in firsts.items()}


def _flattened(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """(s, 2) neighbourhoods kept where there are enough points, else directions of largest variance."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(vectors) <= FEW:
        wide = np.pad(vectors, ((0, max(0, 2 - len(vectors))), (0, max(0, 2 - vectors.shape[1]))))
        return np.asarray(PCA(2, random_state=seed).fit_transform(wide)[: len(vectors)], float)
    perplexity = min(30.0, len(vectors) / 5)
    tsne = TSNE(2, perplexity=perplexity, metric="cosine", init="random", random_state=seed)
    return np.asarray(tsne.fit_transform(vectors), float)


def _join(axes: Any, points: Mapping[str, Layout]) -> None:
    """Hairlines between the items of the first rows that two or more columns have."""
    ends: dict[int, list[NDArray[np.float64]]] = {}
    for layout in points.values():
        for row, xy in zip(layout.row, layout.xy, strict=True):
            ends.setdefault(int(row), []).append(xy)
    for line in [np.array(xys) for xys in ends.values() if len(xys) > 1][:JOINED]:
        axes.plot(*line.T, color=FAINT, lw=0.6, alpha=0.6, zorder=0)


def _colour(label: Any, kinds: Sequence[str]) -> str:
    return FAINT if label is None else COLOURS[kinds.index(str(label))]


def _figure(width: float, height: float) -> Figure:
    """A figure of its own: no window, no global state."""
    require_extra("matplotlib", "plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | Path) -> None:
    with warnings.catch_warnings():
        # A name in a script that no installed font has is drawn as boxes; the picture is still worth having.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(path, dpi=160, format="png", bbox_inches="tight", pad_inches=0.2)
