"""Made-up batches for pre-training: smooth ground under speckle, and the physical values behind the channels."""

from __future__ import annotations

import torch

from ringmoe_core import Series
from ringmoe_core.pretraining import PretrainBatch
from ringmoe_core.pretraining.target_scale import target_scale

CHANNELS = {"optical": 3, "sar_l1": 8, "sar_l2": 2, "ms": 10}


def make_batch(
    names=tuple(CHANNELS), *, places=2, dates=1, size=(32, 32), seed=0, mask_seed=3, invalid=0.1, block=8, place_B=None
) -> PretrainBatch:
    series, physical = {}, {}
    for index, name in enumerate(names):
        generator = torch.Generator().manual_seed(100 * seed + index)
        values = draw_physical(name, (places, dates), size, block, generator)
        valid = torch.rand(places, dates, *size, generator=generator) >= invalid
        series[name] = Series(
            pixels_BTCHW=channels_of(name, values),
            valid_BTHW=valid,
            present_BTC=torch.ones(places, dates, CHANNELS[name], dtype=torch.bool),
            day_BT=torch.full((places, dates), 0.5),
            age_BT=torch.arange(dates).float().expand(places, dates) * 0.05,
        )
        physical[name] = torch.where(valid[:, :, None], values, torch.nan)
    return PretrainBatch(series=series, physical=physical, seed=mask_seed, place_B=place_B)


def draw_physical(name, lead, size, block, generator):
    """Squares of `block` pixels of equal ground."""
    channels = 4 if name == "sar_l1" else CHANNELS[name]
    rows, columns = (-(-side // block) for side in size)
    blocks = torch.randn(*lead, channels, rows, columns, generator=generator)
    ground = blocks.repeat_interleave(block, -1).repeat_interleave(block, -2)[..., : size[0], : size[1]]
    if name in ("optical", "ms"):
        return (0.2 + 0.06 * ground).clamp_min(0.01)
    mean = 10 ** ((-12 + 3 * ground) / 10)
    noise = torch.randn(*mean.shape, dtype=torch.complex64, generator=generator)
    if name == "sar_l1":
        scattering = mean.sqrt() * noise
        scattering[:, :, 2] = scattering[:, :, 1]
        return scattering
    return mean * noise.abs().square()


def channels_of(name, values):
    scale = target_scale(name, values.shape[2])
    mean, std = (torch.tensor(part).reshape(-1, 1, 1) for part in (scale.mean, scale.std))
    if name == "sar_l1":
        scaled = values / (10 ** (mean / 10) / 2).sqrt()
        return torch.stack([scaled.real, scaled.imag], dim=3).flatten(2, 3)
    if name == "sar_l2":
        values = 10 * values.clamp_min(1e-4).log10()
    return (values - mean) / std
