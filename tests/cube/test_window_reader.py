"""What the reader gives equals the stored values where it may, and GDAL's warp elsewhere, in whatever block."""

import pickle
import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import GRID, write_raster
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from catalogs import Asset
from pipelines.cube.load import Plane, open_scene, read_header
from pipelines.cube.resampling import choose_resampling
from pipelines.cube.tile_read import OpenFiles, RasterPart, TileReader
from pipelines.grid import Block, TargetGrid

WIDE = TargetGrid(epsg=32631, resolution=10.0, x_min=664000.0, y_max=5612000.0, width=1300, height=1100)
TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "predictor": 2}


def plane(href, *, grid=WIDE, meaning="quantity", nodata=None, band="B02"):
    asset = Asset(band=band, href=str(href), nodata=nodata)
    header = read_header(asset, "scene")
    return Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))


def scene(*planes, grid=WIDE, reader="windows"):
    return open_scene("scene", {p.asset.band: p for p in planes}, grid, chunk=256, reader=reader)


def whole_of(grid):
    return Block(row=0, col=0, height=grid.height, width=grid.width)


def random_numbers(shape, seed=0, dtype="uint16", low=1, high=9000):
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def on_lattice(path, *, size=10.0, rows=1400, cols=1500, up=130, left=-70, dtype="uint16", **options):
    """A raster on the grid's lattice, shifted by whole pixels of its own."""
    pixels = random_numbers((rows, cols), dtype=dtype)
    corner = (WIDE.x_min - left * size, WIDE.y_max + up * size)
    return write_raster(path, pixels, corner=corner, size=size, **{**TILED, **options}), pixels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
def test_values_on_the_lattice_are_rasterios_bit_for_bit(tmp_path, dtype):
    href, _ = on_lattice(tmp_path / "a.tif", dtype=dtype, predictor=1)
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]

    with rasterio.open(href) as file:
        theirs = file.read(1, window=rasterio.windows.Window(0, 130, WIDE.width - 70, WIDE.height))
    stored = np.ascontiguousarray(read[:, 70:]).astype(dtype, copy=False)
    assert stored.tobytes() == theirs.tobytes()
    outside = read[:, :70]
    assert np.isnan(outside).all() if dtype == "float32" else (outside == 0).all()


@pytest.mark.parametrize(("size", "repeat"), [(20.0, 2), (60.0, 6)])
def test_larger_pixels_are_repeated(tmp_path, size, repeat):
    href, pixels = on_lattice(tmp_path / "a.tif", size=size, rows=400, cols=420, up=10, left=0)
    read = scene(plane(href)).read(Block(row=3, col=5, height=700, width=801))["B02"]
    expected = np.kron(pixels, np.ones((repeat, repeat), "uint16"))[10 * repeat :][3:703, 5:806]
    np.testing.assert_array_equal(read, expected)


def test_both_readers_agree_on_the_lattice(tmp_path):
    href, _ = on_lattice(tmp_path / "a.tif", nodata=7)
    coarse, _ = on_lattice(tmp_path / "b.tif", size=20.0, rows=500, cols=600, up=20)
    planes = (plane(href), plane(coarse, band="B05"))
    ours, theirs = (scene(*planes, reader=name).read(whole_of(WIDE)) for name in ("windows", "stackstac"))
    for band in ("B02", "B05"):
        np.testing.assert_array_equal(ours[band], theirs[band])


@pytest.mark.parametrize(
    ("dtype", "stored", "declared", "value"),
    [
        ("uint16", 65535, None, 65535),
        ("uint16", None, 65535, 65535),
        ("uint16", 65535, 0, 0),
        ("float32", -9999.0, None, np.nan),
        ("float32", None, -9999.0, np.nan),
        ("float32", np.nan, None, np.nan),
    ],
)
def test_a_file_may_name_its_nodata_or_the_item(tmp_path, dtype, stored, declared, value):
    pixels = random_numbers(WIDE.shape, dtype=dtype)
    hole = stored if stored is not None else declared
    pixels[100:200, 300:400] = hole
    href = write_raster(tmp_path / "a.tif", pixels, nodata=stored, **{**TILED, "predictor": 1})
    read = scene(plane(href, nodata=declared)).read(whole_of(WIDE))["B02"]
    np.testing.assert_array_equal(read[100:200, 300:400], np.full((100, 100), value))
    pixels[100:200, 300:400] = value
    np.testing.assert_array_equal(read, pixels)


