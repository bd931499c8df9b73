"""Reliability drawn: stated probability along, share that was true up, a dot a bin, its area by the pixels in it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMESPACE: Final = "http://www.w3.org/2000/svg"
SIDE: Final = 260
MARGIN: Final = 46
LARGEST: Final = 11.0
"""Radius of the bin with the most pixels, points."""

SMALLEST: Final = 2.0
COLOURS: Final = ("#8a8a8a", "#0b6e99", "#c1440e")


def reliability_svg(panels: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> str:
    """Returns an SVG with a panel a task; equal input gives equal bytes.

    Args:
        panels: Title -> name of a state (such as before, after) -> rows with count, confidence and right, as
            `Reliability.rows` gives them.
    """
    width = len(panels) * (SIDE + 2 * MARGIN)
    height = SIDE + 2 * MARGIN
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for index, (title, states) in enumerate(panels.items()):
        left = MARGIN + index * (SIDE + 2 * MARGIN)
        parts += _frame(title, left)
        for number, (name, rows) in enumerate(states.items()):
            colour = COLOURS[number % len(COLOURS)]
            parts += _dots(rows, colour, left)
            y = MARGIN + 18 + 16 * number
            parts.append(f'<circle cx="{left + 14}" cy="{y - 4}" r="4" fill="{colour}"/>')
            parts.append(f'<text x="{left + 24}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str, left: float) -> list[str]:
    bottom = MARGIN + SIDE
    parts = [
        f'<text x="{left}" y="{MARGIN - 14}" font-weight="bold">{escape(title)}</text>',
        f'<rect x="{left}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#8a8a8a"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{left + SIDE}" y2="{MARGIN}" stroke="#8a8a8a" stroke-dasharray="4 4"/>',
        f'<text x="{left + SIDE / 2}" y="{bottom + 34}" text-anchor="middle">stated, percent</text>',
    ]
    for share in (0, 50, 100):
        x, y = left + SIDE * share / 100, bottom - SIDE * share / 100
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#8a8a8a">{share}</text>')
        parts.append(f'<text x="{left - 6}" y="{y + 4}" text-anchor="end" fill="#8a8a8a">{share}</text>')
    return parts


def _dots(rows: Sequence[Mapping[str, float]], colour: str, left: float) -> list[str]:
    most = max((row["count"] for row in rows), default=1.0)
    parts = []
    for row in rows:
        x, y = left + SIDE * row["confidence"], MARGIN + SIDE * (1 - row["right"])
        radius = max(SMALLEST, LARGEST * (row["count"] / most) ** 0.5)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.6"/>')
    return parts
