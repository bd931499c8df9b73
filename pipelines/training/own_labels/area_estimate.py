"""Area of each class from a map and a random reference sample: what counting pixels alone gets wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipelines.training.own_labels.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Ints = npt.NDArray[np.int64]

Z_95: Final = 1.96
SQUARE_METRES_A_HECTARE: Final = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaEstimate:
    """One class."""

    name: str
    mapped_ha: float
    """Pixels of the map, counted: biased by its errors."""

    estimated_ha: float
    half_width_ha: float
    """Of the 95 % interval about the estimate."""

    def to_dict(self) -> dict[str, object]:
        """Returns plain values."""
        return asdict(self)


def area_estimates(
    sample: Ints, mapped_pixels: Ints, class_names: Sequence[str], *, pixel_m: float
) -> tuple[AreaEstimate, ...]:
    """Returns the error-adjusted area of each class with its 95 % interval.

    Stratified estimator with the mapped classes as strata (Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015):
    p_ij = W_i n_ij / n_i+ (eq. 4), p_+j = sum_i p_ij (eq. 9), S(p_+j) = sqrt(sum_i (W_i p_ij - p_ij^2) / (n_i+ - 1))
    (eq. 10), area = A p_+j and 1.96 A S (eq. 11). Valid for a sample drawn at random in the area or within each class
    of the map, and for nothing else.

    Args:
        sample: Counts (mapped class, reference class).
        mapped_pixels: Pixels of each class in the whole map.
        class_names: In that order.
        pixel_m: Side of a pixel, metres.

    Raises:
        LabelError: A mapped class has fewer than two samples, which leaves its share unknown.
    """
    few = [
        f"{name} {number}"
        for name, number, pixels in zip(class_names, sample.sum(axis=1).tolist(), mapped_pixels.tolist(), strict=True)
        if pixels and number < 2  # noqa: PLR2004 a variance needs two
    ]
    if few:
        raise LabelError(f"each mapped class needs two samples for its area, got {', '.join(few)}; label more of them")
    held = mapped_pixels > 0
    weight = (mapped_pixels / mapped_pixels.sum())[held, None]
    counts = sample[held].astype(np.float64)
    number = counts.sum(axis=1, keepdims=True)
    share = weight * counts / number
    total = share.sum(axis=0)
    spread = np.sqrt(((weight * share - share**2) / (number - 1)).sum(axis=0))
    hectares = pixel_m**2 / SQUARE_METRES_A_HECTARE
    whole = float(mapped_pixels.sum()) * hectares
    return tuple(
        AreaEstimate(
            name=name,
            mapped_ha=float(mapped_pixels[index]) * hectares,
            estimated_ha=float(total[index]) * whole,
            half_width_ha=Z_95 * float(spread[index]) * whole,
        )
        for index, name in enumerate(class_names)
    )
