"""The sampler: pure in seed and number, honest about what it rejects, never across held-out ground."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_places import place

from pipelines.training.places import (
    DrawConfig,
    HoldOut,
    PlaceSampler,
    PlaceStore,
    SamplerConfig,
    SamplerError,
    SamplerState,
    split_of,
    write_place,
)
from pipelines.training.places.hold_out import SPLITS, usable_window
from pipelines.training.places.place_file import PlaceEntry, place_path, write_place_file
from pipelines.training.places.sampler import lattice
from pipelines.training.places.store import write_index
from pipelines.training.places.tensors import change_groups, physical_of, series_of

ALL = HoldOut(validation=0, test=0)
PLAIN = DrawConfig(
    band_subset=0, one_modality=0, unmasked=0, date_dropout=0, reflectance_gain=0, power_offset_db=0, as_rgb=0
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    for kind, count in (("series", 4), ("slc", 2), ("vhr", 1), ("video", 1)):
        for number in range(count):
            write_place(place(kind, number), folder)
    return PlaceStore.open(folder)


def sampler(store, seed=3, **changes):
    config = SamplerConfig(**{"purpose": "tasks", "size": 32, "batch": 4} | changes)
    return PlaceSampler(store, config, seed=seed, hold_out=ALL)


def same(one, other):
    assert (one.place, one.row, one.col, one.epochs) == (other.place, other.row, other.col, other.epochs)
    for name in one.series:
        np.testing.assert_array_equal(one.series[name].pixels, other.series[name].pixels)
        np.testing.assert_array_equal(one.series[name].valid, other.series[name].valid)


@pytest.mark.parametrize("purpose", ["pretrain", "tasks"])
def test_a_batch_is_a_function_of_seed_and_number(store, purpose):
    one, other = sampler(store, purpose=purpose), sampler(store, purpose=purpose)
    for index in (7, 0, 3):
        first = one.batch(index)
    again = other.batch(3)
    assert first.kind == again.kind
    for a, b in zip(first.chips, again.chips, strict=True):
        same(a, b)
    different = sampler(store, seed=4, purpose=purpose).batch(3)
    assert [c.place + str(c.row) for c in different.chips] != [c.place + str(c.row) for c in again.chips]


def test_processes_make_their_own_rows_of_one_batch(store):
    whole = sampler(store).batch(5)
    parts = [sampler(store).batch(5, range(rank * 2, rank * 2 + 2)) for rank in range(2)]
    for a, b in zip(whole.chips, parts[0].chips + parts[1].chips, strict=True):
        same(a, b)
    assert whole.counts == parts[0].counts + parts[1].counts


def test_kinds_come_as_their_number_to_the_power_of_the_temperature(store):
    assert sampler(store, temperature=1).kinds == pytest.approx(
        {"series": 4 / 8, "slc": 2 / 8, "vhr": 1 / 8, "video": 1 / 8}
    )
    assert sampler(store, temperature=0).kinds == pytest.approx(dict.fromkeys(("series", "slc", "vhr", "video"), 0.25))
    half = sampler(store, temperature=0.5, weights={"video": 0, "vhr": 2})
    total = 2 + 2**0.5 + 2
    assert half.kinds == pytest.approx({"series": 2 / total, "slc": 2**0.5 / total, "vhr": 2 / total})
    drawn = [half.kind_of(index) for index in range(3000)]
    for kind, share in half.kinds.items():
        assert drawn.count(kind) / 3000 == pytest.approx(share, abs=0.03)


def test_state_goes_through_json_and_belongs_to_a_seed(store):
    one = sampler(store)
    state = SamplerState(seed=3)
    for index in range(4):
        state.took(one.batch(index))
    other = SamplerState(seed=3)
    other.load_state_dict(json.loads(json.dumps(state.state_dict())))
    assert other == state
    assert (state.next_index, state.counts.chips) == (4, 16)
    with pytest.raises(ValueError, match="its seed 9"):
        SamplerState(seed=9).load_state_dict(state.state_dict())


def test_chips_lie_on_the_declared_lattice(store):
    one = sampler(store, overlap=0.5, weights={"slc": 0, "vhr": 0, "video": 0}, draw=replace(PLAIN, change_share=1.0))
    corners = {(chip.row, chip.col) for index in range(20) for chip in one.batch(index).chips}
    assert len(corners) > 5
    assert all(row % 16 == 0 and col % 16 == 0 for row, col in corners)
    with pytest.raises(ValueError, match="overlap lies in"):
        SamplerConfig(purpose="tasks", overlap=1.0)


def test_chips_without_data_are_rejected_and_counted(tmp_path):
    for number, missing in enumerate((0.05, 0.9)):
        write_place(place("series", number, missing=missing), tmp_path)
    one = sampler(PlaceStore.open(tmp_path), batch=16, max_nodata=0.5, draw=PLAIN)
    batch = one.batch(0)
    assert {chip.place for chip in batch.chips} == {"series-0"}
    assert batch.counts.chips == 16
    assert 4 < batch.counts.too_little_data < 60
    only = replace(one.config, max_nodata=0.0)
    with pytest.raises(SamplerError, match="a chip has at most 0% missing pixels, got none in 200 draws of series"):
        PlaceSampler(PlaceStore.open(tmp_path), only, seed=0, hold_out=ALL).batch(0)


def test_chips_that_are_not_finite_are_skipped_and_counted(tmp_path):
    good, bad = place("slc", 0), place("slc", 1)
    pixels = bad.series["sar_l1"].pixels
    pixels[:] = np.nan  # behind the back of the place's own check, as a foreign writer might leave it
    write_index(tmp_path, [write_place_file(one, tmp_path) for one in (good, bad)])
    reopened = PlaceStore.open(tmp_path)
    reopened._read = {"slc-0": good, "slc-1": bad}.__getitem__
    batch = sampler(reopened, batch=16).batch(0)
    assert {chip.place for chip in batch.chips} == {"slc-0"}
    assert 4 < batch.counts.not_finite < 60


def test_nothing_to_draw_is_said_so(store):
    with pytest.raises(SamplerError, match=r"a chip of 128 pixels must fit into some train place"):
        sampler(store, size=128)
    with pytest.raises(SamplerError, match=r"there must be a place of \['slc'\], got \['series', 'vhr', 'video'\]"):
        sampler(store, weights={"slc": 0}).restricted(["slc"])
    with pytest.raises(ValueError, match="weights are at least 0 and of"):
        SamplerConfig(purpose="tasks", weights={"film": 1})


def entry(row, col, size=64):
    return PlaceEntry(
        id=f"p-{row}-{col}", kind="series", block=(row, col), shape=(size, size), gsd_m=10.0, seed=None,
        sensors={"ms": 1}, targets=(), size=0, sha256="", source="",
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    blocks=st.sets(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=40),
    buffer=st.integers(0, 12),
    stride=st.integers(1, 9),
)
def test_no_chip_comes_near_ground_of_another_split(seed, blocks, buffer, stride):
    """Painted on one canvas: around every possible chip, within the buffer, all known ground is of its own split."""
    hold_out = HoldOut(seed=seed, validation=0.3, test=0.3, buffer_px=buffer)
    size, side = 32, 64
    canvas = np.full((9 * side, 9 * side), -1)
    for row, col in blocks:
        top, left = (row + 4) * side, (col + 4) * side
        canvas[top : top + side, left : left + side] = SPLITS.index(split_of((row, col), hold_out))
    for row, col in blocks:
        window = usable_window(entry(row, col), blocks, hold_out)
        if not window.holds(size):
            continue
        rows, columns = lattice(window, size, stride)
        for first_row in (rows[0], rows[-1]):
            for first_column in (columns[0], columns[-1]):
                top, left = (row + 4) * side + first_row, (col + 4) * side + first_column
                around = canvas[top - buffer : top + size + buffer, left - buffer : left + size + buffer]
                assert set(np.unique(around)) <= {-1, SPLITS.index(split_of((row, col), hold_out))}


def test_splits_have_about_their_shares_and_are_disjoint():
    hold_out = HoldOut(validation=0.2, test=0.1)
    drawn = [split_of((row, col), hold_out) for row in range(60) for col in range(60)]
    assert drawn.count("validation") / 3600 == pytest.approx(0.2, abs=0.03)
    assert drawn.count("test") / 3600 == pytest.approx(0.1, abs=0.03)
    with pytest.raises(ValueError, match="below 1 together"):
        HoldOut(validation=0.6, test=0.5)


def test_pairs_are_within_three_days_or_not_shown(tmp_path):
    one = place("series", 0, dates=4)
    age = np.array([300, 200, 100, 0], np.float32) / 365.25
    late = np.array([302, 210, 98, 0], np.float32) / 365.25
    sensors = {"ms": replace(one.series["ms"], age=age), "sar_l2": replace(one.series["sar_l2"], age=late)}
    write_place(replace(one, series=sensors), tmp_path)
    drawer = sampler(PlaceStore.open(tmp_path), purpose="pretrain", max_nodata=1.0, draw=replace(PLAIN, num_pairs=4))
    for index in range(6):
        for chip in drawer.batch(index).chips:
            ms, sar = chip.series["ms"], chip.series["sar_l2"]
            both = ms.valid.any((1, 2)) & sar.valid.any((1, 2))
            np.testing.assert_array_equal(both, [True, False, True, True])
            assert (np.abs(ms.age - sar.age)[both] * 365.25 <= 3).all()


def test_a_planted_change_is_split_between_its_groups(store):
    drawer = sampler(store, size=64, weights={"slc": 0, "vhr": 0, "video": 0}, draw=replace(PLAIN, change_share=1.0))
    chips = drawer.batch(0).chips
    groups = change_groups(chips)
    assert groups.shape == (4, 3, 12)
    for chip, group in zip(chips, groups.numpy(), strict=True):
        before, after = np.array(chip.epochs * 2)[group[1]], np.array(chip.epochs * 2)[group[2]]
        assert (chip.targets["change"] == 1).any()
        assert set(before) == {2, 3}
        assert set(after) == {4, 5}


def test_boxes_of_a_video_are_those_of_the_drawn_frame(store):
    drawer = sampler(store, size=96, overlap=0.0, weights={"series": 0, "slc": 0, "vhr": 0})
    original = place("video", 0)
    for index in range(8):
        for chip in drawer.batch(index).chips:
            frame = chip.epochs[0]
            wanted = original.targets["boxes"][original.targets["box_frame"] == frame]
            assert sorted(chip.targets["boxes"][:, 2]) == sorted(wanted[:, 2])
            # distance to the centre of the square is what no turn changes
            distance = lambda boxes: np.sort(np.hypot(*(boxes[:, :2] - 48).T))  # noqa: E731
            np.testing.assert_allclose(distance(chip.targets["boxes"]), distance(wanted), rtol=1e-5)


def test_tensors_of_a_mixed_batch(store):
    drawer = sampler(
        store, purpose="pretrain", weights={"slc": 0, "vhr": 0, "video": 0}, draw=replace(PLAIN, as_rgb=0.5)
    )
    batches = (drawer.batch(index).chips for index in range(20))
    chips = next(chips for chips in batches if len({frozenset(chip.series) for chip in chips}) == 2)
    series = series_of(chips)
    assert list(series) == ["optical", "sar_l2", "ms"]
    physical = physical_of(chips, list(series))
    for name, one in series.items():
        has = torch.tensor([name in chip.series for chip in chips])
        assert (one.valid_BTHW.flatten(1).any(1) == has).all()
        known = torch.isfinite(physical[name])
        assert (known == (one.valid_BTHW[:, :, None] & one.present_BTC[..., None, None])).all()
        assert one.gsd_m_BT.unique().tolist() == [10.0]


def test_a_damaged_file_behind_an_open_store_is_named(tmp_path):
    write_place(place("slc", 0), tmp_path)
    reopened = PlaceStore.open(tmp_path)
    place_path(tmp_path, "slc-0").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"slc-0.safetensors must be a whole place"):
        sampler(reopened).batch(0)
