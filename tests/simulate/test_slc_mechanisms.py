"""Each scattering mechanism against a limit, a published ratio or a sum over its scatterers."""

import numpy as np
import pytest

from pipelines.simulate.slc.mechanisms import (
    VOLUMES,
    bragg_coefficients,
    double_bounce_covariance,
    fresnel_coefficients,
    rotation,
    surface_covariance,
)

ANGLES = np.arange(20.0, 51.0, 5.0)


def values(*numbers):
    return np.array(numbers, dtype=np.float64)


def outer_mean(scattering, weight):
    """Mean of k k^T of 2 x 2 scattering matrices (n, 2, 2)."""
    target = np.stack([scattering[:, 0, 0], np.sqrt(2) * scattering[:, 0, 1], scattering[:, 1, 1]], axis=1)
    return np.einsum("n,ni,nj->ij", weight / weight.sum(), target, target)


def turned(scattering, angles_rad):
    """R S R^T for each angle."""
    turn = np.stack(
        [
            np.stack([np.cos(angles_rad), np.sin(angles_rad)], -1),
            np.stack([-np.sin(angles_rad), np.cos(angles_rad)], -1),
        ],
        axis=1,
    )
    return turn @ scattering @ np.swapaxes(turn, 1, 2)


@pytest.mark.parametrize(
    "covariance",
    [
        surface_covariance(ANGLES, values(14.0), values(35.0)),
        double_bounce_covariance(ANGLES, values(14.0), values(6.0)),
        np.stack(list(VOLUMES.values())),
    ],
    ids=["surface", "double", "volume"],
)
def test_a_mechanism_is_a_covariance_of_span_one(covariance):
    assert np.trace(covariance, axis1=-2, axis2=-1) == pytest.approx(1.0)
    assert np.allclose(covariance, np.swapaxes(covariance, -1, -2))
    assert np.linalg.eigvalsh(covariance).min() > -1e-12


def test_bragg_coefficients_of_a_conductor():
    """As the permittivity grows, R_h -> -1 and R_v -> -(1 + sin^2) / cos^2."""
    horizontal, vertical = bragg_coefficients(ANGLES, values(1e8))
    sine2 = np.sin(np.deg2rad(ANGLES)) ** 2
    assert horizontal == pytest.approx(-1.0, abs=1e-3)
    assert vertical == pytest.approx(-(1 + sine2) / (1 - sine2), rel=1e-3)


def test_fresnel_coefficient_vanishes_at_the_brewster_angle():
    permittivity = values(5.0, 15.0)
    angle = np.rad2deg(np.arctan(np.sqrt(permittivity)))
    horizontal, vertical = fresnel_coefficients(angle, permittivity)
    assert vertical == pytest.approx(0.0, abs=1e-12)
    assert (horizontal < -0.5).all()
    head_on = fresnel_coefficients(values(0.0), values(9.0))
    assert head_on[0] == pytest.approx((1 - 3) / (1 + 3))
    assert head_on[1] == pytest.approx((3 - 1) / (3 + 1))


def test_a_dihedral_of_conductors_is_that_of_textbooks():
    """S_HH = -S_VV, no cross-polarisation."""
    covariance = double_bounce_covariance(values(35.0), values(1e10), values(1e10))[0]
    assert covariance == pytest.approx(np.array([[0.5, 0, -0.5], [0, 0, 0], [-0.5, 0, 0.5]]), abs=1e-4)


def test_surface_and_dihedral_differ_in_the_sign_of_the_copolar_product():
    surface = surface_covariance(ANGLES, values(14.0), values(30.0))
    double = double_bounce_covariance(ANGLES, values(14.0), values(14.0))
    assert (surface[..., 0, 2] > 0).all()
    assert (double[..., 0, 2] < 0).all()
    assert (surface[..., 2, 2] > surface[..., 0, 0]).all()  # a slightly rough surface is brighter in VV
    assert (double[..., 0, 0] > double[..., 2, 2]).all()  # and a dielectric dihedral in HH


@pytest.mark.parametrize(("shape", "weight"), [("random", np.ones_like), ("vertical", np.sin), ("horizontal", np.cos)])
def test_volumes_are_sums_over_dipoles(shape, weight):
    angles = np.linspace(-np.pi / 2, np.pi / 2, 20_001)[:-1]
    dipole = np.array([[1.0, 0.0], [0.0, 0.0]])
    expected = outer_mean(turned(dipole, angles), np.abs(weight(angles)))
    assert VOLUMES[shape] == pytest.approx(expected / np.trace(expected), abs=1e-6)


@pytest.mark.parametrize("beta_deg", [0.0, 20.0, 60.0])
def test_a_rough_surface_is_a_mean_over_turned_bragg_facets(beta_deg):
    horizontal, vertical = bragg_coefficients(values(38.0), values(12.0))
    facet = np.diag([horizontal[0], vertical[0]])
    angles = np.deg2rad(np.linspace(-beta_deg, beta_deg, 4001))
    expected = outer_mean(turned(facet, angles), np.ones_like(angles))
    found = surface_covariance(values(38.0), values(12.0), values(beta_deg))[0]
    assert found == pytest.approx(expected / np.trace(expected), abs=2e-4)


def test_rotation_turns_the_scattering_matrix():
    facet = np.array([[0.9, 0.0], [0.0, -0.4]])
    angle = values(17.0)
    expected = outer_mean(turned(facet, np.deg2rad(angle)), np.ones(1))
    turn = rotation(angle)[0]
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert turn @ outer_mean(facet[None], np.ones(1)) @ turn.T == pytest.approx(expected)


def test_a_mirrored_town_has_the_cross_products_negated():
    walls = double_bounce_covariance(values(35.0), values(5.0), values(5.0))[0]
    one, other = (rotation(values(sign * 12.0))[0] for sign in (1, -1))
    sign = np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]])
    assert one @ walls @ one.T == pytest.approx(sign * (other @ walls @ other.T))
    assert abs((one @ walls @ one.T)[0, 1]) > 0.1
