"""Arrays of numbers in NumPy's own files. Pickled objects, which may run anything, are never opened."""

from __future__ import annotations

import math
import zipfile
import zlib
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipelines.training.benchmarks.errors import SampleError
from pipelines.training.benchmarks.raster import MAX_PIXELS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BROKEN: Final = (OSError, ValueError, SyntaxError, OverflowError, EOFError, TokenError)
"""What NumPy raises over a file that is no whole `.npy`, or a header that is none."""

BROKEN_ARCHIVE: Final = (*BROKEN, zipfile.BadZipFile, zlib.error, RuntimeError)
"""What comes in addition of an archive that is damaged, locked or packed in a way unknown here."""

HEADERS: Final = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_array(path: Path, *, dims: int) -> NDArray[Any]:
    """The array of a `.npy` file; its values are read where they are looked at, and not before.

    Args:
        path: The file.
        dims: Number of dims that the set documents.

    Raises:
        SampleError: It is missing or damaged, holds anything but real numbers, is unreasonably large or has other dims.
    """
    _check_there(path)
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except BROKEN as error:
        raise SampleError(path, f"must be a whole .npy file of numbers ({error})", "get the file again") from error
    _check_numbers(path, array.shape, array.dtype, dims)
    return array


def read_member(path: Path, name: str, *, dims: int) -> NDArray[Any]:
    """One array of a `.npz` file, checked by its header before it is unpacked.

    Args:
        path: The file.
        name: Of the array.
        dims: Number of dims that the set documents.

    Raises:
        SampleError: The file is missing or damaged or lacks the array, which may be as for `open_array`.
    """
    _check_there(path)
    try:
        with zipfile.ZipFile(path) as archive:
            shape, dtype = _header(archive, path, name)
            _check_numbers(path, shape, dtype, dims)
            with archive.open(f"{name}.npy") as file:
                array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
                return array
    except SampleError:
        raise
    except (*BROKEN_ARCHIVE, KeyError) as error:
        raise SampleError(path, f"must be a whole .npz file of numbers ({error!r})", "get the file again") from error


def _header(archive: zipfile.ZipFile, path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    if f"{name}.npy" not in archive.namelist():
        raise SampleError(path, f"must hold an array {name!r}, it does not", "check that the file is the set's")
    with archive.open(f"{name}.npy") as file:
        shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    return shape, dtype


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise SampleError(path, "the array must be there, it is not", "get the set's arrays again")


def _check_numbers(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], dims: int) -> None:
    if dtype.kind not in "iuf":
        raise SampleError(path, f"must hold real numbers, got {dtype}", "check that the file is the set's")
    if len(shape) != dims or math.prod(shape) > MAX_PIXELS:
        raise SampleError(
            path,
            f"must have {dims} dims and at most {MAX_PIXELS} values, got {shape}",
            "check that the file is the set's",
        )
