"""Writers of made-up pictures, masks and lists for the benchmarks' tests: Pillow and tifffile, which no reader uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from pipelines.training.benchmarks.sample import IGNORE

SIZE = 16
JPEG_ERROR = 3.0
"""Largest difference of a flat JPEG's value after compression."""

ANY = "*"


@dataclass(frozen=True)
class Planted:
    """What a sample must read as: images (band, y, x) in the set's unit, and the target's content."""

    images: tuple[np.ndarray, ...]
    target: object
    atol: float = 1e-6


def generator(*words) -> np.random.Generator:
    return np.random.default_rng([ord(letter) for word in words for letter in str(word)])


def write_picture(path: Path, pixels, **options) -> None:
    """(y, x) or (y, x, 3) of 8 bits by Pillow; the suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def write_tiff(path: Path, bands) -> None:
    """(band, y, x) of any type by tifffile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.asarray(bands)
    if len(bands) == 1:
        tifffile.imwrite(path, bands[0], photometric="minisblack")
    else:
        planar = np.ascontiguousarray(np.moveaxis(bands, 0, -1))
        tifffile.imwrite(path, planar, photometric="minisblack", planarconfig="contig")


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def noise(rng, *shape, dtype=np.uint8, high=256):
    return rng.integers(0, high, shape).astype(dtype)


def colour_label(mask, colours):
    """(y, x, 3) of a mask of indices; `colours` maps index to red, green, blue."""
    out = np.zeros((*mask.shape, 3), np.uint8)
    for index, colour in colours.items():
        out[mask == index] = colour
    return out


def mask_of(rng, num_classes, *, ignored=True):
    """Each class somewhere; IGNORE in a corner."""
    mask = rng.integers(0, num_classes, (SIZE, SIZE))
    mask.flat[:num_classes] = np.arange(num_classes)
    if ignored:
        mask[-2:, -2:] = IGNORE
    return mask


def words(text):
    return text.split()
