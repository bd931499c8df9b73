"""Six tasks on simulated places that no training draws: what weights and heads say of each, and how right it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from flows.train_config import Kind
    from pipelines.training.benchmarks.info import Task
    from pipelines.training.benchmarks.sample import Target
    from pipelines.training.metrics.prediction import Prediction
    from pipelines.training.places import Place
    from pipelines.training.places.chip import Chip
    from ringmoe_core import LoadedModel
    from ringmoe_core.heads import HeadMetadata
    from ringmoe_core.heads.detections import Detections

FIRST_SEED: Final = 300_000
"""Of the places; training, choosing thresholds, calibrating and the benchmarks draw smaller ones."""

WINDOW: Final = 128
"""Pixels a side of what is shown of an aerial or complex radar place, at its centre: the largest chip of training."""

START_SCORE: Final = 0.55
HIGH_SCORE: Final = 0.5
"""From which detections start tracks and are linked first: of 0.5 and 0.4, 0.55 and 0.5, 0.6 and 0.5, 0.65 and 0.6,
0.7 and 0.6 those with the largest HOTA of nano on the videos of seeds 290000 to 290007, which measure nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """Places that are asked about."""

    places: int = 20
    """Of each kind, seeds counted up from `first_seed`."""

    first_seed: int = FIRST_SEED
    size: int = 256
    """Pixels a side of a place."""

    video_size: int = 192

    dates: int = 12
    frames: int = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was said of one place, beside what is true."""

    seed: int
    images: tuple[npt.NDArray[np.float32], ...]
    """(3, y, x) each: reflectance of red, green and blue; of radar the powers of three channels. Missing is NaN."""

    said: tuple[Prediction, ...]
    truth: tuple[Target, ...]
    """One, or one a frame of a video."""

    spread_m: npt.NDArray[np.float32] | None = None
    """(y, x) standard deviation of heights, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """One of the tasks."""

    kind: Kind
    """Of its places."""

    measure: Task
    """Whose metric counts."""

    classes: tuple[str, ...]
    head: str | None
    """That answers; None for the backbone's own."""


def task_kinds() -> dict[str, TaskKind]:
    """Returns the tasks, by name, in the order of the pictures."""
    from flows.render import OBJECT_CLASSES
    from pipelines.legend import CHANGE, LAND_COVER
    from pipelines.simulate.vhr import SCENE_CLASSES

    cover, change = tuple(one.name for one in LAND_COVER), tuple(one.name for one in CHANGE)
    return {
        "classification": TaskKind(kind="vhr", measure="classification", classes=SCENE_CLASSES, head="scene"),
        "detection": TaskKind(kind="vhr", measure="rotated_detection", classes=OBJECT_CLASSES, head="objects"),
        "segmentation": TaskKind(kind="series", measure="segmentation", classes=cover, head=None),
        "radar_segmentation": TaskKind(kind="slc", measure="segmentation", classes=cover, head="radar_land_cover"),
        "tracking": TaskKind(kind="video", measure="tracking", classes=OBJECT_CLASSES, head="movers"),
        "change": TaskKind(kind="series", measure="change", classes=change, head=None),
        "height": TaskKind(kind="vhr", measure="height", classes=(), head="height"),
    }


