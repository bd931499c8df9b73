"""A user's heads over the lattice: what was measured is what a map shows, whatever the chunks."""

import dataclasses

import numpy as np
import pytest
import torch
from made_up_cube import made_up_source, small_model

from pipelines.inference import InferenceError, InferenceOptions, open_prediction
from pipelines.inference.channels import NORMALISATION_ID
from pipelines.inference.own import OwnHead, load_own_heads
from pipelines.inference.own_features import features_at
from pipelines.inference.pixel_statistics import NUM_STATISTICS, QUANTILES, series_statistics, statistic_names
from pipelines.inference.prediction import plan_job, predict_with, prediction_key
from pipelines.legend import own_legend
from pipelines.product import own_classes
from pipelines.training.own_labels.calibration import blend
from pipelines.training.own_labels.learner import answer_of
from pipelines.training.own_labels.views import Views
from ringmoe_core import CheckpointMetadata, RingMoE, load_checkpoint, save_checkpoint
from ringmoe_core.heads import HeadConfig, HeadMetadata, build_head, save_heads
from ringmoe_core.heads.head_inputs import HeadInputs

OPTIONS = InferenceOptions(window=64, stride=48, chunk=512, group=2, num_workers=2)
NAMES = ("rye", "Green oats", "rye ")


def made_head(seed=0, *, maps=True, statistics=True, name="crop", temperature=2.0):
    """A head with random weights over the small model."""
    torch.manual_seed(seed)
    config = HeadConfig(
        kind="pixel",
        task=name,
        class_names=NAMES,
        options={"maps": maps, "statistics": NUM_STATISTICS if statistics else 0},
    )
    head = build_head(config, small_model().model.config, seed=seed).eval()
    return OwnHead(
        name=name,
        head=head,
        classes=own_legend(NAMES),
        temperature=temperature,
        sha256=f"head {seed}",
        provenance="test",
    )


def predicted(folder, heads, *, tasks=(), **options):
    trained = dataclasses.replace(small_model(), own=tuple(heads))
    ref = predict_with(
        trained, made_up_source(), str(folder), options=dataclasses.replace(OPTIONS, **options), tasks=tasks
    )
    return open_prediction(ref).load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return predicted(tmp_path_factory.mktemp("own") / "p", [made_head()])


@pytest.mark.parametrize("chunk", [37, 100])
def test_chunks_slabs_and_threads_change_no_bit(tmp_path, whole, chunk):
    got = predicted(tmp_path / "p", [made_head()], chunk=chunk, num_workers=1, slab_mb=1)
    np.testing.assert_array_equal(got["own_crop_probability"], whole["own_crop_probability"])


def test_other_tasks_and_heads_change_no_bit(tmp_path, whole):
    heads = [made_head(1, name="soil", statistics=False), made_head()]
    got = predicted(tmp_path / "p", heads, tasks=("land-cover", "change"))
    np.testing.assert_allclose(got["own_crop_probability"], whole["own_crop_probability"], atol=2e-6)
    assert got["land_cover_probability"].sizes["class"] == 7
    np.testing.assert_allclose(got["own_soil_probability"].sum("own_soil_class").to_numpy()[20:], 1, atol=1e-5)
    plain = predicted(tmp_path / "q", [], tasks=("land-cover",))
    np.testing.assert_allclose(got["land_cover_probability"], plain["land_cover_probability"], atol=2e-6)
    assert not [name for name in plain.data_vars if str(name).startswith("own")]


def test_features_of_pixels_give_what_the_map_shows(whole):
    """The answers that accuracy is measured on, blended, are the published probabilities."""
    source, trained, own = made_up_source(), small_model(), made_head()
    random = np.random.default_rng(0)
    row, col = random.integers(0, 150, 200), random.integers(0, 170, 200)
    row[0], col[0] = 2, 3  # never observed
    job = plan_job(source.groups, trained, OPTIONS, ("land-cover",))
    found = features_at(job, trained.model, row, col)
    shown = whole["own_crop_probability"].to_numpy()[:, row, col].T
    assert (found.observed == np.isfinite(shown[:, 0])).all()
    assert not found.observed[0]
    assert found.num_maps == 8
    assert found.inputs.windows_px == (64,)  # and the bands that the cube holds of the ten
    assert {name: len(bands) for name, bands in found.inputs.bands.items()} == {"sar_l2": 2, "ms": 6}
    _, sample = np.unique(found.pixel, return_inverse=True)
    weight = found.weight / np.bincount(sample, weights=found.weight)[sample]
    views = Views(features=found.features, sample=sample, weight=weight, num_samples=int(sample.max()) + 1)
    assert np.bincount(sample).max() == 4  # under the corners of four windows
    blended = blend(answer_of(own.head)(found.features), views, own.temperature)
    np.testing.assert_allclose(blended, shown[np.unique(found.pixel)], atol=1e-5)


