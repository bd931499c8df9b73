"""A place before it is lit and seen: ground, what stands on it, and where traffic moves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulate.landscape import BUILT
from pipelines.simulate.texture import fractal_field
from pipelines.simulate.vhr.ground import Frame, Ground
from pipelines.simulate.vhr.lanes import Lane, beside
from pipelines.simulate.vhr.materials import HALL_ROOFS, HOUSE_ROOFS, draw_gain, draw_material
from pipelines.simulate.vhr.movers import make_vehicle
from pipelines.simulate.vhr.solids import Solid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulate.landscape import BoolArray
    from pipelines.simulate.texture import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A place, the same whenever it is looked at."""

    ground: Ground
    solids: tuple[Solid, ...]
    """All that stands still, parked vehicles and moored ships too."""

    lanes: tuple[Lane, ...]


class Site:
    """A layout in the making."""

    def __init__(self, rng: np.random.Generator, frame: Frame, material: str) -> None:
        self.rng = rng
        self.frame = frame
        self.side_m = frame.width_m
        self.ground = Ground(frame, rng, material)
        self.solids: list[Solid] = []
        self.lanes: list[Lane] = []
        self.taken: BoolArray = np.zeros((frame.fine, frame.fine), dtype=bool)
        """Where nothing more is to be planted: roads, houses, water."""

    def layout(self) -> Layout:
        """Returns what has been laid out."""
        return Layout(ground=self.ground, solids=tuple(self.solids), lanes=tuple(self.lanes))

    def field(self, longest_m: float, exponent: float = 3.2) -> FloatArray:
        """Returns a smooth unit-variance field (y, x) on fine pixels."""
        longest = min(longest_m * self.frame.scale, 2.0 * self.frame.fine)
        return fractal_field(self.rng, (self.frame.fine, self.frame.fine), exponent=exponent, longest_px=longest)

    def patches(self, materials: dict[str, float], longest_m: float, *, where: BoolArray | None = None) -> None:
        """Paints blobs of materials over shares of the area, each with its own brightness."""
        field = self.field(longest_m, exponent=3.7)
        edges = np.quantile(field, np.cumsum([0.0, *materials.values()]).clip(0.0, 1.0))
        for (name, _), low, high in zip(materials.items(), edges[:-1], edges[1:], strict=True):
            mask = (field >= low) & (field < high)
            self.ground.fill(mask if where is None else mask & where, name)

    def free(self, x: float, y: float) -> bool:
        """Returns whether a point in metres lies inside the image and nothing is there yet."""
        col, row = int(x * self.frame.scale), int(y * self.frame.scale)
        size = self.frame.fine
        return 0 <= col < size and 0 <= row < size and not self.taken[row, col]

    def reserve(self, mask: BoolArray) -> None:
        """Keeps trees and the like off an area."""
        self.taken |= mask

    def road(
        self, points: NDArray[np.float64], width_m: float, *, speed_mps: float, spacing_m: float = 60.0,
        material: str = "asphalt", marked: bool = True,
    ) -> None:  # fmt: skip
        """Paints a road and gives it traffic in both directions.

        Args:
            points: (n, 2) middle line in metres.
            width_m: Of both lanes.
            speed_mps: Of its traffic; 0 for none.
            spacing_m: Mean distance between vehicles of a lane.
            material: Surface.
            marked: Whether the middle is painted.
        """
        distance, place = self.ground.distance_to(points)
        road = distance <= width_m / 2
        if width_m > 5:  # noqa: PLR2004 metres: wide roads have pavements
            self.ground.fill(distance <= width_m / 2 + 1.6, "paving")
        self.ground.fill(road, material, cover=BUILT)
        if marked and width_m > 5:  # noqa: PLR2004
            dashes = (distance < 0.12) & (np.mod(place, 9.0) < 4.0)  # noqa: PLR2004
            self.ground.fill(dashes, "marking", cover=BUILT)
        self.reserve(distance <= width_m / 2 + 2.0)
        if speed_mps > 0:
            for line, side in ((points, 1.0), (points[::-1], 1.0)):
                lane = beside(line, side * width_m / 4)
                self.lanes.append(Lane(kind="vehicle", points=lane, speed_mps=speed_mps, spacing_m=spacing_m))

    def building(
        self, cx: float, cy: float, length_m: float, width_m: float, angle_rad: float, *, hall: bool = False
    ) -> bool:
        """Adds a house or hall where its middle and corners are free; returns whether it did."""
        box = self.ground.box(cx, cy, length_m + 1.0, width_m + 1.0, angle_rad)
        if not box.any() or (self.taken & box).any():
            return False
        self.reserve(box)
        material = draw_material(self.rng, HALL_ROOFS if hall else HOUSE_ROOFS)
        height = (
            self.rng.uniform(6.0, 15.0) if hall else self.rng.choice([4.5, 6.5, 8.5, 11.0]) + self.rng.normal(0, 0.4)
        )
        flat = hall or material == "green_roof" or self.rng.random() < 0.15  # noqa: PLR2004
        style = "flat" if flat else str(self.rng.choice(["gable", "hip"], p=[0.7, 0.3]))
        self.solids.append(
            Solid(
                kind="building",
                cx=cx,
                cy=cy,
                length_m=max(length_m, width_m),
                width_m=min(length_m, width_m),
                angle_rad=angle_rad if length_m >= width_m else angle_rad + np.pi / 2,
                height_m=float(height),
                material=material,
                gain=draw_gain(self.rng, material),
                style=style,
                seed=int(self.rng.integers(1 << 31)),
                group=len(self.solids),
            )
        )
        return True

    def tree(self, x: float, y: float, *, width_m: float | None = None, needle: float = 0.2) -> None:
        """Adds a tree of 3 to 11 m across, about as high as wide."""
        width = float(self.rng.uniform(3.0, 9.0)) if width_m is None else width_m
        species = self.rng.random()
        material = "needleleaf" if species < needle else ("autumn_leaf" if species > 0.95 else "broadleaf")  # noqa: PLR2004
        self.solids.append(
            Solid(
                kind="tree",
                cx=x,
                cy=y,
                length_m=width,
                width_m=width,
                angle_rad=0.0,
                height_m=float(width * self.rng.uniform(0.8, 1.5) + 1.0),
                material=material,
                gain=draw_gain(self.rng, material),
                seed=int(self.rng.integers(1 << 31)),
            )
        )

    def trees(self, count: int, *, needle: float = 0.2) -> None:
        """Scatters trees over what is free."""
        for x, y in self.rng.uniform(0, self.side_m, (count, 2)):
            if self.free(x, y):
                self.tree(float(x), float(y), needle=needle)

    def park(self, x: float, y: float, angle_rad: float, *, truck_chance: float = 0.04) -> None:
        """Adds a parked vehicle, a little off its place."""
        turn = angle_rad + float(self.rng.normal(0, 0.03)) + (np.pi if self.rng.random() < 0.5 else 0.0)  # noqa: PLR2004
        vehicle = make_vehicle(self.rng, truck_chance=truck_chance)
        self.solids.append(replace(vehicle, cx=float(x), cy=float(y), angle_rad=turn))

    def moor(self, solid: Solid, x: float, y: float, angle_rad: float) -> None:
        """Adds a thing that lies or stands still."""
        self.solids.append(replace(solid, cx=float(x), cy=float(y), angle_rad=float(angle_rad)))

    def at(self, u: float, v: float, angle_rad: float) -> tuple[float, float]:
        """Returns the point (x, y) that lies `u` metres along a direction and `v` to its right from the middle."""
        middle, cosine, sine = self.side_m / 2, np.cos(angle_rad), np.sin(angle_rad)
        return float(middle + cosine * u - sine * v), float(middle + sine * u + cosine * v)

    def line(self, angle_rad: float, offset_m: float, bend_m: float = 0.0) -> NDArray[np.float64]:
        """Returns a line (n, 2) across the whole image, `offset_m` to the right of its middle, slightly bent."""
        along = np.linspace(-0.75, 0.75, 31) * self.side_m
        across = offset_m + bend_m * np.sin(along / self.side_m * 4.0 + self.rng.uniform(0, 6.3))
        cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
        middle = self.side_m / 2
        return np.stack([middle + cosine * along - sine * across, middle + sine * along + cosine * across], axis=1)
