"""Draws the pictures of docs/simulation.md: radar, aerial scenes, a pair and a video, each below 150 kB.

python benchmarks/simulation_pictures.py [--folder docs/images]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.draw import polygon_perimeter
from skimage.transform import resize

from pipelines.legend import LAND_COVER
from pipelines.simulate import (
    SlcSpec,
    VhrSpec,
    VideoSpec,
    simulate_slc,
    simulate_vhr,
    simulate_vhr_pair,
    simulate_video,
)
from pipelines.simulate.vhr import SCENE_CLASSES

GAP = 4
NUM_COLOURS = 256
COLOURS = {"vehicle": (255, 220, 0), "ship": (0, 230, 255), "aircraft": (255, 90, 200), "building": (255, 120, 60)}


def shown(reflectance, white=0.35):
    """Reflectance (3, y, x) as bytes (y, x, 3), a gamma of 0.6."""
    level = np.clip(np.nan_to_num(reflectance) / white, 0, 1) ** 0.6
    return (255 * np.moveaxis(level, 0, -1)).astype(np.uint8)


def classes(land_cover):
    picture = np.zeros((*land_cover.shape, 3), dtype=np.uint8)
    for entry in LAND_COVER:
        picture[land_cover == entry.code] = entry.rgb
    return picture


def boxed(picture, objects):
    out = picture.copy()
    for entry in objects:
        corners = np.array(entry.corners())
        rows, cols = polygon_perimeter(corners[:, 1], corners[:, 0], shape=out.shape[:2], clip=True)
        out[rows, cols] = COLOURS[entry.kind]
    return out


def sheet(rows):
    """One picture of rows of pictures with white gaps."""
    strips = []
    for row in rows:
        parts = [np.pad(part, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for part in row]
        strips.append(np.concatenate(parts, axis=1))
    return np.concatenate(strips, axis=0)[:-GAP, :-GAP]


def pauli(covariance):
    """(3, 3, y, x) as red |HH - VV|, green |HV|, blue |HH + VV|, each in dB over 22 dB."""
    cross = 2 * covariance[0, 2].real
    copolar = covariance[0, 0].real + covariance[2, 2].real
    planes = np.stack([(copolar - cross) / 2, covariance[1, 1].real, (copolar + cross) / 2])
    decibel = 10 * np.log10(np.maximum(planes, 1e-6))
    return (255 * np.moveaxis(np.clip((decibel + 24) / 22, 0, 1), 0, -1)).astype(np.uint8)


def radar():
    scene = simulate_slc(SlcSpec(seed=7, size=192, num_dates=1, looks=9))
    hh, hv, vh, vv = scene.scattering[0]
    target = np.stack([hh, (hv + vh) * np.sqrt(0.5), vv])
    single = target[:, None] * target[None].conj()
    return sheet(
        [[classes(scene.land_cover), pauli(scene.covariance[0]), pauli(scene.sample_covariance[0]), pauli(single)]]
    )


def aerial():
    names = [name for name in SCENE_CLASSES if name not in ("wetland", "bare")]
    pictures = []
    for row, name in enumerate(names):
        scene = simulate_vhr(VhrSpec(seed=30 + row, size=256, scene_class=name))
        picture = shown(scene.reflectance)
        pictures.append(small(boxed(picture, scene.objects) if row % 2 else picture, 150))
    return sheet([pictures[:4], pictures[4:]])


def small(picture, side):
    return (255 * resize(picture, (side, side), anti_aliasing=True)).astype(np.uint8)


def pair_and_video():
    pair = simulate_vhr_pair(VhrSpec(seed=5, size=160, scene_class="residential"))
    change = np.array([[45, 45, 45], [230, 80, 80], [80, 110, 240]], dtype=np.uint8)[pair.change]
    height = np.repeat((np.clip(pair.after.height_m / 14, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    video = simulate_video(VideoSpec(seed=3, size=160, num_frames=12, scene_class="river"))
    frames = []
    for frame in (0, 3, 6, 9):
        here = [track.objects[track.frames.index(frame)] for track in video.tracks if frame in track.frames]
        frames.append(boxed(shown(video.frames[frame]), here))
    return sheet([[shown(pair.before.reflectance), shown(pair.after.reflectance), change, height], frames])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    folder = parser.parse_args().folder
    for name, draw in (("radar", radar), ("aerial", aerial), ("change-and-video", pair_and_video)):
        path = folder / f"simulation-{name}.png"
        Image.fromarray(draw()).quantize(NUM_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
