"""Which optional steps of physics a cube is made with: none by default, fixed for the life of a cube."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.cube.errors import ReadFailed
from pipelines.cube.layer import Layer
from pipelines.grid import Block
from pipelines.physics.packing import pack_values, unpack_values
from pipelines.physics.step import StepContext, StepPixels
from pipelines.schema import GROUP_SPECS, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from catalogs.scenes import Scene
    from pipelines.grid import TargetGrid
    from pipelines.physics.step import Step
    from pipelines.schema import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Steps in the order in which they run; None leaves one out."""

    cloud_probability: Step | None = None
    """Reasons from a plane of cloud probability."""

    mask_buffer: Step | None = None
    """A margin around what the masks say."""

    nbar: Step | None = None
    """Reflectance as seen from the nadir."""

    band_pass: Step | None = None
    """Reflectance in the bands of another satellite."""

    grd: Step | None = None
    """Which coefficient detected radar images are calibrated to; sigma nought without noise where it is None."""

    speckle: Step | None = None
    """A speckle filter of linear power."""

    def __post_init__(self) -> None:
        for step in self.all_steps:
            if step.halo_px < 0:
                raise ValueError(f"a step looks 0 or more pixels around, got {step!r}; see physics/step.py")

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps that are set, in order."""
        steps = (getattr(self, field.name) for field in dataclasses.fields(self))
        return tuple(step for step in steps if step is not None)

    def steps(self, group: str) -> tuple[Step, ...]:
        """Returns the steps that apply to a group, in order."""
        return tuple(step for step in self.all_steps if group in step.groups)

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Returns the parameters of each step that is set, by its name in the recipe; JSON-able."""
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: describe(step) for name, step in named.items() if step is not None}

    def digest(self) -> str:
        """Returns a SHA-256 over the steps and their parameters, '' where there is none."""
        described = self.to_dict()
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest() if described else ""


def describe(step: Step) -> dict[str, object]:
    """Returns a step's name and parameters for a record."""
    parameters: dict[str, object] = dataclasses.asdict(step)  # type: ignore[call-overload]
    return {"name": step.name, **parameters}


def halo_of(steps: Sequence[Step]) -> int:
    """Returns how many pixels around a block the steps need together."""
    return sum(step.halo_px for step in steps)


def with_halo(block: Block, halo_px: int, shape: tuple[int, int]) -> Block:
    """Returns a block grown on all sides, clipped to the grid."""
    row, col = max(0, block.row - halo_px), max(0, block.col - halo_px)
    row_stop, col_stop = min(shape[0], block.row_stop + halo_px), min(shape[1], block.col_stop + halo_px)
    return Block(row=row, col=col, height=row_stop - row, width=col_stop - col)


def crop(layer: Layer, outer: Block, inner: Block) -> Layer:
    """Returns the part of a layer on `outer` that lies on `inner`."""
    if outer == inner:
        return layer
    rows = slice(inner.row - outer.row, inner.row_stop - outer.row)
    cols = slice(inner.col - outer.col, inner.col_stop - outer.col)
    return Layer(values=layer.values[:, rows, cols], reason=layer.reason[rows, cols])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """The steps of a recipe that apply to one scene."""

    scene: Scene
    group: Group
    bands: tuple[str, ...]
    grid: TargetGrid
    steps: tuple[Step, ...] = ()
    left_out: tuple[tuple[Step, str], ...] = ()
    """Steps that the scene is no fit for, each with why."""

    @property
    def record(self) -> list[dict[str, object]]:
        """What was done and what was not, JSON-able."""
        done: list[dict[str, object]] = [{**describe(step), "applied": True} for step in self.steps]
        return [*done, *({**describe(step), "applied": False, "why": why} for step, why in self.left_out)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know: steps that were asked for and not done."""
        return tuple(f"{step.name} was not applied: {why}" for step, why in self.left_out)

    def apply(self, layer: Layer, block: Block, planes: Mapping[str, NDArray[Any]]) -> Layer:
        """Returns a layer after the steps; a value beyond what the group can store is flagged saturated.

        A pixel whose value a step takes away is flagged as an edge, or as nodata where no band is left.

        Args:
            layer: On a block with its halo.
            block: That block.
            planes: Extra planes by band, of the same shape.

        Raises:
            ReadFailed: An extra plane does not hold what its item says.
        """
        if not self.steps:
            return layer
        spec = GROUP_SPECS[self.group]
        before = unpack_values(layer.values, spec)
        pixels = StepPixels(values=before, reason=layer.reason)
        rows, cols = block.slices
        for step in self.steps:
            context = StepContext(
                scene=self.scene,
                group=self.group,
                bands=self.bands,
                epsg=self.grid.epsg,
                x_m=self.grid.x[cols],
                y_m=self.grid.y[rows],
                planes={name: planes[name] for name in step.planes if name in planes},
            )
            pixels = self._applied(step, pixels, context)
        packed = pack_values(pixels.values, spec)
        lost = np.isnan(pixels.values) & ~np.isnan(before)
        reason = pixels.reason.copy()
        reason[lost.any(axis=0)] |= np.uint16(int(Reason.BORDER))
        reason[lost.any(axis=0) & np.isnan(pixels.values).all(axis=0)] |= np.uint16(int(Reason.NODATA))
        reason[packed.beyond.any(axis=0)] |= np.uint16(int(Reason.SATURATED))
        return Layer(values=packed.stored, reason=reason)

    def _applied(self, step: Step, pixels: StepPixels, context: StepContext) -> StepPixels:
        try:
            return step.apply(pixels, context)
        except ValueError as error:  # a plane that is not what its item says
            assets = (self.scene.asset(band) for band in step.planes)
            plane = next((asset for asset in assets if asset is not None), None)
            if plane is None:
                raise
            cause = str(error)
            raise ReadFailed(
                scene_id=self.scene.id, href=plane.href, cause=cause, fault="unfit", band=plane.band
            ) from error


def run_of(recipe: Recipe, scene: Scene, *, group: Group, bands: tuple[str, ...], grid: TargetGrid) -> StepRun:
    """Returns the steps of a recipe that apply to a scene, and those that it is no fit for."""
    obstacles = [(step, step.obstacle(scene)) for step in recipe.steps(group)]
    return StepRun(
        scene=scene,
        group=group,
        bands=bands,
        grid=grid,
        steps=tuple(step for step, why in obstacles if not why),
        left_out=tuple((step, why) for step, why in obstacles if why),
    )
