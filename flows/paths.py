"""Where a region's results live below its output folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.config import RegionConfig


def cube_uri(config: RegionConfig) -> str:
    """Returns where a region's cube lies: where `store` says, else in its output folder."""
    return config.store or str(OutputPaths(root=config.output).cube)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPaths:
    """The layout of an output folder."""

    root: Path

    @property
    def cube(self) -> Path:
        """Icechunk repository of the cube, where the region names no other place."""
        return self.root / "cube"

    @property
    def composites(self) -> Path:
        """Icechunk repository of the composites, where the region asks for them."""
        return self.root / "composites"

    @property
    def predictions(self) -> Path:
        """Icechunk repository of the model's answers."""
        return self.root / "predictions"

    @property
    def products(self) -> Path:
        """One folder a product."""
        return self.root / "products"

    @property
    def report(self) -> Path:
        """Report of the last run."""
        return self.root / "run.json"

    @property
    def resolved(self) -> Path:
        """The region with every key written out and every path absolute."""
        return self.root / "region.resolved.yaml"

    @property
    def scenes(self) -> Path:
        """The scene set of the last search, GeoParquet."""
        return self.root / "scenes.parquet"

    @property
    def origins(self) -> Path:
        """Where the item of every scene that ever went into the cube lives."""
        return self.root / "origins.json"

    @property
    def ledger(self) -> Path:
        """One Parquet file a run."""
        return self.root / "ledger"

    @property
    def prefect(self) -> Path:
        """Home of a Prefect server started for the region."""
        return self.root / ".prefect"

    @property
    def lock(self) -> Path:
        """Held by the one run that may write."""
        return self.root / ".lock"
