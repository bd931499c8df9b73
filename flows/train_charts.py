"""Charts of a training run as SVG: curves over steps, use of experts over steps."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flows.train_health import Window

WIDTH: Final = 560
HEIGHT: Final = 220
LEFT: Final = 56
RIGHT: Final = 14
TOP: Final = 12
BOTTOM: Final = 28
POINTS: Final = 80
"""A curve is drawn as means over so many stretches at most."""

STRETCH: Final = 5
"""Steps of a stretch at least, where twenty of them are left."""

ROW: Final = 14
"""Pixels a row of the charts of experts."""


def curve_chart(points: Sequence[tuple[int, float]], title: str) -> str:
    """Returns one curve: means over stretches of steps, the range of each stretch behind them.

    Args:
        points: Step and value.
        title: What screen readers say.
    """
    finite = [(step, value) for step, value in sorted(points) if math.isfinite(value)]
    if not finite:
        return "<p>No value.</p>"
    stretches = _stretches(finite)
    low, high = min(value for _, _, value, _ in stretches), max(value for _, _, _, value in stretches)
    if high - low < 1e-12:  # noqa: PLR2004 a constant
        low, high = low - 0.5, high + 0.5
    first, last = finite[0][0], finite[-1][0]

    def x(step: float) -> float:
        return LEFT + (step - first) / max(1, last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    upper = [f"{x(step):.1f},{y(most):.1f}" for step, _, _, most in stretches]
    lower = [f"{x(step):.1f},{y(least):.1f}" for step, _, least, _ in reversed(stretches)]
    middle = " ".join(f"{x(step):.1f},{y(mean):.1f}" for step, mean, _, _ in stretches)
    ticks = [low, (low + high) / 2, high]
    grid = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text class="soft end" x="{LEFT - 6}" y="{y(value) + 4:.1f}">{value:.3g}</text>'
        for value in ticks
    )
    steps = "".join(
        f'<text class="soft {place}" x="{x(step):.1f}" y="{HEIGHT - 8}">{step:,}</text>'
        for step, place in ((first, ""), (last, "end"))
    )
    band = f'<polygon class="range" points="{" ".join(upper + lower)}"/>'
    return _svg(HEIGHT, title, f'{grid}{steps}{band}<polyline class="curve" points="{middle}"/>')


def expert_chart(windows: Sequence[Window], bank: str, modality: str) -> str:
    """Returns the share of a modality's tokens that each expert of a bank takes, a row an expert, from left to right.

    Full colour is all tokens, none is white; even use of X experts is 1 / X of the colour.

    Args:
        windows: In order.
        bank: Of the experts.
        modality: Of the tokens.
    """
    columns = [
        (window, {row.layer: row.utilisation for row in window.rows if (row.bank, row.modality) == (bank, modality)})
        for window in windows
    ]
    columns = [(window, rows) for window, rows in columns if rows]
    if not columns:
        return ""
    experts = [(layer, number) for layer in sorted(columns[0][1]) for number in range(len(columns[0][1][layer]))]
    wide = (WIDTH - LEFT - RIGHT) / len(columns)
    parts = []
    for line, (layer, number) in enumerate(experts):
        y = TOP + line * ROW
        words = f"{layer}.{number + 1}"
        parts.append(f'<text class="soft end small" x="{LEFT - 6}" y="{y + 11}">{words}</text>')
        for column, (window, rows) in enumerate(columns):
            share = rows.get(layer, ())
            if number < len(share):
                parts.append(
                    f'<rect class="share" x="{LEFT + column * wide:.1f}" y="{y}" width="{wide + 0.3:.1f}" '
                    f'height="{ROW - 2}" fill-opacity="{share[number]:.2f}"><title>{escape(window.stage)}, step '
                    f"{window.step:,}: layer {layer}, expert {number + 1}, {share[number]:.1%}</title></rect>"
                )
    height = TOP + len(experts) * ROW + 20
    parts.append(
        f'<text class="soft" x="{LEFT}" y="{height - 5}">{columns[0][0].stage}, step {columns[0][0].step:,}</text>'
    )
    end = columns[-1][0]
    parts.append(f'<text class="soft end" x="{WIDTH - RIGHT}" y="{height - 5}">{end.stage}, step {end.step:,}</text>')
    return _svg(height, f"Use of the {bank} experts by {modality} over the run", "".join(parts))


def chart_grid(charts: Mapping[str, str]) -> str:
    """Returns charts side by side, each under its title; empty ones are left out."""
    articles = "".join(f"<article><h3>{escape(title)}</h3>{svg}</article>" for title, svg in charts.items() if svg)
    return f'<div class="charts">{articles}</div>'


def _stretches(points: Sequence[tuple[int, float]]) -> list[tuple[float, float, float, float]]:
    """Middle step, mean, least and largest value of each stretch."""
    width = max(-(-len(points) // POINTS), min(STRETCH, len(points) // 20), 1)
    found = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        values = [value for _, value in part]
        found.append((sum(step for step, _ in part) / len(part), sum(values) / len(values), min(values), max(values)))
    return found


def _svg(height: float, words: str, body: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(words)}">{body}</svg>'
