"""`ringmoe evaluate`: every listed benchmark, on made-up files in its official format."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from flows.evaluate_command import evaluate
from flows.evaluation import few_units_note
from pipelines.training.benchmarks import benchmark_class, names, open_benchmark
from pipelines.training.protocols.head_choice import OFFERED

TRAINING = Path(__file__).parents[1] / "training"
KEYS = [
    "benchmark", "title", "task", "split", "headline", "metrics", "interval", "by_class", "protocol", "num_images",
    "num_units", "limit", "options", "skipped", "notes", "seeds", "weights", "held_bytes",
]  # fmt: skip


def makers():
    """The functions that write made-up files, by benchmark."""
    sys.path.insert(0, str(TRAINING))
    try:
        import benchmarks_made_e
        import benchmarks_made_f
    finally:
        sys.path.remove(str(TRAINING))
    return {**benchmarks_made_e.MADE, **benchmarks_made_f.MADE}


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Folder of a benchmark's made-up files, written once; not to be written to."""
    root, done = tmp_path_factory.mktemp("benchmarks"), {}

    def make(name):
        if name not in done:
            makers()[name](root / name)
            done[name] = root / name
        return done[name]

    return make


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Threads that wait for each other over models this small take six times the work itself."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A checkpoint of the smallest model, never trained, that says it knows every modality."""
    import torch

    from pipelines.inference.channels import NORMALISATION_ID
    from ringmoe_core import CheckpointMetadata, RingMoE, RingMoEConfig, save_checkpoint

    torch.manual_seed(0)
    config = RingMoEConfig(
        dim=8, depths=(1, 1, 1, 1), head_dim=8, fusion_dim=16, map_dim=8, skip_dim=8, skip_fused_dim=8,
        num_specialised=1, num_collaborative=1,
    )  # fmt: skip
    metadata = CheckpointMetadata(
        trained_modalities=config.modalities,
        normalisation=NORMALISATION_ID,
        class_names=tuple(map(str, config.class_codes)),
        change_names=tuple(map(str, config.change_codes)),
        provenance="random",
    )
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    save_checkpoint(RingMoE(config).eval(), path, metadata=metadata)
    return path


