"""Which scene a pixel of a mosaic comes from."""

import numpy as np

from pipelines.cube.layer import Layer, missing_bits
from pipelines.cube.mosaic import merge
from pipelines.schema import Reason


def layer(number, reasons):
    reason = np.array([[int(bit) for bit in reasons]], dtype=np.uint16)
    return Layer(values=np.full((2, *reason.shape), number, dtype=np.int16), reason=reason)


def test_the_most_complete_scene_wins_and_the_first_of_equals():
    first = layer(1, [Reason.CLOUD, Reason.BORDER, Reason.BORDER, Reason.NODATA, Reason.NODATA])
    second = layer(2, [Reason(0), Reason.CLOUD, Reason.BORDER, Reason.BORDER, Reason.NODATA])
    third = layer(3, [Reason(0), Reason(0), Reason(0), Reason(0), Reason.NODATA])

    merged = merge([first, second, third])

    assert merged.values[0, 0].tolist() == [1, 2, 3, 3, 1]
    assert merged.reason[0].tolist() == [int(Reason.CLOUD), int(Reason.CLOUD), 0, 0, int(Reason.NODATA)]
    assert first.values[0, 0].tolist() == [1] * 5


def test_some_missing_bands_are_a_border_and_all_are_nodata():
    missing = np.array([[[False, True, True]], [[False, False, True]]])

    assert missing_bits(missing)[0].tolist() == [0, int(Reason.BORDER), int(Reason.NODATA)]