def test_only_windows_with_a_pixel_are_run():
    source, trained = made_up_source(), small_model()
    job = plan_job(source.groups, trained, OPTIONS, ("land-cover",))

    class Counting:
        asked = 0

        def __getattr__(self, name):
            return getattr(trained.model, name)

        def encode(self, series):
            Counting.asked += next(iter(series.values())).pixels_BTCHW.shape[0]
            return trained.model.encode(series)

    told = []
    features_at(job, Counting(), np.array([20]), np.array([20]), on_windows=lambda *at: told.append(at))
    assert Counting.asked == 2  # the one batch that holds the window
    assert told == [(1, 1)]


def test_statistics_equal_the_slow_ones():
    random = np.random.default_rng(0)
    pixels = random.normal(size=(9, 10, 3, 4)).astype(np.float32)
    valid = random.random((9, 3, 4)) < 0.7
    valid[:, 0, 0] = False
    present = np.ones((9, 10), bool)
    present[4, 2] = False
    found = series_statistics(pixels, valid, present, "ms").reshape(11, 4, 3, 4)
    for band in (0, 2, 9):
        for y, x in np.ndindex(3, 4):
            values = np.sort(pixels[valid[:, y, x] & present[:, band], band, y, x])
            if not values.size:
                assert np.isnan(found[band, :, y, x]).all()
                continue
            ranks = [values[round(quantile * (values.size - 1))] for quantile in QUANTILES]
            np.testing.assert_allclose(found[band, :3, y, x], ranks)
            np.testing.assert_allclose(found[band, 3, y, x], values.std(), atol=1e-5)
    assert len(statistic_names()) == NUM_STATISTICS == (2 + 11) * 4


def test_a_product_has_legend_confidence_and_reasons(whole):
    # the made-up model has no real digest
    prediction = whole.assign_attrs(model_sha256="0" * 64)
    product = own_classes(prediction, "crop", min_confidence=50)
    probability = whole["own_crop_probability"].to_numpy()
    seen = np.isfinite(probability[0])
    best = np.where(seen, np.nan_to_num(probability).argmax(0) + 1, 0)
    percent = np.where(seen, np.rint(100 * np.nan_to_num(probability).max(0)), 255)
    assert (product["confidence"].to_numpy() == percent).all()
    sure = seen & (percent >= 50)
    assert (product["class"].to_numpy() == np.where(sure, best, 0)).all()
    assert ((product["reasons"].to_numpy() != 0) | (product["class"].to_numpy() != 0)).all()
    assert product["class"].attrs["flag_meanings"] == "no_data rye green_oats rye_3"
    assert product.attrs["product"] == "crop"
    assert product.attrs["head_sha256"] == "head 0"
    assert "temperature 2" in product["confidence"].attrs["comment"]
    with pytest.raises(Exception, match="own_soil_probability"):
        own_classes(prediction, "soil")


def test_legends_differ_in_name_and_colour():
    legend = own_legend([f"class {index}" for index in range(30)] + ["Ä", "é", "No data"])
    assert len({entry.name for entry in legend}) == len({entry.color for entry in legend}) == 33
    assert [entry.code for entry in legend] == list(range(1, 34))
    assert [entry.name for entry in own_legend(["A 3", "a!", "a?"])] == ["a_3", "a", "a_4"]
    with pytest.raises(ValueError, match="1 to 254 classes, got 255"):
        own_legend(["x"] * 255)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "other"},
        {"land_cover_temperature": 1.5},
        {"change_temperature": 1.5},
        {"change_threshold": 0.3},
        {"trained_modalities": ("ms",)},
        {"novelty_sha256": "n"},
        {"own": ()},
        {"own": (made_head(1),)},
        {"own": (made_head(name="soil"),)},
    ],
)
def test_a_prediction_is_found_again_only_where_nothing_differs(change):
    trained, ref = dataclasses.replace(small_model(), own=(made_head(),)), made_up_source().ref
    key = prediction_key(ref, trained, OPTIONS, ("change",))
    assert key == prediction_key(ref, dataclasses.replace(trained, provenance="told anew"), OPTIONS, ("change",))
    assert key != prediction_key(ref, dataclasses.replace(trained, **change), OPTIONS, ("change",))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    metadata = CheckpointMetadata(
        trained_modalities=("ms",),
        normalisation=NORMALISATION_ID,
        class_names=tuple("abcdefg"),
        change_names=tuple("abcd"),
        provenance="random",
    )
    for seed in (0, 1):
        model = RingMoE(small_model().model.config, seed=seed)
        save_checkpoint(model, folder / f"{seed}.safetensors", metadata=metadata, dtype=torch.float32)
    return [load_checkpoint(folder / f"{seed}.safetensors") for seed in (0, 1)]


