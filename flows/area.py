"""The area of a region, in one of three forms, and the grid that it asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flows.errors import ConfigError

if TYPE_CHECKING:
    from pipelines.grid import TargetGrid

Bounds = tuple[float, float, float, float]


class AreaConfig(BaseModel):
    """One of `bounds` (with `crs`), `bbox` or `geojson`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    crs: str | None = Field(
        default=None,
        description="EPSG code of a projected CRS in metres, as EPSG:32631; default: UTM zone of the centre.",
    )
    bounds: Bounds | None = Field(default=None, description="x_min, y_min, x_max, y_max in metres of crs.")
    bbox: Bounds | None = Field(default=None, description="West, south, east, north in degrees.")
    geojson: Path | None = Field(default=None, description="GeoJSON file whose geometry is wanted, in degrees.")

    @field_validator("crs", mode="before")
    @classmethod
    def _epsg_code(cls, value: object) -> object:
        if value is None:
            return None
        text = f"EPSG:{value}" if isinstance(value, int) else str(value).upper()
        code = text.removeprefix("EPSG:")
        if not (text.startswith("EPSG:") and code.isdigit()):
            raise ValueError(f"crs must be an EPSG code such as EPSG:32631, got {value!r}; write EPSG:<number>")
        return text

    @field_validator("bbox")
    @classmethod
    def _bbox_in_degrees(cls, value: Bounds | None) -> Bounds | None:
        if value is None:
            return None
        west, south, east, north = value
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90):  # noqa: PLR2004 degrees
            raise ValueError(f"bbox must be [west, south, east, north] in degrees, got {list(value)}; check the order")
        if west == east:
            raise ValueError(f"bbox must have a width, got west = east = {west}; widen it")
        return value

    @field_validator("bounds")
    @classmethod
    def _bounds_in_order(cls, value: Bounds | None) -> Bounds | None:
        if value is not None and not (value[0] < value[2] and value[1] < value[3]):
            raise ValueError(f"bounds must be [x_min, y_min, x_max, y_max], got {list(value)}; check the order")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> AreaConfig:
        given = [name for name in ("bounds", "bbox", "geojson") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"area takes exactly one of bounds (with crs), bbox or geojson, got {given or 'none'}")
        if self.bounds is not None and self.crs is None:
            raise ValueError("bounds need the crs they are in, got none; add crs: EPSG:<number>, or use bbox")
        return self

    @property
    def epsg(self) -> int | None:
        """Code of the target CRS where it is given."""
        return None if self.crs is None else int(self.crs.removeprefix("EPSG:"))


def target_grid(area: AreaConfig, resolution: float) -> TargetGrid:
    """Returns the target grid of an area, snapped outward to the resolution.

    Args:
        area: The area in any of its forms.
        resolution: Pixel edge, metres.

    Raises:
        ConfigError: The CRS is not projected in metres, or the GeoJSON has no usable geometry.
    """
    from pipelines.grid import GridError, TargetGrid

    try:
        if area.bounds is not None:
            assert area.epsg is not None, "held by AreaConfig"
            return TargetGrid.from_bounds(area.bounds, epsg=area.epsg, resolution=resolution)
        if area.bbox is not None:
            return TargetGrid.from_bbox_wgs84(area.bbox, resolution=resolution, epsg=area.epsg)
        assert area.geojson is not None, "held by AreaConfig"
        return TargetGrid.from_geojson(_read_geojson(area.geojson), resolution=resolution, epsg=area.epsg)
    except GridError as error:
        raise ConfigError(f"area: {error}") from error


def _read_geojson(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"area.geojson: the file must be readable, got {path} ({error.strerror}); check the path"
        ) from error
    except ValueError as error:
        raise ConfigError(f"area.geojson: {path} must be JSON, got {error}; export it again") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"area.geojson: {path} must hold a GeoJSON object, got {type(document).__name__}; export it again"
        )
    return document
