"""What is unlike the training is told as such; what is like it seldom; rules, distances, files and seams."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_cube import made_up_source, small_model
from safetensors.numpy import load_file, save_file
from scipy.spatial.distance import cdist

from pipelines.inference import InferenceError, InferenceOptions, open_prediction
from pipelines.inference.novelty import (
    NUM_SEASONS,
    Novelty,
    Seen,
    describe,
    distance,
    family,
    outside_share,
    percentile,
    percentile_by_count,
    season,
)
from pipelines.inference.novelty_file import load_novelty, novelty_path, save_novelty
from pipelines.inference.options import TASKS
from pipelines.inference.prediction import predict_with, with_novelty
from ringmoe_core import FusedPyramid, Series

OPTIONS = InferenceOptions(window=64, stride=48, chunk=64, group=2, num_workers=2)
S2_SET = tuple(band in {0, 1, 2, 6, 8, 9} for band in range(10))  # the bands of the made-up cube


def made_novelty(*, dim=16 + 24, bands=(S2_SET,), seasons=None, platforms=("sentinel-1", "sentinel-2"), wide=9.0):
    """Statistics that a test knows: mean 0, unit covariance, envelope +-wide, percentiles over 0 to 100 and 0 to 1."""
    return Novelty(
        model_sha256="random 3",
        seen=Seen(
            bands={"ms": bands, "sar_l2": ((True, True),)},
            seasons=tuple([True] * NUM_SEASONS) if seasons is None else seasons,
            platforms=platforms,
            gsd_m=10.0,
        ),
        level=2,
        means_MD=np.zeros((1, dim), np.float32),
        whitening_DD=np.eye(dim, dtype=np.float32),
        envelope={
            "ms": np.tile(np.float32([-wide, wide]), (10, 1)), "sar_l2": np.tile(np.float32([-wide, wide]), (2, 1))
        },
        feature_quantiles=np.tile(np.linspace(0, 100, 101).astype(np.float32), (5, 1)),
        radiometry_quantiles=np.linspace(0, 1, 101).astype(np.float32),
        larger_quantiles=np.linspace(0, 100, 101).astype(np.float32),
    )  # fmt: skip


def series(pixels, *, valid=None, present=None, day=0.5):
    """One place, one date of the given pixels (channel, y, x)."""
    valid = np.ones(pixels.shape[1:], bool) if valid is None else valid
    present = [True] * len(pixels) if present is None else present
    return Series(
        pixels_BTCHW=torch.from_numpy(pixels.astype(np.float32))[None, None],
        valid_BTHW=torch.from_numpy(valid)[None, None],
        present_BTC=torch.tensor(present)[None, None],
        day_BT=torch.tensor([[day]]),
    )


def test_distance_against_scipy():
    random = np.random.default_rng(0)
    mixing = random.normal(size=(6, 6))
    cells, means = random.normal(size=(3, 4, 6)), random.normal(size=(5, 6))
    inverse = np.linalg.inv(mixing @ mixing.T)
    expected = cdist(cells.reshape(-1, 6), means, "mahalanobis", VI=inverse).min(axis=1) ** 2
    whitening = np.linalg.inv(mixing)
    np.testing.assert_allclose(distance(cells, means, whitening).ravel(), expected, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999))
def test_percentiles_rise_and_agree_with_the_sample(seed):
    random = np.random.default_rng(seed)
    sample = random.normal(size=5000)
    quantiles = np.quantile(sample, np.linspace(0, 1, 1001))
    values = np.sort(random.normal(size=200))
    told = percentile(values, quantiles)
    assert (np.diff(told) >= 0).all()
    expected = 100 * np.searchsorted(np.sort(sample), values) / len(sample)
    np.testing.assert_allclose(told, expected, atol=0.2)
    assert percentile(np.array([sample.max() + 1e-3]), quantiles) == 100


def test_percentiles_are_those_of_about_as_many_observations():
    quantiles = np.stack([np.linspace(0, top, 101) for top in (1000, 500, 200, 100, 50)])
    counts = np.array([1.0, 1.4, 2.0, 2.6, 4.4, 4.6, 8.4, 9.0, 30.0], np.float32)
    told = percentile_by_count(np.full(9, 50, np.float32), counts, quantiles)
    np.testing.assert_allclose(told, [5, 5, 10, 25, 25, 50, 50, 100, 100], atol=0.01)


def test_what_most_share_is_not_novel():
    quantiles = np.concatenate([np.zeros(900), np.linspace(0.01, 1, 101)])
    np.testing.assert_allclose(percentile(np.array([0.0, 0.5, 1.0, 1.1]), quantiles), [0, 95, 100, 100], atol=0.1)


def test_outside_share_by_a_loop():
    random = np.random.default_rng(1)
    pixels, valid = random.normal(size=(3, 8, 8)), random.random((8, 8)) > 0.3
    envelope = np.array([[-1, 1], [-0.5, 2], [0, 0.1]], np.float32)
    given_series = series(pixels, valid=valid, present=[True, True, False])
    got = outside_share({"ms": given_series}, {"ms": envelope}, (2, 2))
    for row, col in np.ndindex(2, 2):
        inside = (slice(row * 4, row * 4 + 4), slice(col * 4, col * 4 + 4))
        values = pixels[:2, inside[0], inside[1]].astype(np.float32)
        beyond = (values < envelope[:2, :1, None]) | (values > envelope[:2, 1:, None])
        assert got[0, row, col] == pytest.approx((beyond & valid[inside]).sum() / (2 * valid[inside].sum()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Sentinel-2B", "sentinel-2"), ("sentinel-1a", "sentinel-1"), ("LANDSAT_8", "landsat-8"), ("naip", "naip")],
)
def test_units_of_one_family_are_alike(name, expected):
    assert family(name) == expected


def test_mean_and_spread_of_a_cell_by_a_loop():
    random = np.random.default_rng(4)
    pixels, valid = random.normal(size=(2, 8, 8)), random.random((8, 8)) > 0.4
    fused = FusedPyramid(levels=(torch.ones(1, 3, 2, 2),), count_NHW=torch.ones(1, 8, 8), size=(8, 8))
    got = describe(fused, {"sar_l2": series(pixels, valid=valid)}, 0, {"sar_l2": 2, "ms": 10})
    assert got.shape == (1, 2, 2, 3 + 20 + 4)
    assert (got[..., :3] == 1).all()
    assert (got[..., 3:23] == 0).all()
    for row, col, channel in np.ndindex(2, 2, 2):
        inside = (slice(row * 4, row * 4 + 4), slice(col * 4, col * 4 + 4))
        values = pixels[channel][inside][valid[inside]]
        assert got[0, row, col, 23 + channel] == pytest.approx(values.mean(), abs=1e-5)
        assert got[0, row, col, 25 + channel] == pytest.approx(values.std(), abs=1e-5)


def test_rules_count_the_observations_that_break_them():
    """Two dates, of which the second was taken in an unseen month: half the observations, where both are valid."""
    seasons = tuple(index != 0 for index in range(NUM_SEASONS))
    novelty = made_novelty(bands=(tuple([True] * 10),), seasons=seasons)
    pixels = np.zeros((10, 4, 4))
    summer, winter = series(pixels, day=0.5), series(pixels, day=0.02)
    valid = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    valid[0, 0, 0] = False
    both = Series(
        pixels_BTCHW=torch.cat([summer.pixels_BTCHW, winter.pixels_BTCHW], 1), valid_BTHW=valid,
        present_BTC=torch.ones(1, 2, 10, dtype=torch.bool), day_BT=torch.tensor([[0.5, 0.02]]),
    )  # fmt: skip
    share = novelty.rule_share({"ms": both}, {"ms": np.array([True, True])})
    np.testing.assert_array_equal(share[0, 0], 100)
    np.testing.assert_array_equal(share[0, 1:], 50)
    assert season(np.array([0.0, 0.999])).tolist() == [0, NUM_SEASONS - 1]


def test_a_set_of_bands_like_landsats_was_never_seen():
    novelty = made_novelty(bands=(tuple([True] * 10), tuple(band in {0, 1, 2, 6} for band in range(10))))
    landsat = [band in {0, 1, 2, 7, 8, 9} for band in range(10)]
    known, foreign = (series(np.zeros((10, 4, 4)), present=bands) for bands in ([True] * 10, landsat))
    yes = {"ms": np.array([True])}
    assert (novelty.rule_share({"ms": known}, yes) == 0).all()
    assert (novelty.rule_share({"ms": foreign}, yes) == 100).all()
    radar = series(np.zeros((2, 4, 4)))
    together = novelty.rule_share({"ms": foreign, "sar_l2": radar}, {**yes, "sar_l2": np.array([True])})
    assert (together == 100).all(), "a known radar does not hide a foreign optical sensor"


def test_foreign_platforms_and_pixel_sizes_are_not_familiar():
    novelty = made_novelty()
    assert novelty.familiar_images(("Sentinel-2C", "", "landsat-8"), 10.0).tolist() == [True, True, False]
    assert not novelty.familiar_images(("sentinel-2a",), 30.0).any()


def test_a_score_by_hand():
    """Features 3 from the mean in a cell of 8 pixels: distance 9, percentile 9; where a band's mean is 2, 4 more.

    Elsewhere 0; cells that nobody observed are 0, whatever their features.
    """
    features = torch.zeros(1, 16, 2, 2)
    features[0, 0, 0, 0] = 3.0
    features[0, 0, 1, 1] = 7.0
    count = torch.ones(1, 16, 16)
    count[0, 8:, 8:] = 0
    fused = FusedPyramid(
        levels=(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 4, 4), features), count_NHW=count, size=(16, 16)
    )
    novelty = made_novelty(bands=(tuple([True] * 10),))
    pixels = np.zeros((10, 16, 16))
    pixels[5, :8] = 2
    got = novelty.score(fused, {"ms": series(pixels)}, {"ms": np.array([True])})[0]
    np.testing.assert_allclose(got[:8, :8], 13, atol=1e-4)
    np.testing.assert_allclose(got[:8, 8:], 4, atol=1e-4)
    assert (got[8:] == 0).all()


def test_a_file_gives_back_what_was_saved(tmp_path):
    path = novelty_path(tmp_path / "small.safetensors")
    assert path.name == "small.novelty.safetensors"
    written = made_novelty()
    digest = save_novelty(written, path)
    read, told = load_novelty(path, model_sha256="random 3")
    assert told == digest
    assert read.seen == written.seen
    for field in dataclasses.fields(Novelty):
        if field.name.endswith(("_MD", "_DD", "quantiles")):
            np.testing.assert_array_equal(getattr(read, field.name), getattr(written, field.name))
    np.testing.assert_array_equal(read.envelope["sar_l2"], written.envelope["sar_l2"])


def test_altered_foreign_and_broken_files_are_refused(tmp_path):
    path = tmp_path / "small.novelty.safetensors"
    save_novelty(made_novelty(), path)
    with pytest.raises(InferenceError, match="belong to weights"):
        load_novelty(path, model_sha256="another")
    tensors = load_file(path)
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])["__metadata__"]
    tensors["means_MD"][0, 0] = 5
    save_file(tensors, path, metadata=header)
    with pytest.raises(InferenceError, match="altered"):
        load_novelty(path, model_sha256="random 3")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InferenceError, match="whole file"):
        load_novelty(path, model_sha256="random 3")


@pytest.fixture(scope="module")
def told():
    return dataclasses.replace(small_model(), novelty=made_novelty(wide=3.0), novelty_sha256="made up")


def predicted(folder, trained, *, tasks=TASKS, source=None, **options):
    source = made_up_source(shape=(100, 110)) if source is None else source
    ref = predict_with(
        trained, source, str(folder / "predictions"), options=dataclasses.replace(OPTIONS, **options), tasks=tasks
    )
    return open_prediction(ref).load()


def test_chunks_and_threads_change_no_novelty_and_it_changes_nothing_else(tmp_path, told):
    plain = predicted(tmp_path / "plain", small_model())
    whole = predicted(tmp_path / "whole", told)
    cut = predicted(tmp_path / "cut", told, chunk=37, num_workers=1, slab_mb=1)
    assert "novelty" not in plain
    np.testing.assert_array_equal(cut["novelty"], whole["novelty"])
    np.testing.assert_array_equal(whole["land_cover_probability"], plain["land_cover_probability"])
    np.testing.assert_array_equal(whole["change_probability"], plain["change_probability"])
    values = whole["novelty"].to_numpy()
    assert values.dtype == np.uint8
    assert (values[:7, :9] == 255).all(), "nothing was observed there"
    assert values[7:, 9:].max() <= 100
    assert len(np.unique(values[7:, 9:])) > 3


def test_change_alone_is_told_the_same_novelty(tmp_path, told):
    both, alone = predicted(tmp_path / "both", told), predicted(tmp_path / "alone", told, tasks=("change",))
    assert "land_cover_probability" not in alone
    difference = np.abs(alone["novelty"].astype(int) - both["novelty"].astype(int))
    assert int(difference.max()) <= 1


def test_a_cube_of_a_foreign_platform_is_all_unfamiliar(tmp_path, told):
    source = made_up_source(shape=(64, 64), groups=("s2",))
    foreign = source.groups["s2"].assign_coords(platform=("time", ["landsat-8"] * 4))
    got = predicted(tmp_path, told, source=dataclasses.replace(source, groups={"s2": foreign}))
    observed = got["n_valid_s2"].to_numpy() > 0
    assert (got["novelty"].to_numpy()[observed] == 100).all()


def test_statistics_are_found_beside_the_weights_and_are_part_of_the_key(tmp_path):
    weights = tmp_path / "small.safetensors"
    assert with_novelty(small_model(), weights).novelty is None
    digest = save_novelty(made_novelty(), novelty_path(weights))
    found = with_novelty(small_model(), weights)
    assert found.novelty_sha256 == digest
    plain, marked = (
        predict_with(model, made_up_source(shape=(64, 64)), str(tmp_path / "p"), options=OPTIONS, tasks=("land-cover",))
        for model in (small_model(), found)
    )
    assert plain.key != marked.key


def test_temperatures_soften_probabilities_and_move_no_class(tmp_path):
    source = made_up_source(shape=(64, 64))
    plain = predicted(tmp_path / "a", small_model(), source=source)
    soft = predicted(tmp_path / "b", dataclasses.replace(small_model(), land_cover_temperature=3.0), source=source)
    a, b = (p["land_cover_probability"].to_numpy()[:, 10:, 10:] for p in (plain, soft))
    # one window covers pixels that no other reaches: there p'(k) is p(k)^(1/3), normalised
    expected = a[:, :30, :30] ** (1 / 3)
    np.testing.assert_allclose(b[:, :30, :30], expected / expected.sum(0), atol=2e-3)
    assert b.max(0).mean() < a.max(0).mean()
    np.testing.assert_array_equal(soft["change_probability"], plain["change_probability"])
    assert soft.attrs["land_cover_temperature"] == 3.0
    assert math.isclose(float(b.sum(0).max()), 1.0, abs_tol=1e-5)
