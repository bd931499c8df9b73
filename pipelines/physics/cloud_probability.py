"""A layer of cloud probabilities to the reason bits of the cube."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipelines.schema import REASON_DTYPE, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.physics.step import StepContext, StepPixels
    from pipelines.schema import Group

PLANE: Final = "CLD"
"""Band id of the probability layer in the sensor's facts."""

_MASKED = np.uint16(int(Reason.CLOUD | Reason.CIRRUS | Reason.NOT_MASKED))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudProbability:
    """A step that flags probable clouds, beside the scene's own mask or instead of it."""

    threshold: float = 40.0
    """Percent from which on a pixel counts as cloud, above 0."""

    replaces: bool = False
    """True drops cloud and cirrus of the scene's own mask where a probability is known; its shadows and snow stay."""

    name: ClassVar[str] = "cloud_probability"
    groups: ClassVar[tuple[Group, ...]] = ("s2",)
    halo_px: ClassVar[int] = 0
    planes: ClassVar[tuple[str, ...]] = (PLANE,)

    def __post_init__(self) -> None:
        _check(self.threshold)

    def obstacle(self, scene: Scene) -> str:
        """Returns why a scene cannot be masked so."""
        return "" if scene.asset(PLANE) else f"the scene has no cloud probability ({PLANE})"

    def apply(self, pixels: StepPixels, context: StepContext) -> StepPixels:
        """Returns the pixels with probable clouds flagged.

        Raises:
            ValueError: The layer is no percentage.
        """
        asset = context.scene.asset(PLANE)
        nodata = None if asset is None else asset.nodata
        found = reasons_from_cloud_probability(context.planes[PLANE], threshold=self.threshold, nodata=nodata)
        known = (found & np.uint16(int(Reason.NOT_MASKED))) == 0
        kept = np.where(known, pixels.reason & ~_MASKED, pixels.reason) if self.replaces else pixels.reason
        return replace(pixels, reason=(kept | np.where(known, found, 0)).astype(np.uint16))


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
    _check(threshold)
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


def _check(threshold: float) -> None:
    if not 0 < threshold <= 100:  # noqa: PLR2004 percent
        raise ValueError(f"a threshold of cloud probability is above 0 and at most 100 percent, got {threshold}")
