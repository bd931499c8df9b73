"""xView2 (xBD): pairs of 1024 x 1024 pixels before and after a disaster, with the damage of each building.

Folders and names are those of torchgeo's reader; `targets/*_post_disaster_target.png` holds 0 to 4, as the challenge's
scoring code checks (github.com/DIUx-xView/xView2_scoring), and `capture_date` of `labels/*.json` dates an image.
PANGAEA, of which this is a set, reads train and test, with the tier 3 images that are published without targets, and
draws what it validates on.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from pipelines.training.benchmarks.folder import check_part
from pipelines.training.benchmarks.image_format import RGB, ImageFormat, check_same_size, read_image
from pipelines.training.benchmarks.indexed import IndexedBenchmark
from pipelines.training.benchmarks.info import BenchmarkInfo
from pipelines.training.benchmarks.json_file import read_json
from pipelines.training.benchmarks.listing import file_names
from pipelines.training.benchmarks.mask_codes import read_code_mask
from pipelines.training.benchmarks.measures import SEGMENTATION
from pipelines.training.benchmarks.sample import MaskTarget, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLASSES: Final = ("no building", "no damage", "minor damage", "major damage", "destroyed")
TABLE: Final = {index: index for index in range(len(CLASSES))}

BEFORE: Final = "_pre_disaster"
AFTER: Final = "_post_disaster"

FORM: Final = ImageFormat(bands=RGB, modality="optical", unit="digital_number", types=("uint8",))
"""Pictures of several satellites and spacings, stretched by their provider."""


class XView2(IndexedBenchmark):
    """Entries are `hurricane-florence_00000103`: disaster and number."""

    info = BenchmarkInfo(
        name="pangaea-xview2",
        title="xView2 (xBD)",
        task="segmentation",
        classes=CLASSES,
        splits=("train", "test", "hold"),
        metrics=SEGMENTATION,
        home="https://xview2.org/dataset",
        licence="CC BY-NC-SA 4.0, after registration",
        layout="""\
xView2/    (as the archives *_images_labels_targets.tar.gz unpack, with or without a folder of their name)
  train/images/hurricane-florence_00000103_pre_disaster.png, ..._post_disaster.png, ...
  train/labels/hurricane-florence_00000103_pre_disaster.json, ...      (dates of the images; may be left out)
  train/targets/hurricane-florence_00000103_post_disaster_target.png, ...
  test/..., hold/...""",
        citation=(
            "Gupta et al.: Creating xBD: A Dataset for Assessing Building Damage from Satellite Imagery, CVPR "
            "Workshops 2019"
        ),
    )

    def _list(self) -> Sequence[str]:
        names = (self.split, f"{self.split}_images_labels_targets/{self.split}")
        self.base = check_part(self.root, names, self.info)
        check_part(self.base, ("targets",), self.info)
        suffix = f"{BEFORE}.png"
        images = file_names(check_part(self.base, ("images",), self.info), (suffix,))
        return [name.removesuffix(suffix) for name in images]

    def _read(self, entry: str) -> Sample:
        images = tuple(
            read_image(
                self.base / "images" / f"{entry}{when}.png",
                FORM,
                time=_day(self.base / "labels" / f"{entry}{when}.json"),
            )
            for when in (BEFORE, AFTER)
        )
        path = self.base / "targets" / f"{entry}{AFTER}_target.png"
        mask = read_code_mask(path, TABLE)
        for image in images:
            check_same_size(path, image, mask.shape)
        return Sample(id=entry, images=images, target=MaskTarget(mask=mask))


def _day(path: Path) -> str:
    """ISO date of the image that a label file describes; empty where there is no file or it states none."""
    if not path.is_file():
        return ""
    document = read_json(path)
    try:
        return date.fromisoformat(document["metadata"]["capture_date"][:10]).isoformat()
    except (KeyError, TypeError, ValueError):
        return ""
