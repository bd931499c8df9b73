"""Where drafts come from: sound scenes, each of a day of its own, for entries to spoil."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from pipelines.schema import Reason
from pipelines.simulate.torture.draft import RasterDraft, SceneDraft, Truth, missing_bits, optical_truth
from pipelines.simulate.torture.land import BAND_M, OPTICAL, RADAR, Land, field_counts, make_land
from pipelines.simulate.torture.place import FIRST_DAY, MAIN, Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from numpy.typing import NDArray


class Studio:
    """Hands out sound scenes of one simulated land."""

    def __init__(self, seed: int) -> None:
        self._land = make_land(seed)
        self._days = 0
        self.rng = np.random.default_rng(seed)

    def optical(self, name: str, wrong: str, right: str) -> SceneDraft:
        """Returns a Sentinel-2 scene of the main region: B02, B04, B11 and its classification."""
        land, time = self._next()
        rasters = optical_rasters(land.counts, land.classes)
        return SceneDraft(
            id=name,
            wrong=wrong,
            right=right,
            group="s2",
            time=time,
            rasters=rasters,
            truth=optical_truth(land.counts, land.classes, bands=OPTICAL),
            bands=OPTICAL,
        )

    def radar(self, name: str, wrong: str, right: str) -> SceneDraft:
        """Returns a Sentinel-1 scene of the main region in linear power."""
        land, time = self._next()
        return SceneDraft(
            id=name,
            wrong=wrong,
            right=right,
            group="s1",
            time=time + timedelta(hours=6),
            rasters={
                band: RasterDraft(pixels=land.power[band], transform=transform_of(MAIN, 10), nodata=float("nan"))
                for band in RADAR
            },
            truth=radar_truth(land.power),
            bands=RADAR,
            baseline="",
            flag=None,
            declared_offset=None,
        )

    def field(self, name: str, wrong: str, right: str, *, place: Place = MAIN, tolerance: float = 2e-4) -> SceneDraft:
        """Returns a Sentinel-2 scene of the field on the grid of a place, without a classification."""
        _, time = self._next()
        x, y = np.meshgrid(place.grid.x, place.grid.y)
        exact = {band: field_counts(x, y, band) for band in OPTICAL}
        values = np.stack([counts * 1e-4 for counts in exact.values()]).astype("float32")
        reason = np.full(values.shape[1:], int(Reason.NOT_MASKED), dtype="uint16")
        rasters = {
            band: RasterDraft(
                pixels=np.rint(counts).astype("uint16"),
                transform=Affine(*place.grid.transform),
                crs=f"EPSG:{place.grid.epsg}",
            )
            for band, counts in exact.items()
        }
        return SceneDraft(
            id=name,
            wrong=wrong,
            right=right,
            group="s2",
            time=time,
            rasters=rasters,
            truth=Truth(values=values, reason=reason, tolerance=tolerance),
            place=place,
            bands=OPTICAL,
        )

    def _next(self) -> tuple[Land, datetime]:
        land, time = self._land.shifted(self._days % 64), FIRST_DAY + timedelta(days=self._days)
        self._days += 1
        return land, time


def transform_of(place: Place, size_m: float) -> Affine:
    """Returns the transform of pixels of a size from the upper left corner of a place."""
    return Affine(size_m, 0.0, place.grid.x_min, 0.0, -size_m, place.grid.y_max)


def optical_rasters(
    counts: Mapping[str, NDArray[np.uint16]], classes: NDArray[np.uint8] | None
) -> dict[str, RasterDraft]:
    """Returns the files of counts at their own resolutions, on the main region's grid."""
    planes: dict[str, NDArray[Any]] = {**counts, **({} if classes is None else {"SCL": classes})}
    return {
        band: RasterDraft(pixels=plane, transform=transform_of(MAIN, BAND_M[band])) for band, plane in planes.items()
    }


def radar_truth(power: Mapping[str, NDArray[np.float32]]) -> Truth:
    """Returns the truth of linear power on the grid."""
    values = np.stack([power[band] for band in RADAR]).astype("float32")
    reason = missing_bits(list(np.isnan(values))) | np.uint16(int(Reason.NOT_MASKED))
    return Truth(values=values, reason=np.asarray(reason, dtype="uint16"), tolerance=0.0)


def field_raster(crs: str, transform: Affine, shape: tuple[int, int], band: str, place: Place = MAIN) -> RasterDraft:
    """Returns a file of the field on any grid of any CRS: its value at every pixel's centre."""
    from pyproj import Transformer

    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    x = transform.c + transform.a * cols + transform.b * rows
    y = transform.f + transform.d * cols + transform.e * rows
    x, y = Transformer.from_crs(crs, place.grid.epsg, always_xy=True).transform(x, y)
    counts = np.rint(field_counts(np.asarray(x), np.asarray(y), band))
    return RasterDraft(pixels=counts.astype("uint16"), transform=transform, crs=crs)
