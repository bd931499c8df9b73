"""The number of torch's threads while a map is made."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def torch_threads(num: int) -> Iterator[None]:
    """Runs torch with so many threads inside an operation, and restores the number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
