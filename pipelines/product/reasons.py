"""Why a product has no answer at a pixel: the prediction's bits and the product's own, in one plane of bits."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import numpy as np

from pipelines.product.errors import ProductError
from pipelines.schema import PREDICTION_REASONS, REASON_DTYPE, reason_attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProductReason(enum.IntFlag):
    """Bits that a product adds above those of the cube (`pipelines.schema.Reason`)."""

    NO_OBSERVATION = 1 << 12
    """No usable acquisition of any sensor."""

    NOT_COMPARABLE = 1 << 13
    """Observed, but not before and after any date: nothing can be said about change."""

    BELOW_CONFIDENCE = 1 << 14
    """The best class is less sure than the least confidence that was asked for."""

    BELOW_MINIMUM_AREA = 1 << 15
    """A change was found in a patch smaller than the minimum mapping unit, and left out of the class layer."""

    UNFAMILIAR = 1 << 16
    """More unlike the weights' training than was allowed. Only products with such a limit have it, in uint32."""


LONG_NAME: Final = "why there is no answer, or what limits it"


def merged_attrs(prediction_attrs: Mapping[str, object], *, abstains: bool = False) -> dict[str, object]:
    """Returns the CF attributes of the `reasons` plane: the prediction's flags, then the product's.

    Args:
        prediction_attrs: Attributes of the prediction's `reason`; without `flag_masks` the cube's own bits are meant.
        abstains: Whether `UNFAMILIAR` may occur, and the plane is uint32.

    Raises:
        ProductError: The prediction uses one of the product's bits for a meaning of its own.
    """
    source = prediction_attrs if "flag_masks" in prediction_attrs else reason_attrs(PREDICTION_REASONS)
    masks = [int(mask) for mask in np.atleast_1d(np.asarray(source["flag_masks"]))]
    names = str(source["flag_meanings"]).split()
    known = dict(zip(masks, names, strict=True))
    for bit in ProductReason:
        if bit is ProductReason.UNFAMILIAR and not abstains:
            continue
        name = (bit.name or "").lower()
        if known.setdefault(int(bit), name) != name:
            raise ProductError(
                f"bit {int(bit)} of reason is a product's {name!r}, got {known[int(bit)]!r}; use bits 0 to 11"
            )
    return {
        "long_name": LONG_NAME,
        "units": "1",
        "flag_masks": np.array(list(known), dtype=np.uint32 if abstains else REASON_DTYPE),
        "flag_meanings": " ".join(known.values()),
    }
