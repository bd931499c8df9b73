"""Which catalogue a source names, and what the package costs to import."""

import subprocess
import sys

import pytest

import catalogs
from catalogs import CatalogError, search


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("earth-serch", "did you mean 'earth-search'"),
        ("no/such/catalog.json", "correct the path"),
        ("http://example.com/stac", "https"),
        ("s3://bucket/catalog.json", "https"),
    ],
)
def test_an_unknown_source_is_an_error_with_a_hint(query, source, told):
    with pytest.raises(CatalogError, match=told):
        search(query, source)


def test_a_folder_and_its_catalog_json_are_the_same_source(catalog, item, query):
    path = catalog(item())

    assert search(query, path) == search(query, str(path)) == search(query, path.parent)
    assert len(search(query, path).scenes) == 1


def test_required_bands_reach_the_items(catalog, item, query):
    (row,) = search(query, catalog(item()), required_bands=("B02",)).skipped

    assert row.reason == "missing_asset"


def test_the_package_exports_what_it_says_and_imports_nothing_heavy():
    heavy = "pystac_client", "pyarrow", "shapely", "requests"
    code = f"import sys, catalogs; assert not set(sys.modules) & {set(heavy)!r}"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert list(catalogs.__all__) == sorted(catalogs.__all__)
    assert len(catalogs.__all__) < 16
    for name in catalogs.__all__:
        assert getattr(catalogs, name) is not None
