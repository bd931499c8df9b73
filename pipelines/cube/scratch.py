"""Working memory that is used again: fresh pages cost more than the arithmetic done in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class Scratch:
    """Named buffers of one piece of work at a time. What an array holds is lost when its name is asked for again."""

    _buffers: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype | type) -> NDArray[Any]:
        """Returns an array of any contents on the buffer of that name, which grows where it must."""
        kind = np.dtype(dtype)
        wanted = math.prod(shape) * kind.itemsize
        held = self._buffers.get(name)
        if held is None or held.size < wanted:
            held = self._buffers[name] = np.empty(wanted, dtype=np.uint8)
        return held[:wanted].view(kind).reshape(shape)
