"""The figures of a model card, written from what runs left; prose outside the markers stays as it is.

`python -m flows.model_card docs/models/nano.md --weights nano --report out/train/nano/report.json`
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN: Final = "<!-- figures: written by flows.model_card, not by hand -->"
END: Final = "<!-- end of figures -->"

WATT_A_CORE: Final = 5.0
"""Assumed power of one busy core: the thermal design power of server processors over their cores is 3 to 7 W."""

JOULES_A_WATT_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardParts:
    """What a card is written from: documents as the commands leave them."""

    name: str
    megabytes: Mapping[str, float]
    """Size of each file, 10^6 bytes, by its name."""

    parameters: int
    heads: Mapping[str, int]
    """Parameters of each head, by its name; none where no heads lie beside the weights."""

    provenance: Mapping[str, Any]
    runs: Sequence[Mapping[str, Any]] = ()
    """`report.json` of each run of `ringmoe train`, first to last."""

    distilled: Mapping[str, Any] | None = None
    """What `ringmoe distil` leaves beside a student, before the runs."""

    calibration: Mapping[str, Any] | None = None
    tasks: Mapping[str, Any] | None = None
    """As `flows.task_figures` writes them."""

    watt_a_core: float = WATT_A_CORE
    joules: float | None = None
    """Metered for all runs together; None where nothing was metered."""


def card_figures(parts: CardParts) -> str:
    """Returns the figures as Markdown, without the markers."""
    blocks = [_files(parts)]
    if parts.distilled is not None:
        blocks.append(_distilled(parts.distilled))
    blocks += [_run(run) for run in parts.runs]
    if parts.runs:
        blocks.append(_energy(parts))
        blocks += [_held_out(run) for run in parts.runs if run.get("figures")]
    if parts.tasks is not None:
        blocks.append(_tasks(parts.tasks))
    if parts.calibration is not None:
        blocks.append(_calibration(parts.calibration))
    return "\n\n".join(blocks)


def with_figures(card: str, figures: str) -> str:
    """Returns a card with its figures replaced, or with figures at its end where it has none.

    Raises:
        ValueError: One marker is there without the other, or twice.
    """
    counts = card.count(BEGIN), card.count(END)
    block = f"{BEGIN}\n\n{figures}\n\n{END}"
    if counts == (0, 0):
        return f"{card.rstrip()}\n\n## Figures\n\n{block}\n"
    if counts != (1, 1) or card.index(BEGIN) > card.index(END):
        raise ValueError(
            f"a card has {BEGIN!r} once and {END!r} once after it, got {counts[0]} and {counts[1]}; mend the markers"
        )
    before, rest = card.split(BEGIN)
    return before + block + rest.split(END)[1]


def _files(parts: CardParts) -> str:
    sizes = ", ".join(f"`{name}` {size:.2f} MB" for name, size in parts.megabytes.items())
    lines = [f"**Files.** {sizes}; {sum(parts.megabytes.values()):.2f} MB together."]
    lines.append(f"**Parameters.** {parts.parameters:,} of the backbone with its own heads.")
    if parts.heads:
        told = ", ".join(f"{name} {count:,}" for name, count in parts.heads.items())
        lines.append(f"Heads: {told}.")
    start = parts.provenance.get("start_sha256")
    if start:
        lines.append(f"Started from the weights with SHA-256 `{start}`.")
    return "\n".join(lines)


def _distilled(found: Mapping[str, Any]) -> str:
    config = found["config"]
    return (
        f"**Distilled** from `{config['weights']}` by `{config['method']}`: {config['steps']} steps on "
        f"{config['regions']} simulated regions, seed {config['seed']}, {found['minutes']['fit']:.1f} minutes of "
        f"fitting; threads: {config['workers']}."
    )


def _run(run: Mapping[str, Any]) -> str:
    config = run["config"]
    rows = ["| data | places | seeds |", "| --- | ---: | --- |"]
    for kind, wanted in config["data"]["render"].items():
        seeds = f"{wanted['seed']} to {wanted['seed'] + wanted['places'] - 1}"
        rows.append(f"| {kind}, simulated | {wanted['places']} | {seeds} |")
    rows += [
        f"| {kind}, from a store | {count} | - |"
        for kind, count in run["places"].items()
        if kind not in config["data"]["render"]
    ]
    stages = ["| stage | learns | steps | minutes | waiting for data |", "| --- | --- | ---: | ---: | ---: |"]
    for stage, made in zip(config["stages"], run["stages"], strict=True):
        learnt = ", ".join(stage["tasks"]) if stage["learn"] == "tasks" else "images alone"
        time = f"{made['minutes']:.1f} | {made['waited']:.1%}"
        stages.append(f"| {made['name']} | {learnt} | {made['steps']} | {time} |")
    head = (
        f"**Run `{config['name']}`**, preset {config['preset']}, seed {config['seed']}: {run['processes']} "
        f"process{'es' if run['processes'] != 1 else ''} on {run['device']}, threads of each: {config['threads']}."
    )
    notes = "\n".join(f"- {note}" for note in run["notes"])
    return "\n\n".join(text for text in (head, "\n".join(rows), "\n".join(stages), notes) if text)


def _energy(parts: CardParts) -> str:
    if parts.joules is not None:
        return f"**Energy.** {parts.joules / JOULES_A_WATT_HOUR:.1f} Wh, metered (RAPL, processor packages alone)."
    if any(run["device"] != "cpu" for run in parts.runs):
        return "**Energy.** Not metered, and no estimate is made for accelerators."
    hours = sum(core_hours(run) for run in parts.runs)
    if parts.distilled is not None:
        hours += parts.distilled["minutes"]["fit"] * parts.distilled["config"]["workers"] / 60
    return (
        f"**Energy.** About {hours * parts.watt_a_core:.1f} Wh, an estimate and not metered: at most {hours:.2f} "
        f"core-hours of fitting (minutes x threads) x {parts.watt_a_core:g} W a core, which is assumed; rendering, "
        "memory and cooling are left out."
    )


def core_hours(run: Mapping[str, Any]) -> float:
    """Returns core-hours of a run's stages: their minutes times all threads, an upper bound."""
    minutes = sum(float(stage["minutes"]) for stage in run["stages"])
    return minutes * int(run["config"]["threads"]) * int(run["processes"]) / 60