@pytest.fixture
def invoke():
    app = typer.Typer()
    app.command()(evaluate)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def told(invoke):
    def run(*arguments):
        done = invoke(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1
        return json.loads(done.stdout)

    return run


def test_every_listed_name_has_made_up_files(invoke):
    listed = json.loads(invoke("--list", "--json").stdout)
    assert listed == list(names())
    assert set(listed) == set(makers())
    assert len(listed) >= 24
    lines = invoke("--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == listed


@pytest.mark.parametrize("name", names())
def test_every_listed_name_runs(told, made, small, name):
    answer = told(
        "--benchmark", name, "--data", made(name), "--weights", small,
        "--steps", 1, "--batch", 1, "--limit", 2, "--replicates", 20,
    )  # fmt: skip
    info = benchmark_class(name).info
    assert list(answer) == KEYS
    assert (answer["benchmark"], answer["task"]) == (name, info.task)
    assert answer["num_images"] >= 1
    assert answer["skipped"] == {"num": 0, "reasons": []}
    assert answer["headline"] == info.metrics[0]
    assert set(info.metrics) <= set(answer["metrics"])
    assert answer["protocol"]["name"] == OFFERED[info.task][0]
    assert len(answer["weights"]["sha256"]) == 64
    for number in answer["metrics"].values():
        assert number["value"] is None or np.isfinite(number["value"])
        assert number["interval"] is None or number["interval"][0] <= number["interval"][1]


ONE_OF_EACH = {
    ("eurosat-rgb", "prototype"), ("eurosat-rgb", "finetune"), ("bigearthnet-v2", "finetune"),
    ("loveda", "prototype"), ("loveda", "finetune"), ("levir-cd", "finetune"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "protocol"), sorted(ONE_OF_EACH))
def test_other_protocols_run_and_repeat(told, made, small, name, protocol):
    arguments = (
        "--benchmark", name, "--data", made(name), "--weights", small, "--protocol", protocol,
        "--steps", 2, "--batch", 2, "--window", 32, "--overlap", 8, "--limit", 2, "--replicates", 20,
    )  # fmt: skip
    first = told(*arguments)
    assert first["protocol"]["name"] == protocol
    assert told(*arguments) == first
    if protocol == "finetune":
        assert told(*arguments, "--seed", 5)["protocol"]["last_loss"] != first["protocol"]["last_loss"]


def write_predictions(path, name, split, answers):
    path.write_text(json.dumps({"benchmark": name, "split": split, "predictions": answers}))
    return path


def test_predictions_of_a_mask_by_hand(told, made, tmp_path):
    """The truth but for its first row, where another class is said: accuracy is 1 - that row's share."""
    name = "loveda"
    opened = open_benchmark(name, made(name), "val")
    answers, right, total = {}, 0, 0
    for index in range(len(opened)):
        sample = opened[index]
        truth, said = sample.target.mask, sample.target.mask.copy()
        said[said == 255] = 0
        said[0] = (said[0] + 1) % 7
        counts = truth != 255
        right, total = right + int((said == truth)[counts].sum()), total + int(counts.sum())
        answers[sample.id] = {"mask": said.tolist()}
    path = write_predictions(tmp_path / "p.json", name, "val", answers)
    answer = told("--benchmark", name, "--data", made(name), "--split", "val", "--predictions", path)
    assert answer["metrics"]["overall_accuracy"]["value"] == pytest.approx(right / total)
    assert 0.5 < right / total < 1
    assert answer["weights"] is None
    assert answer["protocol"] == {"name": "predictions", "num_unused": 0}


def test_predictions_of_boxes_by_hand(told, made, tmp_path):
    """DIOR's two made-up pictures: the aeroplane found in both, the service area in none: mAP50 (1 + 0) / 2."""
    answers = {
        "11726": {"boxes": [[8, 6, 24, 20]], "scores": [0.9], "labels": ["airplane"]},
        "11727": {"boxes": [[9, 6, 25, 20]], "scores": [0.8], "labels": [0]},
    }
    path = write_predictions(tmp_path / "p.json", "dior", "test", answers)
    answer = told("--benchmark", "dior", "--data", made("dior"), "--predictions", path)
    assert answer["metrics"]["map50"]["value"] == pytest.approx(1 / 2)
    assert answer["metrics"]["map"]["value"] == pytest.approx(1 / 2)
    by_class = answer["by_class"]["ap50"]
    assert (by_class["airplane"], by_class["Expressway-Service-area"], by_class["ship"]) == (1, 0, None)


def test_predictions_of_turned_boxes_by_hand(told, made, tmp_path):
    """Both ships exact, the vehicles once right and once far away with a higher score.

    Vehicles: wrong 0.9, right 0.5 of two: P 1/2 at R 1/2: area 1/4, 11 points 6 of 1/2: 3/11. Mean with ships 1.
    """
    ship, vehicle = [[40, 10], [50, 20], [40, 30], [30, 20]], [[5, 5], [11, 5], [11, 9], [5, 9]]
    away = [[x + 30, y + 30] for x, y in vehicle]
    answers = {
        "11726": {"corners": [ship, vehicle], "scores": [0.7, 0.5], "labels": ["ship", "vehicle"]},
        "11727": {"corners": [ship, away], "scores": [0.6, 0.9], "labels": ["ship", "vehicle"]},
    }
    path = write_predictions(tmp_path / "p.json", "dior-r", "test", answers)
    metrics = told("--benchmark", "dior-r", "--data", made("dior-r"), "--predictions", path)["metrics"]
    assert metrics["map50_voc07"]["value"] == pytest.approx((1 + 3 / 11) / 2)
    assert metrics["map50_area"]["value"] == pytest.approx((1 + 1 / 4) / 2)


def test_predictions_of_tracks_by_hand(told, made, tmp_path):
    """One aeroplane in each of two videos of four frames; in one its name changes after two frames.

    MOTA 1 - 1/8. IDTP 4 + 2, IDFN 2, IDFP 2: IDF1 6/8. HOTA: A is 1 for four, 1/2 for four: sqrt(3/4).
    """
    opened = open_benchmark("air-hsao", made("air-hsao"), "test")
    answers = {}
    for index in range(len(opened)):
        sample = opened[index]
        swapped = sample.sequence == "03" and sample.target.frame > 2
        boxes = sample.target.boxes.tolist()
        answers[sample.id] = {"boxes": boxes, "ids": [9 if swapped else 4], "labels": [0]}
    path = write_predictions(tmp_path / "p.json", "air-hsao", "test", answers)
    metrics = told("--benchmark", "air-hsao", "--data", made("air-hsao"), "--predictions", path)["metrics"]
    assert metrics["mota"]["value"] == pytest.approx(7 / 8)
    assert metrics["idf1"]["value"] == pytest.approx(6 / 8)
    assert metrics["hota"]["value"] == pytest.approx(np.sqrt(3 / 4))


def test_predictions_of_heights_and_classes_by_hand(told, made, tmp_path):
    """Heights two metres too high everywhere; of ten classes the first is said throughout."""
    opened = open_benchmark("isprs-vaihingen-height", made("isprs-vaihingen-height"), "test")
    heights = {
        s.id: {"height_m": np.nan_to_num(s.target.height_m + 2).tolist()}
        for s in map(opened.__getitem__, range(len(opened)))
    }
    path = write_predictions(tmp_path / "h.json", "isprs-vaihingen-height", "test", heights)
    arguments = (
        "--benchmark",
        "isprs-vaihingen-height",
        "--data",
        made("isprs-vaihingen-height"),
        "--predictions",
        path,
    )
    metrics = told(*arguments)["metrics"]
    assert metrics["rmse_m"]["value"] == pytest.approx(2, rel=1e-4)
    assert metrics["mae_m"]["value"] == pytest.approx(2, rel=1e-4)
    opened = open_benchmark("eurosat-rgb", made("eurosat-rgb"), "test")
    truth = [opened[index].target.label for index in range(len(opened))]
    first = {opened[index].id: {"scores": [1] + [0] * 9} for index in range(len(opened))}
    path = write_predictions(tmp_path / "c.json", "eurosat-rgb", "test", first)
    metrics = told("--benchmark", "eurosat-rgb", "--data", made("eurosat-rgb"), "--predictions", path)["metrics"]
    assert metrics["overall_accuracy"]["value"] == pytest.approx(truth.count(0) / len(truth))


def test_a_stored_head_answers_and_another_is_refused(told, invoke, made, small, tmp_path):
    from ringmoe_core import load_checkpoint
    from ringmoe_core.heads import HeadConfig, HeadMetadata, build_head, save_heads

    loaded = load_checkpoint(small)
    classes = benchmark_class("sar-aircraft-1.0").info.classes
    configs = {
        "aircraft": HeadConfig(kind="detection", task="aircraft", class_names=classes),
        "ships": HeadConfig(kind="detection", task="ships", class_names=("ship",)),
    }
    heads = {name: build_head(config, loaded.model.config) for name, config in configs.items()}
    metadata = HeadMetadata(
        configs=configs, model_config=loaded.model.config, backbone_sha256=loaded.sha256,
        normalisation=loaded.metadata.normalisation, provenance="random",
    )  # fmt: skip
    path = tmp_path / "heads.safetensors"
    digest = save_heads(heads, path, metadata=metadata)
    arguments = (
        "--benchmark", "sar-aircraft-1.0", "--data", made("sar-aircraft-1.0"), "--weights", small, "--heads", path,
    )  # fmt: skip
    answer = told(*arguments)
    assert answer["protocol"]["head"] == "aircraft"
    assert answer["protocol"]["heads_sha256"] == digest
    refused = invoke(*arguments, "--head", "ships")
    assert refused.exit_code == 2
    assert "classes of head 'ships' must be those of sar-aircraft-1.0" in refused.stderr
    none = invoke("--benchmark", "dior", "--data", made("dior"), "--weights", small, "--heads", path)
    assert none.exit_code == 2
    assert "name one by --head" in none.stderr
    other = invoke(*arguments[:5], "nano", *arguments[6:])
    assert other.exit_code == 2
    assert "belong to a model of another configuration" in other.stderr


def test_a_stored_head_is_held_against_what_it_learned_from(told, invoke, made, small, tmp_path):
    from ringmoe_core import load_checkpoint
    from ringmoe_core.heads import HeadConfig, HeadMetadata, build_head, save_heads
    from ringmoe_core.heads.head_inputs import HeadInputs

    loaded = load_checkpoint(small)
    config = HeadConfig(kind="classification", task="cover", class_names=benchmark_class("eurosat-rgb").info.classes)
    colours = {"optical": ("B04", "B03", "B02")}

    def stored(inputs):
        metadata = HeadMetadata(
            configs={"cover": config}, model_config=loaded.model.config, backbone_sha256=loaded.sha256,
            normalisation=loaded.metadata.normalisation, provenance="random",
            inputs={"cover": inputs} if inputs else {},
        )  # fmt: skip
        save_heads({"cover": build_head(config, loaded.model.config)}, tmp_path / "h", metadata=metadata)
        return (
            "--benchmark", "eurosat-rgb", "--data", made("eurosat-rgb"), "--weights", small, "--heads", tmp_path / "h",
        )  # fmt: skip

    assert not [note for note in told(*stored(None))["notes"] if "head" in note]  # an older file says nothing
    answer = told(*stored(HeadInputs(windows_px=(8,), bands=colours)))
    assert answer["protocol"]["learned"] == {"windows_px": [8], "bands": {"optical": ["B04", "B03", "B02"]}}
    assert not [note for note in answer["notes"] if "head" in note]
    lines = invoke(*stored(HeadInputs(windows_px=(128, 256), bands=colours | {"sar_l2": ("VV",)}))).stdout
    assert (
        "note: head 'cover' learned from optical (B04, B03, B02) and sar_l2 (VV) and is not shown sar_l2 (VV)" in lines
    )
    assert "note: head 'cover' learned on windows of 128 and 256 pixels and is shown windows of 8: " in lines
    refused = invoke(*stored(HeadInputs(windows_px=(64,), bands={"ms": ("B02",)})))
    assert refused.exit_code == 2
    assert "must be shown bands that it learned from, ms (B02), got optical (B04, B03, B02)" in refused.stderr


def test_weights_of_another_convention_are_refused(invoke, made, small, tmp_path):
    from dataclasses import replace

    from ringmoe_core import load_checkpoint, save_checkpoint

    loaded = load_checkpoint(small)
    other = tmp_path / "other.safetensors"
    save_checkpoint(loaded.model, other, metadata=replace(loaded.metadata, normalisation="per-image-v0"))
    done = invoke("--benchmark", "dior", "--data", made("dior"), "--weights", other)
    assert done.exit_code == 2
    assert "normalised by physical-v1" in done.stderr


def test_a_sample_that_cannot_be_read_is_counted_with_its_reason(told, small, tmp_path):
    makers()["dior"](tmp_path)
    (tmp_path / "Annotations/Horizontal Bounding Boxes/11726.xml").write_text("")
    (tmp_path / "Annotations/Horizontal Bounding Boxes/00001.xml").write_text("")
    answer = told(
        "--benchmark", "dior", "--data", tmp_path, "--weights", small, "--steps", 3, "--window", 64, "--overlap", 0
    )
    assert answer["num_images"] == 1
    assert answer["skipped"]["num"] == 1
    assert "11726.xml: an annotation must not be empty" in answer["skipped"]["reasons"][0]
    assert "00001.xml" in answer["protocol"]["train_skipped"][0]
    assert all(number["interval"] is None for number in answer["metrics"].values())  # one image says nothing of others


def test_where_no_sample_can_be_used_it_says_so(invoke, small, tmp_path):
    makers()["dior"](tmp_path)
    for path in (tmp_path / "Annotations/Horizontal Bounding Boxes").iterdir():
        path.write_text("")
    arguments = ("--benchmark", "dior", "--data", tmp_path, "--weights", small, "--steps", 1)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert "none of 2 can" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((), "--benchmark and --data must be given"),
        (("--benchmark", "dota", "--data", "x"), "benchmark must be one of"),
        (("--benchmark", "dior", "--data", "nowhere", "--weights", "nano"), "get the set from"),
        (("--benchmark", "dior", "--data", "DIOR"), "--weights or --predictions must be given"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "giant"), "--weights: must be one of"),
        (
            ("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--protocol", "linear"),
            "must be one of ['fine",
        ),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--protocol", "magic"), "--protocol must be"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--protocol", "head"), "--heads belongs to"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--split", "train"), "must be another than"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--split", "best"), "split must be one of"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--window", "50"), "must be a multiple of 32"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--train-share", "0"), "--train-share must be"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--shots", "0"), "--shots must be positive"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--option", "a=1"), "options of dior are []"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--option", "a"), "must be KEY=VALUE"),
        (("--benchmark", "uc-merced", "--data", "x", "--weights", "nano", "--option", "seed=x"), "of the kind of 0"),
        (
            ("--benchmark", "uc-merced", "--data", "x", "--weights", "nano", "--option", "train_fraction=true"),
            "of the kind of 0.1",
        ),
        (("--benchmark", "dior", "--data", "DIOR", "--predictions", "none.json"), "must be readable"),
        (("--benchmark", "dior", "--data", "DIOR", "--predictions", "none.json", "--shots", "1"), "nothing learns"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--adapt", "some"), "--adapt must be one of"),
        (("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--seed", "-1"), "--seed must be 0 or more"),
        (
            ("--benchmark", "dior", "--data", "DIOR", "--weights", "nano", "--heads", "h", "--shots", "1"),
            "head learns nothing",
        ),
        (
            (
                "--benchmark",
                "dior",
                "--data",
                "DIOR",
                "--weights",
                "nano",
                "--split",
                "val",
                "--train-split",
                "trainval",
            ),
            "share no sample",
        ),
    ],
)
def test_what_does_not_go_together_exits_2(invoke, made, arguments, rule):
    done = invoke(*(made("dior") if one == "DIOR" else one for one in arguments))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert rule in done.stderr
    assert "Traceback" not in done.stderr


