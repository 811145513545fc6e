"""The judgement as one self-contained page: verdicts first, then tables and plots."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template

from chiasm.judge.bridge import FIRST, Bridge, meaning, verdicts
from chiasm.judge.estimate import Estimate
from chiasm.judge.figures import figures_of, stress_figures
from chiasm.judge.outcome import Confusion, Gain, Line, Outcome, interval, labelled, shown, signed, titled
from chiasm.judge.scoreboard import KS, Report, beside
from chiasm.judge.stress import Stress
from chiasm.judge.svg import Range, spanning, strip
from chiasm.measures import Measure

ROLES = {"fusion": "Fusions", "single": "Modalities alone", "baseline": "Baseline"}


def report_html(
    outcomes: Sequence[Outcome],
    report: Report | None = None,
    stresses: Sequence[Stress] = (),
    title: str = "How good the model is",
) -> str:
    """The page of the outcomes of all targets, the scoreboard of retrieval and the tables of stress.

    Every name from the data is escaped, and the page has the browser refuse scripts and outside requests.
    """
    template = resources.files("chiasm.judge").joinpath("report.html").read_text("utf-8")
    parts = [_section(one, [s for s in stresses if s.target == one.target]) for one in outcomes]
    parts += [_alone(one) for one in stresses if one.target not in {o.target for o in outcomes}]
    if report is not None:
        parts.append(_retrieval(report))
        parts += [_bridged(report.bridges)] if report.bridges else []
    return Template(template).substitute(title=html.escape(title), body="\n".join(parts))


def _section(one: Outcome, stresses: Sequence[Stress]) -> str:
    """All there is to say of a target."""
    kinds = {"classes": f"one of {one.outputs:,} classes", "order": f"one of {one.outputs:,} steps"}
    kinds |= {"labels": f"any of {one.outputs:,} labels", "number": "a number"}
    kind = kinds.get(one.kind, f"{one.outputs:,} numbers")
    main = one.measures[0]
    parts = [
        f"<h2>{name(one.target)}</h2><p>{kind}, judged on {one.rows:,} rows. "
        "Intervals are 95 % bootstrap intervals; gains are paired, row by row, positive where better.</p>",
        _said(one.verdicts),
        f"<h3>Predictors</h3>{_predictors(one)}",
    ]
    if one.gains:
        parts.append(f"<h3>What {name(one.chosen)} gains over each modality alone</h3>")
        parts.append(_gains(one.gains, main, "over"))
    if one.added:
        parts.append("<h3>What each column adds to the others</h3>")
        parts.append(_gains(one.added, main, "column"))
    if one.patterns:
        parts.append("<h3>What a row has, and what can be said from it</h3>" + _patterns(one, main))
    parts += [_figures(figures_of(one)), _confusion(one.detail.confusion), _coverage(one)]
    for stress in stresses:
        parts.append("<h3>Under stress</h3>" + _said(stress.notes) + _figures(stress_figures(stress)))
    return f"<section>{''.join(parts)}</section>"


def _alone(stress: Stress) -> str:
    """Stress of a target without an outcome."""
    body = _said(stress.notes) + _figures(stress_figures(stress))
    return f"<section><h2>{name(stress.target)} under stress</h2>{body}</section>"


def _predictors(one: Outcome) -> str:
    main, *others = one.measures
    scale = spanning(v for line in one.lines for v in _ends(line.measures[main.name]))
    base_value = one.lines[-1].measures[main.name].value
    rows = []
    role = ""
    for line in one.lines:
        if line.role != role:
            role = line.role
            rows.append(f'<tr class="role"><th colspan="{len(others) + 5}">{ROLES[role]}</th></tr>')
        rows.append(_predictor(line, one.chosen, main, others, scale, base_value))
    head = ["", "rows", titled(main), "95 %", "", *(titled(other) for other in others)]
    return table(head, rows)


def _predictor(
    line: Line, chosen: str, main: Measure, others: Sequence[Measure], scale: Range, mark: float
) -> str:
    cells = [
        name(labelled(line, chosen)),
        f"{line.rows:,}",
        *_measured(line.measures[main.name], main, scale, mark),
    ]
    cells += [shown(line.measures[other.name].value, other.percent) for other in others]
    return row(cells, "chosen" if line.name == chosen and line.role != "baseline" else "")


def _gains(gains: Sequence[Gain], main: Measure, head: str) -> str:
    scale = spanning((v for one in gains for v in _ends(one.gain)), 0.0)
    rows = [row([name(one.name), f"{one.rows:,}", *_gained(one.gain, main, scale)]) for one in gains]
    return table([head, "rows", f"{main.title} gain", "95 %", ""], rows)


def _patterns(one: Outcome, main: Measure) -> str:
    scale = spanning((v for p in one.patterns for v in _ends(p.gain)), 0.0)
    rows = [
        row(
            [
                name(" + ".join(p.columns)),
                f"{p.rows:,}",
                f"{p.exact:,}",
                shown(p.fused.value, main.percent),
                f"{name(p.best)} {shown(p.single.value, main.percent)}",
                *_gained(p.gain, main, scale),
            ]
        )
        for p in one.patterns
    ]
    words = (
        "<p>Every row that has these columns, shown these alone, beside the best modality among them on the "
        "same rows. ‘Just these’ counts the rows that really have no others.</p>"
    )
    return words + table(
        ["shown", "rows", "just these", titled(main), "best alone", "gain", "95 %", ""], rows
    )


def _confusion(one: Confusion) -> str:
    """Rows by true class and by what they were called, coloured by the share of the true class."""
    if not one.names:
        return ""
    head = "".join(f"<th>{name(n)}</th>" for n in one.names)
    lines = []
    for said, counts in zip(one.names, one.counts, strict=True):
        cells = (f'<td style="--v:{c / max(1, sum(counts)):.2f}">{c:,}</td>' for c in counts)
        lines.append(f"<tr><th>{name(said)}</th>{''.join(cells)}</tr>")
    body = f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    words = "<p>A row a true class, a column the class predicted.</p>"
    return f'<h3>Confusion matrix</h3>{words}<div class="wide"><table class="heat">{body}</table></div>'


def _coverage(one: Outcome) -> str:
    if not one.coverage:
        return ""
    rows = [
        row(
            [
                f"{100 * c.stated:g} %",
                shown(c.measured.value, True),
                interval(c.measured, True),
                shown(c.size, False),
            ]
        )
        for c in one.coverage
    ]
    head = ["coverage stated", "measured %", "95 %", "mean size"]
    return f"<h3>Sets and intervals</h3>{table(head, rows)}"


def _retrieval(report: Report) -> str:
    """The scoreboard of search, or of a model that does not search what else is to be said."""
    if not report.directions:
        return f"<section><h2>Notes</h2>{_said(report.notes)}</section>" if report.notes else ""
    rows = []
    for one in report.directions:
        cells = [f"{name(one.query)} → {name(one.answer)}", f"{one.queries:,}"]
        for measured in (*(one.recall[k] for k in KS), one.mean_ap):
            cells += [
                shown(measured.value, True),
                f"{shown(measured.low, True)}–{shown(measured.high, True)}",
            ]
        cells += [strip(*_ends(one.recall[KS[-1]]), (0.0, 1.0), one.chance[KS[-1]])]
        rows.append(row([*cells, shown(one.median_rank, False)], "searched"))
        for label, values, ap in beside(one):
            plain = [cell for v in (*(values[k] for k in KS), ap) for cell in (shown(v, True), "")]
            rows.append(row([label, "", *plain, "", ""], "beside"))
    heads = [head for title in (*(f"R@{k} %" for k in KS), "mAP %") for head in (title, "95 %")]
    head = ["query → answer", "queries", *heads, f"R@{KS[-1]}", "median rank"]
    words = f"<p>{report.rows:,} rows. Right is: {html.escape(report.relevance)}.</p>"
    return f"<section><h2>Search</h2>{words}{_said(report.notes)}{table(head, rows)}</section>"


def _bridged(bridges: Sequence[Bridge]) -> str:
    """The estimates of search between columns that no row has together."""
    rows = []
    for one in bridges:
        cells = [f"{name(one.query)} → {name(one.answer)}", name(one.via), f"{one.queries:,}"]
        cells += [shown(one.precision.value, True), interval(one.precision, True), shown(one.chance, True)]
        cells += [strip(*_ends(one.precision), (0.0, 1.0), one.chance)]
        recalled = [shown(one.recall.value, True), interval(one.recall, True), shown(one.recall_chance, True)]
        rows.append(row([*cells, *recalled]))
    measured = (f"P@{FIRST} %", "95 %", "chance", f"P@{FIRST}", f"R@{FIRST} %", "95 %", "chance")
    head = ["query → answer", "over", "queries", *measured]
    words = f"<p>{html.escape(meaning(bridges))}</p>{_said(verdicts(bridges))}"
    return f"<section><h2>Never seen together</h2>{words}{table(head, rows)}</section>"


def _figures(figures: Iterable[str]) -> str:
    found = "".join(figures)
    return f'<div class="figures">{found}</div>' if found else ""


def _said(verdicts: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(said)}</li>" for said in verdicts)
    return f'<ul class="said">{items}</ul>' if items else ""


def _measured(one: Estimate, main: Measure, scale: Range, mark: float) -> list[str]:
    return [shown(one.value, main.percent), interval(one, main.percent), strip(*_ends(one), scale, mark)]


def _gained(one: Estimate, main: Measure, scale: Range) -> list[str]:
    return [signed(one.value, main.percent), interval(one, main.percent), strip(*_ends(one), scale, 0.0)]


def _ends(one: Estimate) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def name(text: str) -> str:
    """A name from the data, safe and apart from the direction of the text around it."""
    return f"<bdi>{html.escape(text)}</bdi>"


def row(cells: Iterable[str], kind: str = "") -> str:
    """A line of a table, of cells that are HTML already."""
    inner = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr class="{kind}">{inner}</tr>' if kind else f"<tr>{inner}</tr>"


def table(head: Iterable[str], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where the page is narrow."""
    cells = "".join(f"<th>{html.escape(one)}</th>" for one in head)
    body = f"<thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'
