"""What a pixel's own series says by itself: quantiles and spread of each band over its valid dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.inference.channels import CONVENTIONS, MODALITY_BANDS, CubeModality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.inference.channels import BoolArray, FloatArray
    from ringmoe_core import Series

MODALITIES: Final[tuple[CubeModality, ...]] = ("sar_l2", "ms")
QUANTILES: Final = (0.1, 0.5, 0.9)
VEGETATION_INDEX: Final = "NDVI"
LEAST_SUM: Final = 1e-3
"""Of red and near-infrared reflectance, below which their ratio is noise."""


def statistic_names() -> tuple[str, ...]:
    """Returns the name of each statistic, in the order of `window_statistics`."""
    kinds = (*(f"q{round(100 * quantile)}" for quantile in QUANTILES), "sd")
    return tuple(
        f"{name} {band} {kind}"
        for name in MODALITIES
        for band in (*MODALITY_BANDS[name], *((VEGETATION_INDEX,) if name == "ms" else ()))
        for kind in kinds
    )


NUM_STATISTICS: Final = len(statistic_names())


def window_statistics(series: Mapping[str, Series]) -> FloatArray:
    """Returns the statistics of every pixel, float32 (place, statistic, y, x), NaN where no valid date has the band.

    Args:
        series: The model's input; a modality that is not there is missing throughout.
    """
    num, _, _, height, width = next(iter(series.values())).pixels_BTCHW.shape
    out = np.full((num, NUM_STATISTICS, height, width), np.nan, dtype=np.float32)
    first = 0
    for name in MODALITIES:
        size = (len(QUANTILES) + 1) * (len(MODALITY_BANDS[name]) + (name == "ms"))
        if name in series:
            part = series[name]
            for place in range(num):
                out[place, first : first + size] = series_statistics(
                    part.pixels_BTCHW[place].float().numpy(),
                    part.valid_BTHW[place].numpy(),
                    part.present_BTC[place].numpy(),
                    name,
                )
        first += size
    return out


def series_statistics(pixels: FloatArray, valid: BoolArray, present: BoolArray, modality: CubeModality) -> FloatArray:
    """Returns quantiles and standard deviation of each band, float32 (statistic, y, x), bands slowest.

    A quantile is the nearest rank over the valid dates. Multispectral series carry NDVI (B08 - B04) / (B08 + B04) of
    reflectance as one more band.

    Args:
        pixels: Normalised, (time, channel, y, x).
        valid: (time, y, x).
        present: (time, channel).
        modality: Gives the bands.
    """
    usable = valid[:, None] & present[:, :, None, None]
    values = np.where(usable, pixels, np.float32(np.nan))
    if modality == "ms":
        values = np.concatenate([values, _ndvi(values)[:, None]], axis=1)
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    planes = [
        np.take_along_axis(ordered, np.rint(quantile * np.maximum(count - 1, 0)).astype(np.int64)[None], axis=0)[0]
        for quantile in QUANTILES
    ]
    planes.append(_spread(values, count))
    stacked: FloatArray = np.stack(planes, axis=1).reshape(-1, *values.shape[2:]).astype(np.float32)
    return stacked


def _ndvi(values: FloatArray) -> FloatArray:
    bands = MODALITY_BANDS["ms"]
    red, nir = (
        values[:, bands.index(band)] * np.float32(CONVENTIONS[band].std) + np.float32(CONVENTIONS[band].mean)
        for band in ("B04", "B08")
    )
    return np.asarray((nir - red) / np.maximum(nir + red, np.float32(LEAST_SUM)), dtype=np.float32)


def _spread(values: FloatArray, count: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> FloatArray:
    seen = np.isfinite(values)
    least = np.maximum(count, 1)
    mean = np.where(seen, values, 0).sum(axis=0) / least
    square = np.asarray(np.where(seen, (values - mean) ** 2, 0).sum(axis=0) / least)
    return np.asarray(np.where(count > 0, np.sqrt(square), np.nan), dtype=np.float32)
