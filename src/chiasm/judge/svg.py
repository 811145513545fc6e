"""Plots as inline SVG, drawn from plain numbers: no library, no request, colours from the page's style."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 340, 260
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 40
COLOURS = 8
"""Colours that the page's style knows as c0 … c7."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One thing in a plot: a line, dots, or a dashed guide, through points (x, y).

    colour : counted from 0.  low, high : a band around a line, as long as y.
    """

    x: Sequence[float]
    y: Sequence[float]
    mark: str = "line"
    colour: int = 0
    label: str = ""
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Frame:
    """The rectangle of a plot: the values at its edges."""

    x: Range
    y: Range

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point, in the picture's units."""
        right = _share(x, self.x) * (WIDTH - LEFT - RIGHT)
        up = _share(y, self.y) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + right, 1), round(HEIGHT - BOTTOM - up, 1)

    def path(self, x: Iterable[float], y: Iterable[float]) -> str:
        """Points as SVG writes them; those that are not finite are left out."""
        pairs = zip(x, y, strict=True)
        places = (self.at(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b))
        return " ".join(f"{a},{b}" for a, b in places)


def plot(series: Sequence[Series], x_title: str, y_title: str, frame: Frame, name: str) -> str:
    """A plot with its axes; `name` is what a screen reader says."""
    parts = [*_axes(frame), *(_drawn(one, frame) for one in series)]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{html.escape(x_title)}</text>')
    turn = f"rotate(-90) translate({-(HEIGHT - BOTTOM + TOP) / 2} 11)"
    parts.append(f'<text transform="{turn}" text-anchor="middle">{html.escape(y_title)}</text>')
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg class="plot" {box} role="img" aria-label="{html.escape(name)}">{"".join(parts)}</svg>'


def strip(value: float, low: float, high: float, scale: Range, mark: float | None = None) -> str:
    """A dot with its interval on a line over `scale`, and a tick at `mark`; empty without a value."""
    if not math.isfinite(value):
        return ""
    a, b, c = (round(4 + 112 * min(max(_share(v, scale), 0), 1), 1) for v in (low, value, high))
    tick = ""
    if mark is not None and scale[0] <= mark <= scale[1]:
        x = round(4 + 112 * _share(mark, scale), 1)
        tick = f'<line class="tick" x1="{x}" x2="{x}" y1="1" y2="15"/>'
    bar = f'<line class="bar" x1="{a}" x2="{c}" y1="8" y2="8"/>' if math.isfinite(a + c) else ""
    dot = f'<circle class="dot" cx="{b}" cy="8" r="3.5"/>'
    return f'<svg class="strip" viewBox="0 0 120 16" aria-hidden="true">{tick}{bar}{dot}</svg>'


def legend(labels: Sequence[str]) -> str:
    """The colours of series in words."""
    if len(labels) < 2:
        return ""
    items = (
        f'<li><i class="c{i % COLOURS}"></i><bdi>{html.escape(one)}</bdi></li>'
        for i, one in enumerate(labels)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def spanning(values: Iterable[float], *also: float) -> Range:
    """A range that holds all finite values with a little air; (0, 1) where there are none."""
    known = [v for v in (*values, *also) if math.isfinite(v)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    air = 0.05 * (high - low) or 0.5 * abs(high) or 0.5
    return low - air, high + air


def ticks(over: Range) -> list[float]:
    """Round numbers within a range, three to seven of them."""
    width = over[1] - over[0]
    if not (math.isfinite(width) and width > 0):
        return []
    power = 10.0 ** math.floor(math.log10(width))
    step = next(s * power for s in (0.1, 0.2, 0.25, 0.5, 1, 2) if width / (s * power) <= 6)
    first = math.ceil(over[0] / step - 1e-9)
    return [i * step for i in range(first, math.floor(over[1] / step + 1e-9) + 1)]


def _axes(frame: Frame) -> list[str]:
    parts = []
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in ticks(frame.y):
        y = frame.at(frame.x[0], value)[1]
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3.5}" text-anchor="end">{_short(value)}</text>')
    for value in ticks(frame.x):
        x = frame.at(value, frame.y[0])[0]
        parts.append(f'<text x="{x}" y="{bottom + 14}" text-anchor="middle">{_short(value)}</text>')
    return [*parts, f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>']


def _drawn(one: Series, frame: Frame) -> str:
    colour = f"c{one.colour % COLOURS}"
    if one.mark == "dots":
        places = (frame.at(a, b) for a, b in zip(one.x, one.y, strict=True) if math.isfinite(a + b))
        return "".join(f'<circle class="point {colour}" cx="{a}" cy="{b}" r="2.6"/>' for a, b in places)
    if one.mark == "guide":
        return f'<polyline class="guide" points="{frame.path(one.x, one.y)}"/>'
    around = frame.path([*one.x, *one.x[::-1]], [*one.low, *one.high[::-1]]) if one.low else ""
    band = f'<polygon class="band {colour}" points="{around}"/>' if around else ""
    return f'{band}<polyline class="line {colour}" points="{frame.path(one.x, one.y)}"/>'


def _share(value: float, over: Range) -> float:
    return (value - over[0]) / ((over[1] - over[0]) or 1.0) if math.isfinite(value) else math.nan


def _short(value: float) -> str:
    value = 0.0 if abs(value) < 1e-12 else value
    if abs(value) >= 10_000:
        return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k"
    return f"{value:.4g}"
