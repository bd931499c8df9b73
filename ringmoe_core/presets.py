"""The sizes that have a name."""

from __future__ import annotations

from ringmoe_core.config import RingMoEConfig


def nano() -> RingMoEConfig:
    """About 5.4 M parameters, 2.1 M of them active for a token: trains and runs on two CPU cores."""
    return RingMoEConfig()


def tiny() -> RingMoEConfig:
    """About 21 M parameters, 4.5 M of them active for a token: four experts a bank."""
    return RingMoEConfig(dim=48, num_specialised=4, num_collaborative=4, fusion_dim=96)
