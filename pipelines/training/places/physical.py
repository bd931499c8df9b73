"""Between normalised channels and physical values, where training needs both: the inverse of `inference.channels`.

Complex radar has no convention there, since no cube of it feeds a map. Here I and Q of a polarisation are divided by
one number, sqrt(p / 2) with p the mean power of the detected convention (VV for co-polarised, VH for cross-polarised):
phases, ratios and the zero mean stay as they were measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from pipelines.inference.channels import CONVENTIONS, MODALITY_BANDS

if TYPE_CHECKING:
    import numpy.typing as npt

    from pipelines.inference.channels import CubeModality

POLARISATIONS: Final = ("HH", "HV", "VH", "VV")

_LIKE: Final = {"HH": "VV", "HV": "VH", "VH": "VH", "VV": "VV"}


def component_scales() -> npt.NDArray[np.float32]:
    """Returns the amplitude that one unit of a channel of `sar_l1` stands for, (8,): I and Q of HH, HV, VH, VV."""
    power = np.array([10 ** (CONVENTIONS[_LIKE[name]].mean / 10) for name in POLARISATIONS])
    return np.repeat(np.sqrt(power / 2), 2).astype(np.float32)


def complex_channels(scattering: npt.NDArray[np.complex64]) -> npt.NDArray[np.float32]:
    """Returns the eight channels (..., 8, y, x) of a scattering vector; NaN stays NaN.

    Args:
        scattering: (..., 4, y, x) in the order HH, HV, VH, VV, |S|^2 a backscatter coefficient.

    Raises:
        ValueError: The axis of polarisations has another length.
    """
    if scattering.ndim < 3 or scattering.shape[-3] != len(POLARISATIONS):  # noqa: PLR2004
        raise ValueError(f"scattering is (..., 4, y, x) in the order {POLARISATIONS}, got {scattering.shape}")
    parts = np.stack([scattering.real, scattering.imag], axis=-3)  # (..., 4, 2, y, x): I and Q side by side
    channels = parts.reshape(*scattering.shape[:-3], 2 * len(POLARISATIONS), *scattering.shape[-2:])
    return (channels / component_scales()[:, None, None]).astype(np.float32)


def physical_values(pixels: npt.NDArray[np.float32], modality: str) -> npt.NDArray[np.generic]:
    """Returns what normalised channels stand for: reflectance, linear power, or complex amplitude (..., 4, y, x).

    Values that the convention clipped stay at the clip.

    Args:
        pixels: Normalised, (..., channel, y, x).
        modality: Of the pixels.
    """
    if modality == "sar_l1":
        parts = pixels * component_scales()[:, None, None]
        return np.asarray(parts[..., 0::2, :, :] + 1j * parts[..., 1::2, :, :], dtype=np.complex64)
    bands = MODALITY_BANDS[cast("CubeModality", modality)]
    mean = np.array([CONVENTIONS[band].mean for band in bands], np.float32)[:, None, None]
    std = np.array([CONVENTIONS[band].std for band in bands], np.float32)[:, None, None]
    values = pixels * std + mean
    return np.power(np.float32(10), values / np.float32(10)) if modality == "sar_l2" else values
