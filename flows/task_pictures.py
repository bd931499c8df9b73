"""Pictures of six tasks for people: what was said beside what is true. Display only; every stretch is a constant."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flows.pictures import DISPLAY_GAMMA, RAMP, REFLECTANCE_RANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    from PIL import Image

    from flows.six_tasks import Answer

    Bytes = npt.NDArray[np.uint8]
    Colour = tuple[int, int, int]

MOST_BYTES: Final = 200_000
"""Of a picture in the documentation."""

GAP, LINE, TEXT = 8, 17, 13
"""Pixels between tiles, of a line of writing, and of its letters."""

AERIAL_WHITE: Final = 0.35
"""Reflectance shown as white in aerial images: roofs and sand."""

PAULI_DB: Final = (-24.0, -2.0)
"""Powers of the Pauli channels shown from black to full: below sea and above towns."""

HEIGHT_M: Final = (0.0, 25.0)
SPREAD_M: Final = (0.0, 8.0)
"""Ends of the ramps of heights and of their standard deviations."""

LEAST_SCORE: Final = 0.5
"""Of the detections that are drawn; figures count all."""

NUM_FRAMES: Final = 4
"""Of a video that are shown, evenly spread."""

INK, GREY, RIGHT, WRONG = (30, 30, 30), (120, 120, 120), (20, 110, 50), (170, 20, 20)
MISSING: Final = (205, 205, 205)
TRUE_BOX, HALO = (255, 255, 255), (0, 0, 0)
"""True boxes are thin white lines with dark sides, seen on bright and on dark ground."""

NO_DATA: Final = ("no data or cloud", MISSING)
OBJECTS: Final = ((0, 230, 255), (255, 220, 0), (255, 120, 60), (255, 90, 200))
"""Of ship, vehicle, building, aircraft."""

TRACKS: Final = (
    (255, 220, 0), (0, 230, 255), (255, 90, 200), (120, 255, 90), (255, 120, 60), (170, 140, 255), (255, 160, 160),
    (90, 200, 160),
)  # fmt: skip
"""Taken in turn by number of the track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One image of a picture and what is written below it."""

    image: Image.Image
    lines: tuple[tuple[str, Colour], ...]


def task_picture(name: str, answers: Sequence[Answer], *, more: Sequence[Answer] = ()) -> bytes:
    """Returns a PNG of a task.

    Args:
        name: Of the task, one of `DRAWN`.
        answers: What was said of the places that are shown.
        more: For segmentation, answers on complex radar.

    Raises:
        ValueError: There is no such task, or the picture is too large for the documentation.
    """
    if name not in _DRAWN:
        raise ValueError(f"pictures are of {list(_DRAWN)}, got {name!r}; name one of them")
    rows, legend = _DRAWN[name](answers, more)
    content = _png(_sheet(rows, legend), legend)
    if len(content) > MOST_BYTES:
        raise ValueError(f"a picture has at most {MOST_BYTES} bytes, got {len(content)} of {name}; show fewer places")
    return content


def _classification(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    from pipelines.simulate.vhr import SCENE_CLASSES

    del more
    tiles = []
    for answer in answers:
        scores, label = _part(answer.said[0], "scores"), int(_part(answer.truth[0], "label"))
        best = int(np.argmax(scores))
        colour = RIGHT if best == label else WRONG
        lines = ((f"said: {SCENE_CLASSES[best]} {scores[best]:.2f}", colour), (f"true: {SCENE_CLASSES[label]}", INK))
        tiles.append(Tile(image=_tile(_aerial(answer.images[0]), 192), lines=(*lines, _seed_line(answer))))
    return [tiles[start : start + 4] for start in range(0, len(tiles), 4)], ()


def _detection(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    del more
    tiles = []
    for answer in answers:
        image = _tile(_aerial(answer.images[0]), 256)
        factor = image.width / answer.images[0].shape[-1]
        for corners in _part(answer.truth[0], "corners"):
            _outline(image, corners * factor, HALO, 3)
            _outline(image, corners * factor, TRUE_BOX, 1)
        said = answer.said[0]
        drawn = _part(said, "scores") >= LEAST_SCORE
        for corners, label in zip(_part(said, "corners")[drawn], _part(said, "labels")[drawn], strict=True):
            _outline(image, corners * factor, OBJECTS[int(label)], 2)
        text = f"{int(drawn.sum())} said, {len(_part(answer.truth[0], 'labels'))} true"
        tiles.append(Tile(image=image, lines=((text, INK), _seed_line(answer))))
    return [tiles], (*_object_legend(), ("true box", TRUE_BOX))


def _segmentation(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    from pipelines.legend import LAND_COVER

    palette = [entry.rgb for entry in LAND_COVER]

    def tiles(answer: Answer, show: Callable[[Any], Bytes], what: str) -> list[Tile]:
        masks = _part(answer.said[0], "mask"), _part(answer.truth[0], "mask")
        shown = (show(answer.images[0]), *(_coloured(mask, palette) for mask in masks))
        right = float((masks[0] == masks[1])[masks[1] < len(palette)].mean())
        texts = (what, f"said ({right:.0%} right)", "true")
        return [
            Tile(image=_tile(pixels, 176), lines=((text, INK), _seed_line(answer)))
            for pixels, text in zip(shown, texts, strict=True)
        ]

    rows = [[tile for one in answers for tile in tiles(one, _satellite, "Sentinel-2, last clear date")]]
    rows.append([tile for one in more for tile in tiles(one, _pauli, "complex radar")])
    return [row for row in rows if row], (*((entry.title, entry.rgb) for entry in LAND_COVER), NO_DATA)


def _tracking(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    del more
    rows = []
    for answer in answers:
        chosen = np.unique(np.linspace(0, len(answer.images) - 1, NUM_FRAMES).round().astype(int))
        rows.append([_frame_tile(answer, int(frame)) for frame in chosen])
    return rows, (("colour: one track, with its way so far", TRACKS[0]), ("true box", TRUE_BOX))


def _frame_tile(answer: Answer, frame: int) -> Tile:
    from PIL import ImageDraw

    image = _tile(_aerial(answer.images[frame]), 256)
    factor = image.width / answer.images[frame].shape[-1]
    draw = ImageDraw.Draw(image)
    for box in _part(answer.truth[frame], "boxes"):
        left, top, right, bottom = (float(value) * factor for value in box)
        draw.rectangle([left - 1, top - 1, right + 1, bottom + 1], outline=HALO, width=3)
        draw.rectangle([left, top, right, bottom], outline=TRUE_BOX, width=1)
    ids, boxes = _part(answer.said[frame], "ids"), _part(answer.said[frame], "boxes")
    for number, box in zip(ids, boxes, strict=True):
        colour = TRACKS[int(number) % len(TRACKS)]
        draw.rectangle([float(value) * factor for value in box], outline=colour, width=2)
        way = [
            tuple(float(value) * factor for value in _centres(one)[_part(one, "ids") == number][0])
            for one in answer.said[: frame + 1]
            if (_part(one, "ids") == number).any()
        ]
        if len(way) > 1:
            draw.line(way, fill=colour, width=2)
    text = f"frame {frame}: {len(ids)} followed, {len(_part(answer.truth[frame], 'ids'))} true"
    return Tile(image=image, lines=((text, INK), _seed_line(answer)))


def _change(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    from pipelines.legend import CHANGE

    del more
    palette = [entry.rgb for entry in CHANGE]
    rows = []
    for answer in answers:
        masks = [_coloured(_part(one[0], "mask"), palette) for one in (answer.said, answer.truth)]
        shown = (_satellite(answer.images[0]), _satellite(answer.images[1]), *masks)
        rows.append(
            [
                Tile(image=_tile(pixels, 232), lines=((text, INK), _seed_line(answer)))
                for pixels, text in zip(shown, ("before", "after", "said", "true"), strict=True)
            ]
        )
    return rows, (*((entry.title, entry.rgb) for entry in CHANGE), NO_DATA)


def _height(answers: Sequence[Answer], more: Sequence[Answer]) -> Any:
    del more
    rows = []
    for answer in answers:
        said, true = _part(answer.said[0], "height_m"), _part(answer.truth[0], "height_m")
        spread = np.zeros_like(said) if answer.spread_m is None else answer.spread_m
        shown = (
            _aerial(answer.images[0]), _ramped(said, HEIGHT_M), _ramped(true, HEIGHT_M), _ramped(spread, SPREAD_M),
        )  # fmt: skip
        away = np.sqrt(np.nanmean((said - true) ** 2))
        texts = ("image", f"said height (RMSE {away:.1f} m)", "true height", "said standard deviation")
        rows.append(
            [
                Tile(image=_tile(pixels, 232), lines=((text, INK), _seed_line(answer)))
                for pixels, text in zip(shown, texts, strict=True)
            ]
        )
    ends = zip(RAMP, np.linspace(0, 1, len(RAMP)), strict=True)
    return rows, tuple((f"{HEIGHT_M[1] * at:g} m (sd {SPREAD_M[1] * at:g} m)", colour) for colour, at in ends)


_DRAWN: Final[Mapping[str, Callable[[Sequence[Answer], Sequence[Answer]], Any]]] = {
    "classification": _classification,
    "detection": _detection,
    "segmentation": _segmentation,
    "tracking": _tracking,
    "change": _change,
    "height": _height,
}

DRAWN: Final = tuple(_DRAWN)
"""Tasks that have a picture."""


def _part(value: object, name: str) -> Any:
    """A field of a prediction or a target, whose class the task fixes."""
    return getattr(value, name)


def _centres(one: object) -> npt.NDArray[np.float32]:
    boxes = _part(one, "boxes")
    centres: npt.NDArray[np.float32] = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def _seed_line(answer: Answer) -> tuple[str, Colour]:
    return f"seed {answer.seed}", GREY


def _object_legend() -> tuple[tuple[str, Colour], ...]:
    from flows.render import OBJECT_CLASSES

    return tuple(zip(OBJECT_CLASSES, OBJECTS, strict=True))


def _aerial(values: npt.NDArray[np.float32]) -> Bytes:
    return _shown(values / AERIAL_WHITE)


def _satellite(values: npt.NDArray[np.float32]) -> Bytes:
    low, high = REFLECTANCE_RANGE
    return _shown((values - low) / (high - low))


def _shown(level: npt.NDArray[np.float32]) -> Bytes:
    """Fractions of white (3, y, x), brightened as `pictures.true_colour` does."""
    return _filled(np.clip(level, 0, 1) ** (1 / DISPLAY_GAMMA))


def _pauli(power: npt.NDArray[np.float32]) -> Bytes:
    low, high = PAULI_DB
    decibel = 10 * np.log10(np.maximum(power, np.float32(1e-6)))
    return _filled(np.clip((decibel - low) / (high - low), 0, 1))


def _filled(level: npt.NDArray[np.floating[Any]]) -> Bytes:
    missing = np.isnan(level).any(0)
    picture: Bytes = np.round(255 * np.moveaxis(np.nan_to_num(level), 0, -1)).astype(np.uint8)
    picture[missing] = MISSING
    return picture


def _coloured(mask: npt.NDArray[np.int64], palette: Sequence[Colour]) -> Bytes:
    table = np.full((256, 3), MISSING, np.uint8)
    table[: len(palette)] = palette
    picture: Bytes = table[mask]
    return picture


def _ramped(values: npt.NDArray[np.float32], ends: tuple[float, float]) -> Bytes:
    at = np.clip((np.nan_to_num(values) - ends[0]) / (ends[1] - ends[0]), 0, 1) * (len(RAMP) - 1)
    knots = np.arange(len(RAMP))
    planes = [np.interp(at, knots, [colour[channel] for colour in RAMP]) for channel in range(3)]
    picture: Bytes = np.round(np.stack(planes, axis=-1)).astype(np.uint8)
    picture[np.isnan(values)] = MISSING
    return picture


def _tile(pixels: Bytes, side: int) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)


def _outline(image: Image.Image, corners: npt.NDArray[np.float32], colour: Colour, width: int) -> None:
    from PIL import ImageDraw

    points = [(float(x), float(y)) for x, y in (*corners, corners[0])]
    ImageDraw.Draw(image).line(points, fill=colour, width=width)


def _sheet(rows: Sequence[Sequence[Tile]], legend: Sequence[tuple[str, Colour]]) -> Image.Image:
    """Rows of tiles, what is written below each, and the legend in as many lines as it needs."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    width = max(GAP + sum(tile.image.width + GAP for tile in row) for row in rows)
    heights = [max(tile.image.height + LINE * len(tile.lines) for tile in row) + 2 * GAP for row in rows]
    places, legend_height = _legend_places(legend, width, font)
    sheet = Image.new("RGB", (width, sum(heights) + legend_height + GAP), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for tile in row:
            sheet.paste(tile.image, (left, top))
            for number, (text, colour) in enumerate(tile.lines):
                draw.text((left, top + tile.image.height + 2 + LINE * number), text, fill=colour, font=font)
            left += tile.image.width + GAP
        top += height
    for (text, colour), (left, line) in zip(legend, places, strict=True):
        y = top + line * (LINE + 3)
        draw.rectangle([left, y + 1, left + TEXT, y + 1 + TEXT], fill=colour, outline=(90, 90, 90))
        draw.text((left + TEXT + 6, y), text, fill=INK, font=font)
    return sheet


def _legend_places(legend: Sequence[tuple[str, Colour]], width: int, font: Any) -> tuple[list[tuple[int, int]], int]:
    """Left side and line of each entry, and the height of all."""
    places, left, line = [], GAP, 0
    for text, _ in legend:
        needed = TEXT + 6 + int(font.getlength(text)) + 18
        if left + needed > width and left > GAP:
            left, line = GAP, line + 1
        places.append((left, line))
        left += needed
    return places, (line + 1) * (LINE + 3) if legend else 0


def _png(sheet: Image.Image, legend: Sequence[tuple[str, Colour]]) -> bytes:
    """256 colours: those that mean something exactly, the rest where the images need them."""
    from PIL import Image

    exact = sorted(
        {INK, RIGHT, WRONG, MISSING, GREY, TRUE_BOX, HALO, *OBJECTS, *TRACKS, *RAMP, *(c for _, c in legend)}
    )
    rest = sheet.quantize(256 - len(exact), method=Image.Quantize.MEDIANCUT).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in exact for value in colour] + rest[: 3 * (256 - len(exact))])
    pixels = np.asarray(sheet)
    indices: Bytes = np.array(sheet.quantize(palette=palette, dither=Image.Dither.NONE), dtype=np.uint8)
    for index, colour in enumerate(exact):  # the library's search is approximate
        indices[(pixels == colour).all(-1)] = index
    reduced = Image.fromarray(indices)
    reduced.putpalette(palette.getpalette() or [])
    stream = io.BytesIO()
    reduced.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