def next_zone(path, pixels, *, nodata=None, size=10.0, **options):
    """A raster of zone 32 that covers the middle of the grid but not its edges."""
    corner = (245000.0 - 3.7, 5620500.0 + 1.3)
    return write_raster(path, pixels, epsg=32632, corner=corner, size=size, nodata=nodata, **{**TILED, **options})


def gdal_warp(href, *, method="bilinear", grid=WIDE, nodata=None):
    place = {"crs": grid.epsg, "transform": Affine(*grid.transform), "width": grid.width, "height": grid.height}
    fill = {} if nodata is None else {"src_nodata": nodata, "nodata": nodata}
    with (
        rasterio.open(href) as file,
        WarpedVRT(
            file,
            resampling=Resampling[method],
            tolerance=1e-3,
            XSCALE=1,
            YSCALE=1,
            add_alpha=nodata is None,
            **fill,
            **place,
        ) as vrt,
    ):
        pixels = vrt.read(1)
        valid = vrt.read(2) > 0 if nodata is None else ~(np.isnan(pixels) if np.isnan(nodata) else pixels == nodata)
    return pixels, valid


def smooth(shape, seed=1):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return 3000 + 900 * np.sin(rows / 23) + 700 * np.cos(cols / 31) + 0.3 * rows


@pytest.mark.parametrize("nodata", [None, 0])
def test_bilinear_integers_are_gdals_within_a_step(tmp_path, nodata):
    pixels = smooth((1500, 1300)).astype("uint16")
    if nodata is not None:
        pixels[400:700, 500:640] = nodata
        pixels[np.random.default_rng(0).random(pixels.shape) < 0.02] = nodata
    href = next_zone(tmp_path / "a.tif", pixels, nodata=nodata)
    ours = scene(plane(href)).read(whole_of(WIDE))["B02"]
    theirs, valid = gdal_warp(href, nodata=nodata)

    # at the edge of the valid area a thousandth of a pixel decides whether there is a value
    assert ((ours != 0) != valid).mean() < 2e-5
    both = (ours != 0) & valid
    assert both.mean() > 0.4
    difference = np.abs(ours[both].astype(int) - theirs[both])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_bilinear_floats_are_gdals(tmp_path):
    pixels = (smooth((1500, 1300)) / 3e4).astype("float32")
    pixels[400:700, 500:640] = np.nan
    href = next_zone(tmp_path / "a.tif", pixels, nodata=np.nan, predictor=3)
    ours = scene(plane(href)).read(whole_of(WIDE))["B02"]
    theirs, valid = gdal_warp(href, nodata=np.nan)
    assert (np.isfinite(ours) != valid).mean() < 2e-5
    both = np.isfinite(ours) & valid
    slope = np.abs(np.gradient(pixels[:400].astype("float64"))).max()
    assert np.abs(ours[both] - theirs[both]).max() < 0.003 * slope * 2 + 1e-6


