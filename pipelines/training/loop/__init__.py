"""The training loop: stages, exact resume, what is learnt in them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pipelines.training.loop.errors import DivergedError, ResumeError
    from pipelines.training.loop.learner import Learner, StepLosses
    from pipelines.training.loop.multi_task import MultiTask, TaskSpec
    from pipelines.training.loop.optimiser import OptimiserConfig
    from pipelines.training.loop.pretrain import Pretraining
    from pipelines.training.loop.resume import has_state, read_state, write_state
    from pipelines.training.loop.run import SaveRule, StageRun, run_stage
    from pipelines.training.loop.schedule import Schedule
    from pipelines.training.loop.stage import ChipPhase, StageConfig
    from pipelines.training.loop.step_record import StepRecord

__all__ = [
    "ChipPhase",
    "DivergedError",
    "Learner",
    "MultiTask",
    "OptimiserConfig",
    "Pretraining",
    "ResumeError",
    "SaveRule",
    "Schedule",
    "StageConfig",
    "StageRun",
    "StepLosses",
    "StepRecord",
    "TaskSpec",
    "has_state",
    "read_state",
    "run_stage",
    "write_state",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "errors": ["DivergedError", "ResumeError"],
        "learner": ["Learner", "StepLosses"],
        "multi_task": ["MultiTask", "TaskSpec"],
        "optimiser": ["OptimiserConfig"],
        "pretrain": ["Pretraining"],
        "resume": ["has_state", "read_state", "write_state"],
        "run": ["SaveRule", "StageRun", "run_stage"],
        "schedule": ["Schedule"],
        "stage": ["ChipPhase", "StageConfig"],
        "step_record": ["StepRecord"],
    },
)
