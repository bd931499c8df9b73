"""The landscape of a region: what lies where, before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.simulate.parcels import IntArray, parcel_ids, pixel_indices, zone_ids
from pipelines.simulate.texture import FloatArray, fractal_field, generator, ranked

ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

TREE, GRASS, CROP, BUILT, BARE, WATER, WETLAND = 10, 30, 40, 50, 60, 80, 90
"""WorldCover codes, as in the legend."""

FIELD_PX = (130, 800)
"""Areas of fields: nothing under 1.3 ha is cut in two, nothing over 8 ha stays whole; that leaves 0.4 to 8 ha."""

BLOCK_PX = (24, 90)
"""Blocks of a settlement, 0.24 to 0.9 ha, with streets between."""

SCRAP_PX = 40
"""Least size of a wood, a village or a marsh."""

SHARES = {
    "tree": (0.14, 0.26),
    "lake": (0.02, 0.05),
    "wetland": (0.055, 0.095),
    "built": (0.07, 0.13),
    "bare": (0.045, 0.08),
}
"""Least and largest share of the region, drawn by seed; crops and grass share the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """Land cover and parcels of a region."""

    land_cover: ByteArray
    """WorldCover codes (y, x)."""

    parcel: IntArray
    """Parcel, stand, block or water body (y, x), 0 to n - 1; a parcel has one land cover."""

    street: BoolArray
    """Roads and the streets of settlements (y, x)."""

    block: IntArray
    """The blocks that a settlement has or would have at each pixel (y, x), 0 to n - 1."""

    lowness: FloatArray
    """0 (hilltop) to 1 (valley floor) (y, x): wetness of the ground, and where floods go first."""

    water_distance: FloatArray
    """Pixels to the nearest water (y, x), 0 in it."""


def make_landscape(seed: int, shape: tuple[int, int]) -> Landscape:
    """Returns the landscape of a seed.

    Args:
        seed: The region's seed.
        shape: Rows and columns of 10 m pixels.
    """
    rng = generator(seed, "landscape")
    num_px = shape[0] * shape[1]
    relief = fractal_field(rng, shape, exponent=3.6, longest_px=180)
    river = _river(rng, shape)
    river_distance = _distance(river)
    height = ranked(relief + np.float32(1.6) * np.tanh(river_distance / 45.0))
    zones = zone_ids(rng, shape)
    fields = parcel_ids(rng, shape, zones, smallest_px=FIELD_PX[0], largest_px=FIELD_PX[1])

    water = river | (height < rng.uniform(*SHARES["lake"]))
    water_distance = _distance(water)
    land_cover = _farmland(rng, fields, height)
    near_water = (water_distance < 12).astype(np.float32)  # noqa: PLR2004 trees keep off the wet banks
    forest = fractal_field(rng, shape, exponent=3.5, longest_px=90) - np.float32(0.5) * near_water
    land_cover[_without_scraps(ranked(forest) > 1.0 - rng.uniform(*SHARES["tree"]))] = TREE
    bare = _bare(rng, fields, land_cover, rng.uniform(*SHARES["bare"]) * num_px)
    land_cover[bare] = BARE
    built, centres = _settlements(rng, shape, water_distance, rng.uniform(*SHARES["built"]) * num_px)
    land_cover[_without_scraps(built)] = BUILT
    marsh = fractal_field(rng, shape, exponent=3.1, longest_px=60) - water_distance / 9.0 - height
    marsh[water] = -np.inf
    land_cover[_without_scraps(ranked(marsh) > 1.0 - rng.uniform(*SHARES["wetland"]))] = WETLAND
    land_cover[water] = WATER
    roads = _roads(rng, shape, centres) & ~water
    land_cover[roads] = BUILT
    blocks = parcel_ids(rng, shape, zones, smallest_px=BLOCK_PX[0], largest_px=BLOCK_PX[1])
    street = roads | ((land_cover == BUILT) & edges(blocks))
    return Landscape(
        land_cover=land_cover,
        parcel=_all_parcels(rng, land_cover, fields, blocks, shape),
        street=street,
        block=blocks,
        lowness=np.asarray(1.0 - height, dtype=np.float32),
        water_distance=water_distance,
    )


def _distance(mask: BoolArray) -> FloatArray:
    return np.asarray(ndimage.distance_transform_edt(~mask), dtype=np.float32)


def _without_scraps(mask: BoolArray) -> BoolArray:
    """Returns the mask (y, x) without pieces and holes of less than `SCRAP_PX` pixels."""
    kept = mask.copy()
    for value in (True, False):
        labels, _ = ndimage.label(kept == value)
        sizes = np.bincount(labels.ravel())
        small = sizes[labels] < SCRAP_PX
        kept[small & (kept == value)] = not value
    return kept


def edges(ids: IntArray) -> BoolArray:
    """Returns the pixels (y, x) whose left or upper neighbour has another id."""
    edge = np.zeros(ids.shape, dtype=bool)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[1:] |= ids[1:] != ids[:-1]
    return edge


