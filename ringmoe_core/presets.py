"""The sizes that have a name.

`nano`, `tiny` and `small` are ours, with heads for maps. The others are backbones in the paper's style: `giant` is the
published configuration (arXiv 2504.03166, its authors' code), the rest the same recipe at the sizes of
Swin and Swin V2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringmoe_core.config import RingMoEConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAPER_CHANNELS: Final = (3, 8, 3, 4)
"""Channels of optical, SAR-L1, SAR-L2 (one band three times) and multispectral images in the paper."""


def nano() -> RingMoEConfig:
    """About 5.4 M parameters, 2.0 M of them active for a token: trains and runs on two CPU cores."""
    return RingMoEConfig()


def tiny() -> RingMoEConfig:
    """About 21 M parameters, 4.5 M of them active for a token: four experts a bank."""
    return RingMoEConfig(
        dim=48, num_specialised=4, num_collaborative=4, fusion_dim=96, encodes_acquisition=True, masks_attention=True
    )


def small() -> RingMoEConfig:
    """About 192 M parameters, 36 M of them active for a token: for one accelerator."""
    return RingMoEConfig(
        dim=96,
        depths=(2, 2, 6, 2),
        head_dim=32,
        num_specialised=4,
        num_collaborative=4,
        fusion_dim=128,
        encodes_acquisition=True,
        masks_attention=True,
    )


def paper_t() -> RingMoEConfig:
    """0.373 B parameters."""
    return _paper(96, (2, 2, 6, 2))


def paper_s() -> RingMoEConfig:
    """0.678 B parameters."""
    return _paper(96, (2, 2, 18, 2))


def base() -> RingMoEConfig:
    """1.205 B parameters."""
    return _paper(128, (2, 2, 18, 2))


def large() -> RingMoEConfig:
    """2.710 B parameters."""
    return _paper(192, (2, 2, 18, 2))


def huge() -> RingMoEConfig:
    """9.105 B parameters."""
    return _paper(352, (2, 2, 18, 2))


def giant() -> RingMoEConfig:
    """14.746 B parameters, 2.430 B of them active for a token: the published model."""
    return _paper(448, (2, 2, 18, 2))


def _paper(dim: int, depths: tuple[int, ...]) -> RingMoEConfig:
    return RingMoEConfig(
        style="paper",
        maps=False,
        channels=PAPER_CHANNELS,
        dim=dim,
        depths=depths,
        head_dim=32,
        window=12,
        mlp_ratio=4,
        num_specialised=4,
        num_collaborative=4,
    )


PRESETS: Final[Mapping[str, Callable[[], RingMoEConfig]]] = {
    "nano": nano,
    "tiny": tiny,
    "small": small,
    "paper-t": paper_t,
    "paper-s": paper_s,
    "base": base,
    "large": large,
    "huge": huge,
    "giant": giant,
}
"""Every preset by the name that commands take, smallest first."""