def test_classes_are_the_nearest_exactly(tmp_path):
    pixels = random_numbers((1500, 1300), dtype="uint8", low=1, high=12)
    href = next_zone(tmp_path / "scl.tif", pixels)
    ours = scene(plane(href, meaning="class", band="SCL")).read(whole_of(WIDE))["SCL"]
    theirs, valid = gdal_warp(href, method="nearest")
    differ = (ours != np.where(valid, theirs, 0)).mean()
    # only where a place lies within GDAL's thousandth of a pixel of an edge between two pixels
    assert differ < 4e-3
    import pyproj

    rows, cols = np.mgrid[: WIDE.height, : WIDE.width] + 0.5
    x, y = pyproj.Transformer.from_crs(32631, 32632, always_xy=True).transform(
        WIDE.x_min + cols * 10, WIDE.y_max - rows * 10
    )
    with rasterio.open(href) as file:
        col, row = ~file.transform @ (x, y)
    inside = (col >= 0) & (col < 1300) & (row >= 0) & (row < 1500)
    clear = np.minimum(np.abs(col - np.rint(col)), np.abs(row - np.rint(row))) > 1e-3
    sure = inside & clear
    assert sure.mean() > 0.4
    np.testing.assert_array_equal(ours[sure], pixels[row[sure].astype(int), col[sure].astype(int)])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("uint16", 65535), ("int16", -9999), ("float32", -3.4e38)]
)
def test_nodata_never_bleeds_into_a_value(tmp_path, dtype, nodata):
    rng = np.random.default_rng(5)
    pixels = rng.integers(1000, 1100, (1500, 1300)).astype(dtype)
    pixels[rng.random(pixels.shape) < 0.3] = nodata
    href = next_zone(tmp_path / "a.tif", pixels, nodata=nodata, predictor=1)
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]
    valid = np.isfinite(read) if dtype == "float32" else read != nodata
    assert 0.3 < valid.mean() < 1
    assert read[valid].min() > 999.999
    assert read[valid].max() < 1099.001


def test_a_mean_that_equals_the_fill_value_stays_a_value(tmp_path):
    pixels = np.where(np.indices((1500, 1300)).sum(axis=0) % 2, -5, 5).astype("int16")
    href = next_zone(tmp_path / "a.tif", pixels, nodata=0, predictor=1)
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]
    _, valid = gdal_warp(href, nodata=0)
    both = valid[200:-200, 200:-200]
    assert both.mean() > 0.4
    assert ((read != 0) == valid)[200:-200, 200:-200].mean() > 0.9999


