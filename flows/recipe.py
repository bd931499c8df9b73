"""The optional steps of physics that a region asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cube.recipe import Recipe

if TYPE_CHECKING:
    from flows.config import RegionConfig
    from pipelines.physics.step import Step


def recipe_of(config: RegionConfig) -> Recipe:
    """Returns the recipe of a region; a step that it does not ask for is None."""
    return Recipe(
        cloud_probability=_cloud_probability(config),
        mask_buffer=_mask_buffer(config),
        nbar=_nadir_view() if config.nbar else None,
        band_pass=_band_pass() if config.bandpass else None,
        grd=_grd(config),
        speckle=_speckle(config),
    )


def _grd(config: RegionConfig) -> Step | None:
    from pipelines.physics.grd import GrdCalibration

    calibration = GrdCalibration(coefficient=config.grd.coefficient, noise=config.grd.noise)
    return None if calibration == GrdCalibration() else calibration  # what is not asked for changes no cube's recipe


def _speckle(config: RegionConfig) -> Step | None:
    from pipelines.physics.speckle import Speckle

    asked = config.speckle
    if asked is None:
        return None
    return Speckle(filter=asked.filter, window=asked.window, looks=asked.looks, damping=asked.damping)


def _nadir_view() -> Step:
    from pipelines.physics.nbar import NadirView

    return NadirView()


def _band_pass() -> Step:
    from pipelines.physics.bandpass import BandPass

    return BandPass()


def _cloud_probability(config: RegionConfig) -> Step | None:
    from pipelines.physics.cloud_probability import CloudProbability

    mask = config.mask
    if mask.cloud_probability is None:
        return None
    return CloudProbability(threshold=mask.cloud_probability, replaces=mask.probability_replaces)


def _mask_buffer(config: RegionConfig) -> Step | None:
    from pipelines.physics.mask_buffer import MaskBuffer

    mask, side_m = config.mask, config.resolution
    if mask.buffer_m == 0 and mask.shadow_buffer_m == 0:
        return None
    return MaskBuffer(cloud_px=mask.buffer_m / side_m, shadow_px=mask.shadow_buffer_m / side_m)
