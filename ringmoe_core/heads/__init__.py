"""What maps and pyramids are turned into: one head a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ringmoe_core.heads.build import build_head
    from ringmoe_core.heads.class_loss import classification_loss, segmentation_loss
    from ringmoe_core.heads.detection_decode import DecodeOptions, decode_detections
    from ringmoe_core.heads.detection_loss import detection_loss
    from ringmoe_core.heads.detections import Detections, ObjectTargets
    from ringmoe_core.heads.head_config import HeadConfig
    from ringmoe_core.heads.head_file import load_heads, save_heads
    from ringmoe_core.heads.head_metadata import HeadMetadata
    from ringmoe_core.heads.height_loss import height_loss
    from ringmoe_core.heads.point_series import PointSeries
    from ringmoe_core.heads.temperature import apply_temperature

__all__ = [
    "DecodeOptions",
    "Detections",
    "HeadConfig",
    "HeadMetadata",
    "ObjectTargets",
    "PointSeries",
    "apply_temperature",
    "build_head",
    "classification_loss",
    "decode_detections",
    "detection_loss",
    "height_loss",
    "load_heads",
    "save_heads",
    "segmentation_loss",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "build": ["build_head"],
        "class_loss": ["classification_loss", "segmentation_loss"],
        "detection_decode": ["DecodeOptions", "decode_detections"],
        "detection_loss": ["detection_loss"],
        "detections": ["Detections", "ObjectTargets"],
        "head_config": ["HeadConfig"],
        "head_file": ["load_heads", "save_heads"],
        "head_metadata": ["HeadMetadata"],
        "height_loss": ["height_loss"],
        "point_series": ["PointSeries"],
        "temperature": ["apply_temperature"],
    },
)
