"""The facts about each sensor against figures published elsewhere, and every number with its source."""

import json
import math
import tomllib
from collections import Counter
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

# STAC eo extension 2.0, table of common names: limits of the band in nanometres
STAC_RANGES = {
    "pan": (400, 1000),
    "coastal": (400, 450),
    "blue": (450, 530),
    "green": (510, 600),
    "yellow": (580, 620),
    "red": (620, 690),
    "rededge": (690, 790),
    "rededge071": (690, 730),
    "rededge075": (730, 760),
    "rededge078": (760, 790),
    "nir": (760, 1000),
    "nir08": (750, 900),
    "nir09": (850, 1050),
    "cirrus": (1350, 1400),
    "swir16": (1550, 1750),
    "swir22": (2080, 2350),
    "lwir11": (10500, 11500),
}

# RTTOV 13, README of the coefficients of Sentinel-2A: central wavelength of channels 1 to 7, in whole nanometres
RTTOV_S2A = {"B01": 442, "B02": 490, "B03": 559, "B04": 664, "B05": 704, "B06": 740, "B07": 783}

SPEED_OF_LIGHT_M_S = 299_792_458
RADARS = {"sentinel-1-csar": 5.405, "gaofen-3-csar": 5.4, "capella-xsar": 9.65}


def table_of(name):
    return tomllib.loads(resources.files("catalogs").joinpath("facts", f"{name}.toml").read_text(encoding="utf-8"))


