"""The page of a training run: curves, use of experts, figures, configuration; one file, nothing fetched, no script."""

from __future__ import annotations

from collections import Counter
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

import yaml

from flows.routing_verdict import MODALITY_TITLES
from flows.train_charts import chart_grid, curve_chart, expert_chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.train_curves import CurvePoint
    from flows.train_health import Window
    from flows.train_summary import StageSummary, TrainingReport

_ABOUT: Final = {
    "rate": "learning rate",
    "norm": "norm of the gradient before clipping",
    "waited": "share of time spent waiting for data",
    "total": "weighted sum of all terms",
}
_LAST: Final = ("rate", "norm", "waited")
_NO_CHART: Final = ("seconds",)
_OF_ALL_PLACES: Final = (*_LAST, "balance", "z")
"""Drawn over all steps; everything else by the kind of place, since steps of different kinds alternate and each has a
level of its own."""


def training_page(report: TrainingReport, points: Sequence[CurvePoint], windows: Sequence[Window]) -> str:
    """Returns the page as HTML."""
    style = "".join(
        (resources.files("flows") / name).read_text(encoding="utf-8")
        for name in ("report.css", "routing.css", "train.css")
    )
    name = str(report.config["name"])
    lead = (
        f"A model of the size {report.config['preset']}, trained in {len(report.stages)} stages on "
        f"{sum(report.places.values()):,} places, in {sum(stage.minutes for stage in report.stages):.0f} minutes on "
        f"{report.processes} {'process' if report.processes == 1 else 'processes'} ({report.device})."
    )
    body = [
        f"<header><h1>Training of {escape(name)}</h1><p>{escape(lead)}</p></header><main>",
        _notes(report),
        _figures(report),
        *(_stage(stage, points, windows) for stage in report.stages),
        _experts(windows),
        f"<section><h2>Configuration</h2><pre>{escape(yaml.safe_dump(report.config, sort_keys=False))}</pre></section>",
        "</main>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Training of {escape(name)}</title><style>{style}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _notes(report: TrainingReport) -> str:
    if not report.notes:
        return ""
    lines = "".join(f'<li class="bad"><b>Note</b><span>{escape(text)}</span></li>' for text in report.notes)
    return f'<ul class="findings">{lines}</ul>'


def _figures(report: TrainingReport) -> str:
    rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in report.figures.items()]
    rows += [(f"places, {kind}", f"{count:,}") for kind, count in report.places.items()]
    rows += [("weights", ", ".join(report.files))]
    facts = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in rows)
    return f"<section><h2>On test ground</h2><dl>{facts}</dl></section>"


def _stage(stage: StageSummary, points: Sequence[CurvePoint], windows: Sequence[Window]) -> str:
    own = [point for point in points if point.stage == stage.name]
    draws = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in stage.draws.items())
    lead = (
        f"{stage.steps:,} steps in {stage.minutes:.1f} minutes, {stage.waited:.0%} of the time waiting for data. "
        f"Draws: {draws}. Lines are means over stretches of steps, bands their range; what several kinds of place have "
        "is drawn for each."
    )
    found = "".join(
        f'<li class="{one.state}"><b>{one.about.capitalize()}</b><span>{escape(one.text)}</span></li>'
        for one in stage.findings
    )
    table = _terms(stage)
    del windows
    return (
        f"<section><h2>Stage {escape(stage.name)}</h2><p>{escape(lead)}</p>"
        f'<ul class="findings">{found}</ul>{table}{chart_grid(_curves(own))}</section>'
    )


def _curves(points: Sequence[CurvePoint]) -> dict[str, str]:
    """Charts by title: the sum first, what belongs to the run and not to what is learnt last."""
    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for point in points:
        if point.name not in _NO_CHART:
            kind = "" if point.name in _OF_ALL_PLACES else point.kind
            lines.setdefault((point.name, kind), []).append((point.step, point.value))
    kinds = Counter(name for name, _ in lines)
    names = list(kinds)
    charts = {}
    for name, kind in sorted(lines, key=lambda line: (line[0] in _LAST, line[0] != "total", names.index(line[0]))):
        title = _ABOUT.get(name, name) + (f", {kind}" if kinds[name] > 1 else "")
        charts[title] = curve_chart(lines[name, kind], title)
    return charts


def _terms(stage: StageSummary) -> str:
    names = list(dict.fromkeys([*stage.last, *stage.held_out]))
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_number(stage.last.get(name))}</td>"
        f"<td>{_number(stage.held_out.get(name))}</td></tr>"
        for name in names
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("term", "last tenth of the steps", "held-out ground"))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _experts(windows: Sequence[Window]) -> str:
    if not windows:
        return ""
    pairs = dict.fromkeys((row.bank, row.modality) for window in windows for row in window.rows)
    charts = {
        f"{bank.capitalize()} bank, {MODALITY_TITLES.get(modality, modality)}": expert_chart(windows, bank, modality)
        for bank, modality in pairs
    }
    text = (
        "Share of a sensor's tokens that each expert takes, from the first steps to the last. A row is an expert "
        "(layer.expert); white is none of the tokens, full colour all of them."
    )
    return f"<section><h2>Use of experts</h2><p>{text}</p>{chart_grid(charts)}</section>"
