"""A cloudy April over one farm in Belgium: of twelve optical dates the two clear ones carry the map.

The truth comes from the files: opened with rasterio, masked by the scene classification's own table, composited in
numpy.
"""

import json

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr

from flows.monitor import run_region
from flows.region_file import load_region
from pipelines.composite import CompositeOptions, composite_cube
from pipelines.cube import open_cube
from pipelines.cube.store import open_store

OPTICAL = tuple(f"2023-04-{day:02}" for day in (2, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 30))
RADAR = tuple(f"2023-04-{day:02}" for day in (3, 5, 8, 12, 15, 17, 20, 24, 27, 29))
CLEAR = (OPTICAL.index("2023-04-05"), OPTICAL.index("2023-04-15"))
BANDS = ("B04", "B08", "B11")
USABLE_CLASSES = (2, 4, 5, 6, 7, 11)
"""Of the scene classification: dark, vegetation, bare, water, unclassified, snow."""

CIRRUS_PX = 52
"""Of 4224 on 2023-04-05, the 1.23 % that the item states."""


def region_values(shared_data, weights, output, **changes):
    return {
        "name": "kempen",
        "area": {"crs": "EPSG:32631", "bounds": [643260, 5675820, 643900, 5676480]},
        "time": {"start": "2023-04-01", "end": "2023-05-01"},
        "sources": [
            {
                "catalog": str(shared_data / "catalog" / "catalog.json"),
                "collections": ["sentinel-2-l2a", "sentinel-1-grd"],
            }
        ],
        "output": str(output),
        "inference": {"weights": str(weights), "window": 64, "stride": 48},
        **changes,
    }


def run(values, folder):
    path = folder / "region.yaml"
    path.write_text(json.dumps(values))
    return run_region(load_region(path))


@pytest.fixture(scope="module")
def dates(shared_data):
    """Numbers of the three bands and the classes of every optical date, power of every radar date."""
    optical, radar = shared_data / "catalog" / "sentinel-2-l2a", shared_data / "catalog" / "sentinel-1-grd"

    def read(path):
        with rasterio.open(path) as file:
            return file.read(1)

    return {
        "dn": np.array([[read(optical / f"S2-gfmap-be-{day}" / f"{band}.tif") for band in BANDS] for day in OPTICAL]),
        "classes": np.array([read(optical / f"S2-gfmap-be-{day}" / "SCL.tif") for day in OPTICAL]),
        "power": np.array(
            [[read(radar / f"S1-gfmap-be-{day}" / f"{band}.tif") for band in ("VV", "VH")] for day in RADAR]
        ),
    }


