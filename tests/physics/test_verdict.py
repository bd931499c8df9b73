"""Pixels sampled for a verdict: which are read, what is told where they cannot be, and what becomes of the scene."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from catalogs.scenes import Asset, Scene
from pipelines.cube.verdict import CENTRES, SIDE_PLACES, Contradicted, check_offset, settle
from pipelines.grid import TargetGrid
from pipelines.physics import decide_rule
from pipelines.physics.radiometry import by_pixels

NOON = datetime(2022, 6, 1, 10, 50, tzinfo=UTC)
WEST, NORTH = 600_000.0, 5_620_000.0


def write(path, pixels, *, size=10.0, nodata=0, block=256, epsg=32631):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=pixels.shape[0],
        width=pixels.shape[1],
        dtype=pixels.dtype,
        crs=f"EPSG:{epsg}",
        transform=Affine(size, 0, WEST, 0, -size, NORTH),
        nodata=nodata,
        tiled=True,
        blockxsize=block,
        blockysize=block,
    ) as file:
        file.write(pixels, 1)
    return str(path)


def make_scene(folder, *, side=600, offset=0, claims=0, scl=4, extra=()):
    """Vegetation of a few hundredths, B02 and B04 at 10 m, B12 and SCL at 20 m."""
    rng = np.random.default_rng(5)
    half = side // 2
    planes = {
        "B02": (np.clip(rng.normal(350, 40, (side, side)), 1, None) + offset, 10.0),
        "B04": (np.clip(rng.normal(450, 60, (side, side)), 1, None) + offset, 10.0),
        "B12": (np.clip(rng.normal(1000, 90, (half, half)), 1, None) + offset, 20.0),
    }
    assets = [
        Asset(band=band, href=write(folder / f"{band}.tif", plane.astype("uint16"), size=size), offset=claims / 1e4)
        for band, (plane, size) in planes.items()
    ]
    classes = np.full((half, half), scl, dtype="uint8")
    assets.append(Asset(band="SCL", href=write(folder / "SCL.tif", classes, size=20.0)))
    return Scene(
        id=folder.name,
        collection="sentinel-2-l2a",
        sensor="sentinel-2-msi",
        time=NOON,
        time_start=NOON,
        time_end=NOON,
        footprint=((0, 0), (1, 0), (1, 1)),
        assets=(*sorted(assets, key=lambda asset: asset.band), *extra),
        platform="sentinel-2a",
    )


def grid(*, col, row, width, height, epsg=32631):
    return TargetGrid(
        epsg=epsg, resolution=10.0, x_min=WEST + 10 * col, y_max=NORTH - 10 * row, width=width, height=height
    )


@pytest.mark.parametrize(
    ("offset", "claims", "verdict"),
    [(0, 0, "agrees"), (1000, -1000, "agrees"), (0, -1000, "contradicts"), (1000, 0, "contradicts")],
)
def test_the_four_cases(tmp_path, offset, claims, verdict):
    scene = make_scene(tmp_path / "s", offset=offset, claims=claims)
    check = check_offset(scene, decide_rule(scene))
    assert check.verdict == verdict
    assert check.spacing_m == 20.0
    record = check.to_dict()
    assert record["source"]["within"] == "scene"
    assert set(record["bands"]) == {"B02", "B04", "B12"}


def test_a_large_scene_is_sampled_in_few_windows_at_full_resolution(tmp_path):
    scene = make_scene(tmp_path / "s", side=2560, offset=1000, claims=-1000)
    check = check_offset(scene, decide_rule(scene))
    assert check.verdict == "agrees"
    assert 3 <= check.num_windows <= len(CENTRES)
    assert check.finding.num_sampled == check.num_windows * SIDE_PLACES**2
    exact = {}
    for band in ("B02", "B04"):
        with rasterio.open(scene.asset(band).href) as file:
            exact[band] = file.read(1)
    assert check.finding.floors["B02"].min_dn >= exact["B02"].min()
    assert check.finding.floors["B02"].p50_dn == pytest.approx(np.median(exact["B02"]), abs=5)


def test_overviews_are_not_asked(tmp_path):
    """Averages of overviews lift the floor: a checkerboard of 1 and 2400 looks like 1200."""
    scene = make_scene(tmp_path / "s", side=1024, claims=0)
    board = np.where(np.indices((1024, 1024)).sum(axis=0) // 16 % 2, 2400, 60).astype("uint16")
    href = write(tmp_path / "s" / "B04.tif", board)
    with rasterio.open(href, "r+") as file:
        file.build_overviews([2, 4, 8, 16, 32], rasterio.enums.Resampling.average)
    check = check_offset(scene, decide_rule(scene))
    assert check.finding.floors["B04"].min_dn == 60


def test_only_the_wanted_part_is_looked_at(tmp_path):
    scene = make_scene(tmp_path / "s", side=1024, claims=0)
    bright = np.full((1024, 1024), 5000, dtype="uint16")
    bright[:, 700:] = 300
    for band in ("B02", "B04"):
        write(tmp_path / "s" / f"{band}.tif", bright)
    rule = decide_rule(scene)
    west, east = grid(col=0, row=0, width=300, height=300), grid(col=704, row=100, width=300, height=300)
    assert check_offset(scene, rule, grid=east).finding.floors["B02"].p50_dn == 300
    left = check_offset(scene, rule, grid=west)
    assert left.finding.floors["B02"].min_dn == 5000
    assert left.within == "grid"
    away = check_offset(scene, rule, grid=grid(col=5000, row=0, width=300, height=300))
    assert (away.verdict, away.finding.because) == ("no_pixels", "the scene and the area do not meet")


def test_a_grid_of_another_zone_finds_the_same_place(tmp_path):
    scene = make_scene(tmp_path / "s", side=1024, claims=0)
    left, bottom, right, top = rasterio.warp.transform_bounds(
        "EPSG:32631", "EPSG:32632", WEST + 2000, NORTH - 8000, WEST + 8000, NORTH - 2000
    )
    other = TargetGrid(
        epsg=32632,
        resolution=10.0,
        x_min=left // 10 * 10,
        y_max=top // 10 * 10,
        width=int((right - left) // 10),
        height=int((top - bottom) // 10),
    )
    assert check_offset(scene, decide_rule(scene), grid=other).verdict == "agrees"


def test_the_same_call_gives_the_same_record(tmp_path):
    scene = make_scene(tmp_path / "s", side=1024, offset=1000, claims=-1000)
    rule = decide_rule(scene)
    assert check_offset(scene, rule).to_dict() == check_offset(scene, rule).to_dict()


def test_windows_lie_inside_one_block_of_the_file(tmp_path, monkeypatch):
    scene = make_scene(tmp_path / "s", side=2048, offset=1000, claims=-1000)
    seen = []
    read = rasterio.io.DatasetReader.read

    def spy(self, *arguments, window=None, **options):
        seen.append((self.block_shapes[0], window))
        return read(self, *arguments, window=window, **options)

    monkeypatch.setattr("rasterio.io.DatasetReader.read", spy, raising=False)
    check_offset(scene, decide_rule(scene))
    assert len(seen) >= 12  # three windows of four rasters at least
    for (high, wide), window in seen:
        assert window.row_off // high == (window.row_off + window.height - 1) // high
        assert window.col_off // wide == (window.col_off + window.width - 1) // wide


def test_missing_and_damaged_files_are_told_and_never_raised(tmp_path):
    scene = make_scene(tmp_path / "s", offset=1000, claims=-1000)
    rule = decide_rule(scene)
    Path(scene.asset("B12").href).unlink()
    without = check_offset(scene, rule)
    assert without.verdict == "undecided"
    assert without.to_dict()["unreadable"]["B12"].startswith("missing")
    assert "shortwave" in without.finding.because
    for asset in scene.assets:
        Path(asset.href).unlink(missing_ok=True)
    none = check_offset(scene, rule)
    assert none.verdict == "no_pixels"
    assert "missing" in none.finding.because


def test_a_raster_cut_short_is_no_pixel(tmp_path):
    scene = make_scene(tmp_path / "s", side=2048, claims=0)
    for asset in scene.assets:
        path = Path(asset.href)
        path.write_bytes(path.read_bytes()[:5000])
    assert check_offset(scene, decide_rule(scene)).verdict == "no_pixels"


def test_nodata_of_the_item_and_saturation_are_left_out(tmp_path):
    scene = make_scene(tmp_path / "s", side=600, offset=1000, claims=-1000)
    plane = np.full((600, 600), 1400, dtype="uint16")
    plane[:200], plane[200:300], plane[300:310] = 7, 65535, 0
    write(tmp_path / "s" / "B02.tif", plane, nodata=None)
    assets = tuple(replace(asset, nodata=7) if asset.band == "B02" else asset for asset in scene.assets)
    check = check_offset(replace(scene, assets=assets), decide_rule(scene))
    assert check.finding.floors["B02"].min_dn == 0  # with another value declared, 0 is a number
    assert check.finding.floors["B02"].num_valid < check.finding.num_sampled
    assert check.finding.floors["B02"].p50_dn == 1400


def test_what_becomes_of_a_contradiction_is_configured(tmp_path):
    scene = make_scene(tmp_path / "s", claims=-1000)
    rule = decide_rule(scene)
    check = check_offset(scene, rule)
    with pytest.raises(Contradicted, match=r"-1000 by rule declared and taken_out by its pixels"):
        settle(scene.id, rule, check, "quarantine")
    assert settle(scene.id, rule, check, "metadata") is rule
    taken = settle(scene.id, rule, check, "pixels")
    assert (taken.name, taken.offset_dn) == ("pixels", 0)
    assert taken.evidence["overruled_rule"] == "declared"
    assert taken.evidence["overruled_offset_dn"] == -1000
    assert taken == by_pixels(rule, 0)


def test_contradictions_of_the_metadata_that_pixels_bear_out_go_on(tmp_path):
    scene = replace(make_scene(tmp_path / "s", claims=-1000), offset_applied=True)
    rule = decide_rule(scene)
    assert rule.contradictions
    check = check_offset(scene, rule)
    assert check.verdict == "agrees"
    assert settle(scene.id, rule, check, "quarantine") is rule


@pytest.mark.slow
def test_no_verdict_over_simulated_scenes_is_wrong():
    path = Path(__file__).parents[2] / "benchmarks" / "radiometry.py"
    spec = importlib.util.spec_from_file_location("radiometry_benchmark", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    found = benchmark.measure(num=2 * len(benchmark.LAYERS), size=96)
    assert found["scenes"] == 18
    assert found["verdicts"] == 108
    assert found["wrong"] == 0, found["wrong_list"]
    plain = found["by_layer"]["none"]
    assert plain["taken out, right"] == 27
    assert plain["left in, right"] >= 15
    undecided = sum(number for name, number in found["counts"].items() if name.endswith("undecided"))
    assert undecided < 0.6 * found["verdicts"], f"{undecided} of {found['verdicts']} undecided"
