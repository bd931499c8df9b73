"""Land cover: the best class of every pixel, how sure it is, and the runner-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipelines.legend import LAND_COVER, LAND_COVER_NODATA
from pipelines.product import layer
from pipelines.product.errors import ProductError
from pipelines.product.familiarity import novelty_attrs, novelty_layers, unfamiliar, with_unfamiliar
from pipelines.product.reasons import ProductReason, merged_attrs

if TYPE_CHECKING:
    import numpy.typing as npt

Bytes = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

_NEEDED = ("land_cover_probability", "n_valid_s2", "n_valid_s1", "reason")


def land_cover(prediction: xr.Dataset, *, min_confidence: int = 0, max_novelty: int | None = None) -> xr.Dataset:
    """Returns the land-cover product: class, confidence, margin, second_class, n_valid, reasons and maybe novelty.

    `class` uint8 holds WorldCover codes and 0 where there is no answer; `second_class` likewise. `confidence` is the
    probability of the class and `margin` its lead over the second, uint8 percent, 255 where nothing was observed.
    The probabilities are the model's own, at the temperature that its weights state. `n_valid` counts valid
    observations of all sensors, uint16. `reasons` uint16 (uint32 with `max_novelty`) is never 0 where `class` is 0.
    `novelty` uint8 percent is there where the weights carry statistics of their training. Layers are lazy where the
    prediction is.

    Args:
        prediction: As `open_prediction` gives it; `land_cover_probability` (class, y, x) is NaN where unobserved.
        min_confidence: Percent, 0 to 100; where the confidence is below it `class` is 0, the other layers stay.
        max_novelty: Percent, 0 to 100; where the novelty is above it likewise. None masks nothing.

    Raises:
        ProductError: A variable, a code or the provenance is missing, or a limit is out of range, or one
            of novelty is given for weights that tell none.
    """
    if not 0 <= min_confidence <= 100:  # noqa: PLR2004 percent
        raise ProductError(f"min_confidence is a percent from 0 to 100, got {min_confidence}; give such a number")
    layer.require(prediction, _NEEDED)
    strange = unfamiliar(prediction, max_novelty)
    probability = layer.probabilities(prediction, "land_cover_probability", "class", LAND_COVER)
    first, second, confidence, margin = xr.apply_ufunc(
        _rank,
        probability.drop_vars("class"),
        input_core_dims=[["class"]],
        output_core_dims=[[], [], [], []],
        kwargs={"codes": prediction["class"].to_numpy().astype(np.uint8)},
        dask="parallelized",
        output_dtypes=[np.uint8] * 4,
    )
    missing = confidence == layer.PERCENT_NODATA
    unsure = ~missing & (confidence < min_confidence)
    reasons = prediction["reason"].astype("uint16") | _bit(missing, ProductReason.NO_OBSERVATION)
    reasons = reasons | _bit(unsure, ProductReason.BELOW_CONFIDENCE)
    layers = {
        "class": first.where(~(unsure if strange is None else unsure | strange), np.uint8(LAND_COVER_NODATA.code)),
        "confidence": confidence,
        "margin": margin,
        "second_class": second,
        "n_valid": layer.num_valid(prediction),
        "reasons": with_unfamiliar(reasons, strange),
        **novelty_layers(prediction),
    }
    attrs = _attrs(prediction, abstains=strange is not None)
    described = {name: array.drop_attrs(deep=False).assign_attrs(attrs[name]) for name, array in layers.items()}
    title: dict[str, object] = {"title": "Land cover", "product": "land-cover", "min_confidence": min_confidence}
    title |= {} if max_novelty is None else {"max_novelty": max_novelty}
    return layer.assemble(prediction, described, title)


def _rank(probability: npt.NDArray[np.floating], codes: Bytes) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """First and second code, confidence and margin; ties go to the class that stands first in the legend.

    One pass over the classes, plane by plane: sorting along the last axis of a view is many times slower.

    Args:
        probability: Fractions of 1, dims (..., class); a pixel with any NaN counts as unobserved.
        codes: Code of each class, dims (class,).
    """
    top = np.full(probability.shape[:-1], -1.0, dtype=probability.dtype)
    runner_up = top.copy()
    first = np.full(top.shape, LAND_COVER_NODATA.code, dtype=np.uint8)
    second = first.copy()
    missing = np.zeros(top.shape, dtype=bool)
    for index, code in enumerate(codes):
        plane = probability[..., index]
        missing |= np.isnan(plane)
        leads = plane > top
        follows = ~leads & (plane > runner_up)
        runner_up = np.where(leads, top, np.where(follows, plane, runner_up))
        second = np.where(leads, first, np.where(follows, code, second))
        top = np.where(leads, plane, top)
        first = np.where(leads, code, first)
    nothing = np.uint8(LAND_COVER_NODATA.code)
    return (
        np.where(missing, nothing, first),
        np.where(missing, nothing, second),
        layer.percent(top, missing),
        layer.percent(top - runner_up, missing),
    )


def _bit(where: xr.DataArray, bit: ProductReason) -> xr.DataArray:
    return where.astype("uint16") * np.uint16(bit)


def _attrs(prediction: xr.Dataset, *, abstains: bool) -> dict[str, dict[str, object]]:
    classes = (LAND_COVER_NODATA, *LAND_COVER)
    said = layer.calibration(prediction, "land_cover_temperature")
    return {
        "class": layer.class_attrs(classes, "land cover, codes of ESA WorldCover"),
        "confidence": layer.percent_attrs("probability of the class", said),
        "margin": layer.percent_attrs("probability of the class less that of the second", said),
        "second_class": layer.class_attrs(classes, "second most probable land cover"),
        "n_valid": layer.count_attrs("number of valid observations of all sensors"),
        "reasons": merged_attrs(prediction["reason"].attrs, abstains=abstains),
        **novelty_attrs(),
    }
