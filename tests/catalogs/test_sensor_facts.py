"""The facts about each sensor against figures published elsewhere, and every number with its source."""

import tomllib
from importlib import resources

import pytest

from catalogs.sensors import SENSOR_NAMES, load_sensor, sensor_of, sensors_of

# GDAL's documentation of its SENTINEL2 driver, table of bands: metres, centre and width in nanometres
GDAL_TABLE = {
    "B01": (60, 443, 20),
    "B02": (10, 490, 65),
    "B03": (10, 560, 35),
    "B04": (10, 665, 30),
    "B05": (20, 705, 15),
    "B06": (20, 740, 15),
    "B07": (20, 783, 20),
    "B08": (10, 842, 115),
    "B8A": (20, 865, 20),
    "B09": (60, 945, 20),
    "B10": (60, 1375, 30),
    "B11": (20, 1610, 90),
    "B12": (20, 2190, 180),
}


def test_optical_bands_equal_the_published_table():
    bands = {
        b.id: (b.gsd_m, b.wavelength_nm, b.fwhm_nm) for b in load_sensor("sentinel-2-msi").bands if b.kind != "mask"
    }

    assert bands == GDAL_TABLE


def test_radar_wavelength_is_the_speed_of_light_over_its_frequency():
    sensor = load_sensor("sentinel-1-csar")

    assert sensor.center_frequency_ghz == 5.405
    for band in sensor.bands:
        assert band.wavelength_nm == pytest.approx(299_792_458 / 5.405e9 * 1e9, rel=1e-9)
    assert sensor.polarisations == ("VV", "VH", "HH", "HV")


def test_offset_and_scale_are_those_of_baseline_four():
    sensor = load_sensor("sentinel-2-msi")

    assert (sensor.scale, sensor.offset, sensor.offset_since_baseline) == (1e-4, -0.1, "04.00")
    assert {band.nodata for band in sensor.bands} == {0}


@pytest.mark.parametrize("name", SENSOR_NAMES)
def test_every_table_with_a_number_names_a_known_source(name):
    table = tomllib.loads(resources.files("catalogs").joinpath("facts", f"{name}.toml").read_text(encoding="utf-8"))
    tables = [entry for value in table.values() for entry in (value if isinstance(value, list) else [value])]
    numbered = [t for t in tables if isinstance(t, dict) and any(isinstance(v, (int, float)) for v in t.values())]

    assert len(numbered) >= len(table["bands"]) + 1
    for entry in numbered:
        assert entry["source"], entry
        assert set(entry["source"]) <= set(table["sources"]), entry
    assert not any(isinstance(value, (int, float)) for value in table.values()), "a number outside any table"


@pytest.mark.parametrize("name", SENSOR_NAMES)
def test_names_are_unambiguous_and_tables_are_read_once(name):
    sensor = load_sensor(name)
    spellings = [spelling for band in sensor.bands for spelling in (band.id.lower(), *band.aliases)]

    assert len(spellings) == len(set(spellings))
    assert all(spelling == spelling.lower() for spelling in spellings)
    assert load_sensor(name) is sensor
    assert sensor.name == name


@pytest.mark.parametrize(
    ("collection", "properties", "name"),
    [
        ("sentinel-2-c1-l2a", {}, "sentinel-2-msi"),
        ("sentinel-1-rtc", {}, "sentinel-1-csar"),
        ("mine", {"constellation": "Sentinel 2", "platform": "Sentinel-2A"}, "sentinel-2-msi"),
        ("mine", {"platform": "sentinel-1c"}, "sentinel-1-csar"),
        ("mine", {"instruments": ["c-sar"]}, "sentinel-1-csar"),
        ("", {"instruments": ["MSI"]}, "sentinel-2-msi"),
    ],
)
def test_the_sensor_follows_from_collection_or_properties(collection, properties, name):
    assert sensor_of(collection, properties).name == name


def test_a_known_platform_outranks_a_shared_instrument_name():
    # EarthCARE flies an imager that is called MSI too
    assert sensors_of("mine", {"platform": "earthcare", "instruments": ["msi"]}) == ()


def test_an_unknown_sensor_is_an_error_with_what_was_told():
    with pytest.raises(ValueError, match=r"collection 'naip'.*add the collection"):
        sensor_of("naip", {"instruments": ["ads80"]})
    with pytest.raises(KeyError, match="landsat"):
        load_sensor("landsat-8-oli")
    with pytest.raises(KeyError, match="B13"):
        load_sensor("sentinel-2-msi").band("B13")


def test_a_pair_of_sensors_is_told_as_two():
    assert [s.group for s in sensors_of("bigearthnet-s1-s2", {})] == ["s1", "s2"]
    with pytest.raises(ValueError, match="sentinel-1-csar', 'sentinel-2-msi"):
        sensor_of("bigearthnet-s1-s2", {})
