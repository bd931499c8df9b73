from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ringmoe_core import (
    CheckpointError,
    CheckpointMetadata,
    RingMoE,
    load_checkpoint,
    nano,
    save_checkpoint,
    sealed_file,
)
from ringmoe_core.heads import HeadConfig, HeadMetadata, build_head
from ringmoe_core.heads.head_config import KINDS, OPTIONS
from ringmoe_core.heads.head_file import load_heads, save_heads
from ringmoe_core.heads.head_inputs import HeadInputs, band_words

CROP = HeadConfig(kind="segmentation", task="crop", class_names=("maize", "wheat"), options={"channels": 16})
SHIPS = HeadConfig(kind="rotated", task="ships", class_names=("ship",), options={"channels": 16, "tower": 1})
TALL = HeadConfig(kind="height", task="height", options={"channels": 16, "num_bins": 8})
CONFIGS = {"crop": CROP, "ships": SHIPS, "height": TALL}
SHOWN = HeadInputs(windows_px=(64, 128), bands={"ms": ("B02", "B03"), "sar_l2": ("VV",)})


@pytest.fixture(scope="module")
def backbone_path(small_config, tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone") / "b.safetensors"
    metadata = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation="test-1",
        class_names=tuple("abcdefg"),
        change_names=tuple("wxyz"),
        provenance="random numbers",
    )
    save_checkpoint(RingMoE(small_config, seed=1), path, metadata=metadata)
    return path


@pytest.fixture(scope="module")
def backbone(backbone_path):
    return load_checkpoint(backbone_path)


