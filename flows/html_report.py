"""A run report as one HTML page: pictures inline, no script, nothing fetched; opens from disk."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Literal

from flows.pictures import ramp_css

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flows.run_report import RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Swatch:
    """One colour of a legend."""

    color: str
    """CSS colour."""

    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture with its words."""

    title: str
    png: bytes
    alt: str
    """What the picture shows, for those who do not see it."""

    caption: str = ""
    legend: tuple[Swatch, ...] = ()
    ramp: tuple[str, str] | None = None
    """Labels of the ramp's two ends, where the picture is on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelGroup:
    """Pictures that belong side by side."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionView:
    """One region with its pictures."""

    title: str
    kind: Literal["simulated", "real"]
    lead: str
    """One paragraph under the title."""

    report: RunReport
    groups: tuple[PanelGroup, ...]
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of accuracy with its 95 % interval, fractions of 1."""

    value: float
    n: int
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One measure, of the model and of the baseline."""

    measure: str
    model: Figure
    baseline: Figure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page shows."""

    title: str
    lead: str
    views: tuple[RegionView, ...]
    accuracy: tuple[AccuracyRow, ...]
    accuracy_note: str
    python: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]


def render(page: Page) -> str:
    """Returns the page as HTML."""
    style = (resources.files("flows") / "report.css").read_text(encoding="utf-8")
    simulated = [view for view in page.views if view.kind == "simulated"]
    real = [view for view in page.views if view.kind == "real"]
    body = [
        f"<header><h1>{escape(page.title)}</h1><p>{escape(page.lead)}</p>{_navigation()}</header><main>",
        '<section id="simulated"><h2>Simulated region, held against its truth</h2>',
        *(_view(view) for view in simulated),
        "</section>",
        _accuracy(page),
        '<section id="real"><h2>Real Sentinel pairs</h2>',
        *(_view(view) for view in real),
        "</section>",
        _scenes(page.views),
        _open(page),
        "</main>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(page.title)}</title><style>{style}.ramp{{background:{ramp_css()}}}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _navigation() -> str:
    places = (
        ("simulated", "Simulated region"),
        ("accuracy", "Accuracy"),
        ("real", "Real pairs"),
        ("scenes", "Scenes"),
        ("open", "Open it"),
    )
    return "<nav>" + "".join(f'<a href="#{key}">{label}</a>' for key, label in places) + "</nav>"


def _view(view: RegionView) -> str:
    facts = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in view.facts)
    status = f'<span class="status {view.report.status}">{view.report.status}</span>'
    badge = f'<span class="badge {view.kind}">{view.kind}</span>'
    groups = "".join(
        f'<section class="group"><h4>{escape(group.title)}</h4>'
        f'<div class="panels">{"".join(_panel(panel) for panel in group.panels)}</div></section>'
        for group in view.groups
    )
    return (
        f'<article class="{view.kind}"><h3>{escape(view.title)} {badge} {status}</h3><p>{escape(view.lead)}</p>'
        f"{groups}<dl>{facts}</dl></article>"
    )


def _panel(panel: Panel) -> str:
    source = "data:image/png;base64," + b64encode(panel.png).decode("ascii")
    legend = ""
    if panel.legend:
        entries = "".join(
            f'<li><i style="background:{swatch.color}"></i>{escape(swatch.label)}</li>' for swatch in panel.legend
        )
        legend = f'<ul class="legend">{entries}</ul>'
    if panel.ramp:
        low, high = panel.ramp
        legend = f'<div class="scale"><span>{escape(low)}</span><i class="ramp"></i><span>{escape(high)}</span></div>'
    return (
        f'<figure><img src="{source}" alt="{escape(panel.alt)}"><figcaption><strong>{escape(panel.title)}</strong>'
        f"<span>{escape(panel.caption)}</span>{legend}</figcaption></figure>"
    )


def _accuracy(page: Page) -> str:
    if not page.accuracy:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(row.measure)}</th><td>{_figure(row.model, "model")}</td>'
        f"<td>{_figure(row.baseline, 'baseline') if row.baseline else 'not measured'}</td></tr>"
        for row in page.accuracy
    )
    return (
        '<section id="accuracy"><h2>Accuracy on the simulated region</h2>'
        f"<p>{escape(page.accuracy_note)}</p><table class='accuracy'><thead><tr><th scope='col'>measure</th>"
        "<th scope='col'>RingMoE</th><th scope='col'>random forest, per pixel</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _figure(figure: Figure, kind: str) -> str:
    low, high = figure.ci95
    return (
        f"<b>{figure.value:.3f}</b> <small>95 % interval {low:.3f} to {high:.3f}, n = {figure.n:,}</small>"
        f'<span class="bar {kind}" aria-hidden="true"><i style="width:{100 * figure.value:.1f}%"></i>'
        f'<em style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></em></span>'
    )


def _scenes(views: Sequence[RegionView]) -> str:
    blocks = []
    for view in views:
        head = ("scene", "collection", "outcome", "reason", "detail")
        rows = [(s.id, s.collection, s.outcome, s.reason or "", s.detail) for s in view.report.scenes]
        used = sum(scene.outcome == "used" for scene in view.report.scenes)
        summary = f"{view.title}: {used} of {len(rows)} scenes used, {view.report.unmatched} items not matched"
        products = [
            (p.name, p.state.replace("_", " "), p.path or p.reason, p.snapshot or "") for p in view.report.products
        ]
        blocks.append(
            f"<details{' open' if view.kind == 'simulated' else ''}><summary>{escape(summary)}</summary>"
            f"{_table(head, rows)}{_table(('product', 'state', 'item', 'cube snapshot'), products)}</details>"
        )
    return f'<section id="scenes"><h2>Every scene, every product</h2>{"".join(blocks)}</section>'


def _open(page: Page) -> str:
    rows = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in page.provenance)
    code = escape("\n".join(page.python))
    return (
        f'<section id="open"><h2>Open it in Python</h2><pre><code>{code}</code></pre>'
        f"<h2>Where it comes from</h2><dl class='provenance'>{rows}</dl></section>"
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
