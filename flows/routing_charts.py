"""Charts of a model's routing as inline SVG: no script, colours of sensors and text from the page's style sheet."""

from __future__ import annotations

import colorsys
from html import escape
from typing import TYPE_CHECKING, Final

from flows.routing_verdict import MODALITY_TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flows.routing import BankRow

WIDTH: Final = 560
LEFT: Final = 40
RIGHT: Final = 104
"""Margins of a chart over layers: the scale on one side, the names of the lines on the other."""

HUES: Final = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#f0e442", "#999999")
"""Told apart by people with any colour vision (Okabe and Ito 2008), orange and blue first."""

SHAPES: Final = ("circle", "square", "diamond", "triangle")
"""Markers of the lines, so that colour is not all that tells them apart."""


def expert_colours(num_experts: int) -> tuple[str, ...]:
    """Returns a CSS colour for each expert of a bank."""
    if num_experts <= len(HUES):
        return HUES[:num_experts]
    turns = [colorsys.hls_to_rgb(expert / num_experts, 0.55, 0.7) for expert in range(num_experts)]
    return tuple("#" + "".join(f"{round(255 * part):02x}" for part in turn) for turn in turns)


def utilisation_chart(rows: Sequence[BankRow]) -> str:
    """Returns one bar a layer and sensor, divided by experts; `rows` are of one bank."""
    left, width, step = 158, WIDTH - 166, 20
    parts, y, layer = [], 4, 0
    for row in rows:
        if row.layer != layer:
            y += 10 if layer else 0
            layer = row.layer
            parts.append(_text(0, y + 14, f"layer {layer}", "ink"))
        parts.append(_text(left - 8, y + 14, _name(row.modality), "soft end"))
        parts.append(_stack(row, left, y, width))
        y += step
    return _svg(y + 4, f"Share of tokens by expert, {rows[0].bank} bank", parts)


