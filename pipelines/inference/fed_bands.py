"""Which bands of a cube a model is fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.inference.channels import MODALITY_BANDS, MODALITY_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from pipelines.inference.channels import CubeModality


def fed_bands(cube: Mapping[str, xr.Dataset], modalities: Sequence[CubeModality]) -> dict[str, tuple[str, ...]]:
    """Returns the bands of each modality that the cube holds, in the model's order.

    Args:
        cube: Its groups.
        modalities: That are fed; each one's group is in the cube.
    """
    held = {name: {str(band) for band in cube[MODALITY_GROUP[name]]["band"].to_numpy()} for name in modalities}
    found = {name: tuple(band for band in MODALITY_BANDS[name] if band in held[name]) for name in modalities}
    return {name: ids for name, ids in found.items() if ids}