def _river(rng: np.random.Generator, shape: tuple[int, int]) -> BoolArray:
    """Returns a meandering river that crosses the region, 3 to 9 pixels wide."""
    along = np.linspace(-0.2, 1.2, 900)
    wander = np.zeros_like(along)
    for harmonic, size in ((0.7, 0.16), (1.6, 0.08), (3.4, 0.035), (7.0, 0.012)):
        wander += size * rng.uniform(0.5, 1.2) * np.sin(2 * np.pi * (harmonic * along + rng.random()))
    angle = rng.uniform(0, 2 * np.pi)
    across = 0.5 + rng.uniform(-0.22, 0.22) + wander - wander.mean()
    u, v = along - 0.5, across - 0.5
    cols = (0.5 + np.cos(angle) * u - np.sin(angle) * v) * shape[1]
    rows = (0.5 + np.sin(angle) * u + np.cos(angle) * v) * shape[0]
    line = _rasterise(shape, rows, cols)
    return np.asarray(_distance(line) < rng.uniform(1.4, 4.2), dtype=bool)


def _rasterise(shape: tuple[int, int], rows: NDArray[np.float64], cols: NDArray[np.float64]) -> BoolArray:
    """Returns the pixels that a densely sampled line touches."""
    fine = np.linspace(0, len(rows) - 1, 6 * max(shape))
    index = np.arange(len(rows))
    row = np.round(np.interp(fine, index, rows)).astype(np.int64)
    col = np.round(np.interp(fine, index, cols)).astype(np.int64)
    inside = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    line = np.zeros(shape, dtype=bool)
    line[row[inside], col[inside]] = True
    return line


def _farmland(rng: np.random.Generator, fields: IntArray, height: FloatArray) -> ByteArray:
    """Returns crops and grass by field; grass the more likely the lower and wetter."""
    num = int(fields.max()) + 1
    mean_height = ndimage.mean(height, fields, np.arange(num))
    grass_bias = rng.uniform(0.30, 0.52)
    grass = rng.random(num) < np.clip(grass_bias + 0.9 * (0.5 - mean_height), 0.05, 0.95)
    return np.asarray(np.where(grass, GRASS, CROP)[fields], dtype=np.uint8)


def _bare(rng: np.random.Generator, fields: IntArray, land_cover: ByteArray, target_px: float) -> BoolArray:
    """Returns quarries, sand and building land: whole fields, in a random order until the target is met."""
    open_land = (land_cover == CROP) | (land_cover == GRASS)
    areas = np.bincount(fields[open_land], minlength=int(fields.max()) + 1)
    order = rng.permutation(len(areas))
    total = np.cumsum(areas[order])
    chosen = order[: int(np.searchsorted(total, target_px)) + 1]
    return np.asarray(np.isin(fields, chosen) & open_land, dtype=bool)


def _settlements(
    rng: np.random.Generator, shape: tuple[int, int], water_distance: FloatArray, target_px: float
) -> tuple[BoolArray, NDArray[np.float64]]:
    """Returns villages (y, x) with ragged edges, and their centres as rows of (row, col)."""
    num = int(rng.integers(2, 5))
    centres = rng.uniform(0.1, 0.9, (num, 2)) * np.array(shape)
    weight = rng.uniform(0.6, 1.6, num)
    rows, cols = pixel_indices(shape)
    closeness = np.full(shape, -np.inf, dtype=np.float32)
    for (row, col), size in zip(centres, weight, strict=True):
        stretch, angle = rng.uniform(0.55, 1.0), rng.uniform(0, np.pi)
        across = np.cos(angle) * (cols - col) + np.sin(angle) * (rows - row)
        down = -np.sin(angle) * (cols - col) + np.cos(angle) * (rows - row)
        closeness = np.maximum(closeness, -np.hypot(across * stretch, down / stretch) / (20.0 * size)).astype(
            np.float32
        )
    ragged = closeness + np.float32(0.30) * fractal_field(rng, shape, exponent=2.9, longest_px=40)
    ragged[water_distance < 2] = -np.inf  # noqa: PLR2004 nobody builds in the river
    return np.asarray(ranked(ragged) > 1.0 - target_px / ragged.size, dtype=bool), centres


def _roads(rng: np.random.Generator, shape: tuple[int, int], centres: NDArray[np.float64]) -> BoolArray:
    """Returns one-pixel roads between the villages and out of the region, slightly bent."""
    roads = np.zeros(shape, dtype=bool)
    ends = [
        centres[1],
        np.array([-5.0, rng.uniform(0, shape[1])]),
        np.array([rng.uniform(0, shape[0]), shape[1] + 5.0]),
    ]
    for end in ends:
        along = np.linspace(0, 1, 40)
        bend = rng.normal(0, 0.08) * np.sin(np.pi * along) + rng.normal(0, 0.03) * np.sin(2 * np.pi * along)
        step = end - centres[0]
        rows = centres[0][0] + along * step[0] - bend * step[1]
        cols = centres[0][1] + along * step[1] + bend * step[0]
        roads |= _rasterise(shape, rows, cols)
    return roads


def _all_parcels(
    rng: np.random.Generator, land_cover: ByteArray, fields: IntArray, blocks: IntArray, shape: tuple[int, int]
) -> IntArray:
    """Returns ids unique over classes: fields, blocks in settlements, stands in forest, pieces of water and wetland."""
    stands = parcel_ids(rng, shape, zone_ids(rng, shape), smallest_px=300, largest_px=1600)
    ids = np.where(land_cover == BUILT, blocks, fields).astype(np.int64)
    natural = np.isin(land_cover, (TREE, WATER, WETLAND))
    ids[natural] = stands[natural]
    _, unique = np.unique(ids * 100 + land_cover, return_inverse=True)
    return np.asarray(unique.reshape(shape), dtype=np.int32)
