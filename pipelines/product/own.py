"""A user's own classes: the best class of every pixel, how sure it is, and the runner-up, as land cover has them."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import xarray as xr

from pipelines.legend import OWN_NODATA, LegendClass
from pipelines.product import layer
from pipelines.product.errors import ProductError
from pipelines.product.familiarity import novelty_attrs, novelty_layers, unfamiliar, with_unfamiliar
from pipelines.product.landcover import _bit, _rank
from pipelines.product.reasons import ProductReason, merged_attrs

_SEEN = ("n_valid_s2", "n_valid_s1", "reason")
OWN_ATTR: Final = "own_classes"
"""Attribute of a prediction that tells of the user's heads, as `pipelines.inference.own` writes it."""


def own_classes(
    prediction: xr.Dataset, name: str, *, min_confidence: int = 0, max_novelty: int | None = None
) -> xr.Dataset:
    """Returns a product of a user's classes: class, confidence, margin, second_class, n_valid, reasons, maybe novelty.

    Codes count from 1 in the order of the classes' names, 0 is no answer. Everything else is as in `land_cover`.

    Args:
        prediction: As `open_prediction` gives it, with the probabilities of that head.
        name: Of the product.
        min_confidence: Percent, 0 to 100; where the confidence is below it `class` is 0, the other layers stay.
        max_novelty: Percent, 0 to 100; where the novelty is above it likewise. None masks nothing.

    Raises:
        ProductError: A variable or the provenance is missing, a limit is out of range, or one of novelty is given for
            weights that tell none.
    """
    if not 0 <= min_confidence <= 100:  # noqa: PLR2004 percent
        raise ProductError(f"min_confidence is a percent from 0 to 100, got {min_confidence}; give such a number")
    variable, dim = f"own_{name}_probability", f"own_{name}_class"
    layer.require(prediction, (variable, *_SEEN))
    told = _told(prediction, name)
    legend = tuple(LegendClass(**entry) for entry in told["classes"])
    strange = unfamiliar(prediction, max_novelty)
    first, second, confidence, margin = xr.apply_ufunc(
        _rank,
        layer.probabilities(prediction, variable, dim, legend).drop_vars(dim),
        input_core_dims=[[dim]],
        output_core_dims=[[], [], [], []],
        kwargs={"codes": prediction[dim].to_numpy().astype(np.uint8)},
        dask="parallelized",
        output_dtypes=[np.uint8] * 4,
    )
    missing = confidence == layer.PERCENT_NODATA
    unsure = ~missing & (confidence < min_confidence)
    reasons = prediction["reason"].astype("uint16") | _bit(missing, ProductReason.NO_OBSERVATION)
    reasons = reasons | _bit(unsure, ProductReason.BELOW_CONFIDENCE)
    layers = {
        "class": first.where(~(unsure if strange is None else unsure | strange), np.uint8(OWN_NODATA.code)),
        "confidence": confidence,
        "margin": margin,
        "second_class": second,
        "n_valid": layer.num_valid(prediction),
        "reasons": with_unfamiliar(reasons, strange),
        **novelty_layers(prediction),
    }
    attrs = _attrs(prediction, name, legend, float(told["temperature"]), abstains=strange is not None)
    described = {key: array.drop_attrs(deep=False).assign_attrs(attrs[key]) for key, array in layers.items()}
    about: dict[str, object] = {"title": f"Own classes: {name}", "product": name, "min_confidence": min_confidence}
    about |= {"head_sha256": told["sha256"], "head_provenance": told["provenance"]}
    about |= {} if max_novelty is None else {"max_novelty": max_novelty}
    return layer.assemble(prediction, described, about)


def _told(prediction: xr.Dataset, name: str) -> dict[str, Any]:
    stated = prediction.attrs.get(OWN_ATTR)
    held: dict[str, dict[str, Any]] = json.loads(stated) if isinstance(stated, str) else {}
    if name not in held:
        raise ProductError(f"a prediction tells of its own classes, got {sorted(held)} without {name!r}; predict again")
    return held[name]


def _attrs(
    prediction: xr.Dataset, name: str, legend: tuple[LegendClass, ...], temperature: float, *, abstains: bool
) -> dict[str, dict[str, object]]:
    classes = (OWN_NODATA, *legend)
    said = f"calibrated on held-out labels, temperature {temperature:.3g}"
    return {
        "class": layer.class_attrs(classes, f"own classes: {name}"),
        "confidence": layer.percent_attrs("probability of the class", said),
        "margin": layer.percent_attrs("probability of the class less that of the second", said),
        "second_class": layer.class_attrs(classes, f"second most probable class of {name}"),
        "n_valid": layer.count_attrs("number of valid observations of all sensors"),
        "reasons": merged_attrs(prediction["reason"].attrs, abstains=abstains),
        **novelty_attrs(),
    }
