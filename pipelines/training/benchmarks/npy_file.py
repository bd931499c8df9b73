"""Arrays of numbers in NumPy's own files. Pickled objects, which may run anything, are never opened."""

from __future__ import annotations

from tokenize import TokenError
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BROKEN: Final = (OSError, ValueError, SyntaxError, OverflowError, TokenError)
"""What NumPy raises over a file that is no whole `.npy`, or a header that is none."""


def open_array(path: Path, *, dims: int) -> NDArray[Any]:
    """The array of a `.npy` file; its values are read where they are looked at, and not before.

    Args:
        path: The file.
        dims: Number of dims that the set documents.

    Raises:
        SampleError: It is missing or damaged, holds anything but real numbers, is unreasonably large or has other dims.
    """
    if not path.is_file():
        raise SampleError(path, "the array must be there, it is not", "get the set's arrays again")
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except BROKEN as error:
        raise SampleError(path, f"must be a whole .npy file of numbers ({error})", "get the file again") from error
    if array.dtype.kind not in "iuf":
        raise SampleError(path, f"must hold real numbers, got {array.dtype}", "check that the file is the set's")
    if array.ndim != dims or array.size > MAX_PIXELS:
        raise SampleError(
            path,
            f"must have {dims} dims and at most {MAX_PIXELS} values, got {array.shape}",
            "check that the file is the set's",
        )
    return array