def _held_out(run: Mapping[str, Any]) -> str:
    rows = [f"| held-out ground of the run `{run['config']['name']}` | |", "| --- | ---: |"]
    rows += [f"| {name} | {value:.4g} |" for name, value in run["figures"].items()]
    last = run["stages"][-1]["held_out"]
    rows += [f"| loss of {name}, validation ground | {value:.4g} |" for name, value in last.items()]
    return "\n".join(rows)


def _tasks(tasks: Mapping[str, Any]) -> str:
    from flows.task_page import HEADLINES

    first, places = tasks["plan"]["first_seed"], tasks["plan"]["places"]
    rows = [
        f"**Six tasks** on {places} unseen simulated places of each kind, seeds {first} to {first + places - 1}:",
        "",
        "| task | figure | value | 95 %, over places |",
        "| --- | --- | ---: | --- |",
    ]
    for name, found in tasks["tasks"].items():
        for key in HEADLINES[name]:
            value, ends = found["values"][key], found["intervals"].get(key)
            shown = "undefined" if value is None else f"{value:.3f}"
            rows.append(f"| {name} | {key} | {shown} | {f'{ends[0]:.3f} to {ends[1]:.3f}' if ends else '-'} |")
    return "\n".join(rows)


def _calibration(found: Mapping[str, Any]) -> str:
    seeds = found["seeds"]["unseen"]
    head = (
        f"**Confidence** on unseen simulated regions (seeds {seeds[0]} to {seeds[1]}); temperatures "
        f"{found['land_cover_temperature']:.3f} (land cover) and {found['change_temperature']:.3f} (change), threshold "
        f"of change {found['change_threshold']:g}:"
    )
    rows = [
        head,
        "",
        "| task | state | ECE | 95 % | Brier | NLL |",
        "| --- | --- | ---: | --- | ---: | ---: |",
    ]
    for task in ("land_cover", "change"):
        for state, one in found[task].items():
            low, high = one["interval"]
            numbers = f"{one['error']:.4f} | {low:.4f} to {high:.4f} | {one['brier']:.4f}"
            rows.append(f"| {task} | {state} | {numbers} | {one['negative_log_likelihood']:.4f} |")
    return "\n".join(rows)


