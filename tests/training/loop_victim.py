"""A run that can be killed: `loop_victim.py PLACES FOLDER` goes on from FOLDER/resume and writes FOLDER/final.pt."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from made_stage import PlainFabric, learner, stage

from pipelines.training.loop import SaveRule, StageRun, has_state, read_state, run_stage, write_state
from pipelines.training.places import PlaceStore

CONFIG = {"run": "victim"}


def main() -> None:
    torch.set_num_threads(1)
    places, folder = Path(sys.argv[1]), Path(sys.argv[2])
    learnt = learner(PlaceStore.open(places))
    resume = folder / "resume"

    def write(tensors, values):
        write_state(resume, f"small-{values['progress']['step']}", tensors, values, CONFIG)

    def on_step(record):
        with (folder / "log.txt").open("a") as log:
            log.write(f"{record.step}\n")

    run = StageRun(
        learner=learnt, stage=stage(steps=40, accumulate=2), fabric=PlainFabric(), seed=5,
        save=SaveRule(every_steps=3, write=write), on_step=on_step,
    )  # fmt: skip
    run_stage(run, read_state(resume, CONFIG) if has_state(resume) else None)
    torch.save(learnt.module.state_dict(), folder / "final.partial")
    (folder / "final.partial").replace(folder / "final.pt")


if __name__ == "__main__":
    main()
