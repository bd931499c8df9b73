"""Shadows are as long as height and sun make them, and fall where the sun is not."""

import numpy as np
import pytest

from pipelines.simulate.vhr.canvas import Canvas
from pipelines.simulate.vhr.ground import Frame, Ground
from pipelines.simulate.vhr.light import LEAST_STEP_M, Sun, cast_shadow, lit_reflectance, shade
from pipelines.simulate.vhr.objects import PlantedObject, wrapped
from pipelines.simulate.vhr.scene import planted_objects
from pipelines.simulate.vhr.solids import Solid

FRAME = Frame(size=128, gsd_m=0.5)


def place(solids):
    canvas = Canvas(Ground(FRAME, np.random.default_rng(0), "old_asphalt"))
    for solid in solids:
        canvas.add(solid)
    return canvas


def house(**changed):
    values = {
        "kind": "building", "cx": 32.0, "cy": 32.0, "length_m": 8.0, "width_m": 8.0, "angle_rad": 0.0, "height_m": 10.0,
        "material": "grey_roof", "style": "flat", "seed": 4,
    }  # fmt: skip
    return Solid(**{**values, **changed})


@pytest.mark.parametrize("elevation", [30.0, 45.0, 60.0])
@pytest.mark.parametrize(("azimuth", "away"), [(180.0, (0, -1)), (90.0, (-1, 0)), (270.0, (1, 0)), (0.0, (0, 1))])
def test_a_shadow_is_as_long_as_height_over_tangent(azimuth, away, elevation):
    """The sun in the south throws a shadow to the north: up in the image."""
    canvas = place([house()])
    shadow = shade(canvas, Sun(azimuth_deg=azimuth, elevation_deg=elevation)) > 0.5
    expected_m = 10.0 / np.tan(np.deg2rad(elevation))
    middle = FRAME.fine // 2
    line = shadow[:, middle] if away[0] == 0 else shadow[middle]
    line = line[:middle][::-1] if sum(away) < 0 else line[middle:]
    beyond_m = (np.flatnonzero(line).max() + 1) / FRAME.scale - 4.0  # from the wall on
    least_step_m = LEAST_STEP_M / np.tan(np.deg2rad(elevation))  # what does not count as a blocker
    assert beyond_m == pytest.approx(expected_m, abs=1 / FRAME.scale + least_step_m)
    opposite = shadow[:, middle] if away[0] == 0 else shadow[middle]
    opposite = opposite[middle:] if sum(away) < 0 else opposite[:middle]
    assert not opposite.any()


def test_a_slanted_shadow_has_the_length_too():
    canvas = place([house(length_m=2.0, width_m=2.0, height_m=12.0)])
    sun = Sun(azimuth_deg=225.0, elevation_deg=45.0)  # from the lower left: the shadow points to the upper right
    rows, cols = np.nonzero(shade(canvas, sun) > 0.5)
    x, y = (cols + 0.5) / FRAME.scale - 32.0, (rows + 0.5) / FRAME.scale - 32.0
    along, across = (x - y) / np.sqrt(2), (x + y) / np.sqrt(2)
    assert along.max() == pytest.approx(12.0 + np.sqrt(2), abs=0.8)
    assert np.abs(across).max() < 2.0


def test_a_shadow_climbs_what_stands_in_it():
    """A roof of 6 m, 4 m behind a tower of 10 m, is in shadow for (10 - 6) / tan - 4 m only."""
    tower = np.zeros((1, 80), dtype=np.float32)
    tower[0, 10] = 10.0
    top = tower.copy()
    top[0, 14:] = 6.0
    shadow = cast_shadow(tower, top, 1.0, Sun(azimuth_deg=270.0, elevation_deg=np.rad2deg(np.arctan(0.5))))
    assert np.flatnonzero(shadow[0]).tolist() == [11, 12, 13, 14, 15, 16, 17]  # 8 m less the step of 0.1 m


