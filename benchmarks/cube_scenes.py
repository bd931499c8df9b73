"""Made-up scenes as real COGs for benchmarks/cube.py, with the records and STAC items that describe them.

Optical: 4 bands of uint16 that deflate by about 2, as Sentinel-2 does; SAR: 2 bands of float32 with speckle. Tiles of
512 pixels, deflate with predictor, no overviews. The same pixels lie on the grid's own lattice, in the next UTM zone or
in another projection.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from affine import Affine

from catalogs import Asset, Scene, SceneSet
from pipelines.grid import TargetGrid

FIRST = datetime(2021, 6, 1, 10, 50, tzinfo=UTC)
OPTICAL_BANDS = ("B02", "B03", "B04", "B08")
RADAR_BANDS = ("VV", "VH")
KINDS = {"aligned": ("s2", 32631), "next_zone": ("s2", 32632), "radar": ("s1", 3035)}
"""Group and CRS of each made-up stack."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Scenes of one kind."""

    kind: str
    folder: Path
    size: int
    num_dates: int

    @property
    def group(self):
        return KINDS[self.kind][0]

    @property
    def epsg(self):
        return KINDS[self.kind][1]

    @property
    def bands(self):
        return OPTICAL_BANDS if self.group == "s2" else RADAR_BANDS

    @property
    def dtype(self):
        return np.dtype("uint16" if self.group == "s2" else "float32")

    @property
    def nodata(self):
        return 0 if self.group == "s2" else float("nan")

    @property
    def grid(self):
        return TargetGrid(
            epsg=32631, resolution=10.0, x_min=600000.0, y_max=5700000.0, width=self.size, height=self.size
        )

    @property
    def num_values(self):
        """Pixels of all bands and dates of the cube."""
        return self.num_dates * len(self.bands) * self.size**2

    @property
    def transform(self):
        """The raster's own, centred on the grid where it is in another CRS."""
        grid = self.grid
        if self.epsg == grid.epsg:
            return Affine(*grid.transform)
        middle = (grid.x_min + 5.0 * self.size, grid.y_max - 5.0 * self.size)
        x, y = pyproj.Transformer.from_crs(grid.epsg, self.epsg, always_xy=True).transform(*middle)
        # an edge off the lattice by a fraction of a pixel, as any other zone's is
        return Affine(10.0, 0.0, round(x) - 5.0 * self.size + 3.7, 0.0, -10.0, round(y) + 5.0 * self.size + 1.3)

    def href(self, date, band):
        return str(self.folder / self.kind / f"{date}-{band}.tif")

    def time(self, date):
        return FIRST + timedelta(days=5 * date)

    def scene_set(self):
        """The records as a search would give them."""
        optical = self.group == "s2"
        facts = {"platform": "sentinel-2a", "offset_applied": True} if optical else {"platform": "sentinel-1a"}
        scenes = [
            Scene(
                id=f"{self.kind}-{date}",
                collection="sentinel-2-l2a" if optical else "sentinel-1-rtc",
                sensor="sentinel-2-msi" if optical else "sentinel-1-csar",
                time=self.time(date),
                time_start=self.time(date),
                time_end=self.time(date),
                footprint=self.grid.footprint_wgs84(),
                assets=tuple(
                    Asset(
                        band=band,
                        href=self.href(date, band),
                        nodata=self.nodata,
                        unit=None if optical else "1",
                        data_type=self.dtype.name,
                    )
                    for band in sorted(self.bands)
                ),
                **facts,
            )
            for date in range(self.num_dates)
        ]
        return SceneSet(scenes=tuple(scenes))

    def items(self):
        """STAC items with all that the peers ask for: projection and raster extension."""
        import pystac

        ring = [list(point) for point in self.grid.footprint_wgs84()]
        longitudes, latitudes = zip(*ring, strict=True)
        bbox = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
        affine = list(self.transform)[:6]
        found = []
        for date in range(self.num_dates):
            item = pystac.Item(
                id=f"{self.kind}-{date}",
                geometry={"type": "Polygon", "coordinates": [ring]},
                bbox=bbox,
                datetime=self.time(date),
                properties={"proj:epsg": self.epsg, "proj:code": f"EPSG:{self.epsg}"},
                stac_extensions=[
                    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
                    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
                ],
                collection=self.kind,
            )
            for band in self.bands:
                described = {"data_type": self.dtype.name, "spatial_resolution": 10}
                described["nodata"] = "nan" if np.isnan(self.nodata) else self.nodata
                item.add_asset(
                    band,
                    pystac.Asset(
                        href=self.href(date, band),
                        media_type=pystac.MediaType.COG,
                        roles=["data"],
                        extra_fields={
                            "proj:shape": [self.size, self.size],
                            "proj:transform": affine,
                            "raster:bands": [described],
                        },
                    ),
                )
            found.append(item)
        return found

    def write(self):
        """Writes one COG and links the others to it: each is a file of its own to whoever reads it."""
        folder = self.folder / self.kind
        folder.mkdir(parents=True, exist_ok=True)
        ground, rng = _ground(self.size), np.random.default_rng(0)
        if self.group == "s2":
            pixels = (ground + rng.normal(0, 7, ground.shape)).clip(1, 20000).astype("uint16")
        else:
            pixels = (np.exp(ground / 1500) * 0.02 * rng.gamma(4.4, 1 / 4.4, ground.shape)).astype("float32")
        hrefs = [self.href(date, band) for date in range(self.num_dates) for band in self.bands]
        profile = {
            "driver": "COG",
            "count": 1,
            "height": self.size,
            "width": self.size,
            "dtype": self.dtype.name,
            "crs": f"EPSG:{self.epsg}",
            "transform": self.transform,
            "nodata": self.nodata,
            "compress": "DEFLATE",
            "predictor": "YES",
            "blocksize": 512,
            "overviews": "NONE",
            "num_threads": 2,
        }
        with rasterio.open(hrefs[0], "w", **profile) as file:
            file.write(pixels, 1)
        for href in hrefs[1:]:
            Path(href).hardlink_to(hrefs[0])


def _ground(size):
    """Smooth hills and finer fields, in digital numbers."""
    from scipy import ndimage

    total = np.full((size, size), 1800.0, dtype="float32")
    for scale, height, seed in ((64, 500.0, 1), (8, 150.0, 2)):
        knots = np.random.default_rng(seed).standard_normal((size // scale + 3,) * 2).astype("float32")
        total += height * ndimage.zoom(knots, scale, order=1)[:size, :size]
    return total
