"""Made-up products on a small grid, and the origin that goes with them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
import xarray as xr

from pipelines.grid import TargetGrid
from pipelines.legend import CHANGE_CODES, LAND_COVER_CODES
from pipelines.product import change, land_cover
from pipelines.publish import ItemContext, SourceScene, publish_product


@pytest.fixture(scope="session")
def grid():
    return TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612120.0, width=70, height=64)


def planted_prediction(grid):
    """Land cover in stripes of classes, a patch of flood, one corner unobserved."""
    size = grid.shape
    truth = np.indices(size)[1] * len(LAND_COVER_CODES) // size[1]
    cover = np.full((len(LAND_COVER_CODES), *size), 0.05, dtype="float32")
    np.put_along_axis(cover, truth[None], np.float32(0.70), axis=0)
    changed = np.zeros(size, dtype="int64")
    changed[30:40, 20:33] = 2
    kinds = np.full((len(CHANGE_CODES), *size), 0.05, dtype="float32")
    np.put_along_axis(kinds, changed[None], np.float32(0.85), axis=0)
    seen = np.full(size, 9, dtype="uint16")
    seen[:4, :6] = 0
    cover[:, seen == 0] = np.nan
    kinds[:, seen == 0] = np.nan
    plane = ("y", "x")
    return xr.Dataset(
        {
            "land_cover_probability": (("class", *plane), cover),
            "change_probability": (("change_class", *plane), kinds),
            "change_before": (plane, np.full(size, 18700, dtype="int32")),
            "change_after": (plane, np.full(size, 18730, dtype="int32")),
            "n_valid_s2": (plane, seen),
            "n_valid_s1": (plane, seen),
            "reason": (plane, np.where(seen, 0, 2).astype("uint16")),
        },
        coords={
            "class": list(LAND_COVER_CODES),
            "change_class": list(CHANGE_CODES),
            "y": ("y", grid.y, {"units": "m"}),
            "x": ("x", grid.x, {"units": "m"}),
            "spatial_ref": ((), np.int64(0), {"crs_wkt": grid.crs_wkt}),
        },
        attrs={"cube_uri": "cube", "cube_snapshot": "SNAP", "model_sha256": "ab" * 32},
    )


@pytest.fixture
def land(grid):
    return land_cover(planted_prediction(grid))


@pytest.fixture
def changes(grid):
    return change(planted_prediction(grid))


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Folder of a source item, outside of every output folder."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "S1-a.json").write_text("{}")
    return folder


def origin(source, out, **changed):
    facts = {
        "region": "haspengouw",
        "start": datetime(2020, 11, 1, tzinfo=UTC),
        "end": datetime(2021, 11, 1, tzinfo=UTC),
        "scenes": (
            SourceScene(id="S2-b", href="https://example.com/items/S2-b.json"),
            SourceScene(id="S1-a", href=str(source / "S1-a.json")),
        ),
        "cube_uri": str(out / "cube"),
        "cube_snapshot": "SNAP",
        "model_name": "nano",
        "model_sha256": "ab" * 32,
        "software_version": "0.1.0",
        "attribution": ("Contains modified Copernicus Sentinel data [2020-2021]",),
        "run_id": "run-1",
    }
    return ItemContext(**{**facts, **changed})


@pytest.fixture
def out(tmp_path):
    """The output folder, with its cube."""
    (tmp_path / "out" / "cube").mkdir(parents=True)
    return tmp_path / "out"


@pytest.fixture
def make_context(source, out):
    return partial(origin, source, out)


@pytest.fixture
def context(make_context):
    return make_context()


@pytest.fixture(scope="session")
def both_products(tmp_path_factory, source, grid):
    """An output folder with both products, written once; read it, never write to it."""
    folder = tmp_path_factory.mktemp("built") / "out"
    (folder / "cube").mkdir(parents=True)
    prediction = planted_prediction(grid)
    for name, dataset in (("land-cover", land_cover(prediction)), ("change", change(prediction))):
        publish_product(dataset, name=name, folder=folder, context=origin(source, folder))
    return folder
