"""One scene ready to be read: its rule decided, its files opened, or the reason why it is skipped."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from catalogs.scenes import Asset, Scene, SceneOutcome, SkipReason
from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.load import LazyScene, Plane, open_scene, read_header
from pipelines.cube.resampling import Meaning, choose_resampling, misses_grid
from pipelines.physics import (
    PowerRule,
    RadiometricRule,
    Uncalibrated,
    decide_rule,
    pack_reflectance,
    power_rule,
    reasons_from_scl,
    reasons_without_mask,
    to_power,
)
from pipelines.schema import PACKED_DTYPE, PACKED_FILL, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.cube.load import Pixels
    from pipelines.grid import Block, TargetGrid

MASK_BAND = "SCL"


class Skipped(Exception):  # noqa: N818 an outcome on its way up
    """The scene cannot be used; carries the reason for its outcome."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: SkipReason = reason

    def outcome(self, scene: Scene) -> SceneOutcome:
        """Returns the recorded skip of a scene."""
        return SceneOutcome(
            id=scene.id, collection=scene.collection, outcome="skipped", reason=self.reason, detail=str(self)
        )


class Source(Protocol):
    """A scene that can be read block by block."""

    @property
    def scene(self) -> Scene:
        """The scene."""

    @property
    def rule_name(self) -> str:
        """Name of the radiometric rule."""

    @property
    def evidence(self) -> dict[str, object]:
        """JSON-able record of the rule and of the pixels' origin."""

    def read(self, block: Block) -> Layer:
        """Returns a block; raises ReadFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpticalSource:
    """A Sentinel-2 scene."""

    scene: Scene
    bands: tuple[str, ...]
    """Bands of the cube; those that the scene lacks are filled."""

    lazy: LazyScene
    rule: RadiometricRule

    @property
    def rule_name(self) -> str:
        """Name of the radiometric rule."""
        return self.rule.name

    @property
    def evidence(self) -> dict[str, object]:
        """The rule, what the item said, and how the pixels came to the grid."""
        return {**json.loads(self.rule.to_json()), "notes": _notes(self.lazy, self.bands, self.rule.evidence)}

    def read(self, block: Block) -> Layer:
        """Returns packed reflectance with the reasons of the scene classification.

        Raises:
            ReadFailed: A raster is damaged, or the classification holds no classes.
        """
        pixels = self.lazy.read(block)
        shape = (block.height, block.width)
        values = np.full((len(self.bands), *shape), PACKED_FILL, dtype=PACKED_DTYPE)
        reason = self._mask(pixels, shape)
        missing = []
        for index, band in enumerate(self.bands):
            if band not in pixels:
                continue
            plane = pack_reflectance(pixels[band], offset_dn=self.rule.offset_dn, nodata=self._nodata(band))
            values[index] = plane.packed
            missing.append(plane.nodata)
            reason[plane.saturated] |= np.uint16(int(Reason.SATURATED))
        return Layer(values=values, reason=_with_missing(reason, np.stack(missing)))

    def _nodata(self, band: str) -> float | None:
        plane = self.lazy.planes[band]
        return plane.asset.nodata if plane.dtype.kind == "f" else plane.fill

    def _mask(self, pixels: Mapping[str, Pixels], shape: tuple[int, int]) -> NDArray[np.uint16]:
        if MASK_BAND not in pixels:
            return reasons_without_mask(shape)
        try:
            return reasons_from_scl(cast("NDArray[np.integer]", pixels[MASK_BAND]))
        except ValueError as error:
            href = self.lazy.planes[MASK_BAND].asset.href
            raise ReadFailed(scene_id=self.scene.id, href=href, cause=str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RadarSource:
    """A Sentinel-1 scene."""

    scene: Scene
    bands: tuple[str, ...]
    lazy: LazyScene
    rules: Mapping[str, PowerRule]
    """By polarisation."""

    @property
    def rule_name(self) -> str:
        """Name of the rule; of both, joined by a plus sign, where the polarisations differ."""
        return "+".join(dict.fromkeys(rule.kind for rule in self.rules.values()))

    @property
    def evidence(self) -> dict[str, object]:
        """The rule of each polarisation and how the pixels came to the grid."""
        rules = {band: json.loads(rule.to_json()) for band, rule in self.rules.items()}
        return {"polarisations": rules, "notes": _notes(self.lazy, self.bands, {})}

    def read(self, block: Block) -> Layer:
        """Returns linear power; no mask of layover and shadow comes with the scenes, so `not_masked` stands.

        Raises:
            ReadFailed: A raster is damaged, or holds no such values as its item says.
        """
        pixels = self.lazy.read(block)
        values = np.full((len(self.bands), block.height, block.width), np.nan, dtype=np.float32)
        for index, band in enumerate(self.bands):
            if band not in pixels:
                continue
            plane = self.lazy.planes[band]
            try:
                values[index] = to_power(pixels[band], self.rules[band], nodata=plane.asset.nodata)
            except ValueError as error:
                raise ReadFailed(scene_id=self.scene.id, href=plane.asset.href, cause=str(error)) from error
        carried = [index for index, band in enumerate(self.bands) if band in pixels]
        reason = reasons_without_mask(values.shape[1:])
        return Layer(values=values, reason=_with_missing(reason, np.isnan(values[carried])))


def prepare(scene: Scene, *, group: str, bands: tuple[str, ...], grid: TargetGrid, chunk: int) -> Source:
    """Returns a scene ready to be read: its rule decided from the item, its headers read.

    Args:
        scene: The scene.
        group: `s2` or `s1`.
        bands: Bands of the cube's group.
        grid: The target.
        chunk: Side of a lazy chunk in pixels.

    Raises:
        Skipped: `missing_asset` where it carries none of the bands, `uncalibrated`, `unreadable` or `outside`.
    """
    assets = [asset for asset in (scene.asset(band) for band in bands) if asset is not None]
    if not assets:
        held = [asset.band for asset in scene.assets]
        raise Skipped("missing_asset", f"a scene carries one of the bands {list(bands)}, {scene.id} has {held}")
    try:
        return (
            _optical(scene, bands, assets, grid, chunk) if group == "s2" else _radar(scene, bands, assets, grid, chunk)
        )
    except Uncalibrated as error:
        raise Skipped("uncalibrated", str(error)) from error
    except ReadFailed as error:
        raise Skipped("unreadable", str(error)) from error


def _optical(
    scene: Scene, bands: tuple[str, ...], assets: Sequence[Asset], grid: TargetGrid, chunk: int
) -> OpticalSource:
    rule = decide_rule(scene)
    mask = scene.asset(MASK_BAND)
    planes = {asset.band: _plane(scene, asset, grid, "quantity") for asset in assets}
    _require_overlap(scene, planes, grid)
    if mask is not None:
        planes[MASK_BAND] = _plane(scene, mask, grid, "class")
    return OpticalSource(scene=scene, bands=bands, lazy=open_scene(scene.id, planes, grid, chunk=chunk), rule=rule)


def _radar(scene: Scene, bands: tuple[str, ...], assets: Sequence[Asset], grid: TargetGrid, chunk: int) -> RadarSource:
    rules, planes = {}, {}
    for asset in assets:
        header = read_header(asset, scene.id)
        known = asset if asset.data_type else dataclasses.replace(asset, data_type=header.dtype)
        rules[asset.band] = power_rule(known, scene)
        meaning: Meaning = "quantity" if rules[asset.band].kind == "linear" else "nonlinear"
        planes[asset.band] = Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))
    _require_overlap(scene, planes, grid)
    return RadarSource(scene=scene, bands=bands, lazy=open_scene(scene.id, planes, grid, chunk=chunk), rules=rules)


def _plane(scene: Scene, asset: Asset, grid: TargetGrid, meaning: Meaning) -> Plane:
    header = read_header(asset, scene.id)
    return Plane(asset=asset, header=header, resampling=choose_resampling(header, grid, meaning))


def _require_overlap(scene: Scene, planes: Mapping[str, Plane], grid: TargetGrid) -> None:
    if all(misses_grid(plane.header, grid) for plane in planes.values()):
        raise Skipped("outside", f"a scene touches the grid {grid.bounds} of EPSG:{grid.epsg}, {scene.id} does not")


def _with_missing(reason: NDArray[np.uint16], missing: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Adds the bits of missing values; where a classification says nodata but a band has a value, the mask stands."""
    return reason | missing_bits(missing)


def _notes(lazy: LazyScene, bands: tuple[str, ...], evidence: Mapping[str, object]) -> list[str]:
    """Lists what a reader should know: how pixels came to the grid, missing bands, overruled metadata."""
    by_note: dict[str, list[str]] = {}
    for band, plane in lazy.planes.items():
        if plane.resampling.note:
            by_note.setdefault(plane.resampling.note, []).append(band)
    absent = [band for band in bands if band not in lazy.planes]
    contradictions = evidence.get("contradictions", [])
    assert isinstance(contradictions, list)
    return [
        *(f"{note}: {' '.join(named)}" for note, named in by_note.items()),
        *([f"without {' '.join(absent)}"] if absent else []),
        *contradictions,
    ]
