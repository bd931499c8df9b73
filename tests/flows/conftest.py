"""A tiny simulated catalogue, weights that were never trained, and region files that point at them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

COLLECTIONS = ["sentinel-2-l2a", "sentinel-1-grd"]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the right form with random weights: runs are tested here, not maps."""
    import torch

    from pipelines.inference.channels import NORMALISATION_ID
    from pipelines.legend import CHANGE, LAND_COVER
    from ringmoe_core import CheckpointMetadata, RingMoE, nano, save_checkpoint

    torch.manual_seed(0)
    metadata = CheckpointMetadata(
        trained_modalities=("sar_l2", "ms"),
        normalisation=NORMALISATION_ID,
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        provenance="random",
    )
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_checkpoint(RingMoE(nano()).eval(), path, metadata=metadata)
    return path


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static catalogue of a simulated region of 64 pixels and 4 dates of either sensor; not to be written to."""
    from pipelines.simulate import RegionSpec, simulate_region, write_catalog

    region = simulate_region(RegionSpec(seed=3, size=64, num_dates=4, num_changes=(0, 0)))
    return write_catalog(region, tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def own_catalog(catalog: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue that a test may spoil."""
    shutil.copytree(catalog.parent, tmp_path / "catalog")
    return tmp_path / "catalog" / "catalog.json"


@pytest.fixture
def document(weights: Path) -> Callable[..., dict[str, object]]:
    """Makes a region over a simulated catalogue as plain values; keywords replace keys."""

    def make(catalog: Path, output: Path, **changes: object) -> dict[str, object]:
        x_min, y_max, size_m = 600_000, 5_620_000, 640
        return {
            "name": "tiny",
            "area": {"crs": "EPSG:32631", "bounds": [x_min, y_max - size_m, x_min + size_m, y_max]},
            "resolution": 10,
            "time": {"start": "2022-11-01", "end": "2023-11-01"},
            "sources": [{"catalog": str(catalog), "collections": COLLECTIONS}],
            "output": str(output),
            "inference": {"weights": str(weights), "window": 64, "stride": 48, "chunk": 64},
            **changes,
        }

    return make


@pytest.fixture
def write_region(tmp_path: Path) -> Callable[[dict[str, object]], Path]:
    """Writes a region's values as its YAML file."""

    def write(values: dict[str, object], name: str = "region.yaml") -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        return path

    return write
