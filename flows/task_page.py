"""The page of six tasks: pictures, which places they show, and figures over all places that were asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flows.task_pictures import DRAWN, LEAST_SCORE, task_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flows.six_tasks import Answer
    from flows.task_figures import TaskFigures, TasksReport

PICTURES: Final = "images/tasks"
"""Folder of the pictures, beside the page."""

_TITLES: Final = {
    "classification": "Classification: which kind of scene an aerial image shows",
    "detection": "Detection: turned boxes around ships, vehicles, buildings and aircraft",
    "segmentation": "Segmentation: land cover from a year of Sentinel-1 and -2, and from one complex radar image",
    "tracking": "Tracking: what moves in a video, followed from frame to frame",
    "change": "Change: what was cleared, flooded or built within a year",
    "height": "Height above ground from one aerial image, with its uncertainty",
}

_NOTES: Final = {
    "classification": "Green: right. Red: wrong. The number is the stated probability.",
    "detection": f"Boxes from a score of {LEAST_SCORE} on are drawn; the figures count all.",
    "segmentation": "Radar is shown as red |HH - VV|, green |HV|, blue |HH + VV|.",
    "tracking": "Detections of single frames, linked by ByteTrack.",
    "change": "The images are the clearest of the first and last third of the series; the answer rests on all dates.",
    "height": "Heights and deviations have ramps of their own, given below the picture.",
}

HEADLINES: Final = {
    "classification": ("overall_accuracy", "macro_f1"),
    "detection": ("map50_area",),
    "segmentation": ("overall_accuracy", "mean_iou"),
    "radar_segmentation": ("overall_accuracy", "mean_iou"),
    "tracking": ("mota", "idf1", "hota"),
    "change": ("f1", "precision", "recall"),
    "height": ("rmse_m", "mae_m", "bias_m"),
}
"""Figures that pages show, of all that the JSON has."""


def write_page(report: TasksReport, shown: Mapping[str, Sequence[Answer]], page: Path) -> None:
    """Writes the page and, into `PICTURES` beside it, its pictures.

    Args:
        report: Of all places.
        shown: Answers that the pictures show, by task.
        page: A file of Markdown; what is there is replaced.

    Raises:
        ValueError: A picture would be too large.
    """
    folder = page.parent / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for name in DRAWN:
        more = shown["radar_segmentation"] if name == "segmentation" else ()
        (folder / f"{name}.png").write_bytes(task_picture(name, shown[name], more=more))
    page.write_text(page_text(report), encoding="utf-8")


def page_text(report: TasksReport) -> str:
    """Returns the page as Markdown."""
    first, places = report.plan["first_seed"], report.plan["places"]
    command = f"python -m flows.task_figures {report.weights} --places {places} --page docs/six-tasks.md"
    lines = [
        "# Six tasks, six pictures",
        "",
        "Written, pictures included, by",
        "",
        "```console",
        command,
        "```",
        "",
        f"Weights `{report.weights}` (SHA-256 `{report.weights_sha256[:16]}`, heads `{report.heads_sha256[:16]}`).",
        f"Asked about {places} simulated places of each kind, seeds {first} to {first + places - 1}, which",
        "no training, threshold or calibration has drawn. The pictures show the first of them, whatever came out.",
        "Scenes are [simulated](simulation.md): nothing here says how the answers would be on real ones.",
        "",
    ]
    for name in DRAWN:
        lines += [f"## {_TITLES[name]}", "", f"![{_TITLES[name]}](images/tasks/{name}.png)", "", _NOTES[name], ""]
        parts = (name, "radar_segmentation") if name == "segmentation" else (name,)
        lines += ["| figure | places shown | all places | 95 % |", "| --- | ---: | ---: | --- |"]
        lines += [row for part in parts for row in _rows(part, report)]
        lines.append("")
    lines += ["Intervals: bootstrap over places. Few places are shown, so that their own figures vary much.", ""]
    return "\n".join(lines)


def _rows(name: str, report: TasksReport) -> list[str]:
    whole, part = report.tasks[name], report.shown[name]
    label = "radar, " if name == "radar_segmentation" else ""
    seeds = f"seeds {part.first_seed} to {part.last_seed}"
    return [
        f"| {label}{key} | {_number(part, key)} ({seeds}) | {_number(whole, key)} | {interval_text(whole, key)} |"
        for key in HEADLINES[name]
    ]


def _number(figures: TaskFigures, key: str) -> str:
    value = figures.values.get(key)
    return "undefined" if value is None else f"{value:.3f}"


def interval_text(figures: TaskFigures, key: str) -> str:
    """Returns an interval as pages show it."""
    ends = figures.intervals.get(key)
    return "-" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
