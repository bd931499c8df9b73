"""One model over many processes: parameters sharded (FSDP2), experts divided, gradients reduced, weights gathered."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.parallel.config import ParallelConfig
    from ringmoe_core.parallel.gradients import clip_gradients, local_tensor, sum_over_ranks
    from ringmoe_core.parallel.mesh import make_mesh
    from ringmoe_core.parallel.parallelise import parallelise
    from ringmoe_core.parallel.state import full_state, load_full_state

__all__ = [
    "ParallelConfig",
    "clip_gradients",
    "full_state",
    "load_full_state",
    "local_tensor",
    "make_mesh",
    "parallelise",
    "sum_over_ranks",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "config": ["ParallelConfig"],
        "gradients": ["clip_gradients", "local_tensor", "sum_over_ranks"],
        "mesh": ["make_mesh"],
        "parallelise": ["parallelise"],
        "state": ["full_state", "load_full_state"],
    },
)
