"""Names of a modality's channels, as files of heads state them."""

from __future__ import annotations

from typing import Final, cast

from pipelines.inference.channels import MODALITY_BANDS, CubeModality
from pipelines.training.places.physical import POLARISATIONS

_COMPLEX: Final = tuple(f"{name}_{part}" for name in POLARISATIONS for part in "IQ")


def band_names(modality: str) -> tuple[str, ...]:
    """Returns the names of a modality's channels, in the model's order; of `sar_l1` I and Q of each polarisation."""
    return _COMPLEX if modality == "sar_l1" else MODALITY_BANDS[cast("CubeModality", modality)]
