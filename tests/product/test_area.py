from __future__ import annotations

import numpy as np
import pytest

from pipelines.product import ProductError, area_by_class, change, land_cover


def test_areas_add_up_to_the_grid(prediction, grid):
    areas = area_by_class(land_cover(prediction)["class"])
    assert sum(entry.hectares for entry in areas) == pytest.approx(grid.area_m2 / 1e4)
    assert {entry.method for entry in areas} == {"pixel_count"}
    by_name = {entry.name: entry for entry in areas}
    assert by_name["no_data"].num_pixels == 5


def test_planted_area(prediction):
    by_name = {entry.name: entry for entry in area_by_class(change(prediction)["class"])}
    assert by_name["clearing"].hectares == pytest.approx(0.48)
    assert by_name["flood"].hectares == 0.0


def test_degrees_and_unlisted_values_are_refused(prediction):
    layer = land_cover(prediction)["class"]
    degrees = layer.assign_coords(x=("x", layer["x"].to_numpy(), {"units": "degrees_east"}))
    with pytest.raises(ProductError, match="degrees_east"):
        area_by_class(degrees)
    with pytest.raises(ProductError, match="11"):
        area_by_class(layer.copy(data=np.full(layer.shape, 11, dtype="uint8")))
    with pytest.raises(ProductError, match="confidence"):
        area_by_class(prediction["n_valid_s2"].rename("confidence"))
