"""A small model and random series."""

from __future__ import annotations

import pytest
import torch

from ringmoe_core import RingMoE, RingMoEConfig, Series, nano

CHANNELS = {"optical": 3, "sar_l1": 8, "sar_l2": 2, "ms": 10}


@pytest.fixture
def one_thread():
    """Small tensors on one thread: with two, each operation waits for whatever else the cores do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_series():
    def make(modality: str, *, places=2, dates=3, size=(32, 32), seed=0, invalid=0.1) -> Series:
        generator = torch.Generator().manual_seed(seed)
        channels = CHANNELS[modality]
        return Series(
            pixels_BTCHW=torch.randn(places, dates, channels, *size, generator=generator),
            valid_BTHW=torch.rand(places, dates, *size, generator=generator) >= invalid,
            present_BTC=torch.ones(places, dates, channels, dtype=torch.bool),
            day_BT=torch.rand(places, dates, generator=generator),
        )

    return make


@pytest.fixture(scope="session")
def small_config() -> RingMoEConfig:
    return RingMoEConfig(dim=16, head_dim=8, depths=(1, 2, 1), fusion_dim=16, skip_dim=8, skip_fused_dim=8, map_dim=8)


@pytest.fixture(scope="session")
def enliven():
    return _enliven


@pytest.fixture
def small_model(small_config) -> RingMoE:
    return _enliven(RingMoE(small_config, seed=1))


@pytest.fixture
def nano_model() -> RingMoE:
    return _enliven(RingMoE(nano(), seed=1))


def _enliven(model: RingMoE) -> RingMoE:
    """Larger random parameters, so that an error in any branch shows."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