def tables_in(value):
    """Every table of a TOML document, however deep."""
    if isinstance(value, dict):
        yield value
        for entry in value.values():
            yield from tables_in(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from tables_in(entry)


def planck_irradiance(wavelength_nm):
    """Irradiance of a black body of 5772 K and the sun's size at one astronomical unit, W m-2 um-1."""
    h, c, k = 6.62607015e-34, SPEED_OF_LIGHT_M_S, 1.380649e-23
    wavelength_m = wavelength_nm * 1e-9
    radiance = 2 * h * c**2 / wavelength_m**5 / math.expm1(h * c / (wavelength_m * k * 5772))
    return math.pi * radiance * (6.957e8 / 1.495978707e11) ** 2 * 1e-6


def test_optical_bands_equal_the_published_table():
    bands = {b.id: (b.gsd_m, b.wavelength_nm, b.fwhm_nm) for b in load_sensor("sentinel-2-msi").bands if b.fwhm_nm}

    assert bands == GDAL_TABLE


@pytest.mark.parametrize(("name", "frequency_ghz"), RADARS.items())
def test_radar_wavelength_is_the_speed_of_light_over_its_frequency(name, frequency_ghz):
    sensor = load_sensor(name)

    assert sensor.center_frequency_ghz == frequency_ghz
    for band in (band for band in sensor.bands if band.kind == "power"):
        assert band.wavelength_nm == pytest.approx(SPEED_OF_LIGHT_M_S / (frequency_ghz * 1e9) * 1e9, rel=1e-8)
    assert set(sensor.polarisations) <= {"VV", "VH", "HH", "HV"}
    assert sensor.polarisations


@pytest.mark.parametrize("name", [name for name in SENSOR_NAMES if name not in RADARS])
def test_the_centre_of_a_band_lies_where_its_common_name_says(name):
    for band in load_sensor(name).bands:
        if band.common_name and band.wavelength_nm is not None:
            low, high = STAC_RANGES[band.common_name]
            assert low <= band.wavelength_nm <= high, band
        if band.wavelength_nm is not None:
            assert 0 < band.fwhm_nm < band.wavelength_nm, band


def test_each_satellite_of_sentinel_2_lies_near_the_specification():
    sensor = load_sensor("sentinel-2-msi")

    assert [response.satellite for response in sensor.responses] == ["sentinel-2a", "sentinel-2b", "sentinel-2c"]
    for response in sensor.responses:
        assert list(response.wavelength_nm) == list(GDAL_TABLE)
        for band, centre in response.wavelength_nm.items():
            assert abs(centre - GDAL_TABLE[band][1]) < 15, (response.satellite, band)
        for band, width in response.fwhm_nm.items():
            assert width == pytest.approx(GDAL_TABLE[band][2], rel=0.2), (response.satellite, band)
    for band, centre in RTTOV_S2A.items():
        assert sensor.wavelength_nm(band, "sentinel-2a") == pytest.approx(centre, abs=3)
    assert sensor.wavelength_nm("B12", "Sentinel-2B") == 2185.7
    assert sensor.wavelength_nm("B12", "sentinel-2d") == 2190


def test_landsat_bands_are_those_of_real_items(shared_data):
    sensor = load_sensor("landsat-oli-tirs")
    items = sorted((shared_data / "stac_items").glob("*/landsat-c2-l2/*.json"))

    assert items
    for path in items:
        for asset in json.loads(path.read_text())["assets"].values():
            if not asset.get("eo:bands"):
                continue
            told, raster = asset["eo:bands"][0], asset["raster:bands"][0]
            band = next(band for band in sensor.bands if told["name"].lower() in band.aliases)
            assert band.wavelength_nm == pytest.approx(told["center_wavelength"] * 1000, abs=10)
            assert band.fwhm_nm == pytest.approx(told["full_width_half_max"] * 1000, abs=10)
            assert (band.common_name, band.gsd_m) == (told["common_name"], raster["spatial_resolution"])
            if band.kind == "reflectance":
                assert (sensor.scale, sensor.offset, band.nodata) == (raster["scale"], raster["offset"], 0)
            else:
                assert (band.id, raster["scale"], raster["offset"]) == ("ST_B10", 0.00341802, 149)


@pytest.mark.parametrize("name", ["worldview-2", "worldview-3"])
def test_the_sun_shines_about_as_a_black_body(name):
    known = [band for band in load_sensor(name).bands if band.solar_irradiance is not None]

    assert len(known) == {"worldview-2": 4, "worldview-3": 9}[name]
    for band in known:
        assert band.solar_irradiance == pytest.approx(planck_irradiance(band.wavelength_nm), rel=0.15), band.id
    for band in load_sensor(name).bands:
        assert 0.9 <= band.radiance_gain <= 1.2, band.id
        assert -9 < band.radiance_offset < 0, band.id


def test_offset_and_scale_are_those_of_baseline_four():
    sensor = load_sensor("sentinel-2-msi")

    assert (sensor.scale, sensor.offset, sensor.offset_since_baseline) == (1e-4, -0.1, "04.00")
    assert {band.nodata for band in sensor.bands if band.kind == "reflectance"} == {0}


@pytest.mark.parametrize("name", SENSOR_NAMES)
def test_every_table_with_a_number_names_a_known_source(name):
    table = table_of(name)
    known = set(table["sources"])
    held = set()
    for entry in tables_in({key: value for key, value in table.items() if key != "sources"}):
        numbered = any(isinstance(value, (int, float)) for value in entry.values())
        inline = all(isinstance(value, (int, float)) for value in entry.values())
        if "source" in entry:
            assert entry["source"], entry
            assert set(entry["source"]) <= known, entry
            held |= set(entry["source"])
        else:
            assert not numbered or inline, entry  # an inline table of numbers by band: its own table names the source
    for entry in (*table["bands"], *table["products"], *table.get("responses", ())):
        assert entry["source"], entry
    assert not any(isinstance(value, (int, float)) for value in table.values()), "a number outside any table"
    assert known - held <= {"s2-srf"}, "a source that no number is from"


@pytest.mark.parametrize("name", SENSOR_NAMES)
def test_names_are_unambiguous_and_tables_are_read_once(name):
    sensor = load_sensor(name)
    spellings = [spelling for band in sensor.bands for spelling in (band.id.lower(), *band.aliases)]

    assert len(spellings) == len(set(spellings))
    assert all(spelling == spelling.lower() for spelling in spellings)
    assert load_sensor(name) is sensor
    assert sensor.name == name
    types = [kind for product in sensor.products for kind in product.types]
    assert len(types) == len(set(types))
    assert all(kind == kind.upper() for kind in types)


def test_satellites_and_collections_stand_in_one_table_only():
    sensors = [load_sensor(name) for name in SENSOR_NAMES]
    satellites = Counter(name for sensor in sensors for name in sensor.satellites)
    collections = Counter(name for sensor in sensors for name in sensor.collections)

    assert {name for name, count in satellites.items() if count > 1} == set()
    assert {name for name, count in collections.items() if count > 1} == {"bigearthnet-s1-s2"}, "a pair in each item"


def test_nine_satellites_and_every_modality_are_known():
    sensors = [load_sensor(name) for name in SENSOR_NAMES]
    spacecraft = {name for sensor in sensors for name in sensor.satellites}
    by_modality = {kind: {s.name for s in sensors for p in s.products if p.modality == kind} for kind in
                   ("optical", "ms", "sar_l1", "sar_l2")}  # fmt: skip

    wanted = {"sentinel-1a", "sentinel-1c", "sentinel-2a", "sentinel-2b", "sentinel-2c", "landsat-8", "landsat-9",
              "terra", "aqua", "gaofen-2", "gaofen-3", "worldview-3", "capella-5"}  # fmt: skip
    assert wanted <= spacecraft
    assert by_modality["sar_l1"] == {"sentinel-1-csar", "gaofen-3-csar", "capella-xsar"}
    assert by_modality["optical"] == {"naip-aerial", "gaofen-2-pms", "worldview-2", "worldview-3"}
    assert by_modality["ms"] == {"sentinel-2-msi", "landsat-oli-tirs", "modis"}
    assert "sentinel-1-csar" in by_modality["sar_l2"]
    assert {p.id for p in load_sensor("sentinel-1-csar").products} == {"GRD", "RTC", "SLC"}


@pytest.mark.parametrize(
    ("collection", "properties", "name"),
    [
        ("sentinel-2-c1-l2a", {}, "sentinel-2-msi"),
        ("sentinel-1-rtc", {}, "sentinel-1-csar"),
        ("mine", {"constellation": "Sentinel 2", "platform": "Sentinel-2A"}, "sentinel-2-msi"),
        ("mine", {"platform": "sentinel-1c"}, "sentinel-1-csar"),
        ("mine", {"instruments": ["c-sar"]}, "sentinel-1-csar"),
        ("", {"instruments": ["MSI"]}, "sentinel-2-msi"),
        ("landsat-c2-l2", {"platform": "landsat-9"}, "landsat-oli-tirs"),
        ("mine", {"platform": "Landsat_8"}, "landsat-oli-tirs"),
        ("modis-09A1-061", {"platform": "terra"}, "modis"),
        ("naip", {}, "naip-aerial"),
        ("mine", {"platform": "GF2"}, "gaofen-2-pms"),
        ("mine", {"platform": "capella-5"}, "capella-xsar"),
    ],
)
def test_the_sensor_follows_from_collection_or_properties(collection, properties, name):
    assert sensor_of(collection, properties).name == name


def test_a_known_platform_outranks_a_shared_instrument_name():
    # EarthCARE flies an imager that is called MSI too
    assert sensors_of("mine", {"platform": "earthcare", "instruments": ["msi"]}) == ()


def test_older_landsats_are_not_taken_for_landsat_8():
    # they stand in the same collection, their assets are called blue and red too, and mean other bands
    assert sensors_of("landsat-c2-l2", {"platform": "landsat-5", "instruments": ["tm"]}) == ()


def test_other_instruments_of_a_satellite_are_not_taken_for_the_one_that_is_known():
    # ASTER flies on Terra and calls its bands B01 to B14
    assert sensors_of("aster-l1t", {"platform": "terra", "instruments": ["aster"]}) == ()
    assert sensor_of("mine", {"platform": "terra", "instruments": ["modis"]}).name == "modis"
    assert sensor_of("mine", {"platform": "terra"}).name == "modis"
    assert sensor_of("mine", {"platform": "terra", "instruments": ["aster", "modis"]}).name == "modis"


def test_an_unknown_sensor_is_an_error_with_what_was_told():
    with pytest.raises(ValueError, match=r"collection 'spot-6'.*add the collection"):
        sensor_of("spot-6", {"instruments": ["naomi"]})
    with pytest.raises(KeyError, match="landsat"):
        load_sensor("landsat-8-oli")
    with pytest.raises(KeyError, match="B13"):
        load_sensor("sentinel-2-msi").band("B13")


def test_a_pair_of_sensors_is_told_as_two():
    assert [s.group for s in sensors_of("bigearthnet-s1-s2", {})] == ["s1", "s2"]
    with pytest.raises(ValueError, match="sentinel-1-csar', 'sentinel-2-msi"):
        sensor_of("bigearthnet-s1-s2", {})


def test_products_of_one_sensor_go_to_different_groups():
    sentinel1, capella = load_sensor("sentinel-1-csar"), load_sensor("capella-xsar")

    assert sentinel1.product("sentinel-1-slc", "").group == "slc"
    assert sentinel1.product("mine", "grd").group == "s1"
    assert sentinel1.product("mine", "") is None
    assert capella.product("capella-open-data", "GEO").group is None
