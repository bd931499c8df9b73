"""Abstention: where what was seen is too unlike the weights' training, a product gives no class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.product import layer
from pipelines.product.errors import ProductError
from pipelines.product.reasons import ProductReason

if TYPE_CHECKING:
    import xarray as xr

NOVELTY = "novelty"


def unfamiliar(prediction: xr.Dataset, max_novelty: int | None) -> xr.DataArray | None:
    """Returns where the novelty lies above the limit, bool (y, x); None without a limit.

    Raises:
        ProductError: The limit is no percentage, or the prediction tells no novelty.
    """
    if max_novelty is None:
        return None
    if not 0 <= max_novelty <= 100:  # noqa: PLR2004 percent
        raise ProductError(f"max_novelty is a percent from 0 to 100, got {max_novelty}; give such a number")
    if NOVELTY not in prediction:
        raise ProductError(
            f"max_novelty ({max_novelty}) needs weights with statistics of their training, these have none; "
            "make them by `ringmoe calibrate`, or leave max_novelty out"
        )
    novelty = prediction[NOVELTY]
    return (novelty > max_novelty) & (novelty != layer.PERCENT_NODATA)


def with_unfamiliar(reasons: xr.DataArray, where: xr.DataArray | None) -> xr.DataArray:
    """Returns the reasons with the bit of unfamiliar places: uint32 where it may occur, for uint16 is full."""
    if where is None:
        return reasons
    return reasons.astype("uint32") | where.astype("uint32") * np.uint32(ProductReason.UNFAMILIAR)


def novelty_layers(prediction: xr.Dataset) -> dict[str, xr.DataArray]:
    """Returns the layer `novelty` of a product, if the prediction tells it."""
    return {NOVELTY: prediction[NOVELTY].astype("uint8")} if NOVELTY in prediction else {}


def novelty_attrs() -> dict[str, dict[str, object]]:
    """Returns its attributes."""
    comment = "100 is beyond all that was held out; says nothing of whether the class is right"
    return {NOVELTY: layer.percent_attrs("held-out places less unlike the training than this one", comment)}
