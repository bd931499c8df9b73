from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from prune_models import PAPER, SMALL, batch, everyone, lively

from ringmoe_core import RingMoE
from ringmoe_core.prune import extract, extracted_config

VARIANTS = {
    "modern": SMALL,
    "top 2": replace(SMALL, top_k=2),
    "balanced by bias": replace(SMALL, balancing="bias"),
    "spectral": replace(SMALL, embedding="spectral", encodes_acquisition=True),
    "cosine": replace(SMALL, attention="cosine", masks_attention=True),
    "ghosts": replace(SMALL, num_collaborative=2, num_pruned=2),
    "own experts only": replace(SMALL, num_collaborative=0),
    "common experts only": replace(SMALL, num_specialised=0),
    "dense": replace(SMALL, num_specialised=0, num_collaborative=0),
    "paper": PAPER,
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("kept", [("ms",), ("optical", "sar_l2")])
def test_extraction_changes_no_output(name, kept):
    model = lively(VARIANTS[name])
    small = extract(model, kept[::-1])
    assert small.config == extracted_config(model.config, kept)
    series = batch(model.config, *kept)
    member = everyone(series)
    with torch.no_grad():
        full, alone = model.encode(series), small.encode(series)
        for ours, theirs in zip(alone.levels, full.levels, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
        pair = small(series, member), model(series, member)
    torch.testing.assert_close(*pair, rtol=1e-5, atol=1e-5)


def test_extraction_of_double_precision_is_exact():
    model = lively(SMALL).double()
    series = batch(SMALL, "optical", "sar_l2")
    small = extract(model, ("optical", "sar_l2"))
    with torch.no_grad():
        for ours, theirs in zip(small.encode(series).levels, model.encode(series).levels, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)


def test_a_modality_keeps_its_own_parameters_and_no_others():
    model = lively(SMALL)
    with torch.no_grad():
        for name, value in model.named_parameters():  # every tensor of a modality says which one it is
            for index, modality in enumerate(SMALL.modalities):
                if f".{modality}." in name:
                    value.fill_(index)
            if ".mixture.specialised." in name:
                value.copy_(torch.arange(12).div(3, rounding_mode="floor").reshape(-1, *[1] * (value.dim() - 1)))
            if name.endswith("router.specialised_MSD"):
                value.copy_(torch.arange(4)[:, None, None])
            if name.endswith(".context.weight"):
                value[:, -4:] = torch.arange(4)
    small = dict(extract(model, ("sar_l1", "ms")).named_parameters())
    assert not [name for name in small if ".optical." in name or ".sar_l2." in name]
    mixture = "encoder.stages.1.1.mixture."
    assert set(small["encoder.embeds.ms.projection.weight"].unique().tolist()) == {3.0}
    assert small[f"{mixture}specialised.expand_bias_XF"][:, 0].tolist() == [1, 1, 1, 3, 3, 3]
    assert small[f"{mixture}router.specialised_MSD"][:, 0, 0].tolist() == [1, 3]
    assert small["fusion.levels.2.context.weight"][0, -2:].tolist() == [1, 3]


def test_the_source_is_left_alone():
    model = lively(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small = extract(model, ("ms",)).train()
    with torch.no_grad():
        for value in small.parameters():
            value.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.requires_grad for value in small.parameters())
    assert not model.training


def test_unknown_modalities_are_refused():
    with pytest.raises(ValueError, match=r"must be among .*got \['lidar'\]; rename them"):
        extract(lively(SMALL), ("ms", "lidar"))


def test_a_model_without_storage_can_be_extracted():
    small = extract(RingMoE(PAPER, seed=None), ("sar_l2",))
    assert all(value.is_meta for value in small.parameters())
