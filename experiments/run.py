"""Runs claims, arm by arm and seed by seed, and keeps every row.

    python -m experiments.run NAME ... [--seeds 8] [--tiny] [--folder DIR]      or --all

What has rows is not run again: an interrupted run goes on with the next arm and seed. Rows of another setting are
refused. `--tiny` tries the machinery in seconds and writes to a folder of its own; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.registry import CLAIMS, claim
from experiments.row import Row, done, read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from experiments.claim import Claim
    from experiments.row import Measure
    from experiments.setting import Setting

RESULTS = Path(__file__).parent / "results"


def run_claim(entry: Claim, folder: Path, *, seeds: int, tiny: bool, say: Callable[[str], None] = print) -> list[Row]:
    """Returns all rows of a claim, those there already and those of the arms and seeds that were missing.

    Args:
        entry: The claim; one that is imported has nothing to run.
        folder: Of the CSV files.
        seeds: From 0.
        tiny: Whether to run at the size that tests the machinery.
        say: Takes a line of progress.

    Raises:
        ValueError: The file holds rows of another setting.
    """
    if not entry.runner:
        say(f"{entry.name} is imported from {entry.source}; nothing to run")
        return []
    module = importlib.import_module(f"experiments.runners.{entry.runner}")
    setting: Setting = module.TINY if tiny else module.SETTING
    config = config_hash(entry, setting)
    path = folder / f"{entry.name}.csv"
    rows = read_rows(path)
    others = sorted({row.config for row in rows} - {config})
    if others:
        raise ValueError(f"{path} must hold rows of setting {config} alone, got {others}; move it away to start anew")
    for seed in range(seeds):
        for arm in entry.arms:
            if (arm, seed) in done(rows):
                continue
            module.prepare(seed, setting)
            started = time.process_time()
            measures = list(module.run(arm, seed, setting))
            minutes = (time.process_time() - started) / 60
            check_measures(entry, measures)
            rows.extend(_rows(entry, arm, seed, measures, minutes=minutes, config=config))
            write_rows(path, rows)
            say(f"{entry.name}: {arm}, seed {seed}: {minutes:.1f} CPU minutes, {len(measures)} rows")
    return rows


def config_hash(entry: Claim, setting: Setting) -> str:
    """Returns twelve digits that differ wherever a setting, an arm or a condition does."""
    parts = {"name": entry.name, "arms": entry.arms, "conditions": entry.conditions, "setting": asdict(setting)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def check_measures(entry: Claim, measures: Iterable[Measure]) -> None:
    """Checks that an arm was measured under every condition, on the same scenes.

    Raises:
        ValueError: It was not.
    """
    scenes: dict[str, list[int]] = {}
    for measure in measures:
        scenes.setdefault(measure.condition, []).append(measure.scene)
    if set(scenes) != set(entry.conditions) or len({tuple(sorted(given)) for given in scenes.values()}) != 1:
        raise ValueError(f"{entry.name} measures {entry.conditions} on the same scenes, got {scenes}; mend the runner")


def commit() -> str:
    """Returns the commit of the working tree, with + where it was changed; '' outside a repository."""
    here = Path(__file__).parent
    try:
        head, changed = (
            subprocess.run(  # noqa: S603 fixed words
                ["git", "-C", str(here), *words],  # noqa: S607 git of the caller's path
                capture_output=True, text=True, check=True,
            ).stdout.strip()
            for words in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head + ("+" if changed else "")


def _rows(entry: Claim, arm: str, seed: int, measures: Iterable[Measure], *, minutes: float, config: str) -> list[Row]:
    made_by = commit()
    return [
        Row(
            claim=entry.name, arm=arm, seed=seed, condition=measure.condition, scene=measure.scene,
            value=measure.value, cpu_minutes=round(minutes, 4), commit=made_by, config=config,
        )
        for measure in measures
    ]  # fmt: skip


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="claims: " + ", ".join(entry.name for entry in CLAIMS))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seeds", type=int, help="instead of the claim's own number")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--list", action="store_true", help="the registry as JSON, one claim a line")
    options = parser.parse_args()
    if options.list:
        for entry in CLAIMS:
            sys.stdout.write(json.dumps(asdict(entry)) + "\n")
        return
    if bool(options.names) == options.all:
        parser.error("name claims, or give --all")
    import torch

    torch.set_num_threads(1)  # CPU time of one thread is what arms are compared by
    folder = options.folder or (Path("out/experiments-tiny") if options.tiny else RESULTS)
    for entry in CLAIMS if options.all else tuple(claim(name) for name in options.names):
        run_claim(entry, folder, seeds=options.seeds or entry.seeds, tiny=options.tiny)


if __name__ == "__main__":
    main()
