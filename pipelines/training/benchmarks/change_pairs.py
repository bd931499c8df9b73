"""Change detection sets that keep before, after and the change in three folders under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.image_format import check_same_size, read_image
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipelines.training.benchmarks.image_format import ImageFormat

CLASSES: Final = ("unchanged", "changed")


def change_sample(
    *, sample_id: str, before: Path, after: Path, form: ImageFormat, label: Path, mask: NDArray[np.int64]
) -> Sample:
    """The two images and the mask of `label`.

    Raises:
        SampleError: A file cannot be used, or sizes differ.
    """
    images = (read_image(before, form), read_image(after, form))
    check_same_size(after, images[0], images[1].size)
    check_same_size(label, images[0], mask.shape)
    return Sample(id=sample_id, images=images, target=MaskTarget(mask=mask))