def saved(path, backbone, *, kind="pixel", statistics=0, normalisation=NORMALISATION_ID, inputs=None, maps=True):
    options = {"statistics": statistics, "maps": maps} if kind == "pixel" else {}
    config = HeadConfig(kind=kind, task="crop", class_names=("a", "b"), options=options)
    metadata = HeadMetadata(
        configs={"crop": config},
        model_config=backbone.model.config,
        backbone_sha256=backbone.sha256,
        normalisation=normalisation,
        provenance="test",
        temperatures={"crop": 1.5},
        inputs={} if inputs is None else {"crop": inputs},
    )
    save_heads({"crop": build_head(config, backbone.model.config)}, path, metadata=metadata)
    return path


def test_heads_are_loaded_with_what_they_say(tmp_path, backbone):
    (head,) = load_own_heads({"my-crop": saved(tmp_path / "h.safetensors", backbone[0])}, backbone[0], window=7)
    assert head.inputs is None  # as of an older file: nothing is held against it
    assert (head.name, head.temperature, head.layer) == ("my-crop", 1.5, "own_my-crop_probability")
    assert [entry.title for entry in head.classes] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "used", "match"),
    [
        ({}, 1, "own product 'crop' cannot be used.*belong to the weights with SHA-256"),
        ({"kind": "pixel_series"}, 0, "holds one of kind 'pixel_series'"),
        ({"kind": "segmentation"}, 0, "holds one of kind 'segmentation'"),
        ({"statistics": 5}, 0, f"read {NUM_STATISTICS} statistics of a pixel or none.*reads 5"),
    ],
)
def test_heads_that_do_not_fit_are_refused(tmp_path, backbone, change, used, match):
    path = saved(tmp_path / "h.safetensors", backbone[0], **change)
    with pytest.raises(InferenceError, match=match):
        load_own_heads({"crop": path}, backbone[used], window=64)


def test_files_that_are_no_heads_are_refused(tmp_path, backbone):
    with pytest.raises(InferenceError, match="own product 'crop' cannot be used"):
        load_own_heads({"crop": tmp_path / "absent.safetensors"}, backbone[0], window=64)
    path = saved(tmp_path / "h.safetensors", backbone[0])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InferenceError, match="own product 'crop' cannot be used"):
        load_own_heads({"crop": path}, backbone[0], window=64)


def test_windows_of_another_size_are_refused_where_maps_are_read(tmp_path, backbone):
    shown = HeadInputs(windows_px=(128,), bands={"ms": ("B02",)})
    path = saved(tmp_path / "h.safetensors", backbone[0], inputs=shown)
    (head,) = load_own_heads({"crop": path}, backbone[0], window=128)
    assert head.inputs == shown
    with pytest.raises(InferenceError, match=r"'crop' .* learned on, 128 pixels, got 64; set inference.window to 128"):
        load_own_heads({"crop": path}, backbone[0], window=64)
    alone = saved(tmp_path / "s.safetensors", backbone[0], inputs=shown, maps=False, statistics=NUM_STATISTICS)
    assert load_own_heads({"crop": alone}, backbone[0], window=64)  # statistics of a pixel know no window


def test_bands_that_a_head_never_saw_end_a_map(tmp_path):
    bands = {"ms": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")}
    head = dataclasses.replace(made_head(), inputs=HeadInputs(windows_px=(64,), bands=bands))
    with pytest.raises(
        InferenceError, match=r"'crop' must be shown bands .* got sar_l2 \(VV, VH\) as well; fit it again"
    ):
        predicted(tmp_path / "p", [head])
    fed = dataclasses.replace(made_head(), inputs=HeadInputs(windows_px=(64,), bands=bands | {"sar_l2": ("VV", "VH")}))
    assert "own_crop_probability" in predicted(tmp_path / "q", [fed])
