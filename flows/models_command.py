"""`ringmoe models`: what the presets weigh."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ringmoe_core.sizes import ModelSizes


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a preset, one a line.")] = False,
) -> None:
    """Show the size of every preset: parameters, compute and bytes to load."""
    from ringmoe_core.presets import PRESETS
    from ringmoe_core.sizes import measure_sizes

    sizes = {name: measure_sizes(preset()) for name, preset in PRESETS.items()}
    if as_json:
        for name, size in sizes.items():
            typer.echo(json.dumps({"name": name, **asdict(size)}))
    else:
        typer.echo(models_text(sizes))


def models_text(sizes: dict[str, ModelSizes]) -> str:
    """Returns the sizes as a table: parameters in millions, bytes in powers of ten."""
    rows = [_HEADS, *(_row(name, size) for name, size in sizes.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(wide) for cell, wide in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join([*lines, "", _NOTE])


_HEADS = ["preset", "total", "one modality", "after EP", "active", "dense", "GFLOP", "bf16", "one modality, bf16"]

_NOTE = """\
Parameters in millions. One modality: the one with the most channels. After EP: with a quarter of its collaborative
experts. Active: what a token meets. Dense: one feed-forward network a block. GFLOP: one image of 192 px with one
modality's experts, 2 a multiply-add."""


def _row(name: str, size: ModelSizes) -> list[str]:
    counts = (size.total, size.one_modality, size.after_ep, size.active, size.dense)
    return [
        name,
        *(f"{count / 1e6:,.1f}" for count in counts),
        f"{size.gflop_192:,.1f}",
        _bytes(size.bf16_bytes),
        _bytes(size.bf16_bytes_one_modality),
    ]


def _bytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"  # noqa: PLR2004 the next unit
