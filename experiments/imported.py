"""Rows of claims whose figures were measured by another program."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from experiments.row import Row

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.claim import Claim

CODES = (10, 30, 40, 50, 60, 80, 90)


def pruning_rows(claim: Claim, path: Path) -> list[Row]:
    """Returns the mean IoU of each student on each scene, from counts by class.

    IoU = hit / (claimed + true - hit), over the classes that a scene has or that were claimed there.
    """
    rows = []
    with path.open(newline="", encoding="utf-8") as handle:
        for entry in csv.DictReader(handle):
            if entry["arm"] not in claim.arms or entry["stage"] not in claim.conditions:
                continue
            hit, said, true = (
                np.array([float(entry[f"{kind}_{code}"]) for code in CODES]) for kind in ("hit", "claimed", "true")
            )
            union = said + true - hit
            value = float((hit[union > 0] / union[union > 0]).mean())
            rows.append(
                Row(
                    claim=claim.name, arm=entry["arm"], seed=int(entry["seed"]), condition=entry["stage"],
                    scene=int(entry["scene"]), value=value, cpu_minutes=float("nan"), commit="", config="imported",
                )
            )  # fmt: skip
    return rows
