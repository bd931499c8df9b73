"""Made-up files of the sets of change, in the layout their authors publish; answers as in `benchmarks_made_e`."""

from __future__ import annotations

import numpy as np
from made_pictures import JPEG_ERROR, SIZE, Planted, generator, mask_of, noise, write_picture, write_text, write_tiff


def make_levir_cd(root):
    planted = {}
    for split in ("train", "val", "test"):
        planted[split] = {}
        for number in (1, 2):
            rng = generator("levir", split, number)
            before, after, mask = noise(rng, SIZE, SIZE, 3), noise(rng, SIZE, SIZE, 3), mask_of(rng, 2, ignored=False)
            name = f"{split}_{number}.png"
            write_picture(root / split / "A" / name, before)
            write_picture(root / split / "B" / name, after)
            write_picture(root / split / "label" / name, (255 * mask).astype(np.uint8))
            planted[split][f"{split}_{number}"] = Planted((np.moveaxis(before, -1, 0), np.moveaxis(after, -1, 0)), mask)
    return planted


def make_cdd(root):
    planted = {}
    for split in ("train", "val", "test"):
        planted[split] = {}
        for number in (0, 1):
            base = root / "ChangeDetectionDataset/Real/subset" / split
            images = []
            for folder in ("A", "B"):
                colour = generator("cdd", split, number, folder).integers(0, 256, 3).astype(np.uint8)
                pixels = np.broadcast_to(colour, (SIZE, SIZE, 3)).copy()
                write_picture(base / folder / f"{number:05d}.jpg", pixels, quality=95, subsampling=0)
                images.append(np.moveaxis(pixels, -1, 0))
            mask = np.zeros((SIZE, SIZE), int)
            mask[3:9, 4 + number : 13] = 1
            write_picture(base / "OUT" / f"{number:05d}.jpg", (255 * mask).astype(np.uint8), quality=90)
            planted[split][f"{number:05d}"] = Planted(tuple(images), mask, JPEG_ERROR)
    return planted


def make_oscd(root):
    stem = "Onera Satellite Change Detection dataset - "
    bands = [f"B{number:02d}" for number in range(1, 13)]
    bands.insert(8, "B8A")
    planted = {}
    for split, cities in {"train": ("abudhabi", "nantes"), "test": ("paris",)}.items():
        planted[split] = {}
        write_text(root / f"{stem}Images" / f"{split}.txt", ",".join(cities))
        for city in cities:
            rng = generator("oscd", city)
            folder = root / f"{stem}Images" / city
            write_text(folder / "dates.txt", "date_1: 20160120\ndate_2: 20180328\n")
            images = []
            for number in (1, 2):
                stored = noise(rng, 13, SIZE, SIZE + 3, dtype=np.uint16, high=9000)
                for band, layer in zip(bands, stored, strict=True):
                    write_tiff(folder / f"imgs_{number}_rect" / f"{band}.tif", layer[None])
                images.append(stored * 1e-4)
            mask = rng.integers(0, 2, (SIZE, SIZE + 3))
            maps = root / f"{stem}{split.capitalize()} Labels" / city / "cm"
            write_picture(maps / "cm.png", np.repeat((255 * mask).astype(np.uint8)[..., None], 3, axis=2))
            if city != "nantes":  # one city by its PNG alone
                write_tiff(maps / f"{city}-cm.tif", (mask + 1).astype(np.uint8)[None])
            planted[split][city] = Planted(tuple(images), mask)
    return planted
