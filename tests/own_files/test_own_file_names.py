"""What a path says of a file: band, time, sensor, and which files belong together."""

from datetime import UTC, date, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogs.sensors import SENSOR_NAMES, load_sensor
from pipelines.own_files.errors import FileRefused
from pipelines.own_files.file_name import read_name
from pipelines.own_files.item import item_id
from pipelines.own_files.options import OwnFilesOptions
from pipelines.own_files.sensor_choice import choose_sensor, collection_of

SENSORS = [load_sensor(name) for name in SENSOR_NAMES]


def told(path):
    return read_name(PurePosixPath(path), SENSORS)


@pytest.mark.parametrize(
    ("path", "band", "key"),
    [
        ("field_20210601_B02.tif", "b02", ("field_20210601",)),
        ("field_20210601_B2.tif", "b2", ("field_20210601",)),
        ("field_20210601_red.TIF", "red", ("field_20210601",)),
        ("20210601-SCL.tiff", "scl", ("20210601",)),
        ("T31UFS_20210601T105031_B02_10m.tif", "b02", ("T31UFS_20210601T105031",)),
        ("LC08_L2SP_033032_20231008_20231017_02_T1_SR_B4.TIF", "sr_b4", ("LC08_L2SP_033032_20231008_20231017_02_T1",)),
        ("LC08_L2SP_033032_20231008_20231017_02_T1_QA_PIXEL.TIF", "qa_pixel", ("LC08_L2SP_033032_20231008_20231017_02_T1",)),  # noqa: E501 a product name
        ("VV_20210601.tif", "vv", ("20210601",)),
        ("2021-06-01/B04.tif", "b04", ("2021-06-01",)),
        ("B04/20210601.tif", "b04", ("20210601",)),
        ("a/2021/red_river_20210601_nir.tif", "nir", ("a", "2021", "red_river_20210601")),
        ("gamma0_vv/s_20210601.tif", "gamma0_vv", ("s_20210601",)),
        ("mystery_20210601.tif", "", ("mystery_20210601",)),
    ],
)  # fmt: skip
def test_the_band_is_found_and_taken_out(path, band, key):
    found = told(path)

    assert (found.band, found.key) == (band, key)


DAY = (datetime(2021, 6, 1, tzinfo=UTC), datetime(2021, 6, 1, 23, 59, 59, tzinfo=UTC))
MOMENT = datetime(2021, 6, 1, 10, 50, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "span"),
    [
        ("a_20210601_B02.tif", DAY),
        ("a_2021-06-01_B02.tif", DAY),
        ("a_2021_06_01_B02.tif", DAY),
        ("2021/06/x_2021.06.01.tif", DAY),
        ("2021-06-01/B02.tif", DAY),
        ("a_20210601T105031_B02.tif", (MOMENT, MOMENT)),
        ("a_20210601_105031_B02.tif", (MOMENT, MOMENT)),
        ("2021-06-01T10-50-31_B02.tif", (MOMENT, MOMENT)),
        ("a_2021-06_B02.tif", (datetime(2021, 6, 1, tzinfo=UTC), datetime(2021, 6, 30, 23, 59, 59, tzinfo=UTC))),
        ("2020-01-05/a_20210601_B02.tif", DAY),  # the name before the folder
        ("LC08_L2SP_033032_20210601_20231017_02_T1_SR_B4.TIF", DAY),  # acquisition before processing
        ("a_20210631_B02.tif", None),
        ("a_202106011_B02.tif", None),
        ("a_99999999_B02.tif", None),
        ("B02.tif", None),
    ],
)
def test_the_time_is_found(path, span):
    found = told(path).span

    assert (found and (found.start, found.end)) == span


@given(
    day=st.dates(date(1972, 1, 1), date(2099, 12, 31)),
    form=st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d"]),
)
def test_every_day_is_read_as_itself(day, form):
    assert told(f"scene_{day.strftime(form)}_B08.tif").span.start.date() == day


@pytest.mark.parametrize(
    ("path", "sensor", "platform"),
    [
        ("S2B_20210601_B02.tif", "sentinel-2-msi", "sentinel-2b"),
        ("s1a_iw_20210601_vv.tif", "sentinel-1-csar", "sentinel-1a"),
        ("LC09_L2SR_084073_20210601_02_T1_SR_B4.TIF", "landsat-oli-tirs", "landsat-9"),
        ("GF2_20210601_red.tif", "gaofen-2-pms", ""),
        ("NAIP/20210601_red.tif", "naip-aerial", ""),
        ("USS2A_20210601_B02.tif", "", ""),
    ],
)
def test_products_and_satellites_tell_the_sensor(path, sensor, platform):
    assert (told(path).sensor, told(path).platform) == (sensor, platform)


def test_a_product_name_is_kept():
    name = "S2A_MSIL2A_20210601T105031_N0500_R051_T31UFS_20230201T000000"

    assert told(f"{name}.SAFE/GRANULE/R10m/T31UFS_20210601T105031_B02_10m.tif").product == f"{name}.SAFE"


@pytest.mark.parametrize(
    ("bands", "hint", "wanted", "expected"),
    [
        (["B02", "B8A", "SCL"], "", None, "sentinel-2-msi"),
        (["sr_b4", "qa_pixel"], "", None, "landsat-oli-tirs"),
        (["vv", "vh"], "sentinel-1-csar", None, "sentinel-1-csar"),
        (["red", "green", "blue"], "", "naip-aerial", "naip-aerial"),
    ],
)
def test_the_sensor_is_the_one_that_knows_all_bands(bands, hint, wanted, expected):
    assert choose_sensor(bands, hint, wanted).name == expected


@pytest.mark.parametrize(
    ("bands", "hint", "wanted", "message"),
    [
        (["vv", "vh"], "", None, "fit gaofen-3-csar, sentinel-1-csar; name it by --sensor"),
        (["b02", "vv"], "", None, "fit none"),
        (["vv"], "", "sentinel-2-msi", "has the bands B01.*the files say vv"),
    ],
)
def test_a_sensor_that_cannot_be_told_is_refused(bands, hint, wanted, message):
    with pytest.raises(FileRefused, match=message):
        choose_sensor(bands, hint, wanted)


def test_every_sensor_has_a_collection_that_tells_it():
    from catalogs.sensors import sensors_of

    for sensor in SENSORS:
        assert sensors_of(collection_of(sensor), {}) == (sensor,)


def test_ids_hold_no_odd_characters():
    assert item_id(("a b", "föld/2021 06")) == "f-ld-2021-06"
    assert item_id(("a b", "x"), whole=True) == "a-b_x"
    assert item_id(()) == "scene"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sensor": "sentinel-9"}, "a sensor is one of"),
        ({"scale": 0.0001}, "said together"),
        ({"offset": 0.0}, "said together"),
        ({"scale": -1.0, "offset": 0.0}, "above 0"),
        ({"scale": float("nan"), "offset": 0.0}, "finite"),
        ({"time": datetime(2021, 6, 1)}, "time zone"),  # noqa: DTZ001 the fault
        ({"bands": ("red",)}, "split"),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        OwnFilesOptions(**values)
