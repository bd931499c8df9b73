"""Figures of a model card: they are the runs' own, and prose stays."""

from __future__ import annotations

import json

import pytest

from flows.model_card import BEGIN, END, CardParts, card_figures, core_hours, gather, main, with_figures
from flows.train_config import load_training
from flows.weights import weights_path
from ringmoe_core import load_checkpoint


def run_report(**changes):
    config = load_training("nano").model_dump(mode="json")
    stages = [
        {"name": "pretrain", "steps": 1000, "minutes": 7.5, "waited": 0.013, "held_out": {"ms": 0.5}},
        {"name": "finetune", "steps": 2200, "minutes": 22.5, "waited": 0.0, "held_out": {"height": 3.25}},
    ]
    report = {"config": config, "places": {"series": 112, "slc": 48, "vhr": 96, "video": 24}, "stages": stages}
    report |= {"figures": {"land_cover_overall_accuracy": 0.8125}, "notes": ["one bank is uneven"], "processes": 1}
    return report | {"device": "cpu"} | changes


def tasks_report(sha256="s"):
    from flows.task_page import HEADLINES

    tasks = {
        name: {"values": dict.fromkeys(keys, 0.5), "intervals": dict.fromkeys(keys, (0.25, 0.75))}
        for name, keys in HEADLINES.items()
    }
    tasks["tracking"] = {"values": dict.fromkeys(HEADLINES["tracking"]), "intervals": {}}
    return {"weights_sha256": sha256, "plan": {"first_seed": 300_000, "places": 20}, "tasks": tasks}


def parts(**changes):
    given = {
        "name": "nano", "megabytes": {"nano.safetensors": 10.75, "nano.heads.safetensors": 2.5}, "parameters": 5365049,
        "heads": {"scene": 2890}, "provenance": {}, "runs": [run_report()],
    }  # fmt: skip
    return CardParts(**given | changes)


def test_sizes_data_steps_and_figures_are_told():
    text = card_figures(parts(tasks=tasks_report()))
    assert "13.25 MB together" in text
    assert "5,365,049" in text
    assert "| series, simulated | 112 | 1000 to 1111 |" in text
    assert (
        "| finetune | land_cover, change, radar_land_cover, height, objects, scene, movers | 2200 | 22.5 | 0.0% |"
        in text
    )
    assert "| land_cover_overall_accuracy | 0.8125 |" in text
    assert "| loss of height, validation ground | 3.25 |" in text
    assert "- one bank is uneven" in text
    assert "| height | rmse_m | 0.500 | 0.250 to 0.750 |" in text
    assert "| tracking | hota | undefined | - |" in text


def test_energy_says_whether_it_was_metered():
    hours = core_hours(run_report())
    assert hours == pytest.approx((7.5 + 22.5) * 2 / 60)  # two threads
    estimate = card_figures(parts(watt_a_core=6.0))
    assert f"About {hours * 6:.1f} Wh, an estimate and not metered" in estimate
    assert "x 6 W a core, which is assumed" in estimate
    assert "2.0 Wh, metered (RAPL" in card_figures(parts(joules=7200.0))
    assert "no estimate is made for accelerators" in card_figures(parts(runs=[run_report(device="cuda")]))


def test_a_students_distillation_counts_too():
    distilled = {
        "config": {"weights": "nano", "method": "select", "steps": 450, "regions": 120, "seed": 0, "workers": 1},
        "minutes": {"render": 1.0, "fit": 30.0},
    }
    text = card_figures(parts(distilled=distilled, provenance={"start_sha256": "abc"}, watt_a_core=10.0))
    assert "450 steps on 120 simulated regions" in text
    assert "`abc`" in text
    assert "About 15.0 Wh" in text  # an hour of the run's and half an hour of the distillation's


def test_prose_stays_and_figures_are_replaced():
    first = with_figures("# Card\n\nProse.\n", "one")
    again = with_figures(first + "\n## What it cannot do\n\nMuch.\n", "two")
    assert again.startswith("# Card\n\nProse.\n")
    assert again.endswith("## What it cannot do\n\nMuch.\n")
    assert "one" not in again
    assert again.count(BEGIN) == again.count(END) == again.count("two") == 1
    with pytest.raises(ValueError, match="got 1 and 0"):
        with_figures(f"# Card\n{BEGIN}\n", "one")
    with pytest.raises(ValueError, match="mend the markers"):
        with_figures(f"# Card\n{END}\n{BEGIN}\n", "one")


def test_the_command_writes_a_card_of_the_shipped_weights(tmp_path):
    report, card = tmp_path / "report.json", tmp_path / "card.md"
    report.write_text(json.dumps(run_report()))
    loaded = load_checkpoint(weights_path("nano"))
    (tmp_path / "tasks.json").write_text(json.dumps(tasks_report(loaded.sha256)))
    arguments = [str(card), "--weights", "nano", "--report", str(report), "--tasks", str(tmp_path / "tasks.json")]
    main(arguments)
    assert card.read_text().startswith("# Model card: nano\n")
    assert f"{sum(value.numel() for value in loaded.model.parameters()):,}" in card.read_text()
    written = card.read_text()
    main(arguments)
    assert card.read_text() == written


def test_figures_of_other_weights_are_refused(tmp_path, capsys):
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks_report("of-others")))
    with pytest.raises(ValueError, match="got of-others"):
        gather("nano", tasks=path)
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "card.md"), "--weights", "nano", "--tasks", str(path)])
    assert "of-others" in capsys.readouterr().err
    assert not (tmp_path / "card.md").exists()


def test_the_calibration_of_a_run_is_read_as_the_command_leaves_it():
    one = {"error": 0.0123, "interval": [0.01, 0.02], "brier": 0.25, "negative_log_likelihood": 0.5}
    found = {
        "seeds": {"unseen": [95_000, 95_019]}, "land_cover_temperature": 1.25, "change_temperature": 1.5,
        "change_threshold": 0.7, "land_cover": {"before": one, "after": one}, "change": {"before": one},
    }  # fmt: skip
    text = card_figures(parts(calibration=found))
    assert "| land_cover | after | 0.0123 | 0.0100 to 0.0200 | 0.2500 | 0.5000 |" in text
    assert "seeds 95000 to 95019" in text


def test_weights_that_a_run_starts_from_are_named_in_what_it_leaves():
    from flows.train_output import provenance

    loaded = load_checkpoint(weights_path("nano"))
    found = json.loads(provenance(load_training("nano", ["start=nano"])))
    assert found["start_sha256"] == loaded.sha256
    assert found["start_provenance"] == loaded.metadata.provenance
    assert "start_sha256" not in json.loads(provenance(load_training("nano")))