@pytest.fixture(scope="module")
def heads(small_config):
    return {name: build_head(config, small_config, seed=3) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def metadata(backbone):
    return HeadMetadata(
        configs=CONFIGS,
        model_config=backbone.model.config,
        backbone_sha256=backbone.sha256,
        normalisation="test-1",
        provenance="random numbers",
        temperatures={"crop": 1.7},
        inputs={"crop": SHOWN},
    )


@pytest.fixture(scope="module")
def content(heads, metadata, tmp_path_factory):
    path = tmp_path_factory.mktemp("heads") / "small.heads.safetensors"
    save_heads(heads, path, metadata=metadata)
    assert list(path.parent.iterdir()) == [path]
    return path.read_bytes()


@pytest.fixture
def saved(content, tmp_path):
    path = tmp_path / "small.heads.safetensors"
    path.write_bytes(content)
    return path


def rewrite(path, change, *, seal=False):
    """The file with a header or tensors that `change` altered; sealed again if asked."""
    with safe_open(path, framework="pt") as file:
        note = json.loads(file.metadata()["ringmoe-heads"])
    tensors = load_file(path)
    change(note["header"], tensors)
    if seal:
        note["sha256"] = sealed_file._digest(tensors, note["header"])
    save_file(tensors, path, metadata={"ringmoe-heads": json.dumps(note)})


def test_heads_come_back_whole(heads, metadata, saved, backbone):
    loaded = load_heads(saved, backbone)
    assert loaded.metadata.to_dict() == metadata.to_dict()
    assert loaded.metadata.temperature("crop") == 1.7
    assert loaded.metadata.temperature("ships") == 1.0
    assert loaded.metadata.inputs == {"crop": SHOWN}
    for name, head in heads.items():
        assert not loaded.heads[name].training
        for key, value in head.state_dict().items():
            assert torch.equal(loaded.heads[name].state_dict()[key], value)


def test_half_size_is_stored_and_full_is_run(heads, metadata, saved, tmp_path):
    path = tmp_path / "half"
    save_heads(heads, path, metadata=metadata, dtype=torch.bfloat16)
    assert {value.dtype for value in load_file(path).values()} == {torch.bfloat16}
    assert path.stat().st_size < 0.6 * saved.stat().st_size
    again = load_heads(path).heads["crop"].state_dict()
    for key, value in heads["crop"].state_dict().items():
        assert torch.equal(again[key], value.bfloat16().float())


def test_same_heads_same_bytes(heads, metadata, saved, tmp_path):
    save_heads(heads, tmp_path / "again", metadata=metadata)
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_other_weights_of_the_same_preset_are_refused(saved, backbone):
    with pytest.raises(CheckpointError, match=f"{backbone.sha256}, got other"):
        load_heads(saved, replace(backbone, sha256="other"))


def test_another_preset_is_refused(saved, backbone):
    other = replace(backbone, model=RingMoE(nano(), seed=None))
    with pytest.raises(CheckpointError, match="dim 32 instead of 16"):
        load_heads(saved, other)


def test_another_normalisation_is_refused(saved, backbone):
    with pytest.raises(CheckpointError, match="normalised by test-1"):
        load_heads(saved, replace(backbone, metadata=replace(backbone.metadata, normalisation="test-2")))


def test_adapters_must_be_those_of_training(heads, metadata, saved, backbone, tmp_path):
    with pytest.raises(CheckpointError, match="adapters none, got abc"):
        load_heads(saved, backbone, adapters_sha256="abc")
    save_heads(heads, tmp_path / "adapted", metadata=replace(metadata, adapters_sha256="abc"))
    with pytest.raises(CheckpointError, match="adapters abc, got none"):
        load_heads(tmp_path / "adapted", backbone)
    assert load_heads(tmp_path / "adapted", backbone, adapters_sha256="abc").heads


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_truncated_file_is_refused(saved, content, kept):
    saved.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        load_heads(saved)


def test_altered_tensor_or_header_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_heads(saved)
    content[-3] ^= 1
    saved.write_bytes(content)
    rewrite(saved, lambda header, _: header["metadata"].update(backbone_sha256="forged"))
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_heads(saved)


def alter_class_count(header, tensors):
    header["metadata"]["configs"]["crop"]["class_names"].append("rye")


def alter_tensor_count(header, tensors):
    tensors["crop/extra"] = torch.zeros(1)


def alter_owner(header, tensors):
    tensors["road/weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (alter_class_count, r"\(3 classes\).*\(2, .* instead of \(3, "),
        (alter_tensor_count, "extra left over"),
        (alter_owner, "road/weight"),
        (lambda header, _: header.update(format_version=9), "format version must be 1, got 9"),
        (lambda header, _: header["metadata"]["configs"]["crop"].update(kind="oracle"), "oracle"),
        (lambda header, _: header["metadata"]["configs"]["crop"].update(colour="red"), "colour"),
        (lambda header, _: header["metadata"]["configs"]["crop"]["options"].update(depth=3), "depth"),
        (lambda header, _: header["metadata"]["temperatures"].update(crop=0.0), "temperature"),
        (lambda header, _: header["metadata"].pop("provenance"), "provenance"),
        (lambda header, _: header["metadata"]["inputs"]["crop"].update(windows_px=[128, 64]), "windows are positive"),
        (
            lambda header, _: header["metadata"]["inputs"].update(road={"windows_px": [], "bands": {}}),
            "a band at least",
        ),
        (lambda header, _: header["metadata"]["model_config"].update(dim=17), "dim must be"),
    ],
)
def test_sealed_but_inconsistent_file_is_refused(saved, change, message):
    rewrite(saved, change, seal=True)
    with pytest.raises(CheckpointError, match=message):
        load_heads(saved)


def test_an_older_file_says_nothing_of_what_its_heads_were_shown(saved, backbone):
    rewrite(saved, lambda header, _: header["metadata"].pop("inputs"), seal=True)
    loaded = load_heads(saved, backbone)
    assert loaded.metadata.inputs == {}
    assert loaded.metadata.temperature("crop") == 1.7


def test_what_a_head_was_shown_is_held_against_what_it_is_shown():
    assert SHOWN.unlearned({"ms": ("B03", "B04"), "optical": ("B04",)}) == {"ms": ("B04",), "optical": ("B04",)}
    assert SHOWN.lacking({"ms": ("B03", "B04")}) == {"ms": ("B02",), "sar_l2": ("VV",)}
    assert not SHOWN.unlearned(SHOWN.bands)
    assert not SHOWN.lacking(SHOWN.bands)
    assert [SHOWN.knows_window(side) for side in (32, 64, 96, 128, 160)] == [False, True, True, True, False]
    assert HeadInputs(bands={"ms": ("B02",)}).knows_window(7)
    assert band_words(SHOWN.bands) == "ms (B02, B03) and sar_l2 (VV)"


def test_other_kinds_of_file_are_refused(saved, backbone_path, tmp_path):
    save_file(load_file(saved), saved)
    with pytest.raises(CheckpointError, match="ringmoe-heads"):
        load_heads(saved)
    with pytest.raises(CheckpointError, match="ringmoe-heads"):
        load_heads(backbone_path)
    with pytest.raises(FileNotFoundError, match="must exist"):
        load_heads(tmp_path / "none")


def test_what_cannot_be_saved(heads, metadata, small_config, tmp_path):
    path = tmp_path / "x"
    with pytest.raises(ValueError, match="one configuration"):
        save_heads({"crop": heads["crop"]}, path, metadata=metadata)
    with pytest.raises(ValueError, match="build it with build_head"):
        save_heads({**heads, "crop": heads["ships"]}, path, metadata=metadata)
    with pytest.raises(ValueError, match="float32 or bfloat16"):
        save_heads(heads, path, metadata=metadata, dtype=torch.float16)
    with pytest.raises(ValueError, match="slashes"):
        save_heads(
            {"a/b": heads["crop"]}, path, metadata=replace(metadata, configs={"a/b": CROP}, temperatures={}, inputs={})
        )
    with pytest.raises(ValueError, match="SHA-256"):
        replace(metadata, backbone_sha256="")
    with pytest.raises(ValueError, match="temperatures belong"):
        replace(metadata, temperatures={"road": 2.0})
    with pytest.raises(ValueError, match="inputs belong to heads"):
        replace(metadata, inputs={"road": SHOWN})
    with pytest.raises(ValueError, match="at least one"):
        replace(metadata, configs={}, temperatures={}, inputs={})
    assert not path.exists()


def test_series_heads_need_no_backbone(small_config, tmp_path, backbone):
    config = HeadConfig(kind="pixel_series", task="crop", class_names=("a", "b"), options={"channels": {"ms": 12}})
    metadata = HeadMetadata(
        configs={"crop": config},
        model_config=small_config,
        backbone_sha256="",
        normalisation="test-9",
        provenance="random numbers",
    )
    save_heads({"crop": build_head(config, small_config)}, tmp_path / "s", metadata=metadata)
    assert load_heads(tmp_path / "s", replace(backbone, sha256="any")).heads["crop"].channels == {"ms": 12}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_builds_and_comes_back_from_json(kind, small_config):
    config = HeadConfig(kind=kind, task="t", class_names=() if kind == "height" else ("a", "b"))
    again = HeadConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert {name: again.option(name) for name in OPTIONS[kind]} == OPTIONS[kind]
    state = torch.random.get_rng_state()
    first, second = (build_head(config, small_config, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = build_head(config, small_config, seed=6).state_dict()
    assert not all(torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(torch.random.get_rng_state(), state), "the global generator is left alone"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "oracle"}, "kind must be one of"),
        ({"class_names": ()}, "class names"),
        ({"class_names": ("a", "a")}, "differ"),
        ({"kind": "height"}, "no classes"),
        ({"options": {"chanels": 3}}, r"chanels"),
        ({"options": {"channels": "wide"}}, "type int"),
        ({"options": {"channels": True}}, "type int"),
        ({"task": ""}, "task"),
    ],
)
def test_configurations_that_make_no_sense(values, message):
    with pytest.raises(ValueError, match=message):
        HeadConfig(**{"kind": "segmentation", "task": "t", "class_names": ("a",), **values})


def test_options_that_no_head_can_have(small_config):
    for kind, options, message in (
        ("segmentation", {"decoder": "none"}, "decoder"),
        ("segmentation", {"channels": 0}, "from 1 to 4096"),
        ("classification", {"pool": "max"}, "pool"),
        ("change", {"channels": 17}, "multiple of 16"),
        ("pixel_series", {"dim": 10}, "multiple of 16"),
        ("pixel_series", {"channels": {"ms": 0}}, "one band"),
        ("height", {"highest_m": math.inf}, "range"),
        ("height", {"lowest_m": math.nan}, "range"),
    ):
        names = () if kind == "height" else ("a", "b")
        with pytest.raises(ValueError, match=message):
            build_head(HeadConfig(kind=kind, task="t", class_names=names, options=options), small_config)
    with pytest.raises(ValueError, match="maps=False"):
        build_head(CROP, replace(small_config, maps=False))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "none"}, "decoder of a segmentation head"),
        ({"channels": 0}, "from 1 to 4096"),
        ({"channels": 10**9}, "from 1 to 4096"),
        ({"channels": 4096}, "got .*instead of"),  # more than a gigabyte, were it made
    ],
)
def test_a_sealed_file_of_an_unsound_configuration_is_refused(saved, options, message):
    rewrite(saved, lambda header, _: header["metadata"]["configs"]["crop"].update(options=options), seal=True)
    with pytest.raises(CheckpointError, match=message):
        load_heads(saved)


def test_a_header_nested_without_end_is_refused(tmp_path):
    path = tmp_path / "h.safetensors"
    save_file({"a/b": torch.zeros(1)}, path, metadata={"ringmoe-heads": "[" * 200_000})
    with pytest.raises(CheckpointError, match="header"):
        load_heads(path)


def test_heads_without_backbone_ask_for_no_adapters(backbone, metadata, tmp_path):
    alone = replace(
        metadata,
        configs={"season": HeadConfig(kind="pixel_series", task="crop", class_names=("a", "b"), options={"dim": 16})},
        temperatures={},
        inputs={},
    )
    save_heads({"season": build_head(alone.configs["season"], alone.model_config)}, tmp_path / "h", metadata=alone)
    loaded = load_heads(tmp_path / "h", backbone, adapters_sha256="of the backbone")
    assert all(one.requires_grad and not one.is_meta for one in loaded.heads["season"].parameters())
