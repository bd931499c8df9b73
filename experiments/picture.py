"""One picture a claim: every arm's mean under each condition, a dot each seed, the bar over seeds and scenes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.claim import Claim
    from experiments.row import Row

WIDTH, LEFT, TOP, ROW, GAP = 760, 190, 34, 18, 12
RIGHT = 40
NAMESPACE = "http://www.w3.org/2000/svg"
DRAWS = 1000
INK, FAINT, LINE = "#1b1b1b", "#8a8a8a", "#dddddd"
COLOURS = ("#0b6e99", "#c1440e", "#5a7d2a", "#7a3e9d", "#8a6d00")


def draw_claim(claim: Claim, rows: Sequence[Row]) -> str:
    """Returns an SVG; equal rows give equal bytes."""
    height = TOP + len(claim.conditions) * (len(claim.arms) * ROW + GAP) + 30
    values = np.array([row.value for row in rows if not np.isnan(row.value)])
    means = [
        _by_seed(rows, arm, name).mean() for arm in claim.arms for name in claim.conditions if _has(rows, arm, name)
    ]
    low, high = _range(means, values)
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" fill="{INK}" font-weight="bold">{escape(claim.name)}: {escape(claim.metric)}</text>',
    ]
    for mark in np.linspace(low, high, 5):
        x = _x(mark, low, high)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height - 24}" stroke="{LINE}"/>')
        parts.append(f'<text x="{x}" y="{height - 8}" fill="{FAINT}" text-anchor="middle">{mark:.3f}</text>')
    y = TOP + 6
    for name in claim.conditions:
        for index, arm in enumerate(claim.arms):
            if _has(rows, arm, name):
                label = f"{arm}, {name}" if len(claim.conditions) > 1 else arm
                parts += _line(_table(rows, arm, name), label, COLOURS[index % len(COLOURS)], y, (low, high))
            y += ROW
        y += GAP
    return "\n".join([*parts, "</svg>", ""])


def _line(table: dict[int, list[float]], label: str, colour: str, y: float, ends: tuple[float, float]) -> list[str]:
    low, high = ends
    by_seed = np.array([np.mean(values) for values in table.values()])
    first, last = _interval(table)
    ends_at = f'x1="{_x(first, low, high)}" x2="{_x(last, low, high)}" y1="{y}" y2="{y}"'
    parts = [
        f'<text x="{LEFT - 10}" y="{y + 4}" fill="{INK}" text-anchor="end">{escape(label)}</text>',
        f'<line {ends_at} stroke="{colour}" stroke-width="3" stroke-opacity="0.45"/>',
    ]
    parts += [f'<circle cx="{_x(v, low, high)}" cy="{y}" r="2" fill="{colour}" fill-opacity="0.6"/>' for v in by_seed]
    return [*parts, f'<circle cx="{_x(by_seed.mean(), low, high)}" cy="{y}" r="4.5" fill="{colour}"/>']


def _interval(table: dict[int, list[float]]) -> tuple[float, float]:
    """95 % of the mean, seeds and scenes drawn again."""
    values = np.array([row[: min(len(r) for r in table.values())] for row in table.values()])
    random = np.random.default_rng(0)
    seeds = random.integers(values.shape[0], size=(DRAWS, values.shape[0], 1))
    scenes = random.integers(values.shape[1], size=(DRAWS, 1, values.shape[1]))
    low, high = np.quantile(values[seeds, scenes].mean(axis=(1, 2)), [0.025, 0.975])
    return float(low), float(high)


def _table(rows: Sequence[Row], arm: str, condition: str) -> dict[int, list[float]]:
    table: dict[int, list[float]] = {}
    for row in sorted(rows, key=lambda entry: (entry.seed, entry.scene)):
        if row.arm == arm and row.condition == condition and not np.isnan(row.value):
            table.setdefault(row.seed, []).append(row.value)
    return table


def _by_seed(rows: Sequence[Row], arm: str, condition: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([np.mean(values) for values in _table(rows, arm, condition).values()])


def _has(rows: Sequence[Row], arm: str, condition: str) -> bool:
    return bool(_table(rows, arm, condition))


def _range(means: Sequence[float], values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    room = max(float(np.ptp(means)), float(values.std()), 1e-3)
    return max(0.0, min(means) - 0.6 * room), max(means) + 0.6 * room


def _x(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low)
    return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)
