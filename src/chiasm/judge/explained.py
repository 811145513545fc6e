"""An explanation as one self-contained page: from the base to the score, and what mattered on each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from chiasm.judge.collect import Worth
from chiasm.judge.explain import Explanation
from chiasm.judge.highlight import escaped, item_html, number, signed
from chiasm.judge.occlude import Part

ROWS = 16
"""Columns with a line of their own; the others, those with the smallest shares, share one."""
SHORT = 40
"""Characters of a text without marks that stands beside its column's name."""


def explanation_html(
    explanation: Explanation, items: Mapping[str, Any], worth: Sequence[Worth] = (), title: str = ""
) -> str:
    """The page of one explanation; it runs no script and asks nothing of the network.

    items : {column: its decoded item, None where the row lacks it}; a column left out is drawn without one.
    worth : what of the missing would be worth collecting, listed at the end.
    """
    said = number(explanation.label) if _is_number(explanation) else _value(explanation.label)
    body = [
        f'<p class="soft">{_summary(explanation)}</p>',
        f"<section>{_waterfall(explanation, items)}{_key(explanation)}</section>",
        *(_card(explanation, column, items[column]) for column in _drawn(explanation, items)),
        _collected(worth),
    ]
    template = resources.files("chiasm.judge").joinpath("explain.html").read_text("utf-8")
    head, tail = template.split("{{body}}")
    return (
        head.replace("{{title}}", escaped(title or f"{explanation.target}: {said}")) + "\n".join(body) + tail
    )


def _is_number(explanation: Explanation) -> bool:
    return isinstance(explanation.label, float)


def _summary(explanation: Explanation) -> str:
    if _is_number(explanation):
        return f"Predicted {number(explanation.score)}; base value {number(explanation.base)}."
    return (
        f"Probability {number(explanation.score)}; base value {number(explanation.base)}. "
        "The share of each column is how much it moves the one to the other."
    )


def _waterfall(explanation: Explanation, items: Mapping[str, Any]) -> str:
    """Bars from the base through every share, the largest first, to the score."""
    order = sorted(explanation.shares, key=lambda column: -abs(explanation.shares[column]))
    lines = [(_label(explanation, c, items), explanation.shares[c]) for c in order[:ROWS]]
    if order[ROWS:]:
        lines.append((f"{len(order) - ROWS} others", sum(explanation.shares[c] for c in order[ROWS:])))
    stops = explanation.base + np.concatenate([[0.0], np.cumsum([share for _, share in lines])])
    low, high = float(min(0.0, stops.min())), float(stops.max())
    if explanation.base > 10 * (high - stops.min()):  # differences of large numbers: zero lies too far off
        low = float(stops.min() - 0.15 * (high - stops.min()))
    span = (high - low) or 1.0
    rows = [_line("nothing known", low, explanation.base, "", number(explanation.base), low, span)]
    for (name, share), start, stop in zip(lines, stops[:-1].tolist(), stops[1:].tolist(), strict=True):
        side = "for" if share > 0 else "against"
        rows.append(_line(name, start, stop, side, signed(share), low, span))
    rows.append(_line("all together", low, explanation.score, "", number(explanation.score), low, span))
    return f'<div class="fall">{"".join(rows)}</div>'


def _line(name: str, start: float, stop: float, side: str, value: str, low: float, span: float) -> str:
    left, width = (min(start, stop) - low) / span, abs(stop - start) / span
    style = f"left:{100 * left:.2f}%;width:{100 * width:.2f}%"
    bar = f'<div class="bar {side}" style="{style}"></div>' if width else ""
    shown = escaped(name)
    return f'<div class="name" title="{shown}">{shown}</div><div class="track">{bar}</div><div>{value}</div>'


def _label(explanation: Explanation, column: str, items: Mapping[str, Any]) -> str:
    """The column's name, with its value where that has no card."""
    if column not in items or _has_card(explanation, column, items):
        return column
    lacking = "broken" if column in explanation.broken else "absent"
    return f"{column}: {lacking}" if items[column] is None else f"{column} = {_value(items[column])}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _has_card(explanation: Explanation, column: str, items: Mapping[str, Any]) -> bool:
    """Whether an item is drawn on its own; numbers and short words stand in the waterfall."""
    item = items[column]
    plain = item is None or isinstance(item, bool | int | float)
    short = isinstance(item, str) and len(item) <= SHORT
    return bool(explanation.parts.get(column)) or not (plain or short)


def _key(explanation: Explanation) -> str:
    drawn = "" if explanation.exact else "<span>Estimated from drawn orders of the columns</span>"
    return (
        '<div class="key"><span><i><b class="bar for"></b></i>speaks for it, raises the score</span>'
        f'<span><i><b class="bar against"></b></i>speaks against it, lowers it</span>{drawn}</div>'
    )


def _drawn(explanation: Explanation, items: Mapping[str, Any]) -> list[str]:
    """Columns with a card, the largest share first."""
    cards = [c for c in items if c in explanation.shares and _has_card(explanation, c, items)]
    return sorted(cards, key=lambda column: -abs(explanation.shares[column]))


def _card(explanation: Explanation, column: str, item: Any) -> str:
    parts = explanation.parts.get(column, [])
    head = f"<h2>{escaped(column)}<b>{signed(explanation.shares[column])}</b></h2>"
    return f"<section>{head}{item_html(item, parts)}{_scale(parts)}</section>"


def _scale(parts: Sequence[Part]) -> str:
    """How much the strongest piece does: shades are relative to it on each item."""
    if not parts:
        return ""
    most = max(parts, key=lambda part: abs(part.effect))
    if not most.effect:
        return "<small>No piece of it changes the score when taken away.</small>"
    what = most.what if len(most.what) <= SHORT else most.what[:SHORT].rstrip() + "…"
    moved = f"{number(abs(most.effect))} {'lower' if most.effect > 0 else 'higher'}"
    return f"<small>Strongest: without “{escaped(what)}” the score would be {moved}.</small>"


def _collected(worth: Sequence[Worth]) -> str:
    if not worth:
        return ""
    lines = "".join(f"<li>{escaped(one.verdict)}</li>" for one in worth)
    return f"<section><h2>What is missing</h2><ul>{lines}</ul></section>"
