"""A fit's report as one HTML page: charts inline, no script, nothing fetched; opens from disk."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from flows.fit_charts import fold_colour, fold_map, reliability_chart
from flows.fit_report import NO_AREAS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flows.fit_report import FitReport
    from pipelines.training.own_labels.accuracy import Accuracy, Interval
    from pipelines.training.own_labels.design import Design

METHODS: Final = {
    "head": "this head",
    "head_maps": "the same on the model's maps alone",
    "head_statistics": "the same on statistics alone",
    "random_forest": "random forest",
    "majority": "majority class",
}
FIGURES: Final = {"overall": "Overall accuracy", "macro_f1": "Macro F1"}
REASONS: Final = {
    "no_class": "rows without a class",
    "no_geometry": "rows without a geometry",
    "no_place": "rows without a place",
    "no_start": "rows without a first month",
    "invalid_geometry": "rows with an invalid geometry",
    "neither_point_nor_polygon": "rows that are neither point nor polygon",
    "outside_projection": "rows outside the projection",
    "outside_area": "labels outside the area",
    "no_pixel_centre": "polygons too narrow to hold a pixel centre",
    "several_classes": "pixels under labels of different classes",
    "twice": "labels of a pixel that has one already",
    "beyond_limit": "pixels beyond the limit of a polygon",
    "never_observed": "pixels without a valid observation",
    "no_observation": "points without a valid observation",
}
STYLE: Final = (
    ".pair{display:flex;flex-wrap:wrap;gap:28px;align-items:flex-start}.pair figure{max-width:340px}"
    "table.confusion{width:auto}"
    "table.confusion td{text-align:right;min-width:3.5em}td.right{font-weight:700}svg{max-width:100%;height:auto}"
    ".warn{color:var(--gap)}"
)


def render(report: FitReport) -> str:
    """Returns the page as HTML."""
    style = (resources.files("flows") / "report.css").read_text(encoding="utf-8")
    total = sum(report.counts)
    lead = (
        f"{total:,} labelled {report.sample} of {len(report.class_names)} classes, column {report.column} of "
        f"{report.source}. Every figure below is of {report.sample} that the method had not seen."
    )
    body = [
        f"<header><h1>{escape(report.title)}</h1><p>{escape(lead)}</p></header><main>",
        _warnings(report),
        *(_design(report, design) for design in report.designs),
        _areas(report),
        _labels(report),
        _facts(report),
        "</main>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(report.title)}</title><style>{style}{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def verdict(interval: Interval, figure: str) -> str:
    """Returns what a paired interval allows to say of the head against the random forest."""
    told = f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
    if not np.isfinite(interval.value):
        return f"{figure}: not defined"
    if interval.low > 0:
        return f"{figure}: the head is better than the random forest by {told}"
    if interval.high < 0:
        return f"{figure}: the random forest is better, head less forest {told}"
    return f"{figure}: no difference can be told, head less forest {told}"


def _warnings(report: FitReport) -> str:
    if not report.warnings:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.warnings)
    return f'<section><h2>Read this first</h2><ul class="warn">{lines}</ul></section>'


def _design(report: FitReport, design: Design) -> str:
    folds = design.folds
    counts = np.bincount(folds.fold, minlength=folds.num_folds)
    legend = "".join(
        f'<li><i style="background:{fold_colour(fold)}"></i>fold {fold + 1}: {number}</li>'
        for fold, number in enumerate(counts.tolist())
    )
    said = [verdict(interval, FIGURES.get(name, name)) for name, interval in design.less_forest.items()]
    said = said or ["No random forest was grown: install the extra `demo` of ringmoe-datacube (scikit-learn)."]
    buffer = f", {design.num_buffered} left out of training within {design.buffer:g} m" if design.buffer else ""
    about = (
        f"{folds.num_folds} folds of {folds.num_blocks} {folds.kind}{buffer}. Intervals are 95 %, by drawing the "
        f"{folds.kind.split(maxsplit=1)[0]} again."
    )
    rows = [
        (METHODS.get(name, name), _figure(score.overall), _figure(score.macro_f1))
        for name, score in design.scores.items()
    ]
    degrees = report.sample == "points"
    return (
        f"<section><h2>{escape(design.name)}</h2><p>{escape(about)}</p>"
        f"{_table(('method', 'overall accuracy', 'macro F1'), rows)}"
        f"<p>{escape('. '.join(said))}.</p><div class='pair'><figure>{fold_map(*report.places, folds, degrees=degrees)}"
        f"<figcaption><strong>Folds</strong><ul class='legend'>{legend}</ul></figcaption></figure>"
        f"<figure>{reliability_chart(design.before, design.after)}<figcaption><strong>Reliability</strong><span>"
        f"Expected calibration error {design.before.ece:.3f} as learnt (hollow), {design.after.ece:.3f} with the "
        f"temperature of the other folds (full); Brier {design.before.brier:.3f} and {design.after.brier:.3f}. "
        f"The head keeps temperature {report.designs[0].temperature:.3g}.</span></figcaption></figure></div>"
        f"{_classes(report.class_names, report.counts, design.scores['head'])}"
        f"{_confusion(report.class_names, design.scores['head'])}{_bins(design)}</section>"
    )


def _classes(names: Sequence[str], counts: Sequence[int], score: Accuracy) -> str:
    rows = [
        (name, f"{count:,}", _figure(score.users[k]), _figure(score.producers[k]), _figure(score.f1[k]))
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    ]
    head = ("class", "samples", "user's accuracy", "producer's accuracy", "F1")
    return f"<h4>This head, class by class</h4>{_table(head, rows)}"


def _confusion(names: Sequence[str], score: Accuracy) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    most = max(1, int(score.confusion.max()))
    rows = ""
    for i, name in enumerate(names):
        cells = "".join(
            f'<td class="{"right" if i == j else ""}" style="background:rgb(11 110 95 / '
            f'{0.55 * (number / most) ** 0.5:.2f})">{number:,}</td>'
            for j, number in enumerate(score.confusion[i].tolist())
        )
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return (
        "<h4>Confusion of this head: rows are the labels, columns the answers</h4>"
        f'<div class="wide"><table class="confusion"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def _bins(design: Design) -> str:
    rows = [(f"{row['count']:.0f}", f"{row['confidence']:.3f}", f"{row['right']:.3f}") for row in design.after.rows]
    table = _table(("samples", "mean stated confidence", "share right"), rows)
    return f"<details><summary>Reliability as a table</summary>{table}</details>"


def _areas(report: FitReport) -> str:
    if not report.areas:
        told = next(
            (note for note in report.notes if note.startswith(NO_AREAS)),
            "Not estimated: it needs a random sample of points over the region, see --random-sample.",
        )
        return "" if report.sample == "points" else f"<section><h2>Area</h2><p>{escape(told)}</p></section>"
    rows = [
        (entry.name, f"{entry.mapped_ha:,.1f}", f"{entry.estimated_ha:,.1f} \u00b1 {entry.half_width_ha:,.1f}")
        for entry in report.areas
    ]
    about = "Estimated from the labels as a random sample, mapped classes as strata (Olofsson et al. 2014), 95 %."
    table = _table(("class", "mapped, hectares", "estimated, hectares"), rows)
    return f"<section><h2>Area</h2><p>{escape(about)}</p>{table}</section>"


def _labels(report: FitReport) -> str:
    rows = [(REASONS.get(name, name), f"{number:,}") for name, number in report.skipped.items()]
    rows += [(f"class {name}: too few", f"{number:,}") for name, number in report.left_out.items()]
    body = _table(("left out", "how many"), rows) if rows else "<p>Nothing was left out.</p>"
    return f"<section><h2>What was left out</h2>{body}</section>"


def _facts(report: FitReport) -> str:
    facts = {
        f"head: {key}": f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in report.head.items()
    } | dict(report.facts)
    rows = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in facts.items())
    return f"<section><h2>Where it comes from</h2><dl class='provenance'>{rows}</dl></section>"


def _figure(interval: Interval) -> str:
    if not np.isfinite(interval.value):
        return "not defined"
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
