"""The torture catalogue: every outcome right, every value right, nothing silent."""

from dataclasses import replace

import pytest
from torture_case import OPTIONS, QUICK, build_place, complaints, search_place

from catalogs.signing import Signer, signed_by
from catalogs.token_service import TokenService
from pipelines.cube import build_cube
from pipelines.cube.read_policy import read_policy, use_read_policy
from pipelines.simulate.torture import TortureServer, write_torture
from pipelines.simulate.torture.outcome import USED, skipped

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torture") / "catalogue"
    return folder, write_torture(folder)


@pytest.fixture(autouse=True)
def quick():
    before = read_policy()
    use_read_policy(QUICK)
    yield
    use_read_policy(before)


def held_to_it(catalogue, way, source, tmp_path):
    folder, manifest = catalogue
    told = []
    for place in manifest.regions:
        found, result = build_place(place, source, tmp_path / place.name)
        told += complaints(manifest, folder, place, way, found=found, result=result)
        if way != "disk":
            told += [f"{row.id}: tells a signature" for row in result.outcomes if "token=" in str(row)]
    assert not told, "\n" + "\n".join(told)


@pytest.mark.slow
def test_from_disk_every_outcome_is_right(catalogue, tmp_path):
    held_to_it(catalogue, "disk", catalogue[0] / "catalog.json", tmp_path)


@pytest.mark.slow
def test_over_http_every_outcome_is_right(catalogue, tmp_path):
    with TortureServer(catalogue[0]) as server:
        held_to_it(catalogue, "http", server.url, tmp_path)
    assert not server.errors


@pytest.mark.slow
def test_with_signatures_that_end_every_outcome_is_right(catalogue, tmp_path):
    with TortureServer(catalogue[0]) as server:
        service = TokenService(endpoint=f"{server.url}/token", hosts=("127.0.0.1",))
        with signed_by(Signer((service,))):
            held_to_it(catalogue, "http_signed", server.url, tmp_path)
    assert not server.errors


def spoilt(manifest, name, **changes):
    entries = tuple(replace(entry, **changes) if entry.id == name else entry for entry in manifest.entries)
    return replace(manifest, entries=entries)


@pytest.mark.slow
def test_whoever_looks_finds_what_is_wrong(catalogue, tmp_path):
    """The test of the tests: each lie about the right outcome is told."""
    folder, manifest = catalogue
    place = manifest.regions[0]
    few = ("sound-optical", "cut-in-last-tile", "wrong-checksum", "nodata-by-file", "next-utm-zone", "all-nan")
    short = replace(manifest, entries=tuple(entry for entry in manifest.entries if entry.id in few))
    found = search_place(place, folder / "catalog.json")
    found = replace(found, scenes=tuple(scene for scene in found.scenes if scene.id in few), skipped=())
    result = build_cube(found, place.grid, tmp_path / "cube", options=OPTIONS)

    def told(manifest):
        return complaints(manifest, folder, place, "disk", found=found, result=result)

    assert not told(short)
    truth = {entry.id: entry.truth for entry in short.entries}
    lies = (
        ("sound-optical", {"truth": truth["cut-in-last-tile"]}, "differ by up to"),
        ("sound-optical", {"disk": skipped("damaged")}, "expected, got"),
        ("sound-optical", {"reasons": "truth/nodata-by-file_reason.tif"}, "reasons differ"),
        ("sound-optical", {"truth": truth["nodata-by-file"]}, "should be missing"),
        ("sound-optical", {"id": "nobody"}, "nobody: [('used', '')] expected, got []"),
        ("cut-in-last-tile", {"disk": USED}, "that could be read"),
        ("wrong-checksum", {"disk": skipped("refused")}, "expected, got"),
        ("next-utm-zone", {"tolerance": 1e-6}, "differ by up to"),
        ("all-nan", {"disk": skipped("all_nodata", "a word")}, "says nothing of 'a word'"),
    )
    for name, changes, words in lies:
        assert any(words in text for text in told(spoilt(short, name, **changes))), (name, changes)
