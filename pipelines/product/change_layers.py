"""Change: how probable it is, of what kind, between which two acquisitions, and where nothing can be said.

The file is not named `change`: a module of that name would hide the function of that name in the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from pipelines.legend import CHANGE, CHANGE_NODATA
from pipelines.product import layer
from pipelines.product.errors import ProductError
from pipelines.product.familiarity import novelty_attrs, novelty_layers, unfamiliar, with_unfamiliar
from pipelines.product.reasons import ProductReason, merged_attrs
from pipelines.product.sieve import small_patches

if TYPE_CHECKING:
    import numpy.typing as npt

Bytes = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

_NEEDED = ("change_probability", "change_before", "change_after", "n_valid_s2", "n_valid_s1", "reason")
_NO_CHANGE = CHANGE[0].code


def change(
    prediction: xr.Dataset, *, threshold: float = 0.5, min_area_px: int = 1, max_novelty: int | None = None
) -> xr.Dataset:
    """Returns the change product: class, probability, date_before, date_after, n_valid, reasons and maybe novelty.

    `probability` uint8 is that of any change in percent, 255 where nothing could be compared; at the temperature that
    the weights state, and never altered by the arguments. `class` uint8 is 0 where it is below the threshold, else the
    most probable kind of change, 255 where nothing could be compared. `date_before` and `date_after` int32 are the
    acquisitions that enclose the change, days since 1970-01-01, -1 where `class` holds no change. `reasons` uint16
    (uint32 with `max_novelty`) is never 0 where `class` is 255, so that missing does not look unchanged. `novelty`
    uint8 percent is there where the weights carry statistics of their training. Layers are lazy where the prediction
    is.

    Args:
        prediction: As `open_prediction` gives it; `change_probability` (change_class, y, x) at the best split.
        threshold: Least probability of any change, above 0 and at most 1.
        min_area_px: Minimum mapping unit: smaller patches of change become 0 in `class`, with a bit in `reasons`.
        max_novelty: Percent, 0 to 100; where the novelty is above it `class` is 255. None masks nothing.

    Raises:
        ProductError: A variable, a code or the provenance is missing, or an argument is out of range.
    """
    if not 0 < threshold <= 1:
        raise ProductError(f"threshold is a probability above 0 and at most 1, got {threshold}; give such a number")
    if min_area_px < 1:
        raise ProductError(f"min_area_px is a count of pixels from 1, got {min_area_px}; 1 keeps every patch")
    layer.require(prediction, _NEEDED)
    strange = unfamiliar(prediction, max_novelty)
    probability = layer.probabilities(prediction, "change_probability", "change_class", CHANGE)
    codes = prediction["change_class"].to_numpy().astype(np.uint8)
    if _NO_CHANGE not in codes:
        raise ProductError(f"change_class must list {_NO_CHANGE} (no change), got {codes.tolist()}; predict again")
    percent, kind = xr.apply_ufunc(
        _classify,
        probability.drop_vars("change_class"),
        input_core_dims=[["change_class"]],
        output_core_dims=[[], []],
        kwargs={"codes": codes, "threshold": threshold},
        dask="parallelized",
        output_dtypes=[np.uint8, np.uint8],
    )
    small = small_patches((kind != _NO_CHANGE) & (kind != CHANGE_NODATA.code), min_area_px)
    kind = kind.where(~small, np.uint8(_NO_CHANGE))
    n_valid = layer.num_valid(prediction)
    reasons = _reasons(prediction["reason"], missing=kind == CHANGE_NODATA.code, n_valid=n_valid, small=small)
    if strange is not None:
        kind = kind.where(~strange, np.uint8(CHANGE_NODATA.code))
    changed = (kind != _NO_CHANGE) & (kind != CHANGE_NODATA.code)
    layers = {
        "class": kind,
        "probability": percent,
        "date_before": prediction["change_before"].astype("int32").where(changed, np.int32(layer.NO_DATE)),
        "date_after": prediction["change_after"].astype("int32").where(changed, np.int32(layer.NO_DATE)),
        "n_valid": n_valid,
        "reasons": with_unfamiliar(reasons, strange),
        **novelty_layers(prediction),
    }
    attrs = _attrs(prediction, abstains=strange is not None)
    described = {name: array.drop_attrs(deep=False).assign_attrs(attrs[name]) for name, array in layers.items()}
    title: dict[str, object] = {"title": "Land-cover change", "product": "change"}
    title |= {} if max_novelty is None else {"max_novelty": max_novelty}
    return layer.assemble(prediction, described, {**title, "threshold": threshold, "min_area_px": min_area_px})


def _classify(probability: npt.NDArray[np.floating], codes: Bytes, threshold: float) -> tuple[Bytes, Bytes]:
    """Percent of any change, and its code; `probability` has dims (..., change_class), NaN counts as unobserved."""
    missing = np.isnan(probability).any(axis=-1)
    filled = np.where(missing[..., None], probability.dtype.type(0), probability)
    any_change = 1.0 - filled[..., int(np.flatnonzero(codes == _NO_CHANGE)[0])]
    kinds = np.flatnonzero(codes != _NO_CHANGE)
    best = codes[kinds][filled[..., kinds].argmax(axis=-1)]
    kind = np.where(any_change >= threshold, best, np.uint8(_NO_CHANGE))
    return layer.percent(any_change, missing), np.where(missing, np.uint8(CHANGE_NODATA.code), kind)


def _reasons(
    given: xr.DataArray,
    *,
    missing: xr.DataArray,
    n_valid: xr.DataArray,
    small: xr.DataArray,
) -> xr.DataArray:
    unseen = n_valid == 0
    bits = {
        ProductReason.NO_OBSERVATION: missing & unseen,
        ProductReason.NOT_COMPARABLE: missing & ~unseen,
        ProductReason.BELOW_MINIMUM_AREA: small,
    }
    reasons = given.astype("uint16")
    for bit, where in bits.items():
        reasons = reasons | where.astype("uint16") * np.uint16(bit)
    return reasons


def _attrs(prediction: xr.Dataset, *, abstains: bool) -> dict[str, dict[str, object]]:
    return {
        "class": layer.class_attrs((*CHANGE, CHANGE_NODATA), "kind of land-cover change"),
        "probability": layer.percent_attrs(
            "probability of any change", layer.calibration(prediction, "change_temperature")
        ),
        "date_before": layer.date_attrs("last acquisition before the change"),
        "date_after": layer.date_attrs("first acquisition after the change"),
        "n_valid": layer.count_attrs("number of valid observations of all sensors"),
        "reasons": merged_attrs(prediction["reason"].attrs, abstains=abstains),
        **novelty_attrs(),
    }
