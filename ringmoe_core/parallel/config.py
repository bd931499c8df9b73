"""ParallelConfig: what is traded for memory when a model is spread over processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """Choices beside the mesh, which says over how many processes parameters and experts are spread."""

    param_dtype: torch.dtype | None = None
    """Type in which parameters are gathered, bfloat16 or float32; None keeps their own. The shards that the optimiser
    sees, and the routers, always do. With bfloat16 the model runs under autocast (`Precision.autocast`), which would
    round the weights of its products anyway."""

    reduce_dtype: torch.dtype = torch.float32
    """Type in which gradients are summed over processes."""

    checkpoints_activations: bool = False
    """Whether blocks keep only their input and are computed again in the backward pass."""

    reshards_after_forward: bool = True
    """Whether a block's gathered parameters are freed until its backward pass, at the price of a second gathering."""

    def __post_init__(self) -> None:
        for name in ("param_dtype", "reduce_dtype"):
            value = getattr(self, name)
            if value not in (torch.bfloat16, torch.float32) and not (name == "param_dtype" and value is None):
                raise ValueError(f"{name} must be bfloat16 or float32, got {value}; choose one of them")
