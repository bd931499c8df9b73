"""Charts of a fit as inline SVG: the map of folds, the diagram of reliability. No script, nothing fetched."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from flows.routing_charts import HUES

if TYPE_CHECKING:
    from pipelines.training.own_labels.calibration import Calibration
    from pipelines.training.own_labels.folds import Folds

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

SIDE: Final = 320
"""Of a chart, in CSS pixels."""

MARGIN: Final = 34
MOST_MARKS: Final = 3000
"""Samples drawn on the map; of more, as many at random, so that a page stays small and no pattern is seen in it."""


def fold_colour(fold: int) -> str:
    """Returns the CSS colour of a fold."""
    return HUES[fold % len(HUES)]


def fold_map(x: Floats, y: Floats, folds: Folds, *, degrees: bool) -> str:
    """Returns the samples where they lie, north up, coloured by fold.

    Args:
        x: Metres or degrees.
        y: Likewise.
        folds: Of the same samples.
        degrees: Whether x and y are degrees; x is then drawn as long as it is at that latitude.
    """
    across = x * np.cos(np.radians(y.mean())) if degrees else x
    span = max(float(np.ptp(across)), float(np.ptp(y)), 1e-9)
    scale = (SIDE - 16) / span
    size = float(np.clip(scale * (0.002 if degrees else 10.0), 2.0, 8.0))
    drawn = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST_MARKS])
    marks = [
        f'<rect x="{8 + (across[index] - across.min()) * scale - size / 2:.1f}" '
        f'y="{8 + (y.max() - y[index]) * scale - size / 2:.1f}" width="{size:.1f}" height="{size:.1f}" '
        f'fill="{fold_colour(int(folds.fold[index]))}"/>'
        for index in drawn.tolist()
    ]
    width, height = (16 + float(np.ptp(axis)) * scale for axis in (across, y))
    return _svg(width, height, f"Map of {folds.num_folds} folds of {folds.kind}", marks)


def reliability_chart(before: Calibration, after: Calibration) -> str:
    """Returns stated confidence against the share that was right, as learnt (hollow) and with a temperature."""
    inner = SIDE - 2 * MARGIN

    def place(confidence: float, right: float) -> tuple[float, float]:
        return MARGIN + inner * confidence, MARGIN + inner * (1 - right)

    parts = [
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{inner}" fill="none" stroke="var(--line)"/>',
        f'<path d="M{MARGIN} {MARGIN + inner}l{inner} -{inner}" stroke="var(--soft)" stroke-dasharray="4 4"/>',
    ]
    parts += [
        f'<text x="{MARGIN + inner * tick:.0f}" y="{SIDE - MARGIN + 14}" text-anchor="middle">{tick:g}</text>'
        f'<text x="{MARGIN - 6}" y="{MARGIN + inner * (1 - tick) + 4:.0f}" text-anchor="end">{tick:g}</text>'
        for tick in (0, 0.5, 1)
    ]
    parts.append(f'<text x="{SIDE / 2}" y="{SIDE - 4}" text-anchor="middle">stated confidence</text>')
    parts.append(f'<text x="{MARGIN}" y="{MARGIN - 10}">share right</text>')
    for told, fill in ((before, "none"), (after, "var(--accent)")):
        most = max(row["count"] for row in told.rows)
        for row in told.rows:
            cx, cy = place(row["confidence"], row["right"])
            radius = 2 + 7 * (row["count"] / most) ** 0.5
            tip = f"{row['count']:.0f} samples: stated {row['confidence']:.2f}, right {row['right']:.2f}"
            parts.append(
                f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity="0.75" '
                f'stroke="var(--ink)"><title>{escape(tip)}</title></circle>'
            )
    return _svg(SIDE, SIDE, "Reliability: stated confidence against the share that was right", parts)


def _svg(width: float, height: float, label: str, parts: list[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(label)}" font-size="11" fill="var(--soft)">{"".join(parts)}</svg>'
    )
