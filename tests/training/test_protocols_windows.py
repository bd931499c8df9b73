"""Images cut into windows and put together: every pixel once, from the middle of a window where it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipelines.training.protocols.windows import spans, windows


@given(length=some.integers(1, 700), side=some.integers(1, 128), data=some.data())
def test_every_pixel_belongs_to_one_window_that_reads_it(length, side, data):
    overlap = data.draw(some.integers(0, side - 1))
    owner = np.zeros(length, dtype=int)
    for span in spans(length, side, overlap):
        assert 0 <= span.start <= span.kept_start < span.kept_stop <= span.stop <= length
        assert span.stop - span.start == min(side, length)
        owner[span.kept_start : span.kept_stop] += 1
    assert (owner == 1).all()


def test_borders_run_through_the_middle_of_the_overlap():
    """100 pixels by 64 with 16 shared: windows 0-64 and 36-100 (moved back), border (36 + 64) / 2 = 50."""
    assert [(s.start, s.stop, s.kept_start, s.kept_stop) for s in spans(100, 64, 16)] == [
        (0, 64, 0, 50),
        (36, 100, 50, 100),
    ]


def test_an_image_is_put_together_as_it_was():
    image = np.arange(70 * 90).reshape(70, 90)
    whole = np.zeros_like(image)
    for window in windows(image.shape, 32, 8):
        whole[window.kept] = image[window.read][window.kept_inside]
    np.testing.assert_array_equal(whole, image)


def test_a_place_belongs_to_one_window():
    cut = windows((70, 90), 32, 8)
    for x, y in [(0, 0), (31.9, 20), (89.5, 69.5), (28, 28)]:
        assert sum(window.owns(x, y) for window in cut) == 1


@pytest.mark.parametrize(("length", "side", "overlap"), [(0, 4, 0), (4, 0, 0), (4, 4, 4), (4, 4, -1)])
def test_windows_that_cannot_be_are_refused(length, side, overlap):
    with pytest.raises(ValueError, match="windows need"):
        spans(length, side, overlap)
