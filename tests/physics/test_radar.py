"""Backscatter to linear power: published identities, limit cases, refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio

from catalogs.scenes import Asset, Scene
from pipelines.physics import PowerRule, Uncalibrated, power_rule, to_db, to_power

NOON = datetime(2021, 6, 1, 12, tzinfo=UTC)


def scene(product_type="GRD", collection="sentinel-1-grd"):
    return Scene(
        id="S1",
        collection=collection,
        sensor="sentinel-1-csar",
        time=NOON,
        time_start=NOON,
        time_end=NOON,
        footprint=((0, 0), (1, 0), (1, 1)),
        assets=(),
        product_type=product_type,
    )


def asset(**values):
    return Asset(band="VV", href="/vv", **values)


def rule(kind, **values):
    return PowerRule(kind=kind, evidence={}, **values)


@pytest.mark.parametrize(
    ("declared", "where", "kind"),
    [
        ({"unit": "1", "data_type": "float32"}, {}, "linear"),
        ({"unit": "linear", "data_type": "float32"}, {}, "linear"),
        ({"unit": "power", "data_type": "float64"}, {}, "linear"),
        ({"unit": "dB", "data_type": "float32"}, {}, "db"),
        ({"unit": "DB"}, {}, "db"),
        ({"unit": "dB", "data_type": "int16", "scale": 0.01}, {}, "db"),
        ({"unit": "amplitude", "data_type": "float32"}, {}, "amplitude"),
        ({"data_type": "float32"}, {"product_type": "RTC"}, "linear"),
        ({"data_type": "float32"}, {"product_type": "NRB"}, "linear"),
        ({"data_type": "float32"}, {"product_type": "", "collection": "sentinel-1-rtc"}, "linear"),
        ({"unit": "dB", "data_type": "float32"}, {"product_type": "RTC"}, "db"),
    ],
)
def test_what_the_item_says_decides(declared, where, kind):
    decided = power_rule(asset(**declared), scene(**where))
    assert decided.kind == kind
    assert json.loads(decided.to_json())["rule"] == kind


@pytest.mark.parametrize(
    ("declared", "where"),
    [
        ({"data_type": "uint16"}, {}),  # GRD digital numbers as Earth Search lists them
        ({"data_type": "uint16", "nodata": 0}, {"product_type": "RTC"}),
        ({"unit": "1", "data_type": "uint16"}, {}),
        ({"unit": "amplitude", "data_type": "uint16"}, {}),
        ({"unit": "dB", "data_type": "int16"}, {}),
        ({"unit": "1"}, {}),
        ({}, {}),
        ({"data_type": "float32"}, {}),
        ({"unit": "K", "data_type": "float32"}, {}),
        ({"unit": "1", "data_type": "cint16"}, {}),
        ({"unit": "1", "data_type": "float32"}, {"product_type": "SLC"}),
    ],
)
def test_what_is_not_calibrated_is_refused(declared, where):
    with pytest.raises(Uncalibrated, match="S1 VV"):
        power_rule(asset(**declared), scene(**where))


def test_linear_power_passes_bit_for_bit():
    stored = np.array([0.0, -1e-4, 0.037, 21.5, np.nan], dtype="float32")
    np.testing.assert_array_equal(to_power(stored, rule("linear")), stored)


@pytest.mark.parametrize(("db", "power"), [(0.0, 1.0), (10.0, 10.0), (-10.0, 0.1), (-3.0102999566, 0.5), (-30.0, 1e-3)])
def test_decibels(db, power):
    assert to_power(np.array([db]), rule("db"))[0] == pytest.approx(power, rel=1e-6)


def test_amplitude_is_squared():
    assert to_power(np.array([0.0, 0.1, 2.0], "float32"), rule("amplitude")).tolist() == pytest.approx([0, 0.01, 4.0])


def test_scaled_integers_are_unscaled_first():
    stored = np.array([-1000, 0, -32768], dtype="int16")
    power = to_power(stored, rule("db", scale=0.01, offset=0.0), nodata=-32768)
    assert power[:2].tolist() == pytest.approx([0.1, 1.0])
    assert np.isnan(power[2])


@pytest.mark.parametrize("nodata", [-9999.0, -32768.0, 0.0, -3.4028234663852886e38, 1e-7])
@pytest.mark.parametrize("kind", ["linear", "db", "amplitude"])
def test_declared_nodata_is_missing(nodata, kind):
    power = to_power(np.array([nodata, 0.5], dtype="float32"), rule(kind), nodata=nodata)
    assert np.isnan(power).tolist() == [True, False]


def test_zero_is_a_power_unless_declared_missing():
    assert to_power(np.array([0.0], "float32"), rule("linear"), nodata=float("nan"))[0] == 0.0
    assert to_power(np.array([0.0], "float32"), rule("linear"))[0] == 0.0


def test_the_stored_array_is_not_written_to():
    stored = np.array([-9999.0, 0.5], dtype="float32")
    to_power(stored, rule("linear"), nodata=-9999.0)
    assert stored[0] == -9999.0


@pytest.mark.parametrize("values", [[np.inf], [400.0]])
def test_infinite_power_is_refused(values):
    with pytest.raises(ValueError, match="finite"):
        to_power(np.array(values), rule("db"))


def test_averaging_decibels_of_one_look_is_2_5_db_low_and_power_is_not():
    speckle = np.random.default_rng(7).exponential(size=400_000)
    assert 10 * np.log10(to_power(speckle, rule("linear")).mean()) == pytest.approx(0, abs=0.02)
    assert to_db(speckle, floor=1e-12).mean() == pytest.approx(-2.51, abs=0.02)


def test_decibels_for_display_have_a_floor_and_keep_missing():
    shown = to_db(np.array([1.0, 0.1, 0.0, -0.5, np.nan], "float32"), floor=1e-3)
    assert shown[:4].tolist() == pytest.approx([0.0, -10.0, -30.0, -30.0])
    assert np.isnan(shown[4])
    with pytest.raises(ValueError, match="floor"):
        to_db(np.array([1.0]), floor=0.0)


def test_real_linear_power_is_untouched(shared_data):
    with rasterio.open(shared_data / "catalog/sentinel-1-grd/S1-worldcereal-be-2021-06/VV.tif") as file:
        stored, nodata = file.read(1), file.nodata
    decided = power_rule(asset(unit="1", data_type="float32"), scene())
    np.testing.assert_array_equal(to_power(stored, decided, nodata=nodata), stored)
