from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from ringmoe_core import CheckpointError, CheckpointMetadata, load_checkpoint, save_checkpoint
from ringmoe_core.adapt import (
    AdapterMetadata,
    ConvpassConfig,
    LoraConfig,
    add_convpass,
    add_lora,
    load_adapters,
    save_adapters,
)
from ringmoe_core.sealed_file import read_sealed, write_sealed

MEMBER = torch.ones(1, 1, 2, dtype=torch.bool)


@pytest.fixture
def backbone(small_model, tmp_path):
    metadata = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation="test-1",
        class_names=tuple("abcdefg"),
        change_names=tuple("wxyz"),
        provenance="random numbers",
    )
    save_checkpoint(small_model, tmp_path / "b.safetensors", metadata=metadata)
    return tmp_path / "b.safetensors"


@pytest.mark.parametrize("kind", ["lora", "convpass"])
def test_adapters_come_back_and_weigh_little(backbone, tmp_path, make_series, kind):
    loaded = load_checkpoint(backbone)
    series = {"ms": make_series("ms", places=1, dates=2)}
    if kind == "lora":
        options = {"lora": add_lora(loaded.model, LoraConfig(rank=2, targets=("qkv", "experts")))}
    else:
        options = {"convpass": add_convpass(loaded.model, ConvpassConfig(channels=4))}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    metadata = AdapterMetadata(backbone_sha256=loaded.sha256, provenance="test", **options)
    path = tmp_path / "a.safetensors"
    digest = save_adapters(loaded.model, path, metadata=metadata)
    again = load_checkpoint(backbone)
    assert load_adapters(path, again) == (metadata, digest)
    with torch.no_grad():
        assert torch.equal(again.model(series, MEMBER), loaded.model(series, MEMBER))
    assert set(load_file(path)) == {name for name, p in loaded.model.named_parameters() if p.requires_grad}
    with pytest.raises(CheckpointError, match="belong to the weights"):
        load_adapters(path, replace(load_checkpoint(backbone), sha256="other"))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_adapters(path, load_checkpoint(backbone))


def test_what_does_not_fit_is_refused(backbone, tmp_path):
    loaded = load_checkpoint(backbone)
    metadata = AdapterMetadata(backbone_sha256=loaded.sha256, provenance="test", lora=LoraConfig())
    with pytest.raises(ValueError, match="got none"):
        save_adapters(loaded.model, tmp_path / "a", metadata=metadata)
    with pytest.raises(ValueError, match="one of them"):
        AdapterMetadata(backbone_sha256="x", provenance="test")
    with pytest.raises(CheckpointError, match="ringmoe-adapters"):
        load_adapters(backbone, loaded)
    with pytest.raises(FileNotFoundError):
        load_adapters(tmp_path / "none", loaded)


def test_bypasses_wider_than_their_tensors_are_refused_before_they_are_made(backbone, tmp_path):
    loaded = load_checkpoint(backbone)
    options = add_convpass(loaded.model, ConvpassConfig(channels=4))
    metadata = AdapterMetadata(backbone_sha256=loaded.sha256, provenance="test", convpass=options)
    path = tmp_path / "a.safetensors"
    save_adapters(loaded.model, path, metadata=metadata)
    tensors, header, _ = read_sealed(path, key="ringmoe-adapters")
    header["metadata"]["convpass"]["channels"] = 10**12
    write_sealed(path, tensors, key="ringmoe-adapters", header=header)
    with pytest.raises(CheckpointError, match=r"1000000000000 channels .* got \[4\]"):
        load_adapters(path, load_checkpoint(backbone))