@pytest.fixture(scope="module")
def region(shared_data, weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kempen")
    return run(region_values(shared_data, weights, folder / "out"), folder), folder / "out"


def test_every_item_of_the_month_is_accounted_for(region, shared_data):
    report, _ = region
    expected = {*(f"S2-gfmap-be-{day}" for day in OPTICAL), *(f"S1-gfmap-be-{day}" for day in RADAR)}
    assert report.status == "Completed"
    assert {row.id: row.outcome for row in report.scenes} == dict.fromkeys(expected, "used")
    held = pystac.Catalog.from_file(shared_data / "catalog" / "catalog.json").get_items(recursive=True)
    assert report.unmatched == len(list(held)) - len(expected)
    assert report.read_failures == ()


def test_a_date_is_usable_where_its_classes_say_so(region, dates, shared_data):
    cube = open_cube(region[1] / "cube", "s2").load()
    usable = np.isin(dates["classes"], USABLE_CLASSES)
    np.testing.assert_array_equal(cube.valid.to_numpy(), usable)
    expected = np.zeros(len(OPTICAL))
    expected[list(CLEAR)] = 1 - CIRRUS_PX / 4224, 1.0
    np.testing.assert_allclose(usable.mean(axis=(1, 2)), expected)
    for day, share in zip(OPTICAL, expected, strict=True):
        name = f"S2-gfmap-be-{day}"
        item = json.loads((shared_data / "catalog" / "sentinel-2-l2a" / name / f"{name}.json").read_text())
        assert item["properties"]["eo:cloud_cover"] == pytest.approx(100 * (1 - share), abs=0.005)


def test_no_real_date_is_said_to_contradict_itself(region):
    verdicts = [str(verdict) for verdict in open_cube(region[1] / "cube", "s2").radiometric_verdict.to_numpy()]
    assert {verdicts[index] for index in CLEAR} == {"agrees"}
    assert set(verdicts) <= {"agrees", "undecided"}


def test_the_clear_dates_meet_the_radar_of_their_day(region):
    root = open_store(region[1] / "predictions").root()
    epochs = json.loads(root.attrs["epochs"])
    assert [(OPTICAL[epoch["s2"]], RADAR[epoch["s1"]]) for epoch in epochs if epoch["s2"] is not None] == [
        ("2023-04-05", "2023-04-05"),
        ("2023-04-15", "2023-04-15"),
    ]
    assert root.attrs["unused_dates_s2"] == [index for index in range(len(OPTICAL)) if index not in CLEAR]
    assert all(epoch["s1"] is not None for epoch in epochs)


def test_every_pixel_of_the_map_counts_its_observations(region, dates):
    (path,) = (region[1] / "products" / "land-cover").glob("*/*.zarr")
    land_cover = xr.open_zarr(path, consolidated=False).load()
    num_epochs = len(json.loads(open_store(region[1] / "predictions").root().attrs["epochs"]))
    optical = np.isin(dates["classes"], USABLE_CLASSES).sum(axis=0)
    assert set(np.unique(optical)) == {1, 2}
    np.testing.assert_array_equal(land_cover.n_valid.to_numpy(), optical + num_epochs)  # one radar date an epoch
    assert not land_cover.reasons.any()
    assert (land_cover["class"] != 0).all()


@pytest.mark.parametrize("method", ["median", "medoid", "best-pixel", "first-valid"])
def test_the_month_is_made_of_the_two_clear_dates_alone(region, dates, tmp_path, method):
    composite_cube(region[1] / "cube", tmp_path / "months", options=CompositeOptions(method=method))
    made = open_cube(tmp_path / "months", "s2").load().isel(time=0)
    usable = np.isin(dates["classes"], USABLE_CLASSES)
    first, second = dates["dn"][CLEAR[0]] * 1e-4, dates["dn"][CLEAR[1]] * 1e-4
    hidden = ~usable[CLEAR[0]]
    assert hidden.sum() == CIRRUS_PX
    np.testing.assert_array_equal(made.num_valid.to_numpy(), usable.sum(axis=0))
    assert made.valid.all()
    assert not made.reason.any()
    expected, source = {
        "median": (np.where(hidden, second, (first + second) / 2), np.full(hidden.shape, -1)),
        "medoid": (np.where(hidden, second, first), np.where(hidden, CLEAR[1], CLEAR[0])),
        "first-valid": (np.where(hidden, second, first), np.where(hidden, CLEAR[1], CLEAR[0])),
        "best-pixel": (second, np.full(hidden.shape, CLEAR[1])),  # nearer to the middle, and no cloud about
    }[method]
    np.testing.assert_array_equal(made.source.to_numpy(), source)
    np.testing.assert_allclose(made.reflectance.to_numpy(), expected, rtol=0, atol=0.51e-4)  # half a step of storage


def test_radar_is_averaged_in_power(region, dates, tmp_path):
    composite_cube(region[1] / "cube", tmp_path / "months", options=CompositeOptions())
    made = open_cube(tmp_path / "months", "s1").load().isel(time=0)
    np.testing.assert_allclose(made.power.to_numpy(), dates["power"].mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert (made.num_valid == len(RADAR)).all()


def test_a_region_of_composites_maps_one_image_a_sensor(shared_data, weights, tmp_path):
    values = region_values(shared_data, weights, tmp_path / "out", composite={"period": "month"})
    report = run(values, tmp_path)
    states = {product.name: (product.state, product.reason) for product in report.products}
    assert states["land-cover"][0] == "written"
    assert states["change"] == ("not_made", "change needs 2 epochs to compare, the cube holds 1")
    (path,) = (tmp_path / "out" / "products" / "land-cover").glob("*/*.zarr")
    assert (xr.open_zarr(path, consolidated=False).n_valid == 2).all()


def test_a_margin_is_laid_around_the_real_cirrus_and_taken_off_again(region, shared_data, weights, dates, tmp_path):
    values = region_values(
        shared_data, weights, tmp_path / "out", mask={"buffer_m": 60, "shadow_buffer_m": 60}, products=["land-cover"]
    )
    run(values, tmp_path)
    plain, wide = (open_cube(folder / "cube", "s2").load() for folder in (region[1], tmp_path / "out"))
    flags = dict(zip(wide.reason.attrs["flag_meanings"].split(), wide.reason.attrs["flag_masks"], strict=True))
    buffer = np.uint16(flags["cloud_buffer"])
    np.testing.assert_array_equal(wide.reason.to_numpy() & ~buffer, plain.reason.to_numpy())
    np.testing.assert_array_equal(wide.reflectance.to_numpy(), plain.reflectance.to_numpy())
    cirrus = np.argwhere(dates["classes"][CLEAR[0]] == 10)
    rows, cols = np.indices(dates["classes"][0].shape)
    distance_px = np.sqrt(((np.stack([rows, cols], -1)[:, :, None] - cirrus) ** 2).sum(-1)).min(-1)
    margin = (wide.reason.to_numpy()[CLEAR[0]] & buffer) != 0
    np.testing.assert_array_equal(margin, (distance_px > 0) & (distance_px <= 6))
    assert margin.sum() == 270
    np.testing.assert_array_equal(wide.valid.to_numpy()[CLEAR[0]], (distance_px > 6))


def test_a_step_that_the_items_cannot_take_is_noted_for_each(shared_data, weights, tmp_path):
    values = region_values(shared_data, weights, tmp_path / "out", nbar=True, products=["land-cover"])
    report = run(values, tmp_path)
    told = [note for note in report.notes if "nbar was not applied" in note]
    assert len(told) == len(OPTICAL)
    assert all("does not state sun elevation" in note for note in told)