class SixTasks:
    """Weights and heads that answer all tasks."""

    def __init__(self, weights: Path, heads: Path) -> None:
        """Loads both.

        Raises:
            CheckpointError: A file is damaged, or the heads belong to other weights.
            ConfigError: A task has no head.
        """
        from flows.errors import ConfigError
        from ringmoe_core import load_checkpoint
        from ringmoe_core.heads import load_heads
        from ringmoe_core.task_model import TaskModel

        self.loaded: LoadedModel = load_checkpoint(weights)
        found = load_heads(heads, self.loaded)
        wanted = {one.head for one in task_kinds().values()} - {None}
        missing = sorted(str(name) for name in wanted - set(found.heads))
        if missing:
            raise ConfigError(
                f"{heads}: heads of all tasks are needed, got none for {missing}; train them by `ringmoe train nano`"
            )
        self.heads_sha256 = found.sha256
        self.metadata: HeadMetadata = found.metadata
        self.model = TaskModel(self.loaded.model, found.heads).eval()

    def answers(self, kind: Kind, plan: TaskPlan) -> Iterator[dict[str, Answer]]:
        """Yields for each place of a kind the answers by task."""
        from flows.render import PlaceSpec, render_place

        dates = {"series": plan.dates, "video": plan.frames}.get(kind, 1)
        size = plan.video_size if kind == "video" else plan.size
        for seed in range(plan.first_seed, plan.first_seed + plan.places):
            place = render_place(PlaceSpec(kind=kind, seed=seed, size=size, dates=dates))
            yield {"series": self._series, "slc": self._slc, "vhr": self._vhr, "video": self._video}[kind](place)

    def _vhr(self, place: Place) -> dict[str, Answer]:
        import torch

        from pipelines.training.metrics.prediction import ClassScores, HeightPrediction
        from ringmoe_core.heads import apply_temperature, decode_detections

        chip = centre_chip(place, 0)
        images = (reflectance(chip),)
        with torch.inference_mode():
            fused = self.model.pyramid(_tensors([chip]))
            logits = self.model.apply_head("scene", fused).float()
            scores = apply_temperature(logits, self.metadata.temperature("scene")).softmax(1)[0].numpy()
            height = self.model.apply_head("height", fused)
            mean, sd = height.mean_m_NHW[0].float().numpy(), height.sd_m_NHW[0].float().numpy()
            found = decode_detections(
                self.model.apply_head("objects", fused), temperature=self.metadata.temperature("objects")
            )[0]
        said: dict[str, Prediction] = {
            "classification": ClassScores(scores=scores),
            "detection": _turned(found),
            "height": HeightPrediction(height_m=mean),
        }
        truth = _aerial_truth(chip)
        spread = {"height": sd}
        return {
            name: Answer(
                seed=_seed(place), images=images, said=(said[name],), truth=(truth[name],), spread_m=spread.get(name)
            )
            for name in said
        }

    def _slc(self, place: Place) -> dict[str, Answer]:
        import torch

        from pipelines.training.metrics.prediction import MaskPrediction
        from pipelines.training.places.physical import physical_values

        chip = centre_chip(place, 0)
        with torch.inference_mode():
            mask = self.model.run("radar_land_cover", _tensors([chip])).float().argmax(1)[0].numpy()
        amplitude = np.asarray(physical_values(chip.series["sar_l1"].pixels, "sar_l1"))[0]
        double, cross, surface = amplitude[0] - amplitude[3], amplitude[1], amplitude[0] + amplitude[3]
        image = np.stack([np.abs(double) ** 2 / 2, np.abs(cross) ** 2, np.abs(surface) ** 2 / 2]).astype(np.float32)
        answer = Answer(
            seed=_seed(place),
            images=(np.where(chip.series["sar_l1"].valid[0], image, np.float32(np.nan)),),
            said=(MaskPrediction(mask=mask),),
            truth=(_mask(chip.targets["land_cover"]),),
        )
        return {"radar_segmentation": answer}

    def _series(self, place: Place) -> dict[str, Answer]:
        from pipelines.training import SceneArrays, answer
        from pipelines.training.metrics.prediction import MaskPrediction

        targets: dict[str, Any] = {name: place.targets[name] for name in ("land_cover", "change", "change_epoch")}
        found = answer(self.model.model, SceneArrays(ms=place.series["ms"], sar=place.series["sar_l2"], **targets))
        stated = tempered(found.change, self.loaded.metadata.change_temperature)
        sure = 1 - stated[0] >= self.loaded.metadata.change_threshold  # a probability at that temperature
        change = np.where(sure, 1 + stated[1:].argmax(0), 0)
        first, last = clear_images(place)
        seed = _seed(place)
        return {
            "segmentation": Answer(
                seed=seed, images=(last,), said=(MaskPrediction(mask=found.land_cover.argmax(0).astype(np.int64)),),
                truth=(_mask(targets["land_cover"]),),
            ),
            "change": Answer(
                seed=seed, images=(first, last), said=(MaskPrediction(mask=change.astype(np.int64)),),
                truth=(_mask(targets["change"]),),
            ),
        }  # fmt: skip

    def _video(self, place: Place) -> dict[str, Answer]:
        import torch

        from pipelines.inference.track import FrameBoxes, TrackOptions, track
        from pipelines.training.metrics.prediction import TracksPrediction
        from ringmoe_core.heads import decode_detections

        size = min(place.shape)
        chips = [centre_chip(place, frame, size=size) for frame in range(place.series["optical"].pixels.shape[0])]
        frames = []
        for chip in chips:
            with torch.inference_mode():
                output = self.model.run("movers", _tensors([chip]))
            one = decode_detections(output, temperature=self.metadata.temperature("movers"))[0]
            frames.append(FrameBoxes(boxes=one.boxes.numpy(), scores=one.scores.numpy(), labels=one.labels.numpy()))
        options = TrackOptions(high_score=HIGH_SCORE, start_score=START_SCORE)
        said = tuple(
            TracksPrediction(ids=one.ids, boxes=one.boxes.astype(np.float32), labels=one.labels.astype(np.int64))
            for one in track(frames, options)
        )
        truth = tuple(_tracks(place, frame) for frame in range(len(chips)))
        images = tuple(reflectance(chip) for chip in chips)
        return {"tracking": Answer(seed=_seed(place), images=images, said=said, truth=truth)}


def tempered(probabilities: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float32]:
    """Returns probabilities (class, y, x) as a softmax of logits divided by a temperature would have given them."""
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / np.float32(temperature)
    raised = np.exp(logits - logits.max(0))
    return np.asarray(raised / raised.sum(0), dtype=np.float32)


