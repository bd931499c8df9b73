"""What a configuration and a batch of pre-training refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pretrain_batches import make_batch

from ringmoe_core import RingMoE
from ringmoe_core.modality_bands import modality_bands
from ringmoe_core.pretraining import PretrainBatch, PretrainConfig, Pretrainer


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hide": "blur"}, "hide must be one of"),
        ({"sar_l1": "power"}, "sar_l1 must be one of"),
        ({"contrastive": "clip"}, "contrastive must be one of"),
        ({"reflectance": "l2"}, "reflectance must be one of"),
        ({"ms_weight": -1.0}, "ms_weight must be finite and at least 0, got -1.0"),
        ({"z_weight": math.nan}, "z_weight must be finite"),
        ({"sar_l2_looks": 0.0}, "sar_l2_looks must be finite and above 0"),
        ({"sar_l1_noise_power": 0.0}, "sar_l1_noise_power must be finite and above 0"),
        ({"mask_ratio": 0.0}, "mask_ratio must lie between 0 and 1"),
        ({"mask_ratio": 1.0}, "mask_ratio must lie between 0 and 1"),
        ({"mask_unit": 0}, "mask_unit must be at least 1"),
        ({"masked_weight": 0.0}, "needs an objective"),
        ({"sar_l1_box": 2, "sar_l1": "span"}, "only covariances are multilooked"),
        ({"mask_together": (("ms", "optical"), ("ms",))}, "at most once"),
    ],
)
def test_values_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PretrainConfig(**values)


def test_configuration_survives_json():
    import json

    config = PretrainConfig(
        mask_unit=16, contrastive="sigmoid", mask_together=(("ms", "optical"), ("sar_l1", "sar_l2"))
    )
    assert PretrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match=r"known keys only, got \['speed'\]"):
        PretrainConfig.from_dict({"speed": 1})


def test_batch_refuses_what_does_not_belong_together():
    batch = make_batch(("ms", "sar_l1"))
    with pytest.raises(ValueError, match="every modality needs its physical values"):
        replace(batch, physical={"ms": batch.physical["ms"]})
    with pytest.raises(ValueError, match=r"physical values of ms must be \(2, 1, 10, 32, 32\)"):
        replace(batch, physical=dict(batch.physical) | {"ms": batch.physical["ms"][:, :, :4]})
    with pytest.raises(ValueError, match="physical values of sar_l1 must be complex"):
        replace(batch, physical=dict(batch.physical) | {"sar_l1": batch.physical["sar_l1"].real})
    with pytest.raises(ValueError, match="seed"):
        replace(batch, seed=-1)
    with pytest.raises(ValueError, match="place_B"):
        replace(batch, place_B=torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="got series of"):
        PretrainBatch(series={}, physical={}, seed=0)


def test_what_is_known_of_a_batch():
    batch = make_batch(("sar_l1", "ms"), invalid=0.0)
    batch.series["sar_l1"].present_BTC[0, 0, 3] = False  # Q of HV
    batch.series["ms"].valid_BTHW[1, 0, 4, 5] = False
    batch.physical["ms"][1, 0, 2, 7, 7] = math.inf
    assert batch.present("sar_l1")[0, 0].tolist() == [True, False, True, True]
    known = batch.known("sar_l1")
    assert known[0, 0, :, 0, 0].tolist() == [True, False, True, True]
    known = batch.known("ms")
    assert not known[1, 0, :, 4, 5].any()
    assert known[1, 0, :, 7, 7].tolist() == [True, True, False] + [True] * 7
    assert int(known.sum()) == known.numel() - 10 - 1


def test_pretrainer_refuses_what_it_cannot_train(small_config):
    with pytest.raises(ValueError, match="whole patches of 4 px, got 6"):
        Pretrainer(RingMoE(small_config), PretrainConfig(mask_unit=6))
    with pytest.raises(ValueError, match="maps=False"):
        Pretrainer(RingMoE(replace(small_config, maps=False)), PretrainConfig(cross_modal=True))
    with pytest.raises(ValueError, match="pre-training knows the modalities"):
        Pretrainer(RingMoE(replace(small_config, modalities=("thermal",), channels=(1,))), PretrainConfig())
    with pytest.raises(ValueError, match="I and Q"):
        Pretrainer(RingMoE(replace(small_config, modalities=("sar_l1",), channels=(4,))), PretrainConfig())
    coarse = Pretrainer(RingMoE(replace(small_config, patch=16)), PretrainConfig())
    with pytest.raises(ValueError, match="whole patches of 16 px, got 8 px"):
        coarse(make_batch())


def test_bands_that_no_decoder_knows_are_refused(small_config):
    model = RingMoE(replace(small_config, embedding="spectral"))
    batch = make_batch(("ms",))
    series = replace(
        batch.series["ms"],
        pixels_BTCHW=batch.series["ms"].pixels_BTCHW[:, :, :2],
        present_BTC=batch.series["ms"].present_BTC[:, :, :2],
        bands=modality_bands("ms")[:2],
    )
    other = replace(batch, series={"ms": series}, physical={"ms": batch.physical["ms"][:, :, :2]})
    with pytest.raises(ValueError, match="got 2 of 'ms'"):
        Pretrainer(model, PretrainConfig())(other)
    contrast = Pretrainer(model, PretrainConfig(masked_weight=0.0, contrastive="info_nce"))
    assert "contrastive" not in contrast(other).terms
