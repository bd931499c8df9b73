"""The places of a run: rendered by its first process where the configuration asks for it, opened by all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning_fabric import Fabric

    from flows.train_config import TrainingConfig
    from pipelines.training.places import PlaceStore


def run_places(
    config: TrainingConfig, out: Path, fabric: Fabric, *, say: Callable[[str], None], show: bool
) -> PlaceStore:
    """Returns the store of a run; all processes call it together.

    Args:
        config: Of the run.
        out: Its folder, where the places are unless the configuration names another.
        fabric: Of `joined`.
        say: Takes a line of progress.
        show: Whether to show a bar.

    Raises:
        PlaceStoreError: There is no store, or it is damaged.
    """
    from torch import distributed

    from flows.render import place_specs, render_places
    from pipelines.training.places import PlaceStore

    folder = config.data.folder or out / "places"
    specs = place_specs(config.data.render)
    if fabric.global_rank == 0 and specs:
        started = time.monotonic()
        made = _with_bar(show, "places", lambda tell: render_places(
            specs, folder, workers=config.data.workers, on_place=tell
        ))  # fmt: skip
        if made:
            say(f"rendered {made} of {len(specs)} places in {(time.monotonic() - started) / 60:.1f} minutes")
    if fabric.world_size > 1:
        distributed.barrier()
    return PlaceStore.open(folder)


def _with_bar(show: bool, unit: str, work: Callable[[Callable[[int, int], None]], int]) -> int:
    """Runs something that tells how far it is, with a progress bar on standard error."""
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", disable=not show, desc=unit) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.n = done
            bar.refresh()

        return work(tell)
