"""Few-shot runs that cannot be drawn as asked."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks_made_e import MADE
from made_pictures import SIZE, write_picture

from pipelines.training.benchmarks import open_benchmark
from pipelines.training.benchmarks.errors import SplitError


@pytest.fixture
def made(tmp_path):
    def make(name):
        MADE[name](tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("options", "message"),
    [({"shots": 0}, "at least 1"), ({"shots": 6}, "more than 6"), ({"classes": ("moon",)}, "moon")],
)
def test_few_shot_scenes_that_cannot_be_drawn(made, options, message):
    with pytest.raises(SplitError, match=message):
        open_benchmark("whu-rs19-few-shot", made("whu-rs19-few-shot"), "support", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "at least 1"),
        ({"shots": 9}, "ask for fewer shots"),
        ({"novel": ("background",)}, "background"),
        ({"fold": 3}, "fold must be"),
        ({"fold": 0, "novel": ("ship",)}, "without novel"),
    ],
)
def test_few_shot_masks_that_cannot_be_drawn(made, options, message):
    with pytest.raises(SplitError, match=message):
        open_benchmark("isaid-few-shot", made("isaid-few-shot"), "support", **options)


def test_a_class_that_no_training_image_shows_is_told(made):
    root = made("loveda-few-shot")
    for path in (root / "Train").rglob("masks_png/*.png"):
        write_picture(path, np.full((SIZE, SIZE), 1, np.uint8))
    with pytest.raises(SplitError, match="'forest': 0"):
        open_benchmark("loveda-few-shot", root, "support", shots=1, novel=("forest",))