def one_answer(box, label):
    answer = {"boxes": [box], "scores": [1], "labels": [label]}
    return {"benchmark": "dior", "split": "test", "predictions": {"11726": answer}}


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"benchmark": "dior", "split": "val", "predictions": {}}, "must be of dior test, is of dior val"),
        ({"benchmark": "dior"}, "must be {"),
        ([], "must be {"),
        ({"benchmark": "dior", "split": "test", "predictions": []}, "must be {"),
        ({"benchmark": "dior", "split": "test", "predictions": {}}, "'11726' has none"),
        (one_answer([1, 2], 0), "must be numbers of shape (1, 4), got (1, 2)"),
        (one_answer([0, 0, 1, 1], "boat"), "must be of the form of detection"),
        (one_answer([0, 0, 1, 1], 99), "labels must be 0 to 19"),
        (one_answer([9, 0, 1, 1], 0), "boxes must be left, top, right, bottom"),
    ],
)  # fmt: skip
def test_wrong_predictions_exit_2(invoke, made, tmp_path, document, rule):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    done = invoke("--benchmark", "dior", "--data", made("dior"), "--predictions", path)
    assert done.exit_code == 2
    assert rule in done.stderr


@pytest.mark.parametrize(
    ("name", "answer", "rule"),
    [
        ("loveda", {"mask": [[0.5, 1], [1, 1]]}, "mask must be whole numbers"),
        ("isprs-vaihingen-height", {"height_m": [[1e12]]}, "heights are metres"),
        ("dior-r", {"corners": [[[0, 0], [9, 9], [9, 0], [0, 9]]], "scores": [1], "labels": [0]}, "these cross"),
        ("air-hsao", {"boxes": [[0, 0, 1, 1]], "ids": [1.5], "labels": [0]}, "ids must be whole numbers"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(tmp_path, name, answer, rule):
    from pipelines.training.metrics.prediction_file import PredictionFile, PredictionFileError

    document = PredictionFile(path=tmp_path / "p.json", info=benchmark_class(name).info, answers={"a": answer})
    with pytest.raises(PredictionFileError, match=rule):
        document.prediction("a")


def test_large_identities_stay_apart_and_an_answer_stands_once(tmp_path):
    """2^24 and 2^24 + 1 are one number in single precision; of two answers of a name a reader keeps the last."""
    from pipelines.training.metrics.prediction_file import PredictionFileError, read_predictions

    answer = '{"boxes": [[0, 0, 1, 1], [5, 5, 6, 6]], "ids": [16777216, 16777217], "labels": [0, 0]}'
    text = f'{{"benchmark": "air-hsao", "split": "test", "predictions": {{"a": {answer}}}}}'
    path = tmp_path / "p.json"
    path.write_text(text)
    info = benchmark_class("air-hsao").info
    assert read_predictions(path, info, "test").prediction("a").ids.tolist() == [16777216, 16777217]
    path.write_text(text.replace('{"a": ', f'{{"a": {answer}, "a": '))
    with pytest.raises(PredictionFileError, match="a name stands once, 'a' twice"):
        read_predictions(path, info, "test")


def test_interrupted_it_ends_with_130_and_no_traceback(invoke, made, small, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.training.protocols.learn.learn", interrupted)
    done = invoke("--benchmark", "dior", "--data", made("dior"), "--weights", small)
    assert done.exit_code == 130
    assert "interrupted" in done.stderr
    assert done.stdout == ""


def test_without_json_it_prints_numbers_with_intervals_and_progress_goes_to_stderr(invoke, made, small):
    done = invoke(
        "--benchmark", "eurosat-rgb", "--data", made("eurosat-rgb"), "--weights", small,
        "--protocol", "prototype", "--limit", 9, "--shots", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "EuroSAT" in done.stdout
    assert "overall_accuracy" in done.stdout
    assert "a trial on the first 9 samples" in done.stdout
    assert "eurosat-rgb evaluate: 100%" in done.stderr
    assert "evaluate" not in done.stdout.splitlines()[1]


def test_few_images_have_no_interval_or_one_that_is_called_too_narrow(told, made, tmp_path):
    """Every other answer is right, by a file of predictions."""
    data = made("eurosat-rgb")
    opened = open_benchmark("eurosat-rgb", data, "test")
    answers = {}
    for index in range(len(opened)):
        scores = [0] * 10
        scores[(opened[index].target.label + index % 2) % 10] = 1
        answers[opened[index].id] = {"scores": scores}
    path = write_predictions(tmp_path / "c.json", "eurosat-rgb", "test", answers)
    for num, given, said in ((4, False, "need 5 images or videos, got 4"), (5, True, "are too narrow, got 5")):
        answer = told("--benchmark", "eurosat-rgb", "--data", data, "--predictions", path, "--limit", num)
        assert answer["num_images"] == answer["num_units"] == num
        accuracy = answer["metrics"]["overall_accuracy"]
        assert accuracy["value"] == pytest.approx((num - num // 2) / num)
        assert (accuracy["interval"] is not None) == given
        (note,) = answer["notes"]
        assert said in note
    assert len(few_units_note(19)) == 1
    assert few_units_note(20) == ()
