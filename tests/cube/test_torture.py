"""The torture catalogue: every outcome right, every value right, nothing silent."""

import pytest
from torture_case import QUICK, build_place, complaints

from catalogs.signing import Signer, signed_by
from catalogs.token_service import TokenService
from pipelines.cube.read_policy import read_policy, use_read_policy
from pipelines.simulate.torture.catalog import write_torture
from pipelines.simulate.torture.server import TortureServer

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
