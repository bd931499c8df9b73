"""From a configuration to a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from ringmoe_core.heads.change import ChangeHead
from ringmoe_core.heads.change_pyramid import ChangePyramidHead
from ringmoe_core.heads.change_transformer import ChangeTransformerHead
from ringmoe_core.heads.classification import ClassificationHead
from ringmoe_core.heads.detection import DetectionHead
from ringmoe_core.heads.height import HeightHead
from ringmoe_core.heads.pixel import PixelHead
from ringmoe_core.heads.pixel_series import PixelSeriesHead
from ringmoe_core.heads.segmentation import SegmentationHead
from ringmoe_core.heads.uper import UperHead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from ringmoe_core.config import RingMoEConfig
    from ringmoe_core.heads.head_config import HeadConfig


MOST: Final = 4096
"""Of an inner width, of bins, tokens or layers: far above any use, so that a damaged file cannot ask for more."""


def build_head(config: HeadConfig, model_config: RingMoEConfig, *, seed: int = 0) -> nn.Module:
    """The head of a configuration, with first values.

    Args:
        config: what it is.
        model_config: of the model whose pyramids it reads; of a `pixel_series` head only the modalities matter.
        seed: of the first values; equal seeds give equal values, and the global generator is left alone.

    Raises:
        ValueError: the head reads maps and the model makes none, or an option has a value that does not fit.
    """
    if config.kind != "pixel_series" and not model_config.maps:
        raise ValueError(
            f"a {config.kind} head reads fused pyramids, got a model with maps=False; build it with "
            "dataclasses.replace(config, maps=True)"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _BUILDERS[config.kind](config, model_config)


def _classification(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    return ClassificationHead(
        _dims(model),
        config.num_classes,
        pool=str(config.option("pool")),
        multi_label=bool(config.option("multi_label")),
    )


def _segmentation(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    if _decoder(config, ("uper", "linear")) == "linear":
        return SegmentationHead(model.map_dim, config.num_classes)
    return UperHead(_dims(model), config.num_classes, **_dense(config, model))


def _change(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    decoder = _decoder(config, ("transformer", "pyramid", "linear"))
    if decoder == "linear":
        return ChangeHead(model.map_dim, config.num_classes)
    if decoder == "pyramid":
        return ChangePyramidHead(_dims(model), config.num_classes, **_dense(config, model))
    tokens = _whole(config, "tokens")
    return ChangeTransformerHead(_dims(model), config.num_classes, tokens=tokens, **_dense(config, model))


def _height(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    lowest, highest = (float(config.option(name)) for name in ("lowest_m", "highest_m"))  # type: ignore[arg-type]
    return HeightHead(
        _dims(model), num_bins=_whole(config, "num_bins"), range_m=(lowest, highest), **_dense(config, model)
    )


def _detection(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    return DetectionHead(
        _dims(model),
        config.num_classes,
        strides=model.strides[1:],
        rotated=config.kind == "rotated",
        channels=_whole(config, "channels"),
        tower=_whole(config, "tower"),
    )


def _pixel(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    statistics, hidden = config.option("statistics"), config.option("hidden")
    assert isinstance(statistics, int), "checked by HeadConfig"
    assert isinstance(hidden, int), "checked by HeadConfig"
    maps = model.map_dim if config.option("maps") else 0
    return PixelHead(maps, statistics, config.num_classes, hidden=hidden)


def _pixel_series(config: HeadConfig, model: RingMoEConfig) -> nn.Module:
    channels = config.option("channels")
    assert isinstance(channels, dict), "checked by HeadConfig"
    own = dict(zip(model.modalities, model.channels, strict=True))
    return PixelSeriesHead(
        channels or own, config.num_classes, dim=_whole(config, "dim"), depth=_whole(config, "depth")
    )


_BUILDERS: Mapping[str, Callable[[HeadConfig, RingMoEConfig], nn.Module]] = {
    "classification": _classification,
    "segmentation": _segmentation,
    "detection": _detection,
    "rotated": _detection,
    "change": _change,
    "height": _height,
    "pixel": _pixel,
    "pixel_series": _pixel_series,
}


def _dims(model: RingMoEConfig) -> tuple[int, ...]:
    return (model.fusion_dim,) * len(model.depths)


def _dense(config: HeadConfig, model: RingMoEConfig) -> dict[str, Any]:
    fine_dim = model.skip_fused_dim if config.option("fine") else 0
    return {"channels": _whole(config, "channels"), "fine_dim": fine_dim, "stride": model.patch}


def _whole(config: HeadConfig, name: str) -> int:
    value = config.option(name)
    if not isinstance(value, int) or not 1 <= value <= MOST:
        raise ValueError(
            f"option {name} of '{config.task}' must be an integer from 1 to {MOST}, got {value!r}; correct it"
        )
    return value


def _decoder(config: HeadConfig, known: tuple[str, ...]) -> str:
    decoder = str(config.option("decoder"))
    if decoder not in known:
        raise ValueError(f"decoder of a {config.kind} head must be one of {known}, got {decoder!r}; choose one of them")
    return decoder
