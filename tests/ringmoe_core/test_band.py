from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from catalogs.sensors import load_sensor
from ringmoe_core.band import DESCRIPTOR_SIZE, Band, describe_bands
from ringmoe_core.modality import MODALITIES, MODALITY_CHANNELS
from ringmoe_core.modality_bands import modality_bands


def all_bands():
    return [band for name in ("ms", "sar_l1", "sar_l2") for band in modality_bands(name)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"wavelength_nm": 0.0}, "above 0 and finite, got 0.0 nm for x"),
        ({"wavelength_nm": -490.0}, "above 0 and finite"),
        ({"wavelength_nm": math.nan}, "above 0 and finite"),
        ({"wavelength_nm": 0.49}, "lies in 100 to 1e.06 nm, got 0.49 nm for x; give nanometres"),
        ({"wavelength_nm": 5.5e7}, "an optical band lies in"),
        ({"wavelength_nm": 490.0, "polarisation": "VV", "part": "power"}, "a radar band lies in"),
        ({}, "a wavelength or a frequency"),
        ({"wavelength_nm": 5.5e7, "frequency_ghz": 5.4, "polarisation": "VV", "part": "I"}, "give exactly one"),
        ({"frequency_ghz": 0.0, "polarisation": "VV", "part": "I"}, "above 0 and finite, got 0.0 GHz"),
        ({"frequency_ghz": 5.4}, "a frequency belongs to a radar band"),
        ({"frequency_ghz": 5.4, "polarisation": "VV"}, "give both or none"),
        ({"wavelength_nm": 490.0, "part": "I"}, "give both or none"),
        ({"frequency_ghz": 5.4, "polarisation": "RH", "part": "I"}, "polarisation must be one of"),
        ({"frequency_ghz": 5.4, "polarisation": "VV", "part": "phase"}, "part must be one of"),
        ({"wavelength_nm": 490.0, "width_nm": 0.0}, "above 0 and below twice the wavelength"),
        ({"wavelength_nm": 490.0, "width_nm": 980.0}, "above 0 and below twice the wavelength"),
        ({"frequency_ghz": 5.4, "polarisation": "VV", "part": "I", "width_nm": 3.0}, "belongs to an optical band"),
    ],
)
def test_impossible_bands_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Band(name="x", **fields)


def test_frequency_and_wavelength_say_the_same():
    by_frequency = Band(name="VV", frequency_ghz=5.405, polarisation="VV", part="power")
    by_wavelength = Band(name="VV", wavelength_nm=55_465_764.7, polarisation="VV", part="power")
    assert by_frequency.centre_nm == pytest.approx(by_wavelength.centre_nm, rel=1e-9)
    torch.testing.assert_close(describe_bands([by_frequency]), describe_bands([by_wavelength]), rtol=0, atol=1e-6)


def test_descriptor_follows_its_formula():
    optical = Band(name="a", wavelength_nm=200.0, width_nm=50.0)
    radar = Band(name="b", wavelength_nm=100.0 * 2**20, polarisation="HV", part="Q")
    entries = describe_bands([optical, radar])
    assert entries.shape == (2, DESCRIPTOR_SIZE)
    periods = [64, 32, 16, 8, 4, 2, 1, 0.5]
    for row, octaves, flags in (
        (0, 1, [1, 0, 1, math.log2(0.25) / 8, 0, 0, 0, 0, 0, 0, 0]),
        (1, 20, [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    ):
        angles = [360 * octaves / period for period in periods]
        waves = [math.sin(math.radians(a)) for a in angles] + [math.cos(math.radians(a)) for a in angles]
        torch.testing.assert_close(entries[row], torch.tensor([octaves / 32, *waves, *flags]), rtol=0, atol=1e-5)


def test_no_two_bands_look_alike():
    entries = describe_bands(all_bands())
    distances = [float((entries[i] - entries[j]).norm()) for i, j in combinations(range(len(entries)), 2)]
    assert min(distances) > 0.3  # B04 and B05, 842 and 865 nm


def test_the_descriptor_does_not_read_the_name():
    assert torch.equal(
        describe_bands([Band(name="B02", wavelength_nm=490)]), describe_bands([Band(name="blue", wavelength_nm=490)])
    )


def test_no_band_is_refused():
    with pytest.raises(ValueError, match="at least one band"):
        describe_bands([])


def test_modalities_have_a_band_a_channel():
    for name, channels in zip(MODALITIES, MODALITY_CHANNELS, strict=True):
        assert len(modality_bands(name)) == channels
    assert [band.name for band in modality_bands("sar_l1")] == [
        "HH I", "HH Q", "HV I", "HV Q", "VH I", "VH Q", "VV I", "VV Q"
    ]  # fmt: skip
    with pytest.raises(ValueError, match="got 'thermal'; give the series its own"):
        modality_bands("thermal")


def test_wavelengths_equal_those_of_the_sensors_facts():
    facts = {band.id: band for band in load_sensor("sentinel-2-msi").bands}
    for band in (*modality_bands("ms"), *modality_bands("optical")):
        assert (band.wavelength_nm, band.width_nm) == (facts[band.name].wavelength_nm, facts[band.name].fwhm_nm)
    radar = {band.id: band for band in load_sensor("sentinel-1-csar").bands}
    for band in modality_bands("sar_l2"):
        assert band.centre_nm == pytest.approx(radar[band.polarisation].wavelength_nm, rel=1e-8)
