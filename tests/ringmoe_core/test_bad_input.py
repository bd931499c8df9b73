"""What a model answers to input that is wrong, empty or tiny: a clear error or a defined result, in every style."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ringmoe_core import CheckpointError, CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint
from ringmoe_core.modality_bands import modality_bands

SIZES = {
    "dim": 16, "head_dim": 8, "depths": (1, 2, 1), "fusion_dim": 16, "skip_dim": 8, "skip_fused_dim": 8, "map_dim": 8,
}  # fmt: skip
CONFIGS = {
    "modern": RingMoEConfig(**SIZES),
    "careful": RingMoEConfig(
        **SIZES, balancing="bias", attention="cosine", encodes_acquisition=True, masks_attention=True, top_k=2
    ),
    "spectral": RingMoEConfig(**SIZES, embedding="spectral", masks_attention=True),
    "paper": RingMoEConfig(**SIZES, style="paper"),
    "paper backbone": RingMoEConfig(**SIZES, style="paper", maps=False),
    "dense": RingMoEConfig(**SIZES, num_specialised=0, num_collaborative=0),
}


@pytest.fixture(params=CONFIGS, scope="module")
def model(request):
    return RingMoE(CONFIGS[request.param], seed=1).eval()


def answers(model, series):
    """Everything that the model says of a batch: features, and maps where it makes them."""
    features = model.encode(series)
    if not model.config.maps:
        return list(features.levels)
    places, images = features.day_BT.shape
    return [*features.levels, model.decode(model.fuse(features, torch.ones(places, 1, images, dtype=torch.bool)))]


# channels, modality, ground sampling distance


def test_channels_that_do_not_match_are_refused(model, make_series):
    with pytest.raises(ValueError, match="sar_l2 has 2 channels, got 10; give absent bands as not present"):
        model.encode({"sar_l2": make_series("ms")})


def test_named_bands_free_the_channels_of_a_spectral_model_alone(make_series):
    ten = replace(make_series("ms"), bands=modality_bands("ms"))
    assert RingMoE(CONFIGS["spectral"]).encode({"sar_l2": ten}).levels[0].isfinite().all()
    with pytest.raises(ValueError, match="sar_l2 has 2 channels, got 10"):
        RingMoE(CONFIGS["modern"]).encode({"sar_l2": ten})
    with pytest.raises(ValueError, match="bands must name each of the 10 channels, got 2"):
        replace(ten, bands=modality_bands("sar_l2"))


def test_an_unknown_modality_is_refused(model, make_series):
    with pytest.raises(ValueError, match=r"must be among .*'ms'.*, got \['thermal'\]; rename"):
        model.encode({"ms": make_series("ms"), "thermal": make_series("ms")})


def test_no_modality_is_refused(model):
    with pytest.raises(ValueError, match="at least one modality"):
        model.encode({})


@pytest.mark.parametrize("metres", [0.0, -10.0, float("inf")])
def test_a_gsd_that_no_sensor_has_is_refused(make_series, metres):
    gsd = torch.tensor([[10.0, 10.0, 10.0], [10.0, metres, 10.0]])
    with pytest.raises(ValueError, match=r"sampling distance must be above 0 and finite, got .* \(1, 1\); use NaN"):
        replace(make_series("ms"), gsd_m_BT=gsd)


def test_an_unknown_gsd_is_defined(model, make_series):
    series = make_series("ms")
    unknown = replace(series, gsd_m_BT=torch.full((2, 3), torch.nan))
    for one, other in zip(answers(model, {"ms": series}), answers(model, {"ms": unknown}), strict=True):
        assert torch.equal(one, other)


# masks


def test_nothing_valid_is_a_defined_answer(model, make_series):
    dead = make_series("ms", invalid=2)
    features = model.encode({"ms": dead})
    assert features.routing is None
    assert all((level == 0).all() for level in features.levels)
    assert all((weight == 0).all() for weight in features.weights)
    assert all(answer.isfinite().all() for answer in answers(model, {"ms": dead}))


def test_bands_that_are_all_absent_are_as_nothing_valid(model, make_series):
    series = make_series("ms")
    absent = replace(series, present_BTC=torch.zeros_like(series.present_BTC))
    for one, other in zip(
        answers(model, {"ms": absent}), answers(model, {"ms": make_series("ms", invalid=2)}), strict=True
    ):
        assert torch.equal(one, other)


def test_a_dead_place_leaves_the_others_alone(model, make_series):
    series = make_series("ms")
    valid = series.valid_BTHW.clone()
    valid[1] = False
    both = answers(model, {"ms": replace(series, valid_BTHW=valid)})
    for alone, together in zip(answers(model, {"ms": series}), both, strict=True):
        torch.testing.assert_close(together[0], alone[0], rtol=1e-4, atol=1e-5)
        assert together[1].isfinite().all()


def test_a_single_valid_pixel_is_enough(model, make_series):
    series = make_series("ms", dates=1, invalid=2)
    valid = series.valid_BTHW.clone()
    valid[:, :, 17, 5] = True
    one = replace(series, valid_BTHW=valid)
    assert all(answer.isfinite().all() for answer in answers(model, {"ms": one}))
    loss = sum(answer.square().mean() for answer in answers(model, {"ms": one}))
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    model.zero_grad()


# NaN


def test_nan_in_a_valid_pixel_is_refused_with_its_place(make_series):
    series = make_series("sar_l2", invalid=0)
    pixels = series.pixels_BTCHW.clone()
    pixels[1, 0, 1, 30, 2] = torch.nan
    with pytest.raises(ValueError, match=r"must be finite, got nan at .* \(1, 0, 1, 30, 2\) \(1 in all\); mark such"):
        replace(series, pixels_BTCHW=pixels)


def test_nan_in_an_invalid_pixel_has_no_effect_on_answer_or_gradient(model, make_series):
    series = make_series("ms", invalid=0.4)
    broken = replace(series, pixels_BTCHW=torch.where(series.valid_BTHW[:, :, None], series.pixels_BTCHW, torch.nan))
    gradients = []
    for one in (series, broken):
        given = answers(model, {"ms": one})
        sum(answer.square().mean() for answer in given).backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        model.zero_grad(set_to_none=True)
    for first, second in zip(answers(model, {"ms": series}), answers(model, {"ms": broken}), strict=True):
        assert torch.equal(first, second)
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
        assert second.isfinite().all()


# sizes and loads


@pytest.mark.parametrize("size", [(4, 4), (1, 1)])
def test_one_token(model, make_series, size):
    series = {"ms": make_series("ms", places=1, dates=1, size=size, invalid=0)}
    given = answers(model, series)
    assert all(answer.isfinite().all() for answer in given)
    stages = [level.shape[-2:] for level in model.encode(series).pyramid().values()]
    assert stages == [(1, 1)] * 3
    sum(answer.square().mean() for answer in given).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    model.zero_grad()


@pytest.mark.parametrize("name", ["modern", "careful", "paper"])
def test_an_expert_without_tokens(name, make_series):
    """Routers that prefer one expert leave the others empty: finite answers, zero gradients, and the report says so."""
    config = replace(CONFIGS[name], num_specialised=4, num_collaborative=4, top_k=1)
    model = RingMoE(config, seed=1)
    layers = [block.mixture for stage in model.encoder.stages for block in stage]
    with torch.no_grad():
        for layer in layers:
            for scorer in (layer.router.specialised_MSD, layer.router.collaborative_CD):
                scorer.zero_()  # a tie: the choice is one expert for every token
    features = model.encode({"ms": make_series("ms"), "sar_l2": make_series("sar_l2")})
    report = features.routing
    for use in (report.specialised_utilisation_YMX, report.collaborative_utilisation_YMX):
        assert use[:, 2:].sort(-1).values.tolist() == [[[0.0, 0.0, 0.0, 1.0]] * 2] * 4
        assert use[:, :2].isnan().all()  # optical and sar_l1 are not there
    loss = sum(level.square().mean() for level in features.levels) + report.balance_loss + report.z_loss
    loss.backward()
    assert loss.isfinite()
    for layer in layers:
        for bank in (layer.specialised, layer.collaborative):
            for parameter in bank.parameters():
                assert parameter.grad.isfinite().all()
                used = parameter.grad.flatten(1).abs().amax(1) > 0
                assert used.sum() <= (2 if bank is layer.specialised else 1)


def test_one_image_of_one_date_in_a_batch_of_one(model, make_series):
    series = {"sar_l2": make_series("sar_l2", places=1, dates=1)}
    assert all(answer.isfinite().all() and answer.shape[0] == 1 for answer in answers(model, series))


# checkpoints

METADATA = CheckpointMetadata(
    trained_modalities=("ms",), normalisation="test-1", class_names=tuple("abcdefg"), change_names=tuple("wxyz"),
    provenance="random numbers",
)  # fmt: skip


def with_config(path, config):
    """The file, saying that it is of another configuration."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["ringmoe"])
    header["config"] = config.to_dict()
    save_file(load_file(path), path, metadata={"ringmoe": json.dumps(header)})


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (CONFIGS["paper"], "left over"),
        (CONFIGS["spectral"], r"missing .*filters"),
        (CONFIGS["dense"], r"left over .*collaborative"),
        (replace(CONFIGS["modern"], depths=(1, 3, 1)), r"missing .*stages\.1\.2"),
        (replace(CONFIGS["modern"], dim=24), r"encoder\.embeds\.ms\.norm\.bias \(16,\) instead of \(24,\)"),
        (replace(CONFIGS["modern"], num_collaborative=4), r"collaborative"),
    ],
)
def test_a_checkpoint_of_another_preset_is_refused(tmp_path, other, named):
    path = tmp_path / "model.safetensors"
    save_checkpoint(RingMoE(CONFIGS["modern"], seed=1), path, metadata=METADATA)
    with_config(path, other)
    with pytest.raises(CheckpointError, match=named):
        load_checkpoint(path)


def test_weights_of_another_preset_do_not_enter_a_model():
    tensors = RingMoE(replace(CONFIGS["modern"], dim=24), seed=1).state_dict()
    with pytest.raises(RuntimeError, match=r"size mismatch for encoder\.embeds\.ms\.norm\.weight"):
        RingMoE(CONFIGS["modern"]).load_state_dict(tensors)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_style_comes_back_from_its_own_checkpoint(tmp_path, make_series, name):
    model, path = RingMoE(CONFIGS[name], seed=1).eval(), tmp_path / "model.safetensors"
    save_checkpoint(model, path, metadata=METADATA, dtype=torch.float32)
    series = {"ms": make_series("ms", places=1)}
    for one, other in zip(answers(model, series), answers(load_checkpoint(path).model, series), strict=True):
        assert torch.equal(one, other)
