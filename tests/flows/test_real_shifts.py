"""Co-registration on real ground: shifts planted by moving a file's origin, and shifts that nobody planted."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from skimage.registration import phase_cross_correlation

from catalogs import SceneQuery, SceneSet, search
from flows.monitor import run_region
from flows.region_file import load_region
from pipelines import build_cube, open_cube
from pipelines.cube import BuildOptions
from pipelines.cube.coregister import CoregisterOptions
from pipelines.grid import TargetGrid

DESERT = TargetGrid.from_bounds((210000.0, 2700000.0, 240000.0, 2730000.0), epsg=32629, resolution=100.0)
PRAIRIE = TargetGrid.from_bounds((485900.0, 5206245.0, 487900.0, 5208245.0), epsg=26914, resolution=5.0)
FARMS = TargetGrid.from_bounds((664000.0, 5611120.0, 665000.0, 5612120.0), epsg=32631, resolution=10.0)


def found(shared_data, grid, collection, start, end):
    query = SceneQuery(
        bbox=grid.bbox_wgs84(),
        footprint=grid.footprint_wgs84(),
        start=datetime(*start, tzinfo=UTC),
        end=datetime(*end, tzinfo=UTC),
        collections=(collection,),
    )
    return search(query, shared_data / "catalog" / "catalog.json").scenes


def moved_copy(scene, folder, *, east_m, north_m, days):
    """The same files with their origin moved: every feature lies that far from its place."""
    folder.mkdir()
    assets = []
    for asset in scene.assets:
        path = folder / Path(asset.href).name
        path.write_bytes(Path(asset.href).read_bytes())
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            file.transform = rasterio.Affine.translation(east_m, north_m) @ file.transform
        stated = {"checksum": None, "size_bytes": None, "shape": None, "transform": None}
        assets.append(dataclasses.replace(asset, href=str(path), **stated))
    times = {name: getattr(scene, name) + timedelta(days=days) for name in ("time", "time_start", "time_end")}
    return dataclasses.replace(scene, id=f"{scene.id}-moved", acquisition_id="", assets=tuple(assets), **times)


def build(scenes, grid, uri, action, **bands):
    options = BuildOptions(coregister=CoregisterOptions(action=action), **bands)
    return build_cube(SceneSet(scenes=tuple(scenes)), grid, uri, options=options)


@dataclasses.dataclass(frozen=True)
class Place:
    grid: TargetGrid
    collection: str
    group: str
    band: str
    shift_m: tuple[float, float]


PLACES = {
    "desert at 100 m": Place(DESERT, "sentinel-2-l2a", "s2", "B04", (137.0, -62.0)),
    "prairie at 5 m": Place(PRAIRIE, "naip", "vhr", "red", (7.0, -4.0)),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_planted_shift_of_real_ground_is_measured_and_undone(shared_data, tmp_path, place):
    grid, group, band, shift_m = place.grid, place.group, place.band, place.shift_m
    scene = found(shared_data, grid, place.collection, (2009, 1, 1), (2020, 6, 1))[0]
    late = moved_copy(scene, tmp_path / "moved", east_m=shift_m[0], north_m=shift_m[1], days=5)
    scene, late = (dataclasses.replace(each, cloud_cover=cloud) for each, cloud in ((scene, 0.0), (late, 50.0)))
    bands = {f"bands_{group}": (band,)}
    build([scene, late], grid, tmp_path / "measured", "measure", **bands)
    seen = open_cube(tmp_path / "measured", group).load()
    pixel = grid.resolution
    assert float(seen.shift_x_m[1]) == pytest.approx(shift_m[0], abs=0.05 * pixel)
    assert float(seen.shift_y_m[1]) == pytest.approx(shift_m[1], abs=0.05 * pixel)
    record = json.loads(str(seen.coregistration[1].item()))[late.id]
    assert record["spread_m"] < 0.1 * pixel
    build([scene, late], grid, tmp_path / "mended", "correct", **bands)
    mended = open_cube(tmp_path / "mended", group).load()
    name = next(iter(set(mended.data_vars) - {"valid", "reason"}))
    first, beside, back = (
        cube[name].isel(band=0)[date, 8:-8, 8:-8].to_numpy() for cube, date in ((seen, 0), (seen, 1), (mended, 1))
    )
    assert np.abs(back - first).mean() < 0.1 * np.abs(beside - first).mean()
    gated = build([scene, late], grid, tmp_path / "gated", "gate", **bands)
    (refused,) = [row for row in gated.outcomes if row.outcome == "skipped"]
    assert (refused.id, refused.reason) == (late.id, "misregistered")


def test_monthly_composites_of_flat_farmland_lie_on_each_other_but_one(shared_data, tmp_path):
    """Against correlation of the whole images, upsampled: another algorithm and another reader."""
    scenes = found(shared_data, FARMS, "sentinel-2-l2a", (2020, 11, 1), (2021, 11, 1))
    build(scenes, FARMS, tmp_path / "cube", "measure", bands_s2=("B04",))
    cube = open_cube(tmp_path / "cube", "s2").load()
    months = [str(time)[:7] for time in cube.time.to_numpy()]
    assert cube.attrs["coregistration_reference"] == "S2-worldcereal-be-2020-11"
    pixels = {}
    for scene in scenes:
        with rasterio.open(scene.asset("B04").href) as file:
            pixels[scene.id] = file.read(1).astype(float)
    first = pixels["S2-worldcereal-be-2020-11"]
    taper = np.outer(np.hanning(100), np.hanning(100))
    for date in range(1, len(months)):
        image = pixels[str(cube.scene_ids[date].item())]
        move, _, _ = phase_cross_correlation(
            (first - first.mean()) * taper, (image - image.mean()) * taper, upsample_factor=50, normalization=None
        )
        north_m, east_m = 10 * move[0], -10 * move[1]
        assert float(cube.shift_x_m[date]) == pytest.approx(east_m, abs=2.5), months[date]
        assert float(cube.shift_y_m[date]) == pytest.approx(north_m, abs=2.5), months[date]
    lengths = dict(zip(months, np.hypot(cube.shift_x_m, cube.shift_y_m).to_numpy(), strict=True))
    assert {month for month, length in lengths.items() if length > 5} == {"2021-05"}
    assert lengths["2021-05"] == pytest.approx(6.5, abs=1.0)


def test_two_years_of_a_prairie_do_not_agree_and_the_run_says_so(shared_data, weights, tmp_path):
    values = {
        "name": "prairie",
        "area": {"crs": "EPSG:26914", "bounds": list(PRAIRIE.bounds)},
        "resolution": 5,
        "time": {"start": "2009-01-01", "end": "2021-01-01"},
        "sources": [{"catalog": str(shared_data / "catalog" / "catalog.json"), "collections": ["naip"]}],
        "output": str(tmp_path / "out"),
        "inference": {"weights": str(weights)},
        "coregister": {"action": "measure"},
    }
    path = tmp_path / "region.yaml"
    path.write_text(json.dumps(values))
    report = run_region(load_region(path))
    assert report.status == "Completed"
    assert {row.outcome for row in report.scenes} == {"used"}
    late = open_cube(tmp_path / "out" / "cube", "vhr").isel(time=1)
    assert np.isnan(float(late.shift_x_m))
    assert any("windows must agree" in note for note in report.notes if "20200831" in note)
    assert {(row.name, row.state) for row in report.products} == {("land-cover", "not_made"), ("change", "not_made")}
    assert {row.reason for row in report.products} == {"the model knows s1 and s2, the cube holds vhr"}
    assert run_region(load_region(path)).status == "NoNewData"
