"""Places ask for nothing that cannot be seen."""

import numpy as np
import pytest

from flows.render import LEAST_VISIBLE, PlaceSpec, render_place
from pipelines.legend import LAND_COVER_CODES
from pipelines.simulate import VhrSpec, VideoSpec, simulate_vhr, simulate_video
from pipelines.training.scene_arrays import IGNORE

HIDDEN_SEED = 1067
"""A river whose bridge and trees hide some of what moves below them."""

BORDER_SEED = 1019
"""A harbour at the edge of the swath."""


def test_what_is_hidden_in_a_frame_is_no_box_to_find():
    scene = simulate_video(VideoSpec(seed=HIDDEN_SEED, size=96, num_frames=3))
    found = {(t.id, f): one for t in scene.tracks for f, one in zip(t.frames, t.objects, strict=True)}
    seen = {key: one for key, one in found.items() if one.visible >= LEAST_VISIBLE}
    assert 0 < len(seen) < len(found)
    targets = render_place(PlaceSpec(kind="video", seed=HIDDEN_SEED, size=96, dates=3)).targets
    keys = list(zip(targets["box_track"].tolist(), targets["box_frame"].tolist(), strict=True))
    assert set(keys) == set(seen)
    for key, row in zip(keys, targets["boxes"], strict=True):
        assert row[:2] == pytest.approx([seen[key].cx, seen[key].cy], abs=1e-3)


def test_land_beyond_the_swath_does_not_count():
    valid = simulate_vhr(VhrSpec(seed=BORDER_SEED, size=64)).valid
    assert 0.5 < valid.mean() < 1
    place = render_place(PlaceSpec(kind="vhr", seed=BORDER_SEED, size=64, dates=1))
    land_cover = place.targets["land_cover"]
    assert land_cover.dtype == np.uint8
    assert (land_cover[~valid] == IGNORE).all()
    assert (land_cover[valid] < len(LAND_COVER_CODES)).all()
    assert np.isnan(place.targets["height_m"][~valid]).all()
    assert not place.series["optical"].valid[0][~valid].any()


def test_sensors_that_see_one_land_are_held_out_together():
    radar, series = (render_place(PlaceSpec(kind=kind, seed=1003, size=64, dates=4)) for kind in ("slc", "series"))
    same = radar.targets["land_cover"] == series.targets["land_cover"]
    assert (same | (series.targets["change"] > 0)).all()
    assert same.mean() > 0.5
    assert radar.block == series.block
    aerial = render_place(PlaceSpec(kind="vhr", seed=1003, size=64, dates=1))
    assert aerial.block != series.block
