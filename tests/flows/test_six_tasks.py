"""Six tasks in six pictures: answers beside planted truth, figures that can be told, layout that can be read."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from flows import task_figures as command
from flows.six_tasks import SixTasks, TaskPlan, centre_chip, clear_images, reflectance, task_kinds, tempered
from flows.task_figures import SHOWN, measure_tasks, task_figures
from flows.task_page import HEADLINES, page_text, write_page
from flows.task_pictures import DRAWN, MOST_BYTES, OBJECTS, RIGHT, WRONG, task_picture
from flows.train_tasks import head_configs
from pipelines.inference.channels import NORMALISATION_ID
from pipelines.legend import LAND_COVER
from pipelines.training.benchmarks.sample import ClassTarget
from pipelines.training.metrics.prediction import ClassScores, HeightPrediction, MaskPrediction, RotatedPrediction
from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, load_checkpoint, save_checkpoint
from ringmoe_core.heads import HeadMetadata, build_head, save_heads

PLAN = TaskPlan(places=2, first_seed=310_000, size=64, video_size=64, dates=4, frames=3)
TASKS = dict.fromkeys(("radar_land_cover", "height", "objects", "scene", "movers"), 1.0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("six")
    config = RingMoEConfig(dim=16, depths=(1, 1, 1, 1), fusion_dim=16, skip_fused_dim=8, map_dim=8)
    model = RingMoE(config, seed=3)
    names = [entry.name for entry in LAND_COVER]
    save_checkpoint(
        model,
        folder / "made.safetensors",
        metadata=CheckpointMetadata(
            trained_modalities=("sar_l2", "ms"),
            normalisation=NORMALISATION_ID,
            class_names=tuple(names),
            change_names=("no_change", "clearing", "flood", "construction"),
            change_threshold=0.5,
            provenance="{}",
        ),
    )
    configs = head_configs(TASKS, 8)
    metadata = HeadMetadata(
        configs=configs,
        model_config=config,
        backbone_sha256=load_checkpoint(folder / "made.safetensors").sha256,
        normalisation=NORMALISATION_ID,
        provenance="{}",
    )
    heads = {name: build_head(one, config, seed=5) for name, one in configs.items()}
    for name in ("objects", "movers"):  # fresh heads say 300 boxes everywhere; these say few
        for key, value in heads[name].state_dict().items():
            if key.endswith("centreness.bias"):
                value.fill_(-1.0)
    save_heads(heads, folder / "made.heads.safetensors", metadata=metadata, dtype=torch.bfloat16)
    return folder / "made.safetensors"


@pytest.fixture(scope="module")
def measured(weights):
    six = SixTasks(weights, weights.with_suffix(".heads.safetensors"))
    return measure_tasks(six, "made", PLAN, say=lambda _: None)


def test_every_task_is_answered_for_every_place_and_has_its_headline_figures(measured):
    report, shown = measured
    assert set(report.tasks) == set(task_kinds()) == set(shown)
    for name, figures in report.tasks.items():
        assert (figures.first_seed, figures.last_seed) == (310_000, 310_001)
        assert set(HEADLINES[name]) <= set(figures.values)
        assert len(shown[name]) == min(SHOWN[name], PLAN.places)
    json.dumps(report.to_dict(), allow_nan=False)


def test_figures_of_the_planted_truth_are_perfect_and_of_its_opposite_are_not(measured):
    _, shown = measured

    def told(name, change):
        answers = [replace(one, said=tuple(change(one.truth[0]) for _ in one.said)) for one in shown[name]]
        return task_figures(name, answers).values

    def boxes(truth):
        ones = np.ones(len(truth.labels), np.float32)
        return RotatedPrediction(corners=truth.corners, scores=ones, labels=truth.labels)

    assert told("segmentation", lambda t: MaskPrediction(mask=t.mask))["overall_accuracy"] == 1
    assert told("change", lambda t: MaskPrediction(mask=t.mask))["f1"] == 1
    assert told("change", lambda t: MaskPrediction(mask=(t.mask == 0).astype(np.int64)))["f1"] == 0
    assert told("height", lambda t: HeightPrediction(height_m=np.nan_to_num(t.height_m) + 2))[
        "bias_m"
    ] == pytest.approx(2, abs=0.01)
    assert told("detection", boxes)["map50_area"] == 1


def test_a_kind_of_change_told_for_another_still_counts_as_change(measured):
    _, shown = measured
    truth = shown["change"][0].truth[0]
    other = MaskPrediction(mask=np.where(truth.mask > 0, truth.mask % 3 + 1, 0).astype(np.int64))
    assert (truth.mask > 0).any()
    assert (other.mask[truth.mask > 0] != truth.mask[truth.mask > 0]).all()
    assert task_figures("change", [replace(shown["change"][0], said=(other,))]).values["f1"] == 1


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_are_small_and_equal_answers_give_equal_bytes(measured, name):
    _, shown = measured
    content = task_picture(name, shown[name], more=shown["radar_segmentation"])
    assert content == task_picture(name, shown[name], more=shown["radar_segmentation"])
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    assert len(content) <= MOST_BYTES
    assert np.asarray(image.convert("RGB"))[0, 0].tolist() == [255, 255, 255]
    assert image.width >= 192
    assert image.height >= 192


def test_colours_that_mean_something_are_in_the_picture_exactly(measured):
    _, shown = measured
    one = shown["detection"][0]
    corners = np.array([[[10, 10], [40, 10], [40, 30], [10, 30]]], np.float32)
    for label, colour in enumerate(OBJECTS):
        said = RotatedPrediction(corners=corners, scores=np.ones(1, np.float32), labels=np.array([label]))
        content = task_picture("detection", [replace(one, said=(said,))])
        picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        factor = 256 / one.images[0].shape[-1]
        y, x = round(8 + 10 * factor), round(8 + 25 * factor)  # in the middle of the upper side, the margin is 8
        assert tuple(picture[y, x]) == colour


def test_a_right_scene_is_written_in_another_colour_than_a_wrong_one(measured):
    _, shown = measured
    scores = np.eye(10, dtype=np.float32)[4]
    for label, colour in ((4, RIGHT), (5, WRONG)):
        one = replace(shown["classification"][0], said=(ClassScores(scores=scores),), truth=(ClassTarget(label=label),))
        found = np.asarray(Image.open(io.BytesIO(task_picture("classification", [one]))).convert("RGB")).astype(int)
        other = WRONG if colour == RIGHT else RIGHT
        below = found[210:]
        assert (np.abs(below - colour).sum(-1) < 30).any()
        assert not (np.abs(below - other).sum(-1) < 30).any()


def test_an_aerial_chip_is_the_middle_of_its_place_in_reflectance():
    from flows.render import PlaceSpec, render_place
    from pipelines.simulate.vhr import VhrSpec, simulate_vhr

    place = render_place(PlaceSpec(kind="vhr", seed=310_003, size=96, dates=1))
    chip = centre_chip(place, 0, size=64)
    scene = simulate_vhr(VhrSpec(seed=310_003, size=96))
    inner = slice(16, 80), slice(16, 80)
    known = scene.valid[inner] & (scene.reflectance[:, *inner].max(0) < 0.5)
    assert known.mean() > 0.5
    shown = reflectance(chip)[:, known]
    np.testing.assert_allclose(shown, scene.reflectance[:, *inner][:, known], atol=2e-3)
    kept = [one for one in scene.objects if 16 <= one.cx < 80 and 16 <= one.cy < 80 and one.visible >= 0.3]
    assert len(chip.targets["boxes"]) == len(kept)
    np.testing.assert_array_equal(chip.targets["height_m"], scene.height_m[inner].astype(np.float32))


def test_a_temperature_acts_on_probabilities_as_on_the_logits_behind_them():
    logits = torch.randn((4, 3, 5), generator=torch.Generator().manual_seed(0)) * 3
    found = tempered(logits.softmax(0).numpy(), 1.7)
    np.testing.assert_allclose(found, (logits / 1.7).softmax(0).numpy(), atol=1e-6)


def test_the_shown_dates_of_a_series_are_its_clearest():
    from flows.render import PlaceSpec, render_place

    place = render_place(PlaceSpec(kind="series", seed=310_004, size=64, dates=6))
    share = place.series["ms"].valid.mean((1, 2))
    first, last = clear_images(place)
    assert np.isfinite(first[0]).mean() == pytest.approx(share[:2].max())
    assert np.isfinite(last[0]).mean() == pytest.approx(share[-2:].max())


def test_the_page_names_seeds_commands_and_figures_and_its_pictures_are_there(measured, tmp_path):
    report, shown = measured
    write_page(report, shown, tmp_path / "six-tasks.md")
    text = (tmp_path / "six-tasks.md").read_text()
    assert text == page_text(report)
    for name in DRAWN:
        assert f"(images/tasks/{name}.png)" in text
        assert (tmp_path / "images" / "tasks" / f"{name}.png").stat().st_size <= MOST_BYTES
    accuracy = report.tasks["segmentation"].values["overall_accuracy"]
    assert f"| {accuracy:.3f} |" in text
    assert "seeds 310000 to 310001" in text


def test_the_command_writes_figures_and_page_and_refuses_weights_without_heads(
    weights, measured, tmp_path, capsys, monkeypatch
):
    asked = []

    def measure(six, name, plan, say):
        asked.append((six.loaded.sha256, name, plan.places, plan.first_seed))
        return measured

    monkeypatch.setattr(command, "measure_tasks", measure)
    figures, page = tmp_path / "a" / "made.tasks.json", tmp_path / "six.md"
    command.main([str(weights), "--places", "2", "--figures", str(figures), "--page", str(page)])
    assert json.loads(figures.read_text()) == json.loads(capsys.readouterr().out)
    assert page.is_file()
    assert asked == [(measured[0].weights_sha256, str(weights), 2, 300_000)]
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(weights.read_bytes())
    with pytest.raises(SystemExit, match="2"):
        command.main([str(bare)])
    assert "heads" in capsys.readouterr().err


def test_heads_that_lack_a_task_are_refused(weights, tmp_path):
    from flows.errors import ConfigError
    from ringmoe_core.heads import load_heads

    found = load_heads(weights.with_suffix(".heads.safetensors"))
    part = {"scene": found.heads["scene"]}
    metadata = replace(found.metadata, configs={"scene": found.metadata.configs["scene"]}, temperatures={})
    save_heads(part, tmp_path / "one.safetensors", metadata=metadata)
    with pytest.raises(ConfigError, match=r"none for \['height', 'movers', 'objects', 'radar_land_cover'\]"):
        SixTasks(weights, tmp_path / "one.safetensors")
