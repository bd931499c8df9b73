"""The mesh of processes: one axis divides the experts, the other the rest of the work on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

if TYPE_CHECKING:
    import torch

DATA: Final = "data"
EXPERT: Final = "expert"
"""Axes of the mesh. Every process has images of its own: the product of both is the number of parts of a batch."""


def make_mesh(device: torch.device | str, *, expert_ranks: int = 1) -> DeviceMesh:
    """Returns the mesh (data, expert) over all processes of an initialised process group.

    Neighbouring ranks divide the experts, so that rows travel within a machine where it holds enough devices.

    Args:
        device: type of device of every process, `cpu` or `cuda`.
        expert_ranks: processes that divide the experts of each bank; a divisor of their number.

    Raises:
        ValueError: there is no process group, or its size is no multiple of `expert_ranks`.
    """
    if not distributed.is_initialized():
        raise ValueError("a mesh needs an initialised process group, got none; call init_process_group or use torchrun")
    world = distributed.get_world_size()
    if expert_ranks < 1 or world % expert_ranks:
        raise ValueError(f"expert_ranks must divide the {world} processes, got {expert_ranks}; use a divisor")
    device_type = device if isinstance(device, str) else device.type
    return init_device_mesh(device_type, (world // expert_ranks, expert_ranks), mesh_dim_names=(DATA, EXPERT))


def check_mesh(mesh: DeviceMesh) -> None:
    """Checks that a mesh has the axes of `make_mesh` and all processes.

    Raises:
        ValueError: it has not.
    """
    if mesh.mesh_dim_names != (DATA, EXPERT) or mesh.size() != distributed.get_world_size():
        raise ValueError(
            f"a model is spread over a mesh ({DATA}, {EXPERT}) of all {distributed.get_world_size()} processes, got "
            f"{mesh.mesh_dim_names} of {mesh.size()}; make it with make_mesh"
        )


def flat_mesh(mesh: DeviceMesh) -> DeviceMesh:
    """Returns all processes of a mesh on one axis, in order."""
    return DeviceMesh(mesh.device_type, mesh.mesh.flatten(), mesh_dim_names=("rank",))
