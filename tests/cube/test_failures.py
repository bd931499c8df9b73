"""What cannot be read: retried by kind of fault, left missing and said so, tried again, never made worse."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from made_scenes import FIRST, GRID, digital_numbers, optical_scene, scene_set, truncate

from pipelines.cube import BuildOptions, build_cube, open_cube
from pipelines.cube.errors import ReadFailed
from pipelines.cube.failures import (
    ReadFailure,
    describe,
    failure_of,
    failures_text,
    gathered,
    missing_blocks,
    parse_failures,
)
from pipelines.cube.layer import Layer
from pipelines.cube.mosaic import merge
from pipelines.cube.retry import Patience, RetryPolicy, with_retries
from pipelines.cube.source import Source
from pipelines.cube.store import open_store
from pipelines.grid import Block
from pipelines.schema import Reason

OPTIONS = BuildOptions(chunk=16, num_threads=3, retries=2, retry_wait_s=0.0)
"""So many threads that a unit is one chunk."""
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}


def block(row, col, height=16, width=16):
    return Block(row=row, col=col, height=height, width=width)


def failed(fault="damaged", scene_id="a", href="/data/B04.tif", cause="cut short"):
    return ReadFailed(scene_id=scene_id, href=href, cause=cause, fault=fault, band="B04")


def build(folder, *scenes, options=OPTIONS):
    return build_cube(scene_set(*scenes), GRID, folder / "cube", options=options)


def outcomes(result):
    return {outcome.id: (outcome.outcome, outcome.reason) for outcome in result.outcomes}


def cube_of(folder, name="cube"):
    cube = open_cube(folder / name).load()
    cube.attrs.pop("snapshot")
    return cube


@pytest.fixture
def faults(monkeypatch):
    """Faults by (scene, row, col) of a chunk, as a list that is used up from the front or one fault that stays."""
    planned = {}
    read = Source.read
    asked = []

    def failing(self, wanted):
        asked.append((self.scene.id, wanted))
        for (scene_id, row, col), fault in planned.items():
            within = wanted.row <= row < wanted.row_stop and wanted.col <= col < wanted.col_stop
            if scene_id == self.scene.id and within and fault:
                raise failed(fault.pop(0) if isinstance(fault, list) else fault, scene_id)
        return read(self, wanted)

    monkeypatch.setattr(Source, "read", failing)
    return planned, asked


def test_waits_grow_are_bounded_and_hang_on_the_seed():
    policy = RetryPolicy(retries=6, first_wait_s=1.0, longest_wait_s=10.0, jitter=0.5, seed=3)
    waits = policy.waits_s("a:0:0")
    assert len(waits) == 6
    for count, wait in enumerate(waits):
        full = min(10.0, 2.0**count)
        assert full / 2 <= wait <= full
    assert waits == policy.waits_s("a:0:0")
    assert waits != policy.waits_s("b:0:0")
    assert waits != replace(policy, seed=4).waits_s("a:0:0")
    assert replace(policy, jitter=0.0).waits_s("a") == (1.0, 2.0, 4.0, 8.0, 10.0, 10.0)
    with pytest.raises(ValueError, match="not negative"):
        RetryPolicy(retries=-1)


@pytest.mark.parametrize("fault", ["busy", "server", "timeout"])
def test_faults_that_may_pass_are_tried_again(fault):
    policy, waits, tries = RetryPolicy(retries=2), [], [failed(fault), failed(fault)]

    def read():
        if tries:
            raise tries.pop()
        return "pixels"

    assert with_retries(read, policy, "a", waits.append) == "pixels"
    assert waits == list(policy.waits_s("a"))


@pytest.mark.parametrize(("fault", "tries"), [("busy", 3), ("damaged", 1), ("missing", 1), ("refused", 1)])
def test_what_stays_is_given_up(fault, tries):
    asked = []

    def read():
        asked.append(1)
        raise failed(fault)

    with pytest.raises(ReadFailed):
        with_retries(read, RetryPolicy(retries=2), "a", lambda _: None)
    assert len(asked) == tries


def test_patience_ends_and_comes_back():
    patience = Patience(most=2)
    for fails, lasts in ((True, True), (True, False), (True, False), (False, True)):
        patience.record(failed_in_passing=fails)
        assert patience.lasts is lasts


def test_failures_come_back_from_their_text_without_signatures():
    signed = failed("refused", href="https://x.net/B04.tif?sig=secret", cause="403 of https://x.net/B04.tif?sig=secret")
    first = failure_of(signed, [block(16, 0), block(0, 0)])
    second = failure_of(failed("damaged", scene_id="b"), [block(0, 16)])
    again = failure_of(signed, [block(0, 0), block(0, 16)])

    text = failures_text([second, first, again])

    assert "secret" not in text
    assert json.loads(text)["a"][0]["href"] == "https://x.net/B04.tif"
    found = parse_failures(text)
    assert found == gathered([first, again, second])
    assert found[0].blocks == (block(0, 0), block(0, 16), block(16, 0))
    assert missing_blocks(found) == {"a": set(found[0].blocks), "b": {block(0, 16)}}
    assert describe(found[:1], 6) == (
        "3 of 6 units could not be read: https://x.net/B04.tif: 403 of https://x.net/B04.tif (refused)"
    )
    assert parse_failures(failures_text([])) == ()
    with pytest.raises(ValueError, match="names the blocks"):
        ReadFailure(scene_id="a", band="", href="", fault="damaged", cause="", blocks=())


def test_a_mosaic_of_mosaics_is_the_mosaic():
    draw = np.random.default_rng(5)
    bits = np.array([0, int(Reason.BORDER), int(Reason.NODATA), int(Reason.NODATA | Reason.READ_FAILED)], np.uint16)
    layers = [
        Layer(values=np.full((2, 40, 40), number, np.int16), reason=draw.choice(bits, (40, 40)))
        for number in range(1, 5)
    ]
    whole = merge(layers)
    folded = layers[0]
    for layer in layers[1:]:
        folded = merge((folded, layer))
    np.testing.assert_array_equal(whole.values, folded.values)
    np.testing.assert_array_equal(whole.reason, folded.reason)
    stacked = np.stack([layer.reason for layer in layers])
    nothing = ((stacked & int(Reason.NODATA)) != 0).all(axis=0)
    lost = ((stacked & int(Reason.READ_FAILED)) != 0).any(axis=0)
    np.testing.assert_array_equal((whole.reason & int(Reason.READ_FAILED)) != 0, nothing & lost)


def test_a_fault_that_passes_leaves_no_trace(tmp_path, faults):
    scene = optical_scene(tmp_path, "a")
    build(tmp_path, scene)
    undisturbed = cube_of(tmp_path)
    planned, _ = faults
    planned["a", 16, 16] = ["busy", "timeout"]

    result = build_cube(scene_set(scene), GRID, tmp_path / "again", options=OPTIONS)

    xr.testing.assert_identical(cube_of(tmp_path, "again"), undisturbed)
    assert result.read_failures == ()


def test_a_chunk_that_stays_unread_is_missing_and_heals(tmp_path, faults):
    scene = optical_scene(tmp_path, "a")
    build_cube(scene_set(scene), GRID, tmp_path / "whole", options=OPTIONS)
    planned, asked = faults
    planned |= {("a", 16, 16): "damaged", ("a", 0, 32): "timeout"}

    first = build(tmp_path, scene)
    cube = cube_of(tmp_path)
    asked.clear()
    rerun = build(tmp_path, scene)

    missing = ((cube.reason[0] & Reason.READ_FAILED) != 0).to_numpy()
    expected = np.zeros(GRID.shape, dtype=bool)
    expected[16:, 16:32] = expected[:16, 32:] = True
    np.testing.assert_array_equal(missing, expected)
    assert np.isnan(cube.reflectance[0].to_numpy()[:, expected]).all()
    assert not cube.valid[0].to_numpy()[expected].any()
    assert cube.valid[0].to_numpy()[~expected].all()
    (outcome,) = first.outcomes
    assert outcome.outcome == "used"
    assert outcome.detail.startswith("2 of 6 units could not be read: ")
    assert [failure.fault for failure in first.read_failures] == ["damaged", "timeout"]
    assert not rerun.changed
    assert (rerun.ref, rerun.outcomes, rerun.read_failures) == (first.ref, first.outcomes, first.read_failures)
    assert {(one.row, one.col) for _, one in asked} == {(16, 16), (0, 32)}  # only what is missing was tried

    planned.pop(("a", 0, 32))
    partly = build(tmp_path, scene)
    assert partly.added == ("a",)
    assert [failure.fault for failure in partly.read_failures] == ["damaged"]
    planned.clear()
    healed = build(tmp_path, scene)
    assert (healed.read_failures, healed.outcomes[0].detail) == ((), "")
    xr.testing.assert_identical(cube_of(tmp_path), cube_of(tmp_path, "whole"))
    assert not build(tmp_path, scene).changed


def test_what_is_lost_does_not_hang_on_the_size_of_units(tmp_path):
    scene = optical_scene(tmp_path, "cut", **TILED)
    truncate(scene.asset("B04").href)
    for threads in (1, 3):
        options = replace(OPTIONS, num_threads=threads)
        build_cube(scene_set(scene), GRID, tmp_path / str(threads), options=options)

    assert open_cube(tmp_path / "1").read_failures.item()
    xr.testing.assert_identical(cube_of(tmp_path, "1"), cube_of(tmp_path, "3"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("refused", "refused"), ("damaged", "damaged"), ("missing", "unreadable"), ("timeout", "unreadable")],
)
def test_a_scene_of_which_nothing_can_be_read_is_skipped(tmp_path, faults, fault, reason):
    planned, _ = faults
    planned |= {("bad", row, col): fault for row in (0, 16) for col in (0, 16, 32)}
    good, bad = optical_scene(tmp_path, "good"), optical_scene(tmp_path, "bad", day=1)

    result = build(tmp_path, good, bad)

    assert outcomes(result) == {"good": ("used", None), "bad": ("skipped", reason)}
    assert "6 of 6 units could not be read" in {o.id: o.detail for o in result.outcomes}["bad"]
    assert cube_of(tmp_path).scene_ids.to_numpy().tolist() == ["good"]
    planned.clear()
    assert build(tmp_path, good, bad).added == ("bad",)


def test_a_server_that_stays_away_is_not_waited_for_by_every_unit(tmp_path, faults, monkeypatch):
    planned, asked = faults
    planned |= {("a", row, col): "timeout" for row in range(0, 30, 2) for col in range(0, 40, 2)}
    options = replace(OPTIONS, chunk=2, retries=3)
    monkeypatch.setattr("pipelines.cube.budget.UNIT_SIDE_PX", 2)

    build(tmp_path, optical_scene(tmp_path, "a"), options=options)

    assert 15 * 20 < len(asked) < 15 * 20 + 3 * 30


def test_a_date_never_gets_worse(tmp_path, faults):
    west = optical_scene(tmp_path, "west", bands={"B02": digital_numbers(1, (30, 20))})
    east = optical_scene(
        tmp_path,
        "east",
        bands={"B02": digital_numbers(2, (30, 20))},
        corner=(GRID.x_min + 200.0, GRID.y_max),
        facts={"time": FIRST + timedelta(seconds=14)},
    )
    first = build(tmp_path, west)
    planned, _ = faults
    planned["west", 0, 0] = "timeout"

    kept = build(tmp_path, west, east)

    assert not kept.changed
    assert kept.ref == first.ref
    assert outcomes(kept) == {"west": ("used", None), "east": ("skipped", "held_back")}
    assert "tried again" in {outcome.id: outcome.detail for outcome in kept.outcomes}["east"]
    planned.clear()
    assert build(tmp_path, west, east).added == ("west", "east")
    assert not np.isnan(cube_of(tmp_path).reflectance).any()
    assert open_store(tmp_path / "cube").repository.list_branches() == {"main"}


def test_a_date_with_gaps_stays_where_another_part_fails_next_time(tmp_path, faults):
    scene = optical_scene(tmp_path, "a")
    planned, _ = faults
    planned["a", 0, 0] = "timeout"
    first = build(tmp_path, scene)
    planned.clear()
    planned["a", 16, 0] = "timeout"

    second = build(tmp_path, scene)

    assert second.ref == first.ref
    assert second.read_failures == first.read_failures
    planned.clear()
    assert build(tmp_path, scene).read_failures == ()
