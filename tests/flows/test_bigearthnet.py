import io
import tarfile
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
import pystac
import pytest
import rasterio

try:
    metadata.distribution("bigearthnet-common")
except metadata.PackageNotFoundError:
    pytest.skip("needs the extra demo", allow_module_level=True)

from flows.bigearthnet_archive import ArchiveError, read_archive, read_pairs, time_note
from flows.bigearthnet_catalog import write_real_catalog


@pytest.fixture(scope="module")
def pairs():
    return read_pairs()


def test_six_pairs_are_read_whole(pairs):
    assert len(pairs) == 6
    for radar, optical in pairs:
        assert sorted(radar.bands) == ["VH", "VV"]
        assert len(optical.bands) == 12
        assert radar.bounds == optical.bounds
        assert radar.bounds[2] - radar.bounds[0] == 1200.0
        assert radar.labels == optical.labels
        assert abs((radar.time - optical.time).total_seconds()) < 86_400


def test_the_odd_times_are_taken_from_the_labels_and_noted(pairs):
    by_name = {optical.name: optical for _, optical in pairs}
    impossible = by_name["S2B_MSIL2A_20180204T94161_57_38"]
    assert impossible.time == datetime(2018, 2, 4, 9, 41, 56, tzinfo=UTC)
    assert "T94161, no time of day" in impossible.time_note
    short = by_name["S2B_MSIL2A_20170924T93020_69_24"]
    assert short.time == datetime(2017, 9, 24, 9, 30, 20, tzinfo=UTC)
    assert "leading zero" in short.time_note
    assert by_name["S2A_MSIL2A_20170613T101031_87_48"].time_note == ""


def test_a_name_that_contradicts_its_labels_is_refused():
    with pytest.raises(ArchiveError, match="agree within a minute"):
        time_note("S2A_MSIL2A_20170613T101031_87_48", datetime(2017, 6, 13, 11, 10, 31, tzinfo=UTC))
    with pytest.raises(ArchiveError, match="holds its time"):
        time_note("S2A_MSIL2A_87_48", datetime(2017, 6, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("../up.tif", tarfile.REGTYPE, 4),
        ("/etc/absolute.tif", tarfile.REGTYPE, 4),
        ("a/b/link.tif", tarfile.SYMTYPE, 0),
        ("a/b/huge.tif", tarfile.REGTYPE, 2_000_000),
    ],
)
def test_members_that_leave_the_archive_are_refused(tmp_path, name, kind, size):
    path = tmp_path / "x.tar.bz2"
    with tarfile.open(path, "w:bz2") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, size, "/etc/passwd"
        archive.addfile(member, io.BytesIO(b"\0" * size))
    with pytest.raises(ArchiveError):
        read_archive(path)


def test_catalogue_holds_the_pixels_as_published(pairs, tmp_path):
    path, places = write_real_catalog(tmp_path)
    items = {item.id: item for item in pystac.Catalog.from_file(str(path)).get_items(recursive=True)}
    assert len(items) == 12
    assert len({place.name for place in places}) == 6
    for radar, optical in pairs:
        for patch, band in ((radar, "VV"), (optical, "B8A"), (optical, "B09")):
            href = items[patch.name].assets[band].get_absolute_href()
            with rasterio.open(href) as written, rasterio.MemoryFile(patch.bands[band]).open() as source:
                np.testing.assert_array_equal(written.read(), source.read())
                assert (written.crs, written.transform) == (source.crs, source.transform)
        assert items[radar.name].assets["VV"].extra_fields["unit"] == "dB"
        assert items[optical.name].properties["s2:processing_baseline"] in {"02.05", "02.06"}
