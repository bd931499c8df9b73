"""Videos move as their tracks say."""

from itertools import pairwise

import numpy as np
import pytest

from pipelines.simulate import VideoSpec, simulate_video
from pipelines.simulate.vhr.lanes import Lane, beside, position

INTERVAL_S = 0.4


@pytest.fixture(scope="module")
def street():
    return simulate_video(
        VideoSpec(seed=31, size=160, num_frames=10, scene_class="residential", frame_interval_s=INTERVAL_S)
    )


@pytest.fixture(scope="module")
def river():
    return simulate_video(VideoSpec(seed=3, size=160, num_frames=10, scene_class="river", frame_interval_s=1.0))


def moving(video):
    return [track for track in video.tracks if track.speed_mps > 0]


def test_equal_specs_give_equal_bytes():
    one, two = (simulate_video(VideoSpec(seed=4, size=96, num_frames=3)) for _ in range(2))
    assert one.frames.tobytes() == two.frames.tobytes()
    assert one.tracks == two.tracks
    assert one.frames.shape == (3, 3, 96, 96)
    assert one.frames.dtype == np.float32


def test_things_move_at_their_speed(street):
    """Displacement between two frames, less the camera's shake, is speed times time on a straight street."""
    checked = 0
    for track in moving(street):
        for first, second, one, two in zip(
            track.frames[:-1], track.frames[1:], track.objects[:-1], track.objects[1:], strict=True
        ):
            if second != first + 1:
                continue
            shake = street.shake_px[second] - street.shake_px[first]
            step = np.array([two.cx - one.cx, two.cy - one.cy]) - shake
            expected_px = track.speed_mps * INTERVAL_S / street.spec.gsd_m
            assert np.hypot(*step) == pytest.approx(expected_px, rel=0.02)
            along = np.array([np.cos(one.angle_rad), np.sin(one.angle_rad)])
            assert abs(step @ along) == pytest.approx(expected_px, rel=0.03)  # nose first, or tail: boxes have no front
            checked += 1
    assert checked > 30
    speeds = [track.speed_mps for track in moving(street)]
    assert min(speeds) >= 5
    assert max(speeds) <= 26


def test_what_stands_still_moves_with_the_camera_alone(street):
    parked = [track for track in street.tracks if track.speed_mps == 0 and len(track.frames) == 10]
    assert len(parked) > 5
    for track in parked:
        places = np.array([(entry.cx, entry.cy) for entry in track.objects]) - street.shake_px
        assert np.ptp(places, axis=0).max() < 1e-3


def test_things_enter_and_leave(street, river):
    for video in (street, river):
        tracks = moving(video)
        assert any(len(track.frames) < video.spec.num_frames for track in tracks)
        for track in tracks:
            assert list(track.frames) == sorted(set(track.frames))
            assert all(0 <= entry.cx < 160 and 0 <= entry.cy < 160 for entry in track.objects)
    assert len({track.id for track in street.tracks}) == len(street.tracks)


def test_bridges_and_crowns_hide_what_passes_below(street, river):
    ships = [entry.visible for track in moving(river) if track.kind == "ship" for entry in track.objects]
    cars = [entry.visible for track in moving(street) for entry in track.objects]
    on_the_bridge = [entry.visible for track in moving(river) if track.kind == "vehicle" for entry in track.objects]
    assert ships
    assert min(ships) < 0.9  # under the deck
    assert min(cars) < 0.6  # under street trees
    assert np.median(cars) > 0.9
    assert np.mean(np.array(on_the_bridge) > 0.9) > 0.8  # on it nothing hides them


def test_the_shake_is_below_a_pixel_and_can_be_measured_back(street):
    assert 0.05 < street.shake_px.std() < 0.5
    assert np.abs(street.shake_px).max() <= 0.8
    still = street.frames[0, 1]
    down, right = np.gradient(still)
    inner = (slice(4, -4), slice(4, -4))
    system = np.stack([-right[inner].ravel(), -down[inner].ravel()], axis=1)
    for frame in (1, 2, 5):
        change = (street.frames[frame, 1] - still)[inner].ravel()
        quiet = np.abs(change) < np.quantile(np.abs(change), 0.9)  # what moves is no measure of the camera
        shift, *_ = np.linalg.lstsq(system[quiet], change[quiet], rcond=None)
        assert shift == pytest.approx(street.shake_px[frame] - street.shake_px[0], abs=0.12)


def test_a_bright_car_is_where_its_track_says(street):
    """Change against the median frame is larger inside the boxes of moving things than elsewhere."""
    change = np.abs(street.frames - np.median(street.frames, axis=0)).sum(axis=1)
    inside = []
    for track in moving(street):
        for frame, entry in zip(track.frames, track.objects, strict=True):
            if entry.visible > 0.9 and entry.shaded < 0.3:
                inside.append(change[frame, int(entry.cy), int(entry.cx)])
    assert np.median(inside) > 3 * np.median(change)


def test_nobody_drives_through_another():
    lane = Lane(kind="vehicle", points=np.array([[0.0, 0.0], [300.0, 0.0]]), speed_mps=15.0, spacing_m=12.0)
    movers = lane.movers(np.random.default_rng(0), 20.0)
    assert len(movers) > 10
    for time_s in (0.0, 7.0, 20.0):
        places = [(mover.start_m + mover.speed_mps * time_s, mover.solid.length_m) for mover in movers]
        for (ahead, one), (behind, two) in pairwise(places):
            assert ahead - behind > 0.5 * (one + two) - 1e-6


def test_positions_along_a_line_by_hand():
    points = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 10.0]])
    assert position(points, 2.5) == pytest.approx((1.5, 2.0, np.arctan2(4, 3)))
    assert position(points, 8.0) == pytest.approx((3.0, 7.0, np.pi / 2))
    east = np.array([[0.0, 5.0], [10.0, 5.0], [20.0, 5.0]])
    assert beside(east, 2.0)[:, 1] == pytest.approx([7.0, 7.0, 7.0])  # to the right of who drives east is south: down


@pytest.mark.parametrize(
    "wrong", [{"num_frames": 1}, {"num_frames": 100}, {"frame_interval_s": 0.0}, {"size": 8}, {"scene_class": "sea"}]
)
def test_a_wrong_spec_is_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        VideoSpec(**{"seed": 1, **wrong})