@pytest.mark.parametrize("nodata", [None, 0])
def test_whole_numbers_of_smaller_pixels_are_averaged_as_gdal_does(tmp_path, nodata):
    pixels = random_numbers((2400, 2800))
    if nodata is not None:
        pixels[np.random.default_rng(0).random(pixels.shape) < 0.3] = nodata
    # the grid's first pixel begins 3 pixels within the raster: squares are not anchored to the raster's corner
    href = write_raster(
        tmp_path / "a.tif", pixels, corner=(WIDE.x_min - 15.0, WIDE.y_max + 15.0), size=5.0, nodata=nodata, **TILED
    )
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]
    cells = pixels[3:2203, 3:2603].reshape(1100, 2, 1300, 2).astype(float)
    cells[cells == (-1 if nodata is None else nodata)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        count = np.isfinite(cells).sum(axis=(1, 3))
        expected = np.floor(np.nansum(cells, axis=(1, 3)) / count + 0.5)
    np.testing.assert_array_equal(read, np.where(count, expected, 0))


CHUNKED = {}


@pytest.mark.parametrize("kind", ["lattice", "repeated", "averaged", "bilinear", "nearest", "finer"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_value_hangs_on_the_block(tmp_path_factory, kind, data):
    if kind not in CHUNKED:
        folder = tmp_path_factory.mktemp(kind)
        pixels = random_numbers((1500, 1300))
        pixels[np.random.default_rng(0).random(pixels.shape) < 0.1] = 0
        meaning = "class" if kind == "nearest" else "quantity"
        href = {
            "lattice": lambda: on_lattice(folder / "a.tif", nodata=5)[0],
            "repeated": lambda: on_lattice(folder / "a.tif", size=60.0, rows=200, cols=240, up=3, left=-5)[0],
            "averaged": lambda: on_lattice(folder / "a.tif", size=2.0, rows=2500, cols=2700, up=3, left=-500, nodata=9)[
                0
            ],
            "bilinear": lambda: next_zone(folder / "a.tif", pixels, nodata=0),
            "nearest": lambda: next_zone(folder / "a.tif", pixels, nodata=0),
            "finer": lambda: next_zone(folder / "a.tif", random_numbers((2600, 2500)), nodata=0, size=3.0),
        }[kind]()
        made = scene(plane(href, meaning=meaning))
        CHUNKED[kind] = made, made.read(whole_of(WIDE))["B02"]
    made, whole = CHUNKED[kind]
    assert (whole != 0).mean() > 0.05
    row, col = data.draw(st.integers(0, WIDE.height - 1)), data.draw(st.integers(0, WIDE.width - 1))
    height = data.draw(st.integers(1, min(600, WIDE.height - row)))
    width = data.draw(st.integers(1, min(600, WIDE.width - col)))
    block = Block(row=row, col=col, height=height, width=width)
    np.testing.assert_array_equal(made.read(block)["B02"], whole[block.slices])


def test_a_finer_raster_is_averaged_before_it_is_warped(tmp_path):
    """Noise of 3 m pixels must shrink as its mean does: sampled instead of averaged it would keep its spread."""
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 10, (3000, 3000)).astype("float32")
    href = next_zone(tmp_path / "a.tif", pixels, size=3.0, predictor=3)
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]
    inside = read[np.isfinite(read)]
    assert inside.size > 100_000
    assert inside.mean() == pytest.approx(100, abs=0.05)
    # nine pixels are averaged, and the bilinear mean of four of those lowers the spread to two thirds or less
    assert 1.5 < inside.std() < 10 / 3


def test_from_threads_as_from_one(tmp_path):
    href = next_zone(tmp_path / "a.tif", random_numbers((1500, 1300)), nodata=0)
    made = scene(plane(href), plane(href, band="B03"))
    whole = made.read(whole_of(WIDE))
    found = {}

    def work(start):
        for row in range(start, WIDE.height, 400):
            block = Block(row=row, col=0, height=min(100, WIDE.height - row), width=WIDE.width)
            found[row] = made.read(block)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row, pixels in found.items():
        for band in ("B02", "B03"):
            np.testing.assert_array_equal(pixels[band], whole[band][row : row + 100])


def test_a_scene_can_be_sent_to_another_process(tmp_path):
    href = next_zone(tmp_path / "a.tif", random_numbers((1500, 1300)), nodata=0)
    made = scene(plane(href))
    block = Block(row=500, col=500, height=64, width=64)
    before = made.read(block)["B02"]
    sent = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(sent.read(block)["B02"], before)


@pytest.mark.parametrize("shift", [0, 100])
def test_each_tile_is_decoded_once(tmp_path, shift):
    """Chunks that cut through tiles, row by row, and warped ones: no tile is decoded for each chunk it touches."""
    pixels = random_numbers((1536, 1536))
    corner = (WIDE.x_min - shift * 10, WIDE.y_max + shift * 10)
    href = write_raster(tmp_path / "a.tif", pixels, corner=corner, **{**TILED, "blockxsize": 512, "blockysize": 512})
    made = scene(plane(href))
    for row in range(0, WIDE.height, 256):
        for col in range(0, WIDE.width, 256):
            made.read(Block(row=row, col=col, height=min(256, WIDE.height - row), width=min(256, WIDE.width - col)))
    assert made.reader.tiles.num_decoded[href] <= 1536 * 1536


def test_open_files_are_bounded_and_used_again(tmp_path):
    hrefs = [on_lattice(tmp_path / f"{index}.tif", rows=64, cols=64)[0] for index in range(5)]
    files = OpenFiles(most_idle=2)
    parts = [RasterPart(href=href, shape=(64, 64), dtype=np.dtype("uint16"), fill=0.0) for href in hrefs]
    seen = []
    for part in (*parts, parts[-1]):
        with files.lend(part) as raster:
            seen.append(raster)
    assert seen[-1] is seen[-2]
    assert [raster.closed for raster in seen[:5]] == [True, True, True, False, False]


def test_a_bound_on_kept_tiles_costs_time_and_changes_nothing(tmp_path):
    pixels = random_numbers((1536, 1536))
    href = write_raster(tmp_path / "a.tif", pixels, **TILED)
    part = RasterPart(href=href, shape=(1536, 1536), dtype=np.dtype("uint16"), fill=0.0)
    tight, wide = TileReader(most_bytes=1), TileReader()
    for rows, cols in (((10, 700), (300, 900)), ((600, 1300), (1, 1535)), ((10, 700), (300, 900))):
        for tiles in (tight, wide):
            np.testing.assert_array_equal(tiles.window(part, rows, cols), pixels[slice(*rows), slice(*cols)])
    assert tight.num_decoded[href] > wide.num_decoded[href]


def with_overviews(path, pixels, resampling, *, nodata=None, size=5.0):
    corner = (WIDE.x_min - 4 * size, WIDE.y_max + 4 * size)
    href = write_raster(path, pixels, corner=corner, size=size, nodata=nodata, **TILED)
    with rasterio.open(href, "r+") as file:
        file.build_overviews([2, 4], resampling)
    return href


def uneven(shape):
    rng = np.random.default_rng(2)
    return (smooth(shape) + rng.normal(0, 60, shape)).astype("uint16")


def test_averaged_overviews_stand_for_averages(tmp_path):
    pixels = uneven((2304, 2816))
    href = with_overviews(tmp_path / "a.tif", pixels, Resampling.average)
    made = scene(plane(href))
    read = made.read(whole_of(WIDE))["B02"]
    means = pixels[4:2204, 4:2604].reshape(1100, 2, 1300, 2).mean(axis=(1, 3))
    assert np.abs(read - means).max() <= 0.5
    # the proof reads some parts of the full raster; the rest comes from the overview
    assert made.reader.tiles.num_decoded[href] < 0.6 * pixels.size


@pytest.mark.parametrize("resampling", [Resampling.nearest, Resampling.bilinear, Resampling.cubic, Resampling.mode])
def test_overviews_of_another_kind_are_not_taken_for_averages(tmp_path, resampling):
    pixels = uneven((2304, 2816))
    href = with_overviews(tmp_path / "a.tif", pixels, resampling)
    read = scene(plane(href)).read(whole_of(WIDE))["B02"]
    means = pixels[4:2204, 4:2604].reshape(1100, 2, 1300, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(read, np.floor(means + 0.5))


def test_flat_ground_proves_nothing(tmp_path):
    href = with_overviews(tmp_path / "a.tif", np.full((2304, 2816), 7, "uint16"), Resampling.average)
    made = scene(plane(href))
    assert (made.read(whole_of(WIDE))["B02"] == 7).all()
    assert made.reader.tiles.num_decoded[href] > 0.8 * 2200 * 2600


def test_the_grid_of_a_date_may_lie_beside_a_raster(tmp_path):
    href = next_zone(tmp_path / "a.tif", random_numbers((300, 300)), nodata=0)
    far = TargetGrid(epsg=32631, resolution=10.0, x_min=364000.0, y_max=5312000.0, width=40, height=30)
    assert not scene(plane(href, grid=far), grid=far).read(whole_of(far))["B02"].any()
    assert not scene(plane(href, grid=GRID), grid=GRID).read(whole_of(GRID))["B02"].any()


def test_a_build_reads_by_the_reader_that_is_named(tmp_path):
    from made_scenes import optical_scene, scene_set

    from pipelines.cube import BuildOptions, build_cube, open_cube

    found = scene_set(optical_scene(tmp_path, "a"))
    cubes = []
    for name in ("windows", "stackstac"):
        build_cube(found, GRID, tmp_path / name, options=BuildOptions(reader=name))
        cubes.append(open_cube(tmp_path / name).load())
    np.testing.assert_array_equal(cubes[0].reflectance, cubes[1].reflectance)
    np.testing.assert_array_equal(cubes[0].reason, cubes[1].reason)
    with pytest.raises(ValueError, match="windows, stackstac"):
        BuildOptions(reader="rasterio")