def gather(
    weights: str,
    *,
    runs: Sequence[Path] = (),
    distilled: Path | None = None,
    tasks: Path | None = None,
    watt_a_core: float = WATT_A_CORE,
    joules: float | None = None,
) -> CardParts:
    """Reads everything that a card is written from; what lies beside the weights is found by itself.

    Raises:
        CheckpointError: The weights or their heads are damaged, or do not belong together.
        ConfigError: There are no such weights.
        OSError: A report cannot be read.
        ValueError: A report is no JSON, or is of other weights.
    """
    from flows.weights import weights_path
    from ringmoe_core import load_checkpoint
    from ringmoe_core.heads import load_heads

    path = weights_path(weights)
    loaded = load_checkpoint(path)
    beside = [path.with_suffix(f"{part}.safetensors") for part in ("", ".heads", ".novelty")]
    heads = load_heads(beside[1], loaded).heads if beside[1].is_file() else {}
    calibration = path.with_suffix(".calibration.json")
    measured = None if tasks is None else _json(tasks)
    if measured is not None and measured["weights_sha256"] != loaded.sha256:
        raise ValueError(
            f"{tasks}: figures must be of the weights with SHA-256 {loaded.sha256}, got {measured['weights_sha256']}; "
            "run flows.task_figures again"
        )
    return CardParts(
        name=path.stem,
        megabytes={one.name: one.stat().st_size / 1e6 for one in beside if one.is_file()},
        parameters=sum(value.numel() for value in loaded.model.parameters()),
        heads={name: sum(value.numel() for value in head.parameters()) for name, head in heads.items()},
        provenance=json.loads(loaded.metadata.provenance),
        runs=[_json(one) for one in runs],
        distilled=None if distilled is None else _json(distilled),
        calibration=_json(calibration) if calibration.is_file() else None,
        tasks=measured,
        watt_a_core=watt_a_core,
        joules=joules,
    )


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    from flows.errors import ConfigError
    from ringmoe_core.errors import CheckpointError

    parser = argparse.ArgumentParser(prog="python -m flows.model_card", description=__doc__)
    parser.add_argument("card", type=Path, help="card to update, Markdown")
    parser.add_argument("--weights", required=True, help="name of shipped weights, or a path")
    parser.add_argument("--report", type=Path, action="append", default=[], help="report.json of a run, once for each")
    parser.add_argument("--distilled", type=Path, help="JSON that `ringmoe distil` left")
    parser.add_argument("--tasks", type=Path, help="JSON of flows.task_figures")
    parser.add_argument("--watt-per-core", type=float, default=WATT_A_CORE, help="assumed, for the estimate of energy")
    parser.add_argument("--joules", type=float, help="metered for all runs, instead of the estimate")
    given = parser.parse_args(arguments)
    try:
        parts = gather(
            given.weights, runs=given.report, distilled=given.distilled, tasks=given.tasks,
            watt_a_core=given.watt_per_core, joules=given.joules,
        )  # fmt: skip
        card = given.card.read_text(encoding="utf-8") if given.card.exists() else f"# Model card: {parts.name}\n"
        text = with_figures(card, card_figures(parts))
    except (CheckpointError, ConfigError, OSError, ValueError) as error:
        sys.stderr.write(f"ringmoe: {error}\n")
        raise SystemExit(2) from error
    given.card.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
