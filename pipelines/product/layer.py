"""Layers of a product: what a prediction must hold, CF attributes, the dataset that they make up.

No layer carries `_FillValue`: it would turn class codes into floats on opening. A value that means "nothing here" is
a listed flag instead (`flag_values`, `flag_meanings`: `no_data` or `no_date`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.product.errors import ProductError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import xarray as xr

    from pipelines.legend import LegendClass

PERCENT_NODATA: Final = 255
"""Value of the uint8 percentages where there is no answer; the range is 0 to 100."""

NO_DATE: Final = -1
EPOCH: Final = "1970-01-01"
"""Dates are int32 days since EPOCH. `units` is `day`: readers would decode `days since ...`, and -1 with it."""

PROVENANCE: Final = ("cube_snapshot", "model_sha256")
"""Attributes that every prediction carries, without which a product cannot say where it comes from."""


def require(prediction: xr.Dataset, names: Sequence[str]) -> None:
    """Raises where a prediction lacks variables, the CRS or its provenance.

    Raises:
        ProductError: What is missing, and what there is.
    """
    missing = [name for name in names if name not in prediction]
    if missing:
        held = sorted(map(str, prediction.data_vars))
        raise ProductError(f"the product needs {missing} of the prediction, which holds {held}; predict that task too")
    if "spatial_ref" not in prediction.coords:
        raise ProductError(
            "a prediction carries the scalar coordinate spatial_ref, got none; open it by open_prediction"
        )
    lost = [name for name in PROVENANCE if not prediction.attrs.get(name)]
    if lost:
        raise ProductError(f"a prediction names {list(PROVENANCE)} in its attributes, missing {lost}; predict again")


def probabilities(prediction: xr.Dataset, name: str, dim: str, legend: Sequence[LegendClass]) -> xr.DataArray:
    """Returns the class probabilities, dims (dim, y, x), whole along `dim`, codes checked against the legend.

    Raises:
        ProductError: Other dims, fewer than two classes, or a code that the legend does not list.
    """
    array = prediction[name]
    if array.dims != (dim, "y", "x"):
        raise ProductError(f"{name} must have dims ({dim}, y, x), got {array.dims}; open it by open_prediction")
    codes = [int(code) for code in prediction[dim].to_numpy()]
    unknown = sorted(set(codes) - {entry.code for entry in legend})
    if unknown or len(codes) < 2:  # noqa: PLR2004 a choice needs two
        raise ProductError(f"{dim} must list two or more codes of the legend, got {codes}; unknown: {unknown}")
    return array.chunk({dim: -1}) if array.chunks is not None else array


def num_valid(prediction: xr.Dataset) -> xr.DataArray:
    """Returns the count of valid observations of all sensors, uint16 (y, x)."""
    total = prediction["n_valid_s2"].astype("uint32") + prediction["n_valid_s1"].astype("uint32")
    return total.clip(max=np.iinfo("uint16").max).astype("uint16")


def percent(fraction: npt.NDArray[np.floating], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Returns fractions of 1 as whole percents, 255 where missing."""
    whole = np.clip(np.rint(100.0 * fraction), 0, 100)
    return np.where(missing, PERCENT_NODATA, whole).astype(np.uint8)


def class_attrs(classes: Sequence[LegendClass], long_name: str) -> dict[str, object]:
    """Returns the CF attributes of a uint8 class layer: flag_values, flag_meanings, flag_colors."""
    ordered = sorted(classes, key=lambda entry: entry.code)
    return {
        "long_name": long_name,
        "units": "1",
        "flag_values": np.array([entry.code for entry in ordered], dtype=np.uint8),
        "flag_meanings": " ".join(entry.name for entry in ordered),
        "flag_colors": " ".join(f"#{entry.color}" for entry in ordered),
    }


def percent_attrs(long_name: str, comment: str) -> dict[str, object]:
    """Returns the CF attributes of a uint8 percentage whose value 255 means no data."""
    return {
        "long_name": long_name,
        "units": "percent",
        "valid_range": np.array([0, 100], dtype=np.uint8),
        "flag_values": np.array([PERCENT_NODATA], dtype=np.uint8),
        "flag_meanings": "no_data",
        "comment": comment,
    }


def calibration(prediction: xr.Dataset, name: str) -> str:
    """Returns what may be said of a probability: a temperature of exactly 1 was never fitted."""
    temperature = float(prediction.attrs.get(name, 1.0))
    if temperature == 1.0:
        return "not calibrated"
    return f"calibrated on held-out simulated scenes (temperature {temperature:.3f}), not on real ones"


def count_attrs(long_name: str) -> dict[str, object]:
    """Returns the CF attributes of a count, 0 of which is a count like any other."""
    return {"long_name": long_name, "units": "1"}


def date_attrs(long_name: str) -> dict[str, object]:
    """Returns the attributes of an int32 date in days since EPOCH, -1 where there is none."""
    return {
        "long_name": f"{long_name}, days since {EPOCH}",
        "units": "day",
        "reference_date": EPOCH,
        "flag_values": np.array([NO_DATE], dtype=np.int32),
        "flag_meanings": "no_date",
    }


def assemble(prediction: xr.Dataset, layers: Mapping[str, xr.DataArray], attrs: Mapping[str, object]) -> xr.Dataset:
    """Returns the product's dataset: the layers on the prediction's grid, each naming its CRS, with its provenance.

    Args:
        prediction: Gives x, y, spatial_ref and the attributes that say where the values come from.
        layers: Layers (y, x) with their attributes, in the order of publication.
        attrs: Attributes of the product; `title` and `product` among them.
    """
    frame = (
        prediction[["x", "y", "spatial_ref"]]
        .reset_coords(drop=True)
        .assign_coords(spatial_ref=prediction["spatial_ref"])
    )
    for name, layer in layers.items():
        frame[name] = layer.variable.copy(deep=False)
        frame[name].attrs = {**layer.attrs, "grid_mapping": "spatial_ref"}
    main = next(iter(layers))
    frame[main].attrs["ancillary_variables"] = " ".join(name for name in layers if name != main)
    frame.attrs = {**_plain(prediction.attrs), "Conventions": "CF-1.11", **attrs}
    return frame.drop_encoding()


def _plain(attrs: Mapping[object, object]) -> dict[str, object]:
    """What of a prediction's attributes a product takes over: numbers, strings and lists of strings."""
    return {
        str(name): value for name, value in attrs.items() if isinstance(value, str | int | float) or _is_names(value)
    }


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
