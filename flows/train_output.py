"""What a run leaves: weights, heads, `report.json` and `report.html`."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from flows.train_config import TrainingConfig
    from flows.train_run import _Run
    from flows.train_summary import TrainingReport
    from pipelines.training.loop import Learner
    from pipelines.training.places import PlaceStore
    from ringmoe_core import RingMoE

UNKNOWN_THRESHOLD: Final = 0.5
"""Of change, where no held-out ground chose one."""


def write_outputs(run: _Run, state: dict[str, Tensor], learner: Learner, store: PlaceStore) -> TrainingReport:
    """Measures the model of a state, writes everything into the run's folder and returns the report.

    Args:
        run: That is over.
        state: Of the last stage's module, whole.
        learner: Of the last stage.
        store: Of the run's places.
    """
    from collections import Counter

    from flows.train_curves import read_curves
    from flows.train_learner import model_config
    from flows.train_measure import measured
    from flows.train_page import training_page
    from flows.train_run import resume_folder
    from flows.train_summary import TrainingReport
    from ringmoe_core import RingMoE

    config, out = run.config, run.out
    model = RingMoE(model_config(config), seed=None)
    own = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
    model.load_state_dict(own, assign=True)
    model.eval()
    found = None if config.keeps_backbone else measured(model, config, store)
    notes = list(run.notes)
    if found is None and not config.keeps_backbone:
        notes.append("no held-out series with land cover and change: no figures, and a threshold of change of 0.5")
    notes += missing_classes(store)
    files = [stage_file(config, stage.name) for stage in config.stages[:-1]]
    files += _write_weights(run, model, state, found.change_threshold if found else UNKNOWN_THRESHOLD)
    report = TrainingReport(
        config=config.model_dump(mode="json"),
        places=dict(Counter(entry.kind for entry in store.entries)),
        stages=run.summaries,
        figures=found.figures if found else {},
        notes=tuple(notes),
        files=tuple(files),
        processes=run.fabric.world_size,
        device=run.fabric.device.type,
    )
    page = training_page(report, read_curves(out / "curves.csv"), run.health.windows)
    (out / "report.html").write_text(page, encoding="utf-8")
    (out / "report.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(resume_folder(out), ignore_errors=True)
    del learner
    return report


def stage_file(config: TrainingConfig, stage: str) -> str:
    """Returns the name of the file with the backbone as a stage that others follow left it."""
    return f"{config.name}.{stage}.safetensors"


def write_stage(run: _Run, stage: str, state: dict[str, Tensor]) -> None:
    """Writes the backbone that a stage left, when others follow; its threshold of change is chosen by nothing.

    Args:
        run: In its first process.
        stage: That is over.
        state: Of the backbone, whole.
    """
    from flows.train_learner import model_config
    from ringmoe_core import RingMoE, save_checkpoint

    model = RingMoE(model_config(run.config), seed=None)
    model.load_state_dict(state, assign=True)
    path = run.out / stage_file(run.config, stage)
    save_checkpoint(model, path, metadata=_metadata(run, UNKNOWN_THRESHOLD))


def missing_classes(store: PlaceStore) -> list[str]:
    """Returns a line for each kind of place with classes of land cover that none of its pixels has."""
    import numpy as np

    from pipelines.legend import LAND_COVER

    seen: dict[str, set[int]] = {}
    for entry in store.entries:
        if "land_cover" in entry.targets:
            values = np.asarray(store.place(entry.id).targets["land_cover"])
            seen.setdefault(entry.kind, set()).update(np.unique(values).tolist())
    lines = []
    for kind, found in seen.items():
        absent = [entry.name for index, entry in enumerate(LAND_COVER) if index not in found]
        if absent:
            lines.append(f"{kind}: no pixel of {', '.join(absent)}; what is said of them was learnt from nothing")
    return lines


def _write_weights(run: _Run, model: RingMoE, state: dict[str, Tensor], threshold: float) -> list[str]:
    import torch

    from flows.train_tasks import head_configs, head_inputs
    from pipelines.inference.channels import NORMALISATION_ID
    from ringmoe_core import load_checkpoint, save_checkpoint
    from ringmoe_core.heads import HeadMetadata, build_head, save_heads

    config, out = run.config, run.out
    path = out / f"{config.name}.safetensors"
    save_checkpoint(model, path, metadata=_metadata(run, threshold))
    files = [path.name]
    last = config.stages[-1]
    configs = head_configs(last.tasks, last.channels) if last.learn == "tasks" else {}
    if last.learn == "tasks" and configs:
        heads: dict[str, nn.Module] = {}
        for name, one in configs.items():
            heads[name] = build_head(one, model.config)
            start = f"heads.{name}."
            heads[name].load_state_dict({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
        metadata = HeadMetadata(
            configs=configs,
            model_config=model.config,
            backbone_sha256=load_checkpoint(path).sha256,
            normalisation=NORMALISATION_ID,
            provenance=provenance(config),
            inputs=head_inputs(configs, last),
        )
        heads_path: Path = out / f"{config.name}.heads.safetensors"
        save_heads(heads, heads_path, metadata=metadata, dtype=torch.bfloat16)
        files.append(heads_path.name)
    return files


def _metadata(run: _Run, threshold: float) -> Any:
    from pipelines.inference.channels import NORMALISATION_ID
    from pipelines.legend import CHANGE, LAND_COVER
    from ringmoe_core import CheckpointMetadata

    if run.kept is not None:
        return run.kept
    return CheckpointMetadata(
        trained_modalities=run.modalities,
        normalisation=NORMALISATION_ID,
        class_names=tuple(entry.name for entry in LAND_COVER),
        change_names=tuple(entry.name for entry in CHANGE),
        change_threshold=threshold,
        provenance=provenance(run.config),
    )


def provenance(config: TrainingConfig) -> str:
    """Returns how weights of a run came about, as JSON; folders of the machine are not named in files that travel."""
    told = config.model_dump(mode="json")
    told["start"] = None if config.start is None else config.start.name
    told["data"]["folder"] = None if config.data.folder is None else config.data.folder.name
    data = "simulated places" if config.data.render and config.data.folder is None else "places on disk"
    values: dict[str, Any] = {"command": "ringmoe train", "data": data, "config": told}
    if config.start is not None:
        from flows.weights import weights_path
        from ringmoe_core import load_checkpoint

        start = load_checkpoint(weights_path(str(config.start)))
        values |= {"start_sha256": start.sha256, "start_provenance": start.metadata.provenance}
    return json.dumps(values)