def entropy_chart(rows: Sequence[BankRow]) -> str:
    """Returns lines over layers of the router's entropy as a share of that of even odds; `rows` are of one bank."""
    top, height = 12, 168
    layers = sorted({row.layer for row in rows})
    parts = _frame(layers, [(top + height * (1 - tick), f"{tick:g}") for tick in (0, 0.5, 1)], top + height)
    ends = []
    for index, name in enumerate(dict.fromkeys(row.modality for row in rows)):
        points = [
            (_across(row.layer, layers), top + height * (1 - row.entropy_share), row)
            for row in rows
            if row.modality == name
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline class="line sensor{index}" points="{line}"/>')
        parts += [
            _marker(
                index, x, y, f"layer {row.layer}, {_name(name)}: {row.entropy_nats:.3f} nat, {row.entropy_share:.0%}"
            )
            for x, y, row in points
        ]
        ends.append((points[-1][1], index, _name(name)))
    parts += _line_names(ends)
    return _svg(top + height + 26, f"Entropy of the router, {rows[0].bank} bank", parts)


def load_chart(rows: Sequence[BankRow], top_k: int) -> str:
    """Returns each expert's load over an even one, layer by layer; `rows` are of one bank.

    The collaborative bank's bars are stacked by sensor; a specialised expert has one sensor only.
    """
    top, height = 12, 168
    layers = sorted({row.layer for row in rows})
    bars = {layer: _bars([row for row in rows if row.layer == layer]) for layer in layers}
    highest = max(1.5, *(sum(part for _, part, _ in bar) for some in bars.values() for bar in some))
    ticks = [(top + height * (1 - tick / highest), f"{tick:g}") for tick in (0, 1, *range(2, int(highest) + 1))]
    parts = _frame(layers, ticks, top + height)
    room = (WIDTH - LEFT - RIGHT) / len(layers)
    for layer in layers:
        wide = min(26.0, 0.84 * room / len(bars[layer]))
        x = _across(layer, layers) - wide * len(bars[layer]) / 2
        for bar in bars[layer]:
            y = float(top + height)
            for index, part, words in bar:
                y -= height * part / highest
                parts.append(
                    f'<rect class="sensor{index} column" x="{x:.1f}" y="{y:.1f}" width="{wide * 0.86:.1f}" '
                    f'height="{height * part / highest:.1f}"><title>{escape(words)}</title></rect>'
                )
            x += wide
    even = top + height * (1 - 1 / highest)
    parts.append(f'<line class="even" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{even:.1f}" y2="{even:.1f}"/>')
    names = dict.fromkeys(row.modality for row in rows)
    parts.append(_text(WIDTH - RIGHT + 8, even + 4, "even load", "soft"))
    for index, name in enumerate(names):
        parts.append(_marker(index, WIDTH - RIGHT + 14, top + 8 + 18 * index, _name(name), shape="square"))
        parts.append(_text(WIDTH - RIGHT + 24, top + 12 + 18 * index, _name(name), "ink"))
    words = f"Load of experts over an even load, {rows[0].bank} bank, {top_k} taken a token"
    return _svg(top + height + 26, words, parts)


def divergence_chart(divergences: Sequence[float]) -> str:
    """Returns a bar a layer of the Jensen-Shannon divergence in bits."""
    top, height = 16, 120
    layers = list(range(1, len(divergences) + 1))
    parts = _frame(layers, [(top + height * (1 - tick), f"{tick:g}") for tick in (0, 0.5, 1)], top + height)
    wide = min(40.0, 0.6 * (WIDTH - LEFT - RIGHT) / len(layers))
    for layer, bits in zip(layers, divergences, strict=True):
        x, y = _across(layer, layers), top + height * (1 - bits)
        parts.append(
            f'<rect class="fill" x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{height * bits:.1f}"/>'
        )
        if wide >= 20:  # noqa: PLR2004 room for the number
            parts.append(_text(x, y - 4, f"{bits:.2f}", "ink middle"))
    return _svg(top + height + 26, "Jensen-Shannon divergence between sensors, in bits, by layer", parts)


def _bars(rows: Sequence[BankRow]) -> list[list[tuple[int, float, str]]]:
    """Bars of one layer, each a stack of (sensor, height over an even load, words)."""
    num_experts = len(rows[0].load)
    if rows[0].bank == "specialised":
        return [
            [(index, row.utilisation[expert] * num_experts, _words(row, expert))]
            for index, row in enumerate(rows)
            for expert in range(num_experts)
        ]
    even = sum(sum(row.load) for row in rows) / num_experts
    return [
        [(index, row.load[expert] / even, _words(row, expert)) for index, row in enumerate(rows)]
        for expert in range(num_experts)
    ]


def _words(row: BankRow, expert: int) -> str:
    return f"layer {row.layer}, expert {expert + 1}, {_name(row.modality)}: {row.load[expert]:,} tokens"


def _stack(row: BankRow, left: float, y: float, width: float) -> str:
    parts, x = [], left
    for expert, (share, colour) in enumerate(zip(row.utilisation, expert_colours(len(row.load)), strict=True)):
        wide = share * width
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="17" fill="{colour}">'
            f"<title>{escape(_words(row, expert))}, {share:.1%}</title></rect>"
        )
        if wide > 34:  # noqa: PLR2004 room for the number
            dark = colour in {"#0072b2", "#d55e00"}
            words = f"{share:.0%}"
            parts.append(_text(x + wide / 2, y + 13, words, "middle on-dark" if dark else "middle on-light"))
        x += wide
    return "".join(parts)


def _frame(layers: Sequence[int], ticks: Iterable[tuple[float, str]], bottom: float) -> list[str]:
    """Scale lines with their numbers, and the layers' numbers below."""
    parts = []
    for y, words in ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(LEFT - 8, y + 4, words, "soft end"))
    every = -(-len(layers) // 12)
    parts += [
        _text(_across(layer, layers), bottom + 18, f"layer {layer}" if len(layers) <= 6 else str(layer), "soft middle")  # noqa: PLR2004
        for layer in layers[::every]
    ]
    return parts


def _line_names(ends: list[tuple[float, int, str]]) -> list[str]:
    """Names at the ends of lines, moved apart where lines end together."""
    parts, last = [], -100.0
    for y, index, name in sorted(ends):
        last = max(y, last + 16)
        parts.append(_text(WIDTH - RIGHT + 8, last + 4, name, f"sensor{index} name"))
    return parts


def _across(layer: int, layers: Sequence[int]) -> float:
    room = (WIDTH - LEFT - RIGHT) / len(layers)
    return LEFT + room * (layers.index(layer) + 0.5)


def _marker(index: int, x: float, y: float, words: str, *, shape: str | None = None) -> str:
    shape = shape or SHAPES[index % len(SHAPES)]
    start = f'<{{}} class="sensor{index} dot" {{}}><title>{escape(words)}</title></{{}}>'
    if shape == "circle":
        return start.format("circle", f'cx="{x:.1f}" cy="{y:.1f}" r="4.5"', "circle")
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
        "triangle": ((0, -5), (5, 4), (-5, 4)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return start.format("polygon", f'points="{points}"', "polygon")


def _name(modality: str) -> str:
    return MODALITY_TITLES.get(modality, modality)


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _svg(height: float, words: str, parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(words)}">{"".join(parts)}</svg>'
