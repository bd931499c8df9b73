"""Polarimetric covariance of single scattering mechanisms, each of span (total power) 1.

Covariance C = <k k^H> of k = (S_HH, sqrt(2) S_HV, S_VV), reciprocal backscatter (S_HV = S_VH), backward scattering
alignment: a surface has <S_HH S_VV*> > 0, a dihedral < 0. trace C is the span. Coherency T is the same matrix in the
Pauli basis (S_HH + S_VV, S_HH - S_VV, 2 S_HV) / sqrt(2).

Sources:

- Freeman and Durden 1998, A three-component scattering model for polarimetric SAR data, doi:10.1109/36.673687: Bragg
  surface, dihedral of two dielectric planes, cloud of randomly oriented thin dipoles.
- Hajnsek, Pottier and Cloude 2003, Inversion of surface parameters from polarimetric SAR,
  doi:10.1109/TGRS.2003.810702: the extended Bragg model, whose roughness depolarises.
- Yamaguchi et al. 2005, Four-component scattering model, doi:10.1109/TGRS.2005.852084: dipoles about the vertical or
  the horizontal.
- Lee and Ainsworth 2011, doi:10.1109/TGRS.2010.2053934: rotation of a coherency matrix about the line of sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray64 = NDArray[np.float64]

VolumeShape = Literal["random", "vertical", "horizontal"]

PAULI: Final = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, -1.0], [0.0, np.sqrt(2.0), 0.0]]) / np.sqrt(2.0)
"""k_Pauli = PAULI @ k, so that T = PAULI C PAULI^T and C = PAULI^T T PAULI."""

VOLUMES: Final[dict[VolumeShape, NDArray[np.float64]]] = {
    "random": np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]) / 8.0,
    "vertical": np.array([[3.0, 0.0, 2.0], [0.0, 4.0, 0.0], [2.0, 0.0, 8.0]]) / 15.0,
    "horizontal": np.array([[8.0, 0.0, 2.0], [0.0, 4.0, 0.0], [2.0, 0.0, 3.0]]) / 15.0,
}
"""Clouds of thin dipoles, their angle from the horizontal uniform (Freeman and Durden), or in proportion to its sine
(leaning to the vertical) or cosine (Yamaguchi et al.)."""


def bragg_coefficients(incidence_deg: FloatArray64, permittivity: FloatArray64) -> tuple[FloatArray64, FloatArray64]:
    """Returns the small-perturbation coefficients for horizontal and vertical polarisation.

    R_h = (cos t - sqrt(e - sin^2 t)) / (cos t + sqrt(e - sin^2 t)),
    R_v = (e - 1) (sin^2 t - e (1 + sin^2 t)) / (e cos t + sqrt(e - sin^2 t))^2 (Hajnsek et al. eq. 3 and 4), real
    permittivity.

    Args:
        incidence_deg: Local incidence, 0 to below 90; for rough fields good to about 50.
        permittivity: Relative, real, above 1; broadcast against the angles.
    """
    sine2 = np.sin(np.deg2rad(incidence_deg)) ** 2
    cosine = np.sqrt(1.0 - sine2)
    root = np.sqrt(permittivity - sine2)
    horizontal = (cosine - root) / (cosine + root)
    vertical = (permittivity - 1.0) * (sine2 - permittivity * (1.0 + sine2)) / (permittivity * cosine + root) ** 2
    return horizontal, vertical


def fresnel_coefficients(incidence_deg: FloatArray64, permittivity: FloatArray64) -> tuple[FloatArray64, FloatArray64]:
    """Returns the Fresnel reflection coefficients for horizontal and vertical polarisation.

    R_h = (cos t - sqrt(e - sin^2 t)) / (cos t + sqrt(e - sin^2 t)) and
    R_v = (e cos t - sqrt(e - sin^2 t)) / (e cos t + sqrt(e - sin^2 t)); R_v changes sign at the Brewster angle.
    """
    sine2 = np.sin(np.deg2rad(incidence_deg)) ** 2
    cosine = np.sqrt(1.0 - sine2)
    root = np.sqrt(permittivity - sine2)
    return (cosine - root) / (cosine + root), (permittivity * cosine - root) / (permittivity * cosine + root)


def surface_covariance(
    incidence_deg: FloatArray64, permittivity: FloatArray64, roughness_deg: FloatArray64
) -> FloatArray64:
    """Returns the covariance (..., 3, 3) of a rough surface, the extended Bragg model.

    Args:
        incidence_deg: Local incidence.
        permittivity: Relative, real: 3 to 6 dry, 15 to 30 wet soil, some 65 water at C band.
        roughness_deg: Half width beta of the uniform distribution of surface tilts across the line of sight, 0 (pure
            Bragg) to 90.
    """
    horizontal, vertical = bragg_coefficients(incidence_deg, permittivity)
    beta = np.deg2rad(roughness_deg)
    first = (horizontal + vertical) ** 2
    cross = (horizontal + vertical) * (horizontal - vertical) * np.sinc(2.0 * beta / np.pi)
    last = 0.5 * (horizontal - vertical) ** 2
    spread = np.sinc(4.0 * beta / np.pi)
    coherency = np.zeros((*np.broadcast_shapes(first.shape, beta.shape), 3, 3))
    coherency[..., 0, 0] = first
    coherency[..., 0, 1] = coherency[..., 1, 0] = cross
    coherency[..., 1, 1] = last * (1.0 + spread)
    coherency[..., 2, 2] = last * (1.0 - spread)
    return _unit_span(PAULI.T @ coherency @ PAULI)


def double_bounce_covariance(
    incidence_deg: FloatArray64, ground_permittivity: FloatArray64, upright_permittivity: FloatArray64
) -> FloatArray64:
    """Returns the covariance (..., 3, 3) of a dihedral of ground and an upright (wall, trunk, stem).

    S_HH / S_VV = -R_gh R_uh / (R_gv R_uv) with Fresnel coefficients of the ground at the incidence angle and of the
    upright at its complement (Freeman and Durden eq. 2, in backward scattering alignment).
    """
    ground_h, ground_v = fresnel_coefficients(incidence_deg, ground_permittivity)
    upright_h, upright_v = fresnel_coefficients(90.0 - incidence_deg, upright_permittivity)
    hh, vv = ground_h * upright_h, -ground_v * upright_v
    scattering = np.stack([hh, np.zeros_like(hh), vv], axis=-1)
    return _unit_span(scattering[..., :, None] * scattering[..., None, :])


def rotation(angle_deg: FloatArray64) -> FloatArray64:
    """Returns the real orthogonal (..., 3, 3) that turns a target about the line of sight: C' = U C U^T.

    It breaks the reflection symmetry: <S_HH S_HV*> is no longer 0. Angles turn the other way in a mirrored scene.
    """
    cosine, sine = np.cos(2.0 * np.deg2rad(angle_deg)), np.sin(2.0 * np.deg2rad(angle_deg))
    turn = np.zeros((*np.shape(angle_deg), 3, 3))
    turn[..., 0, 0] = 1.0
    turn[..., 1, 1] = turn[..., 2, 2] = cosine
    turn[..., 1, 2], turn[..., 2, 1] = sine, -sine
    return np.asarray(PAULI.T @ turn @ PAULI)


def _unit_span(covariance: FloatArray64) -> FloatArray64:
    return np.asarray(covariance / np.trace(covariance, axis1=-2, axis2=-1)[..., None, None])
