"""Products that abstain where a place is too unlike the training."""

import numpy as np
import pytest

from pipelines.product import change, land_cover
from pipelines.product.errors import ProductError
from pipelines.product.reasons import ProductReason

LIMIT = 98


@pytest.fixture
def told(prediction):
    """The made-up prediction with a novelty of 99 in rows 5 to 12, 98 in row 13 and 255 where nothing was seen."""
    novelty = np.full((30, 40), 40, dtype="uint8")
    novelty[5:13], novelty[13] = 99, 98
    novelty[0, :5] = 255
    return prediction.assign(novelty=(("y", "x"), novelty))


def test_the_layer_is_there_and_masks_nothing_unasked(told, prediction):
    for make in (land_cover, change):
        plain, with_layer = make(prediction), make(told)
        assert "novelty" not in plain
        np.testing.assert_array_equal(with_layer["novelty"], told["novelty"])
        assert with_layer["novelty"].attrs["units"] == "percent"
        np.testing.assert_array_equal(with_layer["class"], plain["class"])
        assert with_layer["reasons"].dtype == np.uint16
        assert "unfamiliar" not in with_layer["reasons"].attrs["flag_meanings"]


@pytest.mark.parametrize(("make", "nothing"), [(land_cover, 0), (change, 255)])
def test_unfamiliar_places_get_no_class_and_a_reason_of_their_own(told, make, nothing):
    free, masked = make(told), make(told, max_novelty=LIMIT)
    strange = np.zeros((30, 40), bool)
    strange[5:13] = True
    assert (masked["class"].to_numpy()[strange] == nothing).all()
    np.testing.assert_array_equal(masked["class"].to_numpy()[~strange], free["class"].to_numpy()[~strange])
    bit = (masked["reasons"].to_numpy() & int(ProductReason.UNFAMILIAR)) != 0
    np.testing.assert_array_equal(bit, strange)
    np.testing.assert_array_equal(masked["reasons"].to_numpy() & 0xFFFF, free["reasons"].to_numpy())
    flags = dict(
        zip(
            masked["reasons"].attrs["flag_meanings"].split(),
            masked["reasons"].attrs["flag_masks"].tolist(),
            strict=True,
        )
    )
    assert flags["unfamiliar"] == 1 << 16
    assert flags["no_observation"] == 1 << 12
    assert masked.attrs["max_novelty"] == LIMIT


def test_an_unfamiliar_change_has_no_dates(told):
    assert (change(told)["date_before"].to_numpy()[10:13, 10:18] == 18700).all()
    masked = change(told, max_novelty=LIMIT)
    assert (masked["date_before"].to_numpy()[10:13, 10:18] == -1).all()
    assert (masked["date_before"].to_numpy()[13:16, 10:18] == 18700).all()


def test_a_limit_without_the_layer_or_out_of_range_is_refused(prediction, told):
    with pytest.raises(ProductError, match="statistics of their training"):
        land_cover(prediction, max_novelty=LIMIT)
    with pytest.raises(ProductError, match="0 to 100, got 101"):
        change(told, max_novelty=101)


def test_only_fitted_temperatures_are_called_calibrated(prediction):
    assert land_cover(prediction)["confidence"].attrs["comment"] == "not calibrated"
    fitted = prediction.assign_attrs(land_cover_temperature=0.9, change_temperature=1.5)
    assert "temperature 0.900" in land_cover(fitted)["confidence"].attrs["comment"]
    assert "temperature 1.500" in change(fitted)["probability"].attrs["comment"]
    assert "simulated" in change(fitted)["probability"].attrs["comment"]
