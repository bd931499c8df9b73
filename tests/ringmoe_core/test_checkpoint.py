from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ringmoe_core
from ringmoe_core import (
    CheckpointError,
    CheckpointMetadata,
    RingMoE,
    Series,
    checkpoint,
    load_checkpoint,
    nano,
    save_checkpoint,
)

METADATA = CheckpointMetadata(
    trained_modalities=("sar_l2", "ms"),
    normalisation="test-1",
    class_names=("a", "b", "c", "d", "e", "f", "g"),
    change_names=("none", "x", "y", "z"),
    provenance="random numbers",
)


@pytest.fixture
def saved(small_model, tmp_path):
    path = tmp_path / "small.safetensors"
    save_checkpoint(small_model, path, metadata=METADATA)
    return path


def rewrite(path, change_tensors=None, change_header=None):
    """The file with altered content and an untouched digest."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["ringmoe"])
    tensors = load_file(path)
    if change_tensors:
        change_tensors(tensors)
    if change_header:
        change_header(header)
    save_file(tensors, path, metadata={"ringmoe": json.dumps(header)})


def test_float32_round_trip_is_exact(small_model, make_series, tmp_path):
    path = tmp_path / "model.safetensors"
    digest = save_checkpoint(small_model, path, metadata=METADATA, dtype=torch.float32)
    loaded = load_checkpoint(path)
    assert loaded.metadata == METADATA
    assert loaded.sha256 == digest
    assert loaded.model.config == small_model.config
    assert not loaded.model.training
    series, member = {"ms": make_series("ms")}, torch.ones(2, 1, 3, dtype=torch.bool)
    assert torch.equal(loaded.model(series, member), small_model(series, member))
    assert sorted(path.parent.iterdir()) == [path]


def test_bfloat16_is_stored_and_float32_is_run(small_model, saved):
    assert {value.dtype for value in load_file(saved).values()} == {torch.bfloat16}
    loaded = load_checkpoint(saved).model
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, small_model.state_dict()[name].bfloat16().float(), rtol=0, atol=0)


def test_same_model_same_bytes(small_model, saved, tmp_path):
    again = tmp_path / "again.safetensors"
    save_checkpoint(small_model, again, metadata=METADATA)
    assert again.read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_truncated_file_is_refused(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        load_checkpoint(saved)


def test_altered_bytes_are_refused(saved):
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(saved)


def test_other_version_and_missing_header_are_refused(saved):
    rewrite(saved, change_header=lambda header: header.update(format_version=99))
    with pytest.raises(CheckpointError, match="format version must be 1, got 99"):
        load_checkpoint(saved)
    save_file(load_file(saved), saved)
    with pytest.raises(CheckpointError, match="'ringmoe' header"):
        load_checkpoint(saved)


def test_header_that_lacks_a_part_is_refused(saved):
    rewrite(saved, change_header=lambda header: header["config"].update(colour="red"))
    with pytest.raises(CheckpointError, match="colour"):
        load_checkpoint(saved)


@pytest.mark.parametrize("case", ["missing", "surplus", "shape"])
def test_tensors_that_do_not_fit_are_named(small_model, tmp_path, monkeypatch, case):
    """A file with a true digest over the wrong tensors."""
    path = tmp_path / "wrong.safetensors"
    tensors = small_model.state_dict()
    if case == "missing":
        del tensors["encoder.norms.0.weight"]
    elif case == "surplus":
        tensors["extra.weight"] = torch.zeros(3)
    else:
        tensors["encoder.norms.0.weight"] = torch.zeros(3)
    monkeypatch.setattr(RingMoE, "state_dict", lambda _: tensors)
    save_checkpoint(small_model, path, metadata=METADATA)
    monkeypatch.undo()
    message = {
        "missing": "missing .'encoder.norms.0.weight'",
        "surplus": "left over .'extra.weight'",
        "shape": r"\(3,\) instead of \(16,\)",
    }
    with pytest.raises(CheckpointError, match=message[case]):
        load_checkpoint(path)


def test_metadata_must_fit(small_model, tmp_path):
    with pytest.raises(ValueError, match="one name a class"):
        save_checkpoint(small_model, tmp_path / "m", metadata=replace(METADATA, class_names=("a",)))
    with pytest.raises(ValueError, match="trained modalities"):
        save_checkpoint(small_model, tmp_path / "m", metadata=replace(METADATA, trained_modalities=("thermal",)))
    with pytest.raises(ValueError, match="bfloat16 or float32"):
        save_checkpoint(small_model, tmp_path / "m", metadata=METADATA, dtype=torch.float16)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="must exist"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_shipped_weights_keep_their_outputs():
    """Logits at two pixels, written down when these weights were first shipped."""
    loaded = load_checkpoint(Path(ringmoe_core.__file__).parent / "weights" / "nano.safetensors")
    assert loaded.sha256 == "dabdf41fd80aa784314c1761007d30439052d748f1731ee4975a2994f7d3bbcd"
    assert loaded.model.config == nano()
    generator = torch.Generator().manual_seed(0)
    series = {
        name: Series(
            pixels_BTCHW=torch.randn(1, 2, channels, 32, 32, generator=generator),
            valid_BTHW=torch.rand(1, 2, 32, 32, generator=generator) >= 0.1,
            present_BTC=torch.ones(1, 2, channels, dtype=torch.bool),
            day_BT=torch.tensor([[0.25, 0.5]]),
        )
        for name, channels in (("sar_l2", 2), ("ms", 10))
    }
    with torch.inference_mode():
        logits = loaded.model(series, torch.ones(1, 1, 4, dtype=torch.bool))[0]
    for row, column, wanted in (
        (5, 7, [-1.5865, -1.8278, 3.4997, 0.0793, 1.8528, -9.5252, -4.5065]),
        (31, 31, [-1.3274, -0.7576, 0.8928, 0.8115, -0.0367, -2.7334, -1.3626]),
    ):
        torch.testing.assert_close(logits[:, row, column], torch.tensor(wanted), rtol=0, atol=2e-3)


def test_buffers_keep_their_type_and_values(small_config, tmp_path):
    model = RingMoE(replace(small_config, balancing="bias"), seed=0)
    for index, buffer in enumerate(model.buffers()):
        buffer.fill_(1 / (3 + index))
    save_checkpoint(model, tmp_path / "m", metadata=METADATA)
    buffers = dict(load_checkpoint(tmp_path / "m", dtype=torch.bfloat16).model.named_buffers())
    assert buffers
    for name, value in model.named_buffers():
        assert buffers[name].dtype == torch.float32
        assert torch.equal(buffers[name], value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_float16_never_stays(small_model, saved, dtype):
    """Neither on request nor from a file of another writer."""
    with pytest.raises(ValueError, match=r"bfloat16 or float32, got torch\.float16"):
        load_checkpoint(saved, dtype=torch.float16)
    halves = {name: value.half() for name, value in load_file(saved).items()}
    with safe_open(saved, framework="pt") as file:
        header = json.loads(file.metadata()["ringmoe"]) | {"sha256": checkpoint._digest(halves)}
    save_file(halves, saved, metadata={"ringmoe": json.dumps(header)})
    for name, value in load_checkpoint(saved, dtype=dtype).model.state_dict().items():
        assert value.dtype == dtype
        torch.testing.assert_close(value, halves[name].to(dtype), rtol=0, atol=0)