def test_shade_is_darker_and_bluer():
    canvas = place([house()])
    sun = Sun(azimuth_deg=180.0, elevation_deg=40.0)
    shaded = shade(canvas, sun)
    light = lit_reflectance(canvas, shaded, sun, np.zeros_like(shaded))
    ground = canvas.owner < 0
    dark, bright = light[:, ground & (shaded > 0.5)].mean(axis=1), light[:, ground & (shaded == 0)].mean(axis=1)
    assert (dark < 0.3 * bright).all()
    assert dark[2] / bright[2] > 1.4 * dark[0] / bright[0]


def test_the_roof_towards_the_sun_is_the_brighter_one():
    canvas = place([house(length_m=20.0, width_m=10.0, style="gable", seed=1)])
    light = lit_reflectance(canvas, np.zeros_like(canvas.top_m), Sun(azimuth_deg=180.0, elevation_deg=40.0),
                            np.zeros_like(canvas.top_m))  # fmt: skip
    rows = np.arange(FRAME.fine)[:, None] / FRAME.scale
    roof = canvas.owner >= 0
    north, south = light[0][roof & (rows < 31.0)].mean(), light[0][roof & (rows > 33.0)].mean()
    assert south > 1.3 * north
    assert canvas.top_m[roof].max() == pytest.approx(10.0, abs=0.3)


def test_a_crown_hides_a_car_and_lets_some_light_through():
    car = Solid(kind="vehicle", cx=20.0, cy=20.0, length_m=4.5, width_m=1.8, angle_rad=0.3, height_m=1.5,
                material="white_paint", style="car")  # fmt: skip
    crown = Solid(kind="tree", cx=20.0, cy=20.0, length_m=9.0, width_m=9.0, angle_rad=0.0, height_m=9.0,
                  material="broadleaf")  # fmt: skip
    alone = planted_objects(place([car]), np.zeros((FRAME.fine, FRAME.fine), dtype=np.float32))
    both = place([crown, car])  # the order does not matter: the crown is higher
    hidden = planted_objects(both, np.zeros_like(both.top_m), hidden=True)
    assert alone[0].visible == 1.0
    assert hidden[1].visible == 0.0
    assert planted_objects(both, np.zeros_like(both.top_m)) == {}
    shaded = shade(both, Sun(azimuth_deg=180.0, elevation_deg=40.0))
    assert 0.5 < shaded[shaded > 0].mean() < 0.95


@pytest.mark.parametrize("angle", [-1.2, -0.5, 0.4, 1.1])
def test_an_angle_turns_from_right_to_down(angle):
    """The long axis of the pixels, from their second moments, is the box's angle."""
    canvas = place([house(length_m=24.0, width_m=6.0, angle_rad=angle, seed=1)])
    rows, cols = np.nonzero(canvas.owner >= 0)
    values, vectors = np.linalg.eigh(np.cov(cols, rows))
    x, y = vectors[:, int(values.argmax())]
    assert wrapped(np.arctan2(y, x) - angle) == pytest.approx(0.0, abs=0.06)
    entry = planted_objects(canvas, np.zeros_like(canvas.top_m))[0]
    assert (entry.length_px, entry.width_px) == (48.0, 12.0)


def test_corners_by_hand():
    entry = PlantedObject(kind="ship", cx=10.0, cy=20.0, length_px=8.0, width_px=2.0, angle_rad=np.pi / 2, height_m=3.0)
    expected = np.array([(11.0, 16.0), (11.0, 24.0), (9.0, 24.0), (9.0, 16.0)])
    assert np.array(entry.corners()) == pytest.approx(expected)
    assert entry.upright_box() == pytest.approx((9.0, 16.0, 11.0, 24.0))
    assert wrapped(np.pi / 2) == pytest.approx(-np.pi / 2)
    assert wrapped(3.0) == pytest.approx(3.0 - np.pi)


def test_foam_ends_at_the_bank():
    ground = Ground(FRAME, np.random.default_rng(0), "meadow")
    ground.fill(ground.box(16.0, 32.0, 32.0, 64.0, 0.0), "clear_water")
    canvas = Canvas(ground)
    canvas.add(Solid(kind="wake", cx=32.0, cy=32.0, length_m=40.0, width_m=12.0, angle_rad=0.0, height_m=0.02,
                     material="foam"))  # fmt: skip
    foam = canvas.owner >= 0
    assert foam[:, : FRAME.fine // 2].any()
    assert not foam[:, FRAME.fine // 2 :].any()
