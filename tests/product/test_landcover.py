from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from pipelines.legend import LAND_COVER_CODES
from pipelines.product import ProductError, ProductReason, land_cover


def slow_pixel(probability):
    """First, second, confidence and margin of one pixel, the plain way."""
    ranked = sorted(zip(probability, LAND_COVER_CODES, strict=True), key=lambda pair: -pair[0])
    (top, first), (next_best, second) = ranked[:2]
    return first, second, round(100 * float(top)), round(100 * (float(top) - float(next_best)))


def test_every_pixel_equals_the_slow_reference(prediction):
    product = land_cover(prediction)
    probability = prediction["land_cover_probability"].to_numpy()
    for row, col in [(1, 1), (5, 39), (29, 0), (12, 13), (0, 5)]:
        got = tuple(int(product[name][row, col]) for name in ("class", "second_class", "confidence", "margin"))
        assert got == slow_pixel(probability[:, row, col])


def test_unobserved_is_no_data_with_a_reason_and_never_class_zero_by_chance(prediction):
    product = land_cover(prediction)
    unseen = np.zeros((30, 40), dtype=bool)
    unseen[0, :5] = True
    np.testing.assert_array_equal(product["class"].to_numpy() == 0, unseen)
    np.testing.assert_array_equal(product["confidence"].to_numpy() == 255, unseen)
    np.testing.assert_array_equal(product["margin"].to_numpy() == 255, unseen)
    assert (product["reasons"].to_numpy()[unseen] == 2 | ProductReason.NO_OBSERVATION).all()
    assert (product["reasons"].to_numpy()[~unseen] == 0).all()
    assert (product["n_valid"].to_numpy() == np.where(unseen, 0, 12)).all()


def test_dtypes_flags_and_links(prediction):
    product = land_cover(prediction)
    dtypes = {str(name): str(array.dtype) for name, array in product.items()}
    assert dtypes == {
        "class": "uint8", "confidence": "uint8", "margin": "uint8", "second_class": "uint8",
        "n_valid": "uint16", "reasons": "uint16",
    }  # fmt: skip
    attrs = product["class"].attrs
    assert attrs["flag_values"].dtype == np.uint8
    assert attrs["flag_values"].tolist() == [0, 10, 30, 40, 50, 60, 80, 90]
    assert attrs["flag_meanings"].split()[:2] == ["no_data", "tree_cover"]
    assert attrs["flag_colors"].split()[1] == "#006400"
    assert set(attrs["ancillary_variables"].split()) == set(product) - {"class"}
    for array in product.values():
        assert array.attrs["grid_mapping"] == "spatial_ref"
        assert "_FillValue" not in array.attrs
        assert "_FillValue" not in array.encoding
        assert array.attrs["long_name"]
    assert product.attrs["cube_snapshot"] == "SNAP"
    assert set(product.coords) == {"y", "x", "spatial_ref"}
    assert product["x"].attrs["units"] == "m"


def test_min_confidence_hides_the_class_and_nothing_else(prediction):
    plain, strict = land_cover(prediction), land_cover(prediction, min_confidence=40)
    hidden = (plain["confidence"] < 40).to_numpy()
    assert 0 < hidden.sum() < hidden.size
    assert (strict["class"].to_numpy()[hidden] == 0).all()
    assert (strict["reasons"].to_numpy()[hidden] & ProductReason.BELOW_CONFIDENCE).all()
    xr.testing.assert_identical(plain["confidence"], strict["confidence"])
    assert strict.attrs["min_confidence"] == 40
    with pytest.raises(ProductError, match="101"):
        land_cover(prediction, min_confidence=101)


@pytest.mark.parametrize("chunks", [{"y": 7, "x": 11}, {"class": 3, "y": 30, "x": 40}])
def test_lazy_input_stays_lazy_and_gives_the_same(prediction, chunks):
    lazy = land_cover(prediction.chunk(chunks))
    assert all(array.chunks is not None for array in lazy.values())
    xr.testing.assert_identical(lazy.compute(), land_cover(prediction))


def test_ties_go_to_the_first_class(prediction):
    prediction["land_cover_probability"][:, 3, 3] = 1 / len(LAND_COVER_CODES)
    product = land_cover(prediction)
    assert int(product["class"][3, 3]) == LAND_COVER_CODES[0]
    assert int(product["second_class"][3, 3]) == LAND_COVER_CODES[1]
    assert int(product["margin"][3, 3]) == 0


def test_what_is_missing_is_named(prediction):
    with pytest.raises(ProductError, match="land_cover_probability"):
        land_cover(prediction.drop_vars("land_cover_probability"))
    with pytest.raises(ProductError, match="spatial_ref"):
        land_cover(prediction.drop_vars("spatial_ref"))
    with pytest.raises(ProductError, match="17"):
        land_cover(prediction.assign_coords({"class": [10, 17, 40, 50, 60, 80, 90]}))
    prediction.attrs.pop("model_sha256")
    with pytest.raises(ProductError, match="model_sha256"):
        land_cover(prediction)


def test_a_reason_bit_of_another_meaning_is_refused(prediction):
    prediction["reason"].attrs = {"flag_masks": np.array([1 << 12], dtype="uint16"), "flag_meanings": "haze"}
    with pytest.raises(ProductError, match="haze"):
        land_cover(prediction)


def test_every_pixel_equals_a_stable_sort(prediction):
    """Coarse probabilities with many ties, against numpy's stable sort."""
    coarse = np.random.default_rng(1).integers(0, 4, size=(7, 30, 40)).astype("float32") / 4
    prediction["land_cover_probability"] = (("class", "y", "x"), coarse)
    product = land_cover(prediction)
    order = np.argsort(-coarse, axis=0, kind="stable")
    codes = np.array(LAND_COVER_CODES)
    np.testing.assert_array_equal(product["class"], codes[order[0]])
    np.testing.assert_array_equal(product["second_class"], codes[order[1]])
    ranked = -np.sort(-coarse, axis=0)
    np.testing.assert_array_equal(product["confidence"], np.rint(100 * ranked[0]))
    np.testing.assert_array_equal(product["margin"], np.rint(100 * (ranked[0] - ranked[1])))
