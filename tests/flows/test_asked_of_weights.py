"""What a region asks of its weights in vain is told before a catalogue is searched or a file written."""

import json
import shutil

import pytest

from flows.errors import ConfigError
from flows.estimate import estimate_run, own_bytes
from flows.monitor import check_region
from flows.own_heads import UNKNOWN_CLASSES, num_own_classes, own_head_notes, reads_statistics
from flows.region_file import parse_region
from pipelines.inference.channels import NORMALISATION_ID
from pipelines.inference.novelty_file import novelty_path
from ringmoe_core import load_checkpoint
from ringmoe_core.heads import HeadConfig, HeadMetadata, build_head, save_heads
from ringmoe_core.heads.head_inputs import HeadInputs

NOWHERE = "/nowhere/catalog.json"


@pytest.fixture
def region(document, tmp_path):
    """A region whose catalogue is not there: what is told was told without it."""

    def make(**changes):
        values = document(NOWHERE, tmp_path / "out", **changes)
        return parse_region(json.dumps(values), folder=tmp_path)

    return make


def write_head(path, weights, *, kind="pixel", sha256=None, num_classes=3, inputs=None, statistics=0):
    loaded = load_checkpoint(weights)
    config = HeadConfig(
        kind=kind,
        task="crop",
        class_names=tuple(f"c{index}" for index in range(num_classes)),
        options={"maps": True, "statistics": statistics, "hidden": 0} if kind == "pixel" else {"channels": {"ms": 10}},
    )
    metadata = HeadMetadata(
        configs={"crop": config},
        model_config=loaded.model.config,
        backbone_sha256=loaded.sha256 if sha256 is None else sha256,
        normalisation=NORMALISATION_ID,
        provenance="made up",
        inputs={} if inputs is None else {"crop": inputs},
    )
    save_heads({"crop": build_head(config, loaded.model.config)}, path, metadata=metadata)
    return path


def own(head):
    return {"own": [{"name": "crop", "head": str(head)}], "products": ["land-cover", "crop"]}


def test_a_head_that_fits_is_let_pass_and_one_that_is_not_asked_is_not_opened(region, weights, tmp_path):
    check_region(region(**own(write_head(tmp_path / "h.safetensors", weights))))
    check_region(region(**own(tmp_path / "none.safetensors") | {"products": ["land-cover"]}))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda path, _: path.unlink(missing_ok=True), "'crop' cannot be used: a file of 'ringmoe-heads' must exist"),
        (lambda path, _: path.write_bytes(b"no head"), "must be a whole safetensors file"),
        (lambda path, weights: write_head(path, weights, sha256="0" * 64), "belong to the weights with SHA-256 000"),
        (lambda path, weights: write_head(path, weights, kind="pixel_series"), "holds one of kind 'pixel_series'"),
        (
            lambda path, weights: write_head(
                path, weights, inputs=HeadInputs(windows_px=(1024,), bands={"ms": ("B02",)})
            ),
            "1024 pixels, got .*; set inference.window to 1024",
        ),
    ],
)
def test_a_head_that_cannot_be_used_is_told_at_once(region, weights, tmp_path, spoil, match):
    path = tmp_path / "h.safetensors"
    spoil(path, weights)
    with pytest.raises(ConfigError, match=f"own: .*{match}"):
        check_region(region(**own(path)))
    assert not (tmp_path / "out").exists()


def test_a_cube_that_lacks_what_a_head_learned_from_is_noted(region, weights, tmp_path, monkeypatch):
    """Of a cube with Sentinel-2 alone; a head of an older file says nothing."""
    import xarray as xr

    from pipelines.cube import CubeRef
    from pipelines.inference.channels import MS_BANDS

    held = {"s2": xr.Dataset(coords={"band": ["SCL", *MS_BANDS]})}
    monkeypatch.setattr("pipelines.inference.prediction.open_groups", lambda _: held)
    ref = CubeRef(uri="somewhere", snapshot="now")
    both = HeadInputs(windows_px=(64,), bands={"ms": MS_BANDS, "sar_l2": ("VV", "VH")})
    (note,) = own_head_notes(region(**own(write_head(tmp_path / "b.safetensors", weights, inputs=both))), ref)
    assert "own product crop" in note
    assert "the cube lacks sar_l2 (VV, VH)" in note
    alone = HeadInputs(windows_px=(64,), bands={"ms": MS_BANDS})
    assert own_head_notes(region(**own(write_head(tmp_path / "a.safetensors", weights, inputs=alone))), ref) == []
    assert own_head_notes(region(**own(write_head(tmp_path / "o.safetensors", weights))), ref) == []


def test_a_limit_of_novelty_needs_statistics(region, weights, tmp_path):
    with pytest.raises(ConfigError, match=r"max_novelty: must be left out .* got 90 and no "):
        check_region(region(max_novelty=90))
    copy = tmp_path / "copy.safetensors"
    shutil.copy(weights, copy)
    novelty_path(copy).write_bytes(b"no statistics")
    with pytest.raises(ConfigError, match="max_novelty: statistics of novelty must be a whole file"):
        check_region(region(max_novelty=90, inference={"weights": str(copy)}))


def test_a_forecast_counts_the_classes_of_own_heads(region, weights, tmp_path):
    path = write_head(tmp_path / "h.safetensors", weights, num_classes=5)
    assert num_own_classes(path) == 5
    assert num_own_classes(tmp_path / "none") == num_own_classes(tmp_path) == UNKNOWN_CLASSES
    few, many = own_bytes(region(**own(path))), own_bytes(region(**own(write_head(path, weights, num_classes=9))))
    assert own_bytes(region()) == 0
    assert 0 < few < many


def test_a_forecast_counts_the_time_of_own_heads(document, catalog, weights, tmp_path):
    """A head costs; statistics cost more, by the date, and are made once whatever the heads that read them."""
    from flows.search import search

    plain = write_head(tmp_path / "p.safetensors", weights)
    both = write_head(tmp_path / "b.safetensors", weights, statistics=52)
    assert [reads_statistics(path) for path in (plain, both, tmp_path / "none")] == [False, True, True]

    def seconds(*paths):
        """Core-seconds of the forecast beyond its products, whose number grows with the heads."""
        entries = [{"name": f"own{index}", "head": str(path)} for index, path in enumerate(paths)]
        names = ["land-cover", *(entry["name"] for entry in entries)]
        values = document(catalog, tmp_path / "out", own=entries, products=names, workers=1)
        config = parse_region(json.dumps(values), folder=tmp_path)
        raw = estimate_run(config, search(config)).raw_stage_seconds
        return raw["infer"]

    none, one, two = seconds(), seconds(plain), seconds(plain, plain)
    assert one > none
    assert two - one == pytest.approx(one - none, abs=2e-3)
    read, again = seconds(both), seconds(both, both)
    assert read > one
    assert 0 < again - read < read - none
