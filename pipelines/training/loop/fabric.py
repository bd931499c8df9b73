"""What the loop asks of Lightning Fabric, so that it runs without it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch
    from torch import Tensor


class Fabric(Protocol):
    """What the loop takes from Lightning Fabric: a device, a precision, and which of the processes this is."""

    @property
    def device(self) -> torch.device:
        """Of this process."""
        ...

    @property
    def global_rank(self) -> int:
        """Number of this process."""
        ...

    @property
    def world_size(self) -> int:
        """Number of processes."""
        ...

    def autocast(self) -> AbstractContextManager[Any]:
        """Context in which products are computed in the run's precision."""
        ...

    def backward(self, tensor: Tensor) -> None:
        """Adds the gradients of a scalar."""
        ...
