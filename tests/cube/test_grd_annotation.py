"""Annotations of Sentinel-1 products: what they say, and what is refused in them."""

from __future__ import annotations

import numpy as np
import pytest
from made_safe import noise_azimuth, noise_range, write_safe

from pipelines.cube.annotation_file import MAX_BYTES, parse_xml, read_annotation
from pipelines.cube.errors import ReadFailed
from pipelines.cube.grd_annotation import (
    parse_gain,
    parse_noise,
    parse_processor_version,
    parse_product,
    parsed,
)


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    return write_safe(tmp_path_factory.mktemp("safe"), shape=(150, 210))


def root(path):
    return read_annotation(str(path), "scene")


def test_tables_are_those_that_xarray_sentinel_reads(safe):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("xarray_sentinel")
    theirs = xr.open_dataset(str(safe.folder), engine="sentinel-1", group="IW/VV/calibration")
    for coefficient, name in (("sigma0", "sigmaNought"), ("beta0", "betaNought"), ("gamma0", "gamma")):
        ours = parse_gain(root(safe.file("calibration", "VV")), coefficient)
        np.testing.assert_array_equal(ours.lines, theirs.line)
        np.testing.assert_array_equal(ours.pixels[2], theirs.pixel)
        np.testing.assert_allclose(np.stack(ours.values), theirs[name], rtol=1e-6)


def test_geolocation_grid_is_that_of_xarray_sentinel(safe):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("xarray_sentinel")
    theirs = xr.open_dataset(str(safe.folder), engine="sentinel-1", group="IW/VH/gcp")
    product = parse_product(root(safe.file("product", "VH")))
    assert product.shape == (150, 210)
    assert (product.range_spacing_m, product.azimuth_spacing_m) == (10.0, 10.0)
    np.testing.assert_array_equal(product.grid.points.lines, theirs.line)
    np.testing.assert_array_equal(product.grid.points.pixels, theirs.pixel)
    for ours, name in (
        (product.grid.longitude_deg, "longitude"),
        (product.grid.latitude_deg, "latitude"),
        (product.grid.height_m, "height"),
        (product.grid.incidence_deg, "incidenceAngle"),
    ):
        np.testing.assert_allclose(ours, theirs[name], rtol=1e-12)


def test_noise_of_both_versions(safe, tmp_path):
    lines, pixels = np.array([0, 17, 149]), np.array([3, 104, 105, 209])
    new = parse_noise(root(safe.file("noise", "VV")))
    assert new.has_azimuth
    planted = noise_range(pixels) * noise_azimuth(lines[:, None], pixels[None, :], 210)
    np.testing.assert_allclose(new.table.at(lines, pixels), planted, rtol=1e-8)
    old = parse_noise(root(write_safe(tmp_path, shape=(60, 80), ipf="002.84").file("noise", "VV")))
    assert not old.has_azimuth
    np.testing.assert_allclose(old.table.at(lines[:2], pixels[:1]), noise_range(pixels[:1]) * np.ones((2, 1)))


def test_the_processor_is_named_by_the_manifest(safe):
    assert parse_processor_version(root(safe.manifest)) == "003.40"


@pytest.mark.parametrize("parse", [lambda r: parse_gain(r, "sigma0"), parse_noise, parse_product])
def test_an_interference_report_in_the_place_of_an_annotation_is_told(parse):
    # Earth Search's items of July 2025 name it as the product annotation
    with pytest.raises(ValueError, match="got <rfi>"):
        parse(parse_xml(iter([b"<rfi><adsHeader/></rfi>"])))


NOISE = (
    "<noise><noiseVectorList><noiseVector><line>0</line><pixel count='3'>0 4 8</pixel>{}</noiseVector>{}"
    "</noiseVectorList></noise>"
)


@pytest.mark.parametrize(
    ("lut", "rest", "match"),
    [
        ("<noiseLut count='3'>1 2</noiseLut>", "", "says that it holds 3"),
        ("<noiseLut>1 2</noiseLut>", "", "one value an ascending pixel"),
        ("<noiseLut>1 2 nan</noiseLut>", "", "finite"),
        ("<noiseLut>1 2 -3</noiseLut>", "", "not negative"),
        ("<noiseLut>0 0 0</noiseLut>", "", "only 0"),
        ("", "", "must hold <noiseLut>"),
        (
            "<noiseLut>1 2 3</noiseLut>",
            "<noiseVector><line>0</line><pixel>0</pixel><noiseLut>1</noiseLut></noiseVector>",
            "ascend",
        ),
    ],
)
def test_damaged_tables_are_refused(lut, rest, match):
    with pytest.raises(ValueError, match=match):
        parse_noise(parse_xml(iter([NOISE.format(lut, rest).encode()])))


BOMB = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
FILE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
FETCHED = b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>'


@pytest.mark.parametrize("text", [BOMB, FILE, FETCHED, b"<!DOCTYPE a><a/>"])
def test_no_document_type_is_read(text):
    with pytest.raises(ValueError, match="document type"):
        parse_xml(iter([text]))


def test_neither_endless_nor_bottomless_files_are_read():
    with pytest.raises(ValueError, match="MiB"):
        parse_xml(b" " * (1 << 20) for _ in range(2 + MAX_BYTES // (1 << 20)))
    with pytest.raises(ValueError, match="nests"):
        parse_xml(iter([b"<a>" * 200]))
    with pytest.raises(ValueError, match="not"):
        parse_xml(iter([b"<a><b></a>"]))


def test_a_broken_file_names_itself(tmp_path):
    (tmp_path / "broken.xml").write_text("<calibration>")
    with pytest.raises(ReadFailed, match=r"broken\.xml.*damaged"):
        root(tmp_path / "broken.xml")
    with pytest.raises(ReadFailed, match="no such file") as missing:
        root(tmp_path / "absent.xml")
    assert missing.value.fault == "missing"


def test_a_small_file_of_very_many_elements_is_not_read():
    with pytest.raises(ValueError, match="at most 1048576 elements"):
        parse_xml(iter([b"<a>", b"<b/>" * (1 << 20)]))


HUGE = "9" * 20


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_noise, NOISE.format("<noiseLut>1 2 3</noiseLut>", "").replace("0 4 8", f"0 4 {HUGE}")),
        (parse_noise, NOISE.format("<noiseLut>1 2 3</noiseLut>", "").replace("<line>0<", f"<line>{HUGE}<")),
        (parse_processor_version, "<XFDU><software name='Sentinel-1 IPF' version='3.4x'/></XFDU>"),
        (parse_processor_version, "<XFDU><software name='Sentinel-1 IPF' version='3'/></XFDU>"),
    ],
)
def test_numbers_that_are_none_are_a_damaged_file(parse, text):
    with pytest.raises(ReadFailed, match=r"x\.xml"):
        parsed(parse, parse_xml(iter([text.encode()])), href="/x.xml", scene_id="S1")