def centre_chip(place: Place, epoch: int, *, size: int = WINDOW) -> Chip:
    """Returns the middle of one image of a place, with its truth."""
    from pipelines.training.places.chip import Chip, boxes_in, cut_sensor, without_missing
    from pipelines.training.places.place import PLANES

    size = min(size, *place.shape)
    corner = (place.shape[0] - size) // 2, (place.shape[1] - size) // 2
    window = slice(corner[0], corner[0] + size), slice(corner[1], corner[1] + size)
    name, sensor = next(iter(place.series.items()))
    cut = without_missing(cut_sensor(sensor, np.array([epoch]), corner, size))
    targets = {name: values[window] if name in PLANES else values for name, values in place.targets.items()}
    if "boxes" in targets and "box_frame" not in targets:
        targets["boxes"] = boxes_in(place.targets, corner, size)
    return Chip(
        place=place.id, row=corner[0], col=corner[1], size=size, series={name: cut}, targets=targets,
        gsd_m=place.gsd_m, nodata=float(1 - cut.valid.mean()), epochs=(epoch,),
    )  # fmt: skip


def reflectance(chip: Chip) -> npt.NDArray[np.float32]:
    """Returns red, green and blue (3, y, x) of an aerial chip, NaN where missing."""
    from pipelines.training.places.physical import physical_values

    cut = chip.series["optical"]
    values = np.asarray(physical_values(cut.pixels[0], "optical"), dtype=np.float32)
    return np.where(cut.valid[0], values, np.float32(np.nan))


def clear_images(place: Place) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns the clearest image of the first and of the last third of a series, red, green and blue (3, y, x)."""
    from pipelines.inference.channels import MS_BANDS
    from pipelines.training.places.physical import physical_values

    sensor = place.series["ms"]
    share = sensor.valid.mean((1, 2))
    third = max(1, len(share) // 3)
    red, green, blue = (MS_BANDS.index(name) for name in ("B04", "B03", "B02"))
    found = []
    for epoch in (int(share[:third].argmax()), len(share) - third + int(share[-third:].argmax())):
        values = np.asarray(physical_values(sensor.pixels[epoch].astype(np.float32), "ms"), dtype=np.float32)
        found.append(np.where(sensor.valid[epoch], values[[red, green, blue]], np.float32(np.nan)))
    return found[0], found[1]


def _tensors(chips: list[Chip]) -> Mapping[str, Any]:
    from pipelines.training.places.tensors import series_of

    return series_of(chips)


def _seed(place: Place) -> int:
    assert place.seed is not None
    return place.seed


def _mask(plane: npt.NDArray[np.generic]) -> Target:
    from pipelines.training.benchmarks.sample import MaskTarget

    return MaskTarget(mask=np.asarray(plane).astype(np.int64))


def _turned(found: Detections) -> Prediction:
    from pipelines.training.metrics.prediction import RotatedPrediction
    from ringmoe_core.heads.rotated_boxes import rotated_corners

    return RotatedPrediction(
        corners=rotated_corners(found.boxes).numpy().astype(np.float32),
        scores=found.scores.numpy().astype(np.float32),
        labels=found.labels.numpy().astype(np.int64),
    )


def _aerial_truth(chip: Chip) -> dict[str, Target]:
    import torch

    from pipelines.training.benchmarks.sample import ClassTarget, HeightTarget, RotatedTarget
    from pipelines.training.loop.multi_task import LEAST_SIDE_PX
    from ringmoe_core.heads.rotated_boxes import rotated_corners

    boxes = np.asarray(chip.targets["boxes"], np.float32)
    corners = rotated_corners(torch.from_numpy(boxes[:, :5].copy())).numpy()
    return {
        "classification": ClassTarget(label=int(np.asarray(chip.targets["scene_class"])[0])),
        "detection": RotatedTarget(
            corners=corners, labels=boxes[:, 5].astype(np.int64), ignore=boxes[:, 2:4].min(1) < LEAST_SIDE_PX
        ),
        "height": HeightTarget(height_m=np.asarray(chip.targets["height_m"], np.float32)),
    }


def _tracks(place: Place, frame: int) -> Target:
    import torch

    from pipelines.training.benchmarks.sample import TrackTarget
    from pipelines.training.loop.multi_task import LEAST_SIDE_PX, upright

    rows = np.asarray(place.targets["box_frame"]) == frame
    boxes = np.asarray(place.targets["boxes"], np.float32)[rows]
    height, width = place.shape
    corners = upright(torch.from_numpy(boxes)).numpy() if len(boxes) else np.zeros((0, 4), np.float32)
    corners = np.clip(corners, 0, [width, height, width, height]).astype(np.float32)
    return TrackTarget(
        frame=frame + 1,
        ids=np.asarray(place.targets["box_track"])[rows].astype(np.int64),
        boxes=corners,
        labels=boxes[:, 5].astype(np.int64),
        ignore=boxes[:, 2:4].min(1) < LEAST_SIDE_PX,
    )
