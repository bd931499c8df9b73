"""A layer of cloud probabilities to the reason bits of the cube."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray


def reasons_from_cloud_probability(
    probability: NDArray[np.integer] | NDArray[np.floating], *, threshold: float, nodata: float | None = None
) -> NDArray[np.uint16]:
    """Returns `cloud` where clouds are at least as probable as the threshold, `not_masked` where nothing is known.

    Args:
        probability: Percent, 0 to 100, any shape (Sentinel-2 L2A MSK_CLDPRB, s2cloudless x 100); NaN is not known.
        threshold: Percent, above 0 and at most 100.
        nodata: Stored value that stands for not known.

    Raises:
        ValueError: The threshold is out of range, or a value is: then the layer is no percentage.
    """
    if not 0 < threshold <= 100:  # noqa: PLR2004 percent
        raise ValueError(f"a threshold of cloud probability is above 0 and at most 100 percent, got {threshold}")
    unknown = np.isnan(probability)
    if nodata is not None and not np.isnan(nodata):
        unknown |= probability == nodata
    known = probability[~unknown]
    if known.size and not (known.min() >= 0 and known.max() <= 100):  # noqa: PLR2004 percent
        raise ValueError(
            f"a cloud probability is 0 to 100 percent, got {known.min()} to {known.max()}; check asset and nodata"
        )
    reasons = np.zeros(probability.shape, dtype=REASON_DTYPE)
    reasons[~unknown & (probability >= threshold)] = int(Reason.CLOUD)
    reasons[unknown] = int(Reason.NOT_MASKED)
    return reasons
